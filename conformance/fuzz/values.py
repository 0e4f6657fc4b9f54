"""Values that find bugs: texts that are hard to handle, stop sequences that are hard to match, numbers at the edge of their range."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from conformance.contract.openapi import properties, whole
from conformance.fuzz.schema import limits
from conformance.kit.stop_sequences import NEVER

FRAGMENTS: tuple[str, ...] = (
    "\u6f22\u5b57\u3068\u304b\u306a\u3002",  # no blanks, three bytes a character
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d",  # from right to left
    "\u0928\u092e\u0938\u094d\u0924\u0947\u0e2a\u0e35",  # vowel signs, no blanks between words
    "a\u0308e\u0301o\u0328",  # combining marks, which normalisation would melt
    "\U0001f469\u200d\U0001f4bb",  # two emoji and a joiner, which are one
    "\U0001f44d\U0001f3fd\U0001f1e9\U0001f1ea",  # a skin tone, a flag of two letters
    "\u2764\ufe0f",  # a variation selector
    "1\u20282\u00853",  # line ends to JavaScript and to Python, not to JSON
    "\r\nb\rc\td",
    "data: [DONE]\n\n",  # what a stream is framed with
    '{"a": [null]}',
    "<|endoftext|>",
    "%s {0} $HOME \\n \\u0041",  # what templates and shells would fill in
    "&lt;b>",
    "\ufeff\u00ad",
    "  two blanks",
)
"""Texts that are hard to handle, several of which make one prompt; shrinking takes them apart again."""

BLANKS: tuple[str, ...] = (" ", "\n", "\t \t", "   ")
EDGES: tuple[str, ...] = (
    "Hello, world ",
    " leading blank",
    "a",
    "what? " * 30,
    "\ufeffmark",
    "smile \U0001f600",
)
ODD: tuple[str, ...] = ("x\u0001y\u001b[0mz", "a\u0000b", "half \ud83d", "\u007f\u0080")
"""Whole prompts: blank ones, those whose ends are special, and those with characters that a server may refuse."""

_MARKS = ("[a-z]", ".*", "\\w+", "(", "a|e", "?", "$")
_OTHERS = ("\n\n", "  ", "\U0001f600", "\u0301", "\u3002", "\r\n", "\u200d")
_LONG = 5000
_FIRST = 3
"""So far from the beginning of an answer the first piece is: what its first token has ends it before anything else can happen."""
_SPREAD = 5
"""So far apart the pieces begin that stop sequences are made of: the answers are short, and each piece is to be reached."""

Maker = Callable[[str, random.Random], list[str]]


def _piece(text: str, chance: random.Random, first: int = _FIRST, length: int = 3) -> str:
    """A piece of the beginning of a text; of a text that is too short some letter."""
    start = first + chance.randrange(_SPREAD)
    return text[start : start + length] or "e"


def _literal(text: str, chance: random.Random) -> list[str]:
    return [_piece(text, chance, length=chance.randint(1, 4))]


def _later(text: str, chance: random.Random) -> list[str]:
    return [_piece(text, chance, _FIRST + _SPREAD)]


def _pattern(text: str, chance: random.Random) -> list[str]:
    """A piece in which a regular expression would see any character, before one that is found as it is written."""
    piece = _piece(text, chance)
    return [chance.choice((f"{piece[:1]}.{piece[2:]}", f"{piece[:1]}.")), *_later(text, chance)]


def _other_case(text: str, chance: random.Random) -> list[str]:
    return [_piece(text, chance).swapcase(), *_later(text, chance)]


def _overlapping(text: str, chance: random.Random) -> list[str]:
    start = _FIRST + chance.randrange(_SPREAD)
    found = [text[start : start + 4], text[start + 2 : start + 6]]
    return [one for one in found if one] or ["e"]


def _one_prefix(text: str, chance: random.Random) -> list[str]:
    piece = _piece(text, chance)
    return [piece + NEVER, piece]


MATCHING: tuple[Maker, ...] = (_literal, _pattern, _other_case, _overlapping, _one_prefix)
"""Ways to make stop sequences that match, or nearly do, out of the beginning of a known answer."""


def _never_whole(text: str, chance: random.Random) -> list[str]:
    return [_piece(text, chance) + NEVER]


def _very_long(text: str, chance: random.Random) -> list[str]:
    return [_piece(text, chance) + "x" * _LONG]


def _later_twice(text: str, chance: random.Random) -> list[str]:
    return _later(text, chance) * 2


def _mark(_: str, chance: random.Random) -> list[str]:
    return [chance.choice(_MARKS)]


def _other(_: str, chance: random.Random) -> list[str]:
    return [chance.choice(_OTHERS)]


BESIDE: tuple[Maker, ...] = (_very_long, _never_whole, _later, _later_twice, _mark, _other)
"""Ways to make stop sequences that stand beside those: they match later, or not at all."""


def edges(name: str) -> list[float]:
    """Both ends of a number's range and their neighbours."""
    low, high = limits(name)
    if whole(name):
        return [low, low + 1, high - 1, high]
    near = (low + (high - low) / 1000, high - (high - low) / 1000)
    return [low, *near, high]


def steering(capabilities: Collection[str]) -> dict[str, list[Any]]:
    """The parameters that change which text is likely, each with values at its edges."""
    names = [name for name, schema in properties().items() if "number" in schema.get("type", ())]
    found = {name: list[Any](edges(name)) for name in names if name != "temperature"}
    return found | ({"logit_bias": list(_BIASES)} if "logit_bias" in capabilities else {})


_BIASES: tuple[Any, ...] = ({}, {"300": 100}, {"300": -100, "301": 1})
TEMPERATURES: tuple[Any, ...] = (..., 1, 2, None, 0.001, 1.999, 1.0)
SEEDS: tuple[Any, ...] = (0, 1, 2**31 - 1, 2**31, 2**53 - 1, -1, None)
USERS: tuple[str, ...] = ("", "u-1", "\U0001f600 \u05e9\u05dc\u05d5\u05dd", 'quote " and \\')


def deal(deck: Sequence[Any], chance: random.Random) -> Iterator[Any]:
    """The cards of a shuffled deck, which is shuffled anew whenever it is used up."""
    while True:
        yield from chance.sample(deck, len(deck))
