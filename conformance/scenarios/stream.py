"""Whether a stream says the same as the plain answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import text_differs
from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotRun
from conformance.kit import beyond_ascii
from conformance.kit.capabilities import has
from conformance.kit.same_text import broken_characters, ends_differ, goes_on, normalised, reordered, same
from conformance.kit.several_choices import LENGTH, by_prompts
from conformance.kit.target import MAX_TOKENS, Target
from conformance.kit.twins import Twins as AnyTwins
from conformance.kit.twins import twins as all_twins
from conformance.scenarios.request_defaults import with_default
from conformance.wire.completion import Completion
from conformance.wire.exchange import Intent, is_int
from conformance.wire.shown import shown

_BEYOND_ASCII = beyond_ascii.PROMPTS[:2]
_SHORT = 2

Twins = tuple[Completion, Completion]
"""The same request plain and as a stream."""


async def _twins(target: Target, prompt: str) -> Twins:
    plain, stream = await asyncio.gather(target.complete(prompt=prompt), target.stream(prompt=prompt))
    return plain, stream


async def _beyond_ascii(target: Target) -> list[Twins]:
    """Twins whose text is not ASCII, as far as the model has such answers."""
    answers = await asyncio.gather(*(beyond_ascii.plain_answer(target, prompt) for prompt in _BEYOND_ASCII))
    return [
        (plain, await target.stream(prompt=prompt))
        for prompt, plain in zip(_BEYOND_ASCII, answers, strict=True)
        if plain is not None and not normalised(plain.text).isascii()
    ]


@scenario("STREAM-014", shows=text_differs("stream"))
async def the_chunks_join_to_the_plain_text(target: Target) -> None:
    """The chunks of each index join to the text of the plain answer, beyond ASCII too."""
    target.prompts(1)
    twins = [await _twins(target, target.prompt)]
    # Characters that are torn apart are the business of STREAM-015.
    twins += [
        pair
        for pair in await _beyond_ascii(target)
        if not any(broken_characters(answer.text) for answer in pair)
    ]
    for plain, streamed in twins:
        _expect_same(plain, streamed)
    async for pair in all_twins(target):
        if _can_be_compared(pair) and not any(
            broken_characters(one.text) for one in (pair.plain, pair.stream)
        ):
            _expect_same(pair.plain, pair.stream, f"{pair.what}, ")
            twins.append((pair.plain, pair.stream))
    _expect_same_ends(twins)


def _can_be_compared(pair: AnyTwins) -> bool:
    """Whether the prompt stands as often in the stream as in the plain text (ECHO-006), and equal choices have equal texts (N-003)."""
    request = pair.plain.exchange.request
    if pair.is_stopped or request.params.get("suffix") is not None:
        return False  # STOP-017, SUF-006
    n = request.integer("n", 1)
    texts = [choice.text for _, choice in sorted(pair.plain.choices.items())]
    if any(len(set(texts[first : first + n])) > 1 for first in range(0, len(texts), n)):
        return False
    prompts = (
        [prompt for prompt in request.prompts if isinstance(prompt, str)]
        if request.params.get("echo")
        else []
    )
    return all(pair.plain.text.count(prompt) == pair.stream.text.count(prompt) for prompt in prompts)


def _expect_same(plain: Completion, stream: Completion, what: str = "") -> None:
    for index, choice in plain.choices.items():
        # A choice that never comes in the stream is the business of STREAM-013, pieces in another order that of STREAM-025.
        other = stream.choices.get(index)
        if other is not None and not same(choice.text, other.text) and not _scrambled(plain, stream):
            raise Broken(
                f"{what}index {index}: the plain text is {shown(choice.text)}, the chunks join to {shown(other.text)}"
            )


def _expect_same_ends(twins: Iterable[Twins]) -> None:
    # No authority says whether white space at the ends of a text is kept, but one server should do one thing.
    for plain, stream in twins:
        for index, choice in plain.choices.items():
            other = stream.choices.get(index)
            if other is not None and ends_differ(choice.text, other.text):
                raise BrokenShould(
                    f"index {index}: the plain text is {shown(choice.text)}, the chunks join to {shown(other.text)}: white space at an end is"
                    " kept in one of them"
                )


def _scrambled(plain: Completion, stream: Completion) -> bool:
    """Whether the pieces of several choices came in another order, or under another index."""
    texts = ["".join(choice.text for choice in answer.choices.values()) for answer in (plain, stream)]
    return len(plain.choices) > 1 and (same(*texts) or reordered(*texts))


@scenario("STREAM-015")
async def characters_are_not_torn_apart(target: Target) -> None:
    """No chunk has a replacement character or a lone surrogate that the plain text does not have."""
    found = await _beyond_ascii(target)
    if not found and await has(target, "echo"):
        # What the model does not say by itself it can be made to repeat.
        changes: dict[str, Any] = {"prompt": _BEYOND_ASCII[1], "echo": True, "max_tokens": _SHORT}
        found = [(await target.complete(**changes), await target.stream(**changes))]
    for plain, stream in found:
        _expect_whole_characters(plain, stream)
    if all(normalised(plain.text).isascii() for plain, _ in found):
        raise Inconclusive(f"the texts that follow {' and '.join(map(shown, _BEYOND_ASCII))} are ASCII")


def _expect_whole_characters(plain: Completion, stream: Completion) -> None:
    for text in stream.choice.texts[:-1]:
        # A pair of surrogates in two chunks joins again in JavaScript; Python's clients can't even encode the halves.
        if (
            broken_characters(text) == "a lone surrogate"
            and broken_characters(plain.text) != "a lone surrogate"
        ):
            raise Broken(f"a chunk has the text {text!r}; the plain text is {shown(plain.text)}")
    broken = broken_characters(stream.text)
    if broken is None:
        return
    if broken_characters(plain.text) is None:
        raise Broken(
            f"the chunks join to {shown(stream.text)}, with {broken} in it; the plain text is {shown(plain.text)}"
        )
    if not same(plain.text, stream.text):
        raise Inconclusive(f"the model's text has {broken} in it without a stream too")


@scenario("STREAM-016")
async def without_stream_there_is_no_stream(target: Target) -> None:
    """With `stream` false, and without `stream`, the answer is not an event stream."""
    if (await target.complete(max_tokens=1)).streamed:
        raise Broken("a request without stream was answered with an event stream")
    if (await with_default(target, "stream", max_tokens=1)).streamed:
        raise Broken("a request with stream false was answered with an event stream")


@scenario("STREAM-021")
async def empty_stream_options_change_nothing(target: Target) -> None:
    """`stream_options` of null, `{}` and `{"include_usage": false}` bring no more usage than no `stream_options`."""
    absent = await target.stream(max_tokens=_SHORT)
    broken = []
    for options in (None, {}, {"include_usage": False}):
        exchange = await target.post(max_tokens=_SHORT, stream=True, stream_options=options)
        asked = f"stream_options {shown(options)}"
        if not exchange.served:
            broken.append(f"{asked} was answered with status {exchange.status}")
            continue
        more = _usage_chunks(target.read(exchange)) - _usage_chunks(absent)
        if more:
            broken.append(
                f"{asked} brings a chunk {' and one '.join(sorted(more))}, which does not come without stream_options"
            )
    if broken:
        raise Broken("; ".join(broken))


def _usage_chunks(answer: Completion) -> set[str]:
    """Which kinds of chunks with usage a stream has."""
    return {
        "with usage and a choice" if chunk.choices else "with usage and no choice"
        for chunk in answer.chunks
        if isinstance(chunk.document.get("usage"), dict)
    }


@scenario("STREAM-022")
async def continuous_usage_adds_up(target: Target) -> None:
    """With `continuous_usage_stats` the counts never decrease, and the last ones are the final usage."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    answer = await target.stream(max_tokens=LENGTH, stream_options=options, optional="continuous_usage_stats")
    counts = [
        usage["completion_tokens"]
        for chunk in answer.chunks
        if isinstance(usage := chunk.document.get("usage"), dict) and is_int(usage.get("completion_tokens"))
    ]
    # Zeros stand for "not known yet", and a count that is the final one from the beginning has not been counted as it came.
    if len(counts) < 3 or not {*counts} - {0, counts[-1]}:  # noqa: PLR2004 - the final one, the one with the last text, and one before
        raise NotRun(
            f"the target takes continuous_usage_stats and counts nothing before the end: completion_tokens of the chunks are {shown(counts)}"
        )
    if counts != sorted(counts) or counts[-1] != counts[-2]:
        raise Broken(f"completion_tokens of the chunks: {shown(counts)}")


@scenario("STREAM-025")
async def interleaved_choices_keep_their_order(target: Target) -> None:
    """The pieces of each choice of a stream come in the order of its text."""
    plain, stream = await asyncio.gather(
        target.complete(**by_prompts(target)),
        target.stream(**by_prompts(target), optional="a list of prompts with stream"),
    )
    if set(stream.choices) != set(plain.choices):
        raise NotRun(f"the indices of the stream are {sorted(stream.choices)}; see STREAM-013")
    if all(
        index in stream.choices and same(stream.choices[index].text, plain.choices[index].text)
        for index in plain.choices
    ):
        return
    if _scrambled(plain, stream):
        raise Broken(f"the pieces of the plain texts {_texts(plain)} come as {_texts(stream)}")
    raise Inconclusive("the texts are not those of the plain answer; see STREAM-014")


def _texts(answer: Completion) -> str:
    return shown({index: answer.choices[index].text for index in sorted(answer.choices)}, 320)


@scenario("STREAM-027")
async def a_cut_stream_says_length(target: Target) -> None:
    """A stream that `max_tokens` cuts short has the finish_reason `length`."""
    target.prompts(1)
    for prompt in target.facts.prompts:
        cut, whole = await asyncio.gather(
            target.stream(prompt=prompt, max_tokens=_SHORT), target.stream(prompt=prompt)
        )
        if goes_on(whole.text, cut.text):
            if cut.finish_reason is None:
                raise NotRun("the stream has no finish_reason at all; see STREAM-011")
            if cut.finish_reason != "length":
                raise Broken(
                    f"max_tokens {_SHORT} cut {shown(whole.text)} to {shown(cut.text)}, and the finish_reason is {shown(cut.finish_reason)}"
                )
            return
    raise Inconclusive(f"no stream with max_tokens {MAX_TOKENS} continues the one with max_tokens {_SHORT}")


@scenario("STREAM-029", phase=Phase.MALFORMED)
async def an_include_usage_of_wrong_type_is_refused(target: Target) -> None:
    """`stream_options.include_usage` with a word in place of true or false is refused with a 4xx."""
    await target.valid_twin_is_served()
    exchange = await target.post(
        max_tokens=1,
        stream=True,
        stream_options={"include_usage": "abc"},
        intent=Intent.INVALID,
        parameter="stream_options",
    )
    target.expect_refused(exchange, f"`stream_options` {shown({'include_usage': 'abc'})}")
