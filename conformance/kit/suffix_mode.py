"""What the target does with `suffix`: inserts before it, appends it, refuses it, or ignores it.

The reference page says both "appended after the generated completion" and "useful for fill-in-the-middle tasks", so the first three are
all right, and each has relations of its own. The mode is found out by asking; nothing about the server needs to be known.
"""

from __future__ import annotations

import asyncio
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
    counted = next((answer for answer in answers if _prompt_tokens(answer) != _prompt_tokens(without)), None)
    if counted is not None:
        note = (
            f"`prompt_tokens` is {_prompt_tokens(counted)} with a suffix, {_prompt_tokens(without)} without"
        )
        return SuffixMode(Mode.INSERT, note, counted.exchange)
    different = next((answer for answer in answers if answer.text != without.text), None)
    if different is None:
        return SuffixMode(
            Mode.IGNORED, f"text and counts are the same as without suffix: {shown(without.text)}", first
        )
    return await _by_text(target, without, different)


async def _by_text(target: Target, without: Completion, different: Completion) -> SuffixMode:
    """The mode where only the text differs, which proves something if the text without suffix repeats."""
    again = await target.complete(max_tokens=LENGTH, second=True)
    if again.text != without.text:
        return SuffixMode(Mode.UNCLEAR, "greedy answers of the target do not repeat", different.exchange)
    note = f"the text is {shown(different.text)} with a suffix, {shown(without.text)} without"
    return SuffixMode(Mode.INSERT, note, different.exchange)


def _prompt_tokens(completion: Completion) -> int | None:
    return completion.usage.prompt_tokens if completion.usage else None


async def suffix_support(target: Target, wanted: Mode | None = None) -> Capability:
    """Whether the target takes a suffix at all, or in the `wanted` mode; the note names the mode that was found."""
    found = await suffix_mode(target)
    note = f"suffix mode {found.mode}: {found.note}"
    useful = {Mode.INSERT, Mode.APPEND} if wanted is None else {wanted}
    if found.mode in useful:
        support = Support.YES
    elif found.mode in {Mode.INSERT, Mode.APPEND, Mode.REJECT}:
        support = Support.REFUSED
    else:
        support = {Mode.IGNORED: Support.IGNORED, Mode.BROKEN: Support.BROKEN}.get(
            found.mode, Support.UNKNOWN
        )
    return Capability(support, note, found.exchange.id)
