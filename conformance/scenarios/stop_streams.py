"""Stop sequences where text comes in parts: streams, several choices, several prompts, samples, and behind an echo."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import ends_wrongly
from conformance.contract.verdict import Broken, BrokenShould, NotRun
from conformance.kit.same_text import same
from conformance.kit.stop_sequences import NEVER, across_words, spread, tails, words_of
from conformance.kit.stopped_answers import AnswerToCut, answer_to_cut, expect_cut, stopped
from conformance.kit.target import MAX_TOKENS, Target
from conformance.kit.telling import scores_wanted, usage_option
from conformance.kit.twins import ask_both, stop_circumstances
from conformance.wire.completion import Choice, Completion
from conformance.wire.greedy import fingerprint
from conformance.wire.shown import shown

_RUNS = 2
_SAMPLED = "e"
"""A letter that few sentences do without."""

_WAYS: Mapping[str, dict[str, Any]] = {"plain": {}, "streamed": {"stream": True}}


@scenario("STOP-017")
async def streams_stop_like_plain_answers(target: Target) -> None:
    """A stream has the same text and finish reason as the plain answer with the same stop sequence."""
    whole = await answer_to_cut(target)
    for stop in spread(whole.found, 2) + across_words(whole.text)[:1]:
        plain, streamed = await asyncio.gather(
            *(stopped(target, stop, prompt=whole.prompt, **changes) for changes in _WAYS.values())
        )
        await _expect_alike(target, whole, shown(stop), plain, streamed)
    for circumstance in await stop_circumstances(target):
        if (pair := await ask_both(target, circumstance)) is not None:
            stop = f"{shown(circumstance.changes['stop'])}, with all that an answer can tell"
            await _expect_alike(target, whole, stop, pair.plain, pair.stream)


async def _expect_alike(
    target: Target, whole: AnswerToCut, stop: str, plain: Completion, streamed: Completion
) -> None:
    if streamed.text != plain.text:
        await _streams_are_sound(target, whole)
        # White space at the end may be taken off, which no authority forbids; but then everywhere.
        how = BrokenShould if same(streamed.text, plain.text) else Broken
        raise how(
            f"`stop` was {stop}: the plain text is {shown(plain.text)}, the stream's pieces are {shown(list(streamed.choice.texts))}"
        )
    # Where nothing was stopped the reason is FIN-004's.
    if streamed.finish_reason != plain.finish_reason and plain.finish_reason == "stop":
        raise Broken(
            f"`stop` was {stop}: finish_reason is {shown(plain.finish_reason)}, and {shown(streamed.finish_reason)} in the stream"
        )


async def _streams_are_sound(target: Target, whole: AnswerToCut) -> None:
    """Raise `NotRun` where a stream has another text than the plain answer without any stop sequence: it is not the sequence that is at fault."""
    streamed = await target.stream(prompt=whole.prompt)
    if streamed.text != whole.text:
        raise NotRun(
            f"even without `stop` the stream's text is {shown(streamed.text)}, and the plain one {shown(whole.text)}; see STREAM-014"
        )


_ENDS = ("length", "stop")
_SOON_ENDED = ("What colour is the sky?", "Q: Is it raining?\nA:")
"""Beginnings that a model may finish within few tokens."""


@scenario("STOP-018")
async def text_held_back_is_released(target: Target) -> None:
    """Text that only began a stop sequence is delivered, wherever it stands and however the text ends, plain and streamed."""
    first, *others = await _endings(target)
    # Both ends of the text and a piece in its middle begin a sequence.
    middle = [piece + NEVER for piece in spread(words_of(first.text), 1)]
    await _released(target, *first.found, *middle, prompt=first.prompt)
    for whole in others:
        await _released(target, whole.found[0], prompt=whole.prompt, tells=whole.prompt in _SOON_ENDED)
    await _released_by_another(target)


async def _endings(target: Target) -> list[AnswerToCut]:
    """An answer that ended at the limit and one that the model ended itself, as far as a few prompts give both."""
    first = await answer_to_cut(target, lambda text: tails(text, (2, 6)), what="an end that is whole")
    found = {first.answer.finish_reason: first}
    for prompt in (*target.facts.prompts, *_SOON_ENDED):  # the first ones have been asked already
        if len(found) == len(_ENDS):
            break
        more = await scores_wanted(target) if prompt in _SOON_ENDED else {}
        answer = await target.complete(prompt=prompt, **more)
        stops = tails(answer.text, (2, 6))
        if stops:
            found.setdefault(answer.finish_reason, AnswerToCut(prompt, answer, stops))
    return list(found.values())


async def _released_by_another(target: Target) -> None:
    """What is held back for one sequence is delivered where another one ends the text."""
    whole = await answer_to_cut(target)
    stop = whole.found[-1]
    cut = await stopped(target, stop, prompt=whole.prompt)
    for held in tails(cut.text, (3,)):
        await _released(target, held, prompt=whole.prompt, beside=stop)


async def _released(
    target: Target, *held: str, prompt: str, beside: str | None = None, tells: bool = False
) -> None:
    """Sequences that only begin to match take nothing away from the text, plain and streamed, that is there without them.

    Each is compared with its like: where a stream has another text than a plain answer without any sequence, that is the business of STREAM-014.
    `tells`: the answers without them are to tell all that they can, for the rules that look at every answer.
    """
    for mode, way in _WAYS.items():
        changes = {**way, **(await _all_it_can_tell(target, prompt, way) if tells else {})}
        without = (
            await target.complete(prompt=prompt, **changes)
            if beside is None
            else await stopped(target, beside, prompt=prompt, **changes)
        )
        stops = [*([] if beside is None else [beside]), *held]
        answer = await stopped(target, stops if len(stops) > 1 else stops[0], prompt=prompt, **changes)
        if answer.text != without.text:
            raise Broken(
                f"`stop` was {shown(stops)}, and what ends in {shown(NEVER)} can only begin to match: the {mode} text is "
                f"{shown(answer.text)} instead of {shown(without.text)}"
            )


async def _all_it_can_tell(target: Target, prompt: str, way: dict[str, Any]) -> dict[str, Any]:
    """What asks for all that an answer can tell; nothing where that is refused in streams."""
    usage = await usage_option(target) if way else {}
    told = {**await scores_wanted(target), **usage}
    return told if (await target.post(prompt=prompt, **way, **told)).served else {}


@scenario("STOP-019")
async def each_choice_is_stopped_by_itself(target: Target) -> None:
    """Of several choices a stop sequence ends only those in which it occurs."""
    if not await _stopped_with_a_seed(target):
        await _stopped_by_chance(target)


async def _stopped_with_a_seed(target: Target) -> bool:
    """Compare two sampled choices with and without a stop sequence that one of them has; False where a seed does not repeat them."""
    seeded: dict[str, Any] = {"n": 2, "temperature": 1, "seed": 1234, "max_tokens": 16}
    first, again = await asyncio.gather(target.post(**seeded), target.post(**seeded, fresh=True))
    if not (first.served and again.served) or fingerprint(first) != fingerprint(again):
        return False
    whole = target.read(first)
    # Rather in the last choice than in the first, which a server that forgets the others does stop.
    stop = next(_only_in_one([choice.text for choice in whole.choices.values()][::-1]), None)
    if stop is None:
        return False
    cut = await stopped(target, stop, optional="stop with n and seed", **seeded)
    for index, choice in cut.choices.items():
        _obedient(choice, stop)
        text = whole.choices[index].text if index in whole.choices else ""
        # Where choices share their random numbers another text is legal; one that merely breaks off is not.
        if stop not in text and choice.text != text and text.startswith(choice.text):
            raise Broken(
                f"`stop` was {shown(stop)}: choice {index} breaks off at {shown(choice.text)}, but without `stop` it is {shown(text)} "
                "and the sequence is only in another choice"
            )
    return True


async def _stopped_by_chance(target: Target) -> None:
    """What can be said of sampled choices that nobody can predict: each of them obeys."""
    group = await stopped(target, _SAMPLED, optional="stop with n", n=3, temperature=1)
    for choice in group.choices.values():
        _obedient(choice, _SAMPLED)


@scenario("STOP-020")
async def each_prompt_is_stopped_by_itself(target: Target) -> None:
    """In a batch a stop sequence ends the completions in which it occurs, and no other."""
    prompts = list(target.prompts(3))
    alone = await asyncio.gather(*(target.complete(prompt=prompt) for prompt in prompts))
    texts = [answer.text for answer in alone]
    # One piece of each of the last two: a server that looks after the first only leaves them whole.
    stops = [piece for text in texts[1:] for piece in [*_only_in_one(texts, text)][:1]]
    if not stops:
        raise NotRun("the answers have no piece that occurs in only one of them")
    expected = [
        await stopped(target, stops, prompt=prompt) if any(stop in text for stop in stops) else answer
        for prompt, answer, text in zip(prompts, alone, texts, strict=True)
    ]
    batch = await stopped(target, stops, optional="stop with a list of prompts", prompt=prompts)
    for index, wanted in enumerate(expected):
        choice = batch.choices.get(index)
        if choice is None:
            raise NotRun(f"no choice has the index {index}; see MULTI-001")
        if target.facts.repeats and (choice.text, choice.finish_reason) != (
            wanted.text,
            wanted.finish_reason,
        ):
            raise Broken(
                f"`stop` was {shown(stops)}: prompt {index} alone gave {shown(wanted.text)} and {shown(wanted.finish_reason)}, "
                f"in a batch {shown(choice.text)} and {shown(choice.finish_reason)}"
            )


def _only_in_one(texts: Sequence[str], *of: str) -> Iterator[str]:
    """The pieces of some of the texts, or of all, that no other text has."""
    found = (piece for text in of or texts for piece in words_of(text))
    return (piece for piece in found if sum(piece in text for text in texts) == 1)


@scenario("STOP-021")
async def an_echoed_prompt_is_not_searched(target: Target) -> None:
    """In an echoed answer a stop sequence that only the prompt contains changes nothing, and one that the completion contains cuts it."""
    await _cut_behind_the_echo(target)
    for prompt in target.facts.prompts[:3]:
        whole = await target.complete(prompt=prompt)
        stop = next((word for word in _words(prompt) if word not in whole.text), None)
        if stop is not None:
            plain, answer = await asyncio.gather(
                target.complete(prompt=prompt, echo=True), _stopped_echo(target, stop, prompt)
            )
            _same(stop, answer, plain)
            return
    raise NotRun("every word of the prompts is in their answers too")


async def _cut_behind_the_echo(target: Target) -> None:
    whole = await answer_to_cut(target)
    stop = whole.found[0]
    if stop in whole.prompt:
        return
    plain, cut = await asyncio.gather(
        target.complete(prompt=whole.prompt, echo=True),
        _stopped_echo(target, stop, whole.prompt),
    )
    expect_cut(stop, cut, plain.text)


async def _stopped_echo(target: Target, stop: str, prompt: str) -> Completion:
    return await stopped(target, stop, optional="stop with echo", prompt=prompt, echo=True)


def _same(stop: str, answer: Completion, plain: Completion) -> None:
    if (answer.text, answer.finish_reason) != (plain.text, plain.finish_reason):
        raise Broken(
            f"`stop` was {shown(stop)}, which occurs only in the prompt: the echoed text is {shown(answer.text)} with reason "
            f"{shown(answer.finish_reason)}, without `stop` {shown(plain.text)} with {shown(plain.finish_reason)}"
        )


def _words(prompt: str) -> Iterable[str]:
    return (word for word in prompt.split() if len(word) > 3)  # noqa: PLR2004 - no word that every text has


@scenario("STOP-024", shows=ends_wrongly("stop"))
async def sampled_answers_obey_stop_sequences(target: Target) -> None:
    """A sampled answer does not contain its stop sequence, and one that ended before its limit says `stop`."""
    answers = await asyncio.gather(
        *(stopped(target, _SAMPLED, temperature=1, fresh=number > 0) for number in range(_RUNS))
    )
    for answer in answers:
        choice = _obedient(answer.choice, _SAMPLED)
        # A token has at least one byte: a shorter text has not reached the limit, whatever `usage` says.
        if choice.finish_reason == "length" and len(
            choice.text.encode("utf-8", "replace")
        ) + 1 < _least_tokens(answer):
            raise Broken(
                f"`stop` was {shown(_SAMPLED)}, `max_tokens` {MAX_TOKENS}: the text is {shown(choice.text)}, "
                'too short for that many tokens, and finish_reason is "length"'
            )


def _least_tokens(answer: Completion) -> int:
    return answer.exchange.request.integer("max_tokens", MAX_TOKENS)


def _obedient(choice: Choice, stop: str) -> Choice:
    if stop in choice.text:
        raise Broken(
            f"`stop` was {shown(stop)}, and the text of choice {choice.index} is {shown(choice.text)}"
        )
    return choice
