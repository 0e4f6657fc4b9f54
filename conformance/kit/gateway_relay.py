"""Requests that go through a gateway under test to the suite's own upstream, and what both sides saw of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotRun, Reason, Unsupported
from conformance.gateway.scripts import MARK, WORDS, finish_reason, texts
from conformance.gateway.upstream import Upstream
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Request
from conformance.wire.shown import shown

LENGTH = 12
"""The limit of ordinary requests: fewer than the words of a script, so that they end by `length`."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """One request on both sides of the gateway: what came back to the client, and what the upstream was sent."""

    exchange: Exchange
    sent: Sequence[Mapping[str, Any]]
    """The bodies, one for each time that the gateway asked."""
    left: bool = False
    """The gateway closed the connection before the upstream had written its answer."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What the upstream was sent last."""
        return self.sent[-1]


def upstream(target: Target) -> Upstream:
    """The scripted upstream; raises `NotRun` where the run has none."""
    if target.upstream is None:
        raise NotRun(
            "it takes an upstream that answers by script: let the gateway under test relay to 127.0.0.1:PORT and give"
            " the run --gateway-upstream-port=PORT"
        )
    return target.upstream


async def relay(
    target: Target,
    script: str,
    what: str = "",
    *,
    close_after: int | None = None,
    takes_any_answer: bool = True,
    **changes: Any,
) -> Relayed:
    """Send an ordinary request whose prompt asks for `script`; `what` tells apart prompts of one script.

    `takes_any_answer`: a rate limit or an answer that breaks off is no reason to ask again, since the script says so.
    """
    behind = upstream(target)
    text = f"{MARK}{script} {target.name} {what} {target.attempt}"
    several = changes.pop("prompts", 0)
    prompt = [f"{text} {number}" for number in range(several)] if several else text
    request = Request.of(
        target.params(prompt=prompt, **{"max_tokens": LENGTH, **changes}),
        close_after=close_after,
        takes_any_answer=takes_any_answer,
    )
    exchange = await target.traffic.send(request, attempt=target.attempt)
    target.used.append(exchange)
    received = behind.asked(prompt)
    return Relayed(
        exchange,
        tuple(one.body for one in received),
        left=await _left(behind, prompt) if close_after is not None else False,
    )


async def _left(behind: Upstream, prompt: object) -> bool:
    """Whether the gateway leaves the upstream soon after its own client has gone."""
    received = await behind.arrival(prompt)
    return received is not None and received.left


async def served(target: Target, script: str, what: str = "", **changes: Any) -> tuple[Completion, Relayed]:
    """The completion of a request that the upstream serves; `Inconclusive` where it never came there."""
    found = await relay(target, script, what, takes_any_answer=False, **changes)
    exchange = found.exchange
    if not found.sent:
        said = error_text(exchange)
        if exchange.refused:
            raise Unsupported(f"the gateway refuses the request itself with status {exchange.status}: {said}")
        raise Inconclusive(
            f"the gateway did not ask the scripted upstream on port {upstream(target).port}; it answered {exchange.status}: {said}"
        )
    if exchange.rate_limited:
        raise Inconclusive(
            f"the gateway limits requests: it answered {exchange.status} to what its upstream served",
            Reason.RATE_LIMIT,
        )
    if exchange.served and exchange.response is not None and not Completion.read(exchange).choices:
        raise Broken(
            f"the upstream sent a completion, but what the gateway made of it has no choices: {error_text(exchange)}"
        )
    return target.read(exchange), found


def expect_content(answer: Completion, body: Mapping[str, Any], words: Sequence[str] = WORDS) -> None:
    """Texts and finish reasons are those that the upstream gave to the request `body`."""
    wanted, reason = texts(body, words), finish_reason(body, words)
    form = "the stream" if answer.streamed else "the answer"
    if set(answer.choices) != set(range(len(wanted))):
        raise Broken(
            f"the upstream gave {len(wanted)} choices, but {form} has the indices {shown(sorted(answer.choices))}"
        )
    for index, text in enumerate(wanted):
        choice = answer.choices[index]
        if "".join(choice.text.split()) != "".join(text.split()):
            raise Broken(
                f"the upstream said {shown(text)}, but {form} says {shown(choice.text)} in choice {index}"
            )
        if choice.finish_reason != reason:
            raise Broken(
                f"choice {index} ended upstream with the finish_reason {shown(reason)}, but {form} has {shown(choice.finish_reason)}"
            )
        if choice.text != text:
            raise BrokenShould(
                f"{form} changes white space: upstream {shown(text)}, here {shown(choice.text)}"
            )
