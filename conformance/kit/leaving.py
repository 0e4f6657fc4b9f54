"""What is to be seen after clients have gone away: the next answer comes at once, and is the one that came before."""

from __future__ import annotations

from conformance.contract.symptom import not_served
from conformance.contract.verdict import Broken, NotRun
from conformance.kit.same_answer import difference
from conformance.kit.target import Target
from conformance.wire.completion import Completion

A_MOMENT = 0.2
"""Seconds within which a server hears that its clients have gone."""
_SLOWER = 5
_AT_ONCE = 2.0
"""Seconds within which any answer counts as given at once."""


def expect_at_once(what: str, before: Completion, after: Completion) -> None:
    """Raise `Broken` where the answer after clients have left, told as `what`, took far longer than the one before."""
    usual, seconds = before.exchange.seconds, after.exchange.seconds
    if seconds > max(_AT_ONCE, _SLOWER * usual):
        raise Broken(
            f"{what} took {seconds:.1f} s (before: {usual:.1f} s)", not_served("after a client has left")
        )


async def expect_as_ever(target: Target, before: Completion) -> None:
    """Raise `NotRun` where an answer to which later ones are compared is the odd one itself: what came before it left a trace."""
    again = target.read(await target.send(before.exchange.request, fresh=True))
    if difference(before, again, usage=False) is not None:
        raise NotRun(f"the answer {before.exchange.id}, before the clients left, is the odd one; see REQ-032")
