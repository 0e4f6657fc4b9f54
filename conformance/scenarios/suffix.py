"""Text that comes after the completion: inserted before, appended, or refused; each has its own laws."""

from __future__ import annotations

import asyncio

from conformance.contract.check import scenario
from conformance.contract.symptom import ignored, text_differs
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun, Unsupported
from conformance.kit.invalid_requests import repeats
from conformance.kit.same_text import same
from conformance.kit.suffix_mode import LENGTH, SUFFIXES, Mode, SuffixMode, suffix_mode, with_suffix
from conformance.kit.target import Target
from conformance.kit.telling import scores_wanted, usage_option
from conformance.scenarios.usage import expect_counts_to_repeat
from conformance.wire.error_text import error_text
from conformance.wire.shown import shown

_WORDS = 60


async def _in_mode(target: Target, *modes: Mode) -> SuffixMode:
    found = await suffix_mode(target)
    if found.mode not in modes:
        raise NotRun(
            f"the target's mode is {found.mode} ({found.note}), but this is about {' and '.join(modes)}"
        )
    return found


@scenario("SUF-001")
async def an_empty_suffix_changes_nothing(target: Target) -> None:
    """A suffix of null, or an empty one, is the same as none."""
    without = await target.complete(max_tokens=LENGTH)
    textual = await repeats(target)
    if not textual and (without.usage is None or without.usage.prompt_tokens is None):
        raise NotRun(
            "greedy answers do not repeat, and there are no `prompt_tokens`: nothing can be compared"
        )
    # A server without the feature may refuse the empty string, which is honest; null is no suffix at all.
    for suffix, optional in ((None, None), ("", "suffix")):
        answer = await target.complete(max_tokens=LENGTH, suffix=suffix, optional=optional)
        counts = [view.usage and view.usage.prompt_tokens for view in (answer, without)]
        if counts[0] != counts[1]:
            expect_counts_to_repeat(target)
            raise Broken(
                f"`suffix` was {shown(suffix)}: `prompt_tokens` is {counts[0]}, without it {counts[1]}"
            )
        if textual and answer.text != without.text:
            raise Broken(
                f"`suffix` was {shown(suffix)}: the text is {shown(answer.text)}, without it {shown(without.text)}"
            )


@scenario("SUF-002", shows=ignored("suffix"))
async def a_suffix_is_not_ignored(target: Target) -> None:
    """The target inserts before a suffix, appends it or refuses it, and never accepts and disregards it."""
    found = await suffix_mode(target)
    said = f"`suffix` was {shown(found.exchange.request.params.get('suffix'))}"
    if found.mode is Mode.IGNORED:
        raise Ignored(f"{said} and two others: each time {found.note}")
    if found.mode is Mode.BROKEN:
        raise Broken(f"{said}: {found.note}")
    if found.mode is Mode.REJECT:
        raise Unsupported(f"the target refuses `suffix` with {found.note}")
    if found.mode is Mode.UNCLEAR:
        raise Inconclusive(f"{said}: {found.note}")
    if found.mode is Mode.INSERT and target.facts.repeats:
        await _inserted_before(target)


async def _inserted_before(target: Target) -> None:
    """The text stands before the suffix. A server that only joins prompt and suffix goes on behind it."""
    suffix = SUFFIXES[0]
    without, joined, exchange = await asyncio.gather(
        target.complete(max_tokens=LENGTH),
        target.complete(prompt=target.prompt + suffix, max_tokens=LENGTH),
        with_suffix(target, suffix),
    )
    answer = target.read(exchange)
    if answer.text == joined.text != without.text:
        raise Broken(
            f"`suffix` was {shown(suffix)}: the text is {shown(answer.text)}, as for the prompt {shown(target.prompt + suffix)}"
        )


@scenario("SUF-003")
async def an_appended_suffix_ends_the_text(target: Target) -> None:
    """A server that appends gives the text without suffix, then the suffix."""
    await _in_mode(target, Mode.APPEND)
    without = await target.complete(max_tokens=LENGTH)
    for suffix in SUFFIXES:
        answer = target.read(await with_suffix(target, suffix))
        if answer.text != without.text + suffix:
            raise Broken(
                f"`suffix` was {shown(suffix)}: the text is {shown(answer.text)}, without it it is {shown(without.text)}"
            )


@scenario("SUF-004")
async def an_inserting_model_reads_the_suffix(target: Target) -> None:
    """On a server that inserts, a longer suffix makes more prompt tokens."""
    await _in_mode(target, Mode.INSERT)
    long = " zebra quokka lantern" * (_WORDS // 3) + "."
    short, longer = await asyncio.gather(with_suffix(target, SUFFIXES[0]), with_suffix(target, long))
    few, many = (target.read(exchange).usage for exchange in (short, longer))
    if few is None or many is None or few.prompt_tokens is None or many.prompt_tokens is None:
        raise NotRun("the answers have no `prompt_tokens`")
    if many.prompt_tokens <= few.prompt_tokens:
        raise Broken(
            f"`prompt_tokens` is {few.prompt_tokens} with a suffix of 3 words, and {many.prompt_tokens} with one of {_WORDS}"
        )


@scenario("SUF-005")
async def an_inserting_server_leaves_the_suffix_out(target: Target) -> None:
    """On a server that inserts, the text does not end with the suffix."""
    await _in_mode(target, Mode.INSERT)
    for suffix in SUFFIXES[:2]:  # those that a model does not say by itself
        answer = target.read(await with_suffix(target, suffix))
        if answer.text.rstrip().endswith(suffix.strip()):
            raise Broken(f"`suffix` was {shown(suffix)}, and the text ends with it: {shown(answer.text)}")


@scenario("SUF-006", shows=text_differs("stream"))
async def a_suffix_acts_on_streams_alike(target: Target) -> None:
    """A stream with a suffix has the text of the plain answer with it."""
    await _in_mode(target, Mode.INSERT, Mode.APPEND)
    plain, streamed = await asyncio.gather(
        with_suffix(target, SUFFIXES[0], **await scores_wanted(target)),
        with_suffix(
            target, SUFFIXES[0], **await scores_wanted(target), stream=True, **await usage_option(target)
        ),
    )
    whole, joined = target.read(plain), target.read(streamed, optional="suffix in streams")
    if not same(joined.text, whole.text):
        raise Broken(
            f"`suffix` was {shown(SUFFIXES[0])}: the plain text is {shown(whole.text)}, the stream's {shown(joined.text)}"
        )


@scenario("SUF-007")
async def suffix_and_echo_may_exclude_each_other(target: Target) -> None:
    """A suffix with an echo is refused, or the text begins with the prompt."""
    await _in_mode(target, Mode.INSERT, Mode.APPEND)
    exchange = await with_suffix(target, SUFFIXES[0], echo=True)
    answer = target.read(exchange, optional="suffix with echo")
    if not answer.text.startswith(target.prompt):
        raise Broken(
            f"`suffix` came with `echo`: the text is {shown(answer.text)}, the prompt {shown(target.prompt)}"
        )


@scenario("SUF-008")
async def a_refused_suffix_is_named(target: Target) -> None:
    """The refusal of a suffix names it."""
    found = await _in_mode(target, Mode.REJECT)
    body = found.exchange.response.body if found.exchange.response else b""
    if b"suffix" not in body.lower():
        raise Broken(f"the refusal does not say what is refused: {error_text(found.exchange)}")


@scenario("SUF-009")
async def inserting_and_appending_are_both_right(target: Target) -> None:
    """The server inserts before a suffix, appends it or refuses it."""
    found = await suffix_mode(target)
    if found.mode is Mode.REJECT:
        raise Unsupported(f"the target refuses `suffix` with {found.note}")
    if found.mode is Mode.UNCLEAR:
        raise NotRun(f"what becomes of a suffix is unclear: {found.note}")
    if found.mode not in {Mode.INSERT, Mode.APPEND}:
        raise Broken(f"a suffix is neither inserted, nor appended, nor refused: {found.note}; see SUF-002")
