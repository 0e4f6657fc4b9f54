"""Odd stop sequences, which may be refused but never cut what they don't occur in: empty ones, too many, very long ones."""

from __future__ import annotations

from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ends_wrongly
from conformance.contract.verdict import Broken, BrokenShould, Ignored, NotRun
from conformance.kit.capabilities import support
from conformance.kit.facts import Support
from conformance.kit.stop_sequences import NEVER
from conformance.kit.stopped_answers import answer_to_cut, expect_cut
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.exchange import Intent
from conformance.wire.shown import shown

_MANY = 5
_LONG = 1000


async def _refused_or_harmless(target: Target, *stops: Any) -> None:
    """Each of these was refused with a 4xx, or its answer is the same as without `stop`, on a target on which some `stop` does act."""
    served = [stop for stop in stops if await _is_served(target, stop)]
    if served and (found := await support(target, "stop")).support is Support.IGNORED:
        raise NotRun(
            f"nothing can change the text, since stop sequences have no effect: {found.note}; see STOP-002"
        )


async def _is_served(target: Target, stop: Any) -> bool:
    """Whether a request was served, then with the answer that it has without `stop`; else it was refused with a 4xx."""
    whole = await target.complete()
    exchange = await target.post(stop=stop, intent=Intent.OPEN, parameter="stop")
    if not exchange.served:
        target.expect_refused(exchange, f"`stop`: {shown(stop)}")
        return False
    answer = target.read(exchange)
    if whole.text and not answer.text:
        raise Broken(f"`stop` was {shown(stop)}: the text is empty, without it it is {shown(whole.text)}")
    if target.facts.repeats and answer.text != whole.text:
        raise Broken(
            f"`stop` was {shown(stop)}: the text is {shown(answer.text)}, without it it is {shown(whole.text)}"
        )
    return True


@scenario("STOP-008", phase=Phase.MALFORMED)
async def five_sequences_are_refused_or_all_work(target: Target) -> None:
    """A list of more stop sequences than the target allows is refused; where it is accepted, the last one works too."""
    most = target.profile.max_stop.value
    allowed = most is None or most >= _MANY
    whole = await answer_to_cut(target)
    fifth = whole.found[len(whole.found) // 2]
    stops = [*(f"{NEVER}{number}" for number in range(_MANY - 1)), fifth]
    exchange = await target.post(
        prompt=whole.prompt, stop=stops, intent=Intent.OPEN if allowed else Intent.INVALID, parameter="stop"
    )
    if not exchange.served:
        target.expect_refused(exchange, f"a list of {_MANY} stop sequences")
        return
    _the_last_works(target, fifth, target.read(exchange), whole.text)
    if not allowed:
        raise BrokenShould(
            f"a list of {_MANY} stop sequences was served, but the documented maximum is {most}"
        )


def _the_last_works(target: Target, fifth: str, answer: Completion, whole: str) -> None:
    if answer.text == whole:
        raise Ignored(
            f"of {_MANY} stop sequences the last, {shown(fifth)}, changed nothing: the text is {shown(whole)}"
        )
    if fifth in answer.text:
        raise Broken(
            f"of {_MANY} stop sequences the last, {shown(fifth)}, is in the text: {shown(answer.text)}",
            ends_wrongly("stop"),
        )
    if target.facts.repeats:
        expect_cut(fifth, answer, whole)


@scenario("STOP-013", phase=Phase.MALFORMED)
async def an_empty_sequence_cuts_nothing(target: Target) -> None:
    """An empty stop sequence, alone or in a list, is refused or changes nothing."""
    await _refused_or_harmless(target, "", [""])


@scenario("STOP-014", phase=Phase.MALFORMED)
async def an_empty_list_changes_nothing(target: Target) -> None:
    """An empty list of stop sequences is refused or changes nothing."""
    await _refused_or_harmless(target, [])


@scenario("STOP-023", phase=Phase.MALFORMED)
async def a_long_sequence_causes_no_failure(target: Target) -> None:
    """A stop sequence of 1000 characters is refused or changes nothing."""
    await _refused_or_harmless(target, (NEVER * _LONG)[:_LONG])
