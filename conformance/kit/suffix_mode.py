"""What the target does with `suffix`: inserts before it, appends it, refuses it, or ignores it.

The reference page says both "appended after the generated completion" and "useful for fill-in-the-middle tasks", so the first three are
all right, and each has relations of its own. The mode is found out by asking; nothing about the server needs to be known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.kit.facts import Capability, Support
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

SUFFIXES = (" zebra quokka lantern.", "\nreturn velvet_anchor_17", ", and that is why the answer is seven.")
"""Endings that no model says by itself. The last says what kind of thing stands before it."""

LENGTH = 8
"""Tokens of these answers."""

_PROMPTS = 3
"""At most so many prompts are tried with suffixes."""


class Mode(StrEnum):
    """What became of a suffix."""

    INSERT = "insert"
    """The model reads the suffix; the text is what stands before it."""
    APPEND = "append"
    """The text ends with the suffix."""
    REJECT = "reject"
    """The request is refused with a 4xx."""
    IGNORED = "ignored"
    """The answer is the one without suffix."""
    BROKEN = "broken"
    """The request is not served and not refused."""
    UNCLEAR = "unclear"
    """Greedy answers do not repeat, and the counts of tokens say nothing."""


@dataclass(frozen=True, slots=True)
class SuffixMode:
    """The mode, what shows it, and the exchange to look at."""

    mode: Mode
    note: str
    exchange: Exchange


async def with_suffix(target: Target, suffix: str, **changes: Any) -> Exchange:
    """The exchange of a short greedy request with a suffix."""
    return await target.post(**{"max_tokens": LENGTH, "suffix": suffix, **changes})


async def suffix_mode(target: Target) -> SuffixMode:
    """Which mode the answers to three different suffixes show."""
    without = await target.complete(max_tokens=LENGTH)
    exchanges = await asyncio.gather(*(with_suffix(target, suffix) for suffix in SUFFIXES))
    for exchange in exchanges:
        if not exchange.served:
            mode = Mode.REJECT if exchange.refused else Mode.BROKEN
            return SuffixMode(mode, f"status {exchange.status}: {error_text(exchange)}", exchange)
    answers = [target.read(exchange) for exchange in exchanges]
    first = answers[0].exchange
    if all(answer.text.endswith(suffix) for answer, suffix in zip(answers, SUFFIXES, strict=True)):
        return SuffixMode(Mode.APPEND, f"the text ends with the suffix: {shown(answers[0].text)}", first)
    if not await _repeats(target, without):
        return await _by_counts(target, without, answers)
    different = next((answer for answer in answers if answer.text != without.text), None)
    if different is None and _grown(without, answers):
        return await _by_other_prompts(target, without, answers)
    if different is None:
        return SuffixMode(
            Mode.IGNORED, f"text and counts are the same as without suffix: {shown(without.text)}", first
        )
    return _inserted(without, different)


async def _repeats(target: Target, without: Completion) -> bool:
    """Whether the text without suffix comes again, so that another text proves something."""
    if target.facts.repeats:
        return True
    return (await target.complete(max_tokens=LENGTH, second=True)).text == without.text


def _grown(without: Completion, answers: Sequence[Completion]) -> bool:
    """Whether every suffix is counted: backends that count one prompt differently make one of the counts larger, not all."""
    few = _prompt_tokens(without)
    counts = [_prompt_tokens(answer) for answer in answers]
    return few is not None and all(count is not None and count > few for count in counts)


async def _by_counts(target: Target, without: Completion, answers: Sequence[Completion]) -> SuffixMode:
    """The mode where texts prove nothing: a suffix was read if each of them makes more tokens, and counts repeat."""
    first = answers[0]
    if _grown(without, answers):
        again = await target.complete(max_tokens=LENGTH, second=True)
        longer = target.read(await target.post(max_tokens=LENGTH, suffix=SUFFIXES[0], second=True))
        if (_prompt_tokens(again), _prompt_tokens(longer)) == (
            _prompt_tokens(without),
            _prompt_tokens(first),
        ):
            return SuffixMode(Mode.INSERT, _counted(without, first), first.exchange)
    return SuffixMode(
        Mode.UNCLEAR,
        "greedy answers of the target do not repeat, and the counts of tokens do not tell",
        first.exchange,
    )


async def _by_other_prompts(target: Target, without: Completion, answers: Sequence[Completion]) -> SuffixMode:
    """The mode where suffixes are counted, and none changes the text of the first prompt: one may change that of another."""
    texts = {without.text}
    for prompt in target.facts.prompts[1:_PROMPTS]:
        plain = await target.complete(prompt=prompt, max_tokens=LENGTH)
        texts.add(plain.text)
        for suffix in SUFFIXES[1:]:
            answer = target.read(await with_suffix(target, suffix, prompt=prompt))
            if answer.text != plain.text:
                return _inserted(plain, answer)
    counted = _counted(without, answers[0])
    # A model that says the same whatever the prompt need not say anything else before a suffix.
    if len(texts) < min(_PROMPTS, len(target.facts.prompts)) or len(texts) == 1:
        return SuffixMode(Mode.INSERT, counted, answers[0].exchange)
    note = f"{counted}, and no text of {len(texts)} prompts is another one: {shown(without.text)}"
    return SuffixMode(Mode.IGNORED, note, answers[0].exchange)


def _inserted(without: Completion, different: Completion) -> SuffixMode:
    note = f"the text is {shown(different.text)} with a suffix, {shown(without.text)} without"
    return SuffixMode(Mode.INSERT, note, different.exchange)


def _counted(without: Completion, counted: Completion) -> str:
    return f"`prompt_tokens` is {_prompt_tokens(counted)} with a suffix, {_prompt_tokens(without)} without"


def _prompt_tokens(completion: Completion) -> int | None:
    return completion.usage.prompt_tokens if completion.usage else None


async def suffix_support(target: Target, wanted: Mode | None = None) -> Capability:
    """Whether the target takes a suffix at all, or in the `wanted` mode; the note names the mode that was found."""
    found = await suffix_mode(target)
    note = f"suffix mode {found.mode}: {found.note}"
    useful = {Mode.INSERT, Mode.APPEND} if wanted is None else {wanted}
    if found.mode in useful:
        support = Support.YES
    elif found.mode in {Mode.INSERT, Mode.APPEND}:
        support = Support.ABSENT
    elif found.mode is Mode.REJECT:
        support = Support.REFUSED
    else:
        support = {Mode.IGNORED: Support.IGNORED, Mode.BROKEN: Support.BROKEN}.get(
            found.mode, Support.UNKNOWN
        )
    return Capability(support, note, found.exchange.id)
