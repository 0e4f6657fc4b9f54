"""What differs between two answers that have to be the same, all of their members taken together but for those that are new in each."""

from __future__ import annotations

from conformance.contract.symptom import Symptom, ends_wrongly
from conformance.contract.verdict import NotRun
from conformance.kit.logprobs import expected_same, scores
from conformance.kit.same_text import recounted, same
from conformance.wire.completion import Choice, Completion
from conformance.wire.shown import shown

_NAMED = {True: "log probabilities", False: "none"}


def difference(one: Completion, other: Completion, *, usage: bool = True) -> str | None:
    """What differs, in words, the former's value first; None where nothing does.

    A plain text and a stream may differ by what `same_text` sets aside, two plain ones or two streams by nothing. That counts of the same
    request repeat is USAGE-012's: whoever compares the same at two times leaves `usage` out.
    """
    if set(one.choices) != set(other.choices):
        return f"the indices of the choices are {sorted(one.choices)} and {sorted(other.choices)}"
    for index in sorted(one.choices):
        exactly = one.streamed == other.streamed
        if (found := _between(one.choices[index], other.choices[index], exactly=exactly)) is not None:
            return found
        has = [one.choices[index].logprobs is not None, other.choices[index].logprobs is not None]
        if exactly and has[0] != has[1]:
            return f"choice {index} has {_NAMED[has[0]]} and {_NAMED[has[1]]}"
        if (found := different_scores(one, other, index)) is not None:
            return found
    counts = recounted(one.usage, other.usage) if usage else None
    return None if counts is None else f"`{counts[0]}` is {counts[1]} and {counts[2]}"


def shown_by(one: Completion, other: Completion) -> tuple[Symptom, ...]:
    """What shows a difference where it is not the text that differs, for `causes.py`; nothing where it is."""
    pairs = [
        (one.choices[index], other.choices[index]) for index in one.choices.keys() & other.choices.keys()
    ]
    ended = any(a.text == b.text and a.finish_reason != b.finish_reason for a, b in pairs)
    return (ends_wrongly("again"),) if ended else ()


def _between(one: Choice, other: Choice, *, exactly: bool) -> str | None:
    what = "" if one.index == 0 else f" of choice {one.index}"
    if one.text != other.text and (exactly or not same(one.text, other.text)):
        return f"the text{what} is {shown(one.text)} and {shown(other.text)}"
    if one.finish_reason != other.finish_reason:
        return f"the finish_reason{what} is {shown(one.finish_reason)} and {shown(other.finish_reason)}"
    return None


def different_scores(one: Completion, other: Completion, index: int) -> str | None:
    """What differs between the log probabilities of a choice; None where nothing does, or they can't be compared (see `scores`)."""
    try:
        first, second = scores(one, index), scores(other, index)
    except NotRun:
        return None
    if first.tokens != second.tokens:
        return f"the tokens of choice {index} are {shown(first.tokens)} and {shown(second.tokens)}"
    found = expected_same(first, second)
    return None if found is None else f"of choice {index} {found}"
