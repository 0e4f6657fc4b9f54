"""Escapes undone, of whatever kind, as far as letters and digits are concerned: for a search, not for reading."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

_ESCAPE = re.compile(
    rb"""
    [\\%&\xc2\xe2\xef\xf0] (?!") (?:  # a class comes first, so that the search is quick; what JSON is full of is left alone
      (?<=\\) (?<!\\\\) \\*+ (?: u(?P<high>[dD][89abAB][0-9a-fA-F]{2}) \\{1,8} u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})
                      | u(?P<four>[0-9a-fA-F]{4}) | u\{(?P<braces>[0-9a-fA-F]{1,6})\} | U(?P<eight>[0-9a-fA-F]{8})
                      | x(?P<byte>[0-9a-fA-F]{2}) | (?P<octal>[0-3][0-7]{2})
                      | (?P<blank>[nrtbf] (?: \\ [nrtbf] ){0,31}+ ) )  # a text may be nothing but line ends
    | (?<=\\) (?<!\\\\) (?P<run>\\{7,}+)  # or nothing but backslashes: what is found at once need not be looked for at each of them
    | (?<=%) (?:25)*+ (?: (?P<percent>[0-9a-fA-F]{2}) | u(?P<unit>[0-9a-fA-F]{4}) )
    | (?<=&) (?:amp;)*+ (?: \#0*+(?P<decimal>[0-9]{1,7});? | \#[xX]0*+(?P<reference>[0-9a-fA-F]{1,6});? | (?P<name>[a-zA-Z]{2,8}); )
      # In UTF-8, what has a letter or a digit for its compatible form: raised, in circles, full-width, mathematical, in squares.
    | (?P<compatible> (?<=\xc2)[\xaa\xb2\xb3\xb9\xba] | (?<=\xe2)[\x81-\x85\x91-\x93][\x80-\xbf] | (?<=\xef)[\xbc\xbd][\x80-\xbf]
                    | (?<=\xf0)\x9d[\x90-\x9f][\x80-\xbf] | (?<=\xf0)\x9f[\x84-\x86][\x80-\xbf] )
    )
    """,
    re.VERBOSE,
)
"""A repetition without a bound gives nothing back, and begins where the same begins once, so that a search takes time in proportion to the text."""

_NOTHING = b" "
"""What stands for a character that is neither a letter nor a digit."""


def unescaped(text: bytes) -> bytes:
    """`text` with one layer of escapes undone."""
    return _ESCAPE.sub(_undone, text)


def origins(text: bytes) -> tuple[list[int], list[int]]:
    """For each byte of `unescaped(text)`, where that begins and ends in `text` which it stands for."""
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        length = len(_undone(escape))
        starts += (*range(at, escape.start()), *[escape.start()] * length)
        ends += (*range(at + 1, escape.start() + 1), *[escape.end()] * length)
        at = escape.end()
    return [*starts, *range(at, len(text))], [*ends, *range(at + 1, len(text) + 1)]


def _undone(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape["run"] else _meaning(escape[0])


@lru_cache(maxsize=4096)  # a text that is full of escapes is full of the same ones
def _meaning(text: bytes) -> bytes:
    escape = _ESCAPE.fullmatch(text)
    if escape is None:
        return text
    kind = escape.lastgroup or ""
    return _MEANINGS[kind](escape[kind], escape)


def _byte(digits: bytes, base: int) -> bytes:
    return bytes([int(digits, base)])


def _character(number: int) -> bytes:
    try:
        return _compatible(chr(number))
    except (ValueError, OverflowError):
        return _NOTHING


def _compatible(text: str) -> bytes:
    """The letters and digits of ASCII that a reader sees in a text."""
    return unicodedata.normalize("NFKC", text).encode("ascii", "ignore") or _NOTHING


def _named(name: bytes) -> bytes:
    found = html.unescape(f"&{name.decode()};")
    return f"&{name.decode()};".encode() if len(found) > 1 else _compatible(found)


_MEANINGS: Mapping[str, Callable[[bytes, re.Match[bytes]], bytes]] = {
    "low": lambda low, escape: _character(
        0x10000 + ((int(escape["high"], 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)
    ),
    **dict.fromkeys(
        ("four", "braces", "eight", "unit", "reference"), lambda digits, _: _character(int(digits, 16))
    ),
    "decimal": lambda digits, _: _character(int(digits)),
    **dict.fromkeys(("byte", "percent"), lambda digits, _: _byte(digits, 16)),
    "octal": lambda digits, _: _byte(digits, 8),
    "blank": lambda _, __: _NOTHING,
    "name": lambda name, _: _named(name),
    "compatible": lambda _, escape: _compatible(escape[0].decode("utf-8", "replace")),
}
