"""What the scenarios about stop sequences share: an answer that can be cut, the request that cuts it, and whether cutting works at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import Broken, Inconclusive
from conformance.kit.facts import Capability, Support
from conformance.kit.stop_sequences import Finder, before, words_of
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

CUTS = 5
"""At so many places an ordinary answer is cut."""
PROMPTS = 3
"""So many prompts are tried for an answer with the pieces that a check needs."""


@dataclass(frozen=True, slots=True)
class AnswerToCut:
    """A greedy answer without stop sequences, and the pieces that were found in it."""

    prompt: str
    answer: Completion
    found: tuple[str, ...]

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.answer.text


async def answer_to_cut(
    target: Target, find: Finder = words_of, *, what: str = "pieces to cut it at"
) -> AnswerToCut:
    """The first ordinary answer in which `find` finds something; raises `Inconclusive` where none has `what` is looked for."""
    target.prompts(1)
    for prompt in target.facts.prompts[:PROMPTS]:
        answer = await target.complete(prompt=prompt)
        found = find(answer.text)
        if found:
            return AnswerToCut(prompt, answer, found)
    raise Inconclusive(f"no answer to an ordinary prompt has {what}")


async def stopped(
    target: Target, stop: str | Sequence[str], *, optional: str | None = None, **changes: Any
) -> Completion:
    """The answer to an ordinary request with stop sequences.

    A single one is sent as a list of one, the form that most servers take, and as a string where the target refuses that: which forms it
    takes is the business of STOP-004 alone. `optional` names what a target may refuse, as it does for `Target.complete`.
    """
    return target.read(await _ask(target, stop, **changes), optional=optional)


async def _ask(target: Target, stop: str | Sequence[str], **changes: Any) -> Exchange:
    exchange = await target.post(stop=[stop] if isinstance(stop, str) else list(stop), **changes)
    if exchange.refused and isinstance(stop, str):
        exchange = await target.post(stop=stop, **changes)
    return exchange


def expect_cut(stop: str, cut: Completion, whole: str) -> None:
    """The text of `cut` is what the sequence leaves of `whole`."""
    wanted = before(whole, stop)
    if cut.text != wanted:
        raise Broken(
            f"`stop` was {shown(stop)}: the text is {shown(cut.text)}. "
            f"Without it the text is {shown(whole)}, so {shown(wanted)} was expected"
        )


def expect_whole(stop: str | Sequence[str], answer: Completion, whole: Completion) -> None:
    """A sequence that does not occur changed neither text nor finish reason."""
    if answer.text != whole.text:
        raise Broken(
            f"`stop` was {shown(stop)}, which does not occur in the text without it, {shown(whole.text)}: "
            f"the text became {shown(answer.text)}"
        )
    if answer.finish_reason != whole.finish_reason:
        raise Broken(
            f"`stop` was {shown(stop)}, which does not occur in the text: finish_reason became "
            f"{shown(answer.finish_reason)}, without it it is {shown(whole.finish_reason)}"
        )


async def stop_support(target: Target) -> Capability:
    """Whether stop sequences are refused or have no effect at all; finer faults are for the checks."""
    try:
        whole = await answer_to_cut(target)
    except Inconclusive:
        return Capability(Support.YES, "no answer could be cut, so it was not tried")
    cut = await _ask(target, whole.found[0], prompt=whole.prompt)
    if cut.refused:
        return Capability(Support.REFUSED, f"refused with status {cut.status}: {error_text(cut)}", cut.id)
    text = Completion.read(cut).text if cut.served else ""
    if text == whole.text:
        return Capability(Support.IGNORED, f"`stop`: {shown(whole.found[0])} cut nothing", cut.id)
    if whole.found[0] in text:
        # Everything that is said of cutting would say this once more.
        return Capability(
            Support.BROKEN, f"`stop`: {shown(whole.found[0])} stays in the text, {shown(text)}", cut.id
        )
    return Capability(Support.YES, exchange=cut.id)
