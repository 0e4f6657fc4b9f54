"""Pieces of a text that make fair stop sequences: found in what the target itself has just said, never made up.

A fair piece leaves no room for argument about where it cuts. It stands in the text once; the part before it is not empty and does not
end in white space, which some servers trim; it ends well before the text does, so that it can't be completed by the very token that
reaches the limit; and everything up to it is ASCII, since a character beyond may be spread over several tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, takewhile

NEVER = "\x01zq"
"""What no model says: a stop sequence that ends in it can begin to match, but never match."""

Finder = Callable[[str], tuple[str, ...]]

_FIRST = 4
"""A piece has at least so many characters before it."""
_MARGIN = 8
"""And so many behind it, at least a token."""
_SHORTEST, _LONGEST = 3, 8
_STRETCH = 28
_LOOKED_AT = 4_000
"""Pieces are looked for in so many characters, however many there are: no answer to what the suite asks needs more."""

_WORD = re.compile(r" [A-Za-z]{2,7}(?![A-Za-z])")
_BETWEEN_WORDS = re.compile(r"(?=[A-Za-z]{2}([A-Za-z]{2,3} [A-Za-z]{2,3})[A-Za-z])")
_TWICE = re.compile(r"(?=([A-Za-z])\1)")
_INSIDE_A_WORD = re.compile(r"(?<=[A-Za-z]{2})[A-Za-z]{3}(?=[A-Za-z])")


def before(text: str, sequence: str) -> str:
    """What is left of `text` when it is cut at the first place of `sequence`: all of it where there is none."""
    return text.partition(sequence)[0]


def words_of(text: str) -> tuple[str, ...]:
    """Fair pieces that begin where a token most likely begins: whole words, each with the blank before it.

    Where a text has no such words, any window of four characters.
    """
    found = _fair(text, ((match.start(), match.end()) for match in _WORD.finditer(text)))
    return found or _fair(text, ((start, start + 4) for start in range(0, len(text), 4)))


def across_words(text: str) -> tuple[str, ...]:
    """Fair pieces from the middle of a word to the middle of the next: wherever tokens end, one ends inside of them."""
    return _fair(text, (match.span(1) for match in _BETWEEN_WORDS.finditer(text)))


def inside_words(text: str) -> tuple[str, ...]:
    """Fair pieces from inside a word."""
    return _fair(text, (match.span() for match in _INSIDE_A_WORD.finditer(text)))


def restarts(text: str) -> tuple[str, ...]:
    """Fair pieces that begin with the second of two equal letters, where a search that forgets to begin anew has lost its way."""
    return _fair(text, ((match.start() + 1, match.start() + 5) for match in _TWICE.finditer(text)))


def long_pieces(text: str) -> tuple[str, ...]:
    """Pieces of several words, longer than what a search needs to look back on for all other pieces."""
    starts = [match.start() for match in _WORD.finditer(text)]
    return _fair(text, ((start, start + _STRETCH) for start in starts), longest=_STRETCH)


def across(text: str, tokens: Sequence[str]) -> tuple[str, ...]:
    """Fair pieces that begin inside one token and end inside the next; nothing where the tokens don't spell the text's beginning."""
    if not text.startswith("".join(tokens)):
        return ()
    return _fair(text, _around_borders(tokens))


def _around_borders(tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    border = 0
    for token, following in pairwise(tokens):
        border += len(token)
        back, forth = min(3, len(token.lstrip()) - 1), min(3, len(following) - 1)
        if back > 0 and forth > 0:
            yield border - back, border + forth


def repeated(text: str) -> tuple[str, ...]:
    """Like `pieces`, but of words that come more than once: the first place is where the text is cut."""
    places: dict[str, int] = {}
    for match in _WORD.finditer(text, 0, _LOOKED_AT):
        places.setdefault(match.group(), match.start())
    return tuple(
        piece
        for piece, start in places.items()
        if text.find(piece) == start
        and text.count(piece) > 1
        and _well_placed(text, start, start + len(piece))
    )


def apart(text: str, found: Sequence[str], distance: int = 8) -> tuple[str, str] | None:
    """The first and the last of some pieces of `text`, if `distance` characters lie between them."""
    ordered = sorted(found, key=text.find)
    if not ordered or text.find(ordered[-1]) - text.find(ordered[0]) - len(ordered[0]) < distance:
        return None
    return ordered[0], ordered[-1]


def spread(found: Sequence[str], count: int) -> tuple[str, ...]:
    """At most `count` of some pieces, the first and the last among them, evenly spread."""
    if len(found) <= count:
        return tuple(found)
    step = (len(found) - 1) / (count - 1) if count > 1 else 0
    return tuple(found[round(number * step)] for number in range(count))


def absent(text: str) -> tuple[str, ...]:
    """Sequences of the text's own characters that it does not have: pieces of it backwards."""
    turned = (piece[::-1] for piece in (*across_words(text), *inside_words(text), *words_of(text)))
    return tuple(dict.fromkeys(piece for piece in turned if piece not in text))


def other_case(text: str) -> tuple[str, ...]:
    """Pieces of the text in the other case, which it does not have."""
    swapped = (piece.swapcase() for piece in (*words_of(text), *inside_words(text)))
    return tuple(dict.fromkeys(piece for piece in swapped if piece not in text))


def tails(text: str, lengths: Iterable[int]) -> tuple[str, ...]:
    """Sequences that the end of `text` begins and nothing completes, for each length of that end."""
    return tuple(
        text[-length:] + NEVER
        for length in lengths
        if length <= len(text) and "\N{REPLACEMENT CHARACTER}" not in text
    )


def beyond_ascii(text: str) -> tuple[str, ...]:
    """Characters beyond ASCII, each with an undamaged and not blank part of the text before it."""
    found = []
    for place, character in enumerate(text[:_LOOKED_AT]):
        if character == "\N{REPLACEMENT CHARACTER}":
            break  # from here on the text is not what the model meant
        clear = place > 0 and not text[place - 1].isspace() and text.find(character) == place
        if clear and not character.isascii() and character.isprintable():
            found.append(character)
    return tuple(found)


def pairs_beyond_ascii(text: str) -> tuple[str, ...]:
    """Such a character and the one behind it. First those whose first one has come before by itself: who looks for it alone cuts there."""
    text = text[:_LOOKED_AT].partition("\N{REPLACEMENT CHARACTER}")[0]
    pairs = {text[at : at + 2]: None for at in range(1, len(text) - 1) if not text[at].isascii()}
    clear = [pair for pair in pairs if pair.isprintable() and not text[text.find(pair) - 1].isspace()]
    return tuple(sorted(clear, key=lambda pair: (text.find(pair[0]) == text.find(pair), pair[1].isascii())))


def _fair(text: str, spans: Iterable[tuple[int, int]], longest: int = _LONGEST) -> tuple[str, ...]:
    text = text[: 2 * _LOOKED_AT]  # where a piece comes for the second time, further behind, cuts nothing
    near = takewhile(lambda span: span[1] <= _LOOKED_AT, spans)
    found = {
        text[start:end]: None
        for start, end in near
        if _well_placed(text, start, end, longest) and text.count(text[start:end]) == 1
    }
    return tuple(found)


def _well_placed(text: str, start: int, end: int, longest: int = _LONGEST) -> bool:
    return (
        start >= _FIRST
        and end <= len(text) - _MARGIN
        and _SHORTEST <= end - start <= longest
        and not text[start - 1].isspace()
        and text[:end].isascii()
    )
