"""When two texts count as the same, and which of several answers a text belongs to.

Three differences say nothing about a server and are set aside. A limit may cut inside a character, whose bytes then show as U+FFFD at the
end, or not at all. Some servers trim white space at the ends of a text; no authority speaks of it. And a character beyond the basic plane
that a stream sends as two surrogate escapes in two chunks is whole again for a client that joins UTF-16.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.wire.completion import COUNTERS, Usage

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_TELLING = 8
"""So many characters more in common with one answer than with another are no chance."""

_TELLING_WHOLE = 3
"""And so many where the two are equal to the end."""


def normalised(text: str) -> str:
    """The part of a text that two answers must agree on."""
    return without_end(_joined(text)).lstrip()


def without_end(text: str) -> str:
    """The text without what is set aside at its end: white space and U+FFFD, in whatever order they come."""
    end = len(text)
    while end and (text[end - 1] == REPLACEMENT or text[end - 1].isspace()):
        end -= 1
    return text[:end]


def same(text: str, other: str) -> bool:
    """Whether two texts agree, but for what says nothing about a server."""
    return normalised(text) == normalised(other)


def ends_differ(text: str, other: str) -> bool:
    """Whether two texts are the same but for the white space at their ends."""
    return same(text, other) and _ends(text) != _ends(other)


def _ends(text: str) -> tuple[str, str]:
    """The white space before and behind a text; of what a limit left of a character nothing."""
    text = _joined(text).replace(REPLACEMENT, "")
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


def begins(text: str, part: str) -> bool:
    """Whether `part` is how `text` begins, but for what says nothing about a server."""
    return normalised(text).startswith(normalised(part))


def goes_on(text: str, part: str) -> bool:
    """Whether `text` begins like `part` and says more."""
    return begins(text, part) and not same(text, part)


def recounted(one: Usage | None, other: Usage | None) -> tuple[str, int, int] | None:
    """The first counter that two answers both have with different values, and the values; None where there is none."""
    for name in COUNTERS:
        here, there = getattr(one, name, None), getattr(other, name, None)
        if here is not None and there is not None and here != there:
            return name, here, there
    return None


def broken_characters(text: str) -> str | None:
    """What is broken about the characters of a text: a lone surrogate, or U+FFFD elsewhere than at the end; else None."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "a lone surrogate"
    return "U+FFFD" if REPLACEMENT in text.rstrip().rstrip(REPLACEMENT) else None


def reordered(text: str, other: str) -> bool:
    """Whether two texts are different orders of the same characters."""
    text, other = (without_end(_joined(each)) for each in (text, other))
    return text != other and sorted(text) == sorted(other)


def closest_answer(text: str, answers: Sequence[str]) -> int | None:
    """Which of several answers a text is: the one with which it shares the longest beginning; None where none is clear.

    Greedy answers flip in near ties, so a text need not equal its own answer: it begins like it much longer than like the others.
    """
    shared = [in_common(normalised(text), normalised(answer)) for answer in answers]
    if not shared:
        return None
    best = max(range(len(shared)), key=shared.__getitem__)
    others = max((length for place, length in enumerate(shared) if place != best), default=0)
    equal = same(text, answers[best])
    return best if shared[best] >= others + (_TELLING_WHOLE if equal else _TELLING) else None


def in_common(text: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    known, most = 0, min(len(text), len(other))
    while known < most:
        middle = (known + most + 1) // 2
        if text[known:middle] == other[known:middle]:
            known = middle
        else:
            most = middle - 1
    return known


def _joined(text: str) -> str:
    """The text with pairs of surrogates made one character; a lone one stays."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
