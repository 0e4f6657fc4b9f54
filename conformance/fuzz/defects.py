"""Invalid requests: a small valid one with one defect each.

A few of each kind of defect are drawn for a run; every kind comes before any comes twice. No defect is one that a careless server might
take for a request of much work: `max_tokens`, `n` and `best_of` are never made large or left out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from conformance.contract.openapi import properties, whole
from conformance.fuzz.drawing import Inputs
from conformance.fuzz.schema import limits, numeric
from conformance.fuzz.values import deal
from conformance.wire.exchange import Intent, Request

Base = dict[str, Any]
Made = tuple[bytes, str | None]
"""A body, and the parameter that is at fault if one is."""

_COSTLY = frozenset({"max_tokens", "n", "best_of"})
_TYPES: tuple[Any, ...] = ("abc", {}, [], [[1]], {"a": 1}, [None], [{}])
_PATIENCE = 5
_FLAGS = ("stream", "echo")
_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_DEPTHS = (200, 1_000, 20_000)
_DIGITS = (25, 400, 5_000)
_NESTED: tuple[tuple[str, Any], ...] = (
    ("prompt", [["a"]]),
    ("prompt", ["a", 1]),
    ("prompt", [1, [2]]),
    ("prompt", [[[1]]]),
    ("prompt", ["a", None]),
    ("prompt", {"text": "a"}),
    ("stop", [["a"]]),
    ("stop", {"0": "a"}),
    ("stop", ["a", {}]),
    ("logit_bias", [[1, 2]]),
    ("logit_bias", {"1": {"a": 1}}),
    ("logit_bias", {"x": [1]}),
    ("suffix", ["a"]),
    ("user", {"id": "u"}),
    ("model", ["reference"]),
    ("stream_options", {"include_usage": {"a": 1}}),
    ("stream_options", [True]),
)


def _dump(params: Mapping[str, Any]) -> bytes:
    return json.dumps(params, separators=(",", ":")).encode()


def _spliced(base: Base, name: str, literal: bytes) -> bytes:
    """The request with a parameter whose value JSON's encoder would not write."""
    others = {key: value for key, value in base.items() if key != name}
    return _dump(others)[:-1] + b',"' + name.encode() + b'":' + literal + b"}"


def _wrong_type(base: Base, chance: random.Random) -> Made:
    name = chance.choice([name for name in properties() if name not in _COSTLY and name != "model"])
    if chance.random() < 0.3:  # noqa: PLR2004 - any value at all
        return _anything(base, chance)
    # Values that no coercion rescues: several servers take "16" for a number and 1 for true.
    wrong = [value for value in _TYPES if not isinstance(value, str) or numeric(name) or name in _FLAGS]
    kept = [
        value
        for value in wrong
        if not (name == "logit_bias" and value == {}) and not (name == "stop" and value == [])
    ]
    return _dump(base | {name: chance.choice(kept)}), name


def _out_of_range(base: Base, chance: random.Random) -> Made:
    if chance.random() < 0.4:  # noqa: PLR2004 - some are too small to be costly, whatever a server makes of them
        name, value = chance.choice(
            (("n", 0), ("n", -1), ("best_of", -1), ("logprobs", -1), ("max_tokens", 0.5))
        )
        return _dump(base | {name: value}), name
    name = chance.choice([name for name in properties() if numeric(name) and name not in _COSTLY])
    low, high = limits(name)
    step = 1 if whole(name) else 0.001
    far = (2**63, -(2**63) - 1) if whole(name) else (1e308, -1e308)
    return _dump(base | {name: chance.choice((low - step, high + step, *far))}), name


def _anything(base: Base, chance: random.Random) -> Made:
    name = chance.choice([name for name in properties() if name not in _COSTLY])
    return _dump(base | {name: _value(chance, 3)}), name


def _value(chance: random.Random, depth: int) -> Any:
    """Any JSON value."""
    leaves = (None, True, False, 0, -1, 7, 0.5, "", "a", "\u0000", "\U0001f600")
    kind = chance.randrange(4) if depth else 0
    if kind == 1:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 2:  # noqa: PLR2004 - two of four
        return {
            chance.choice(("", "a", "1", "id")): _value(chance, depth - 1) for _ in range(chance.randrange(3))
        }
    return chance.choice(leaves)


def _missing(base: Base, chance: random.Random) -> Made:
    gone = chance.choice(("model", "prompt", "both"))
    return _dump(
        {key: value for key, value in base.items() if gone not in {key, "both"}}
    ), None if gone == "both" else gone


def _malformed(base: Base, chance: random.Random) -> Made:
    body = _dump(base)
    ways: tuple[bytes, ...] = (
        body[: chance.randrange(1, len(body))],
        body[:-1] + b",}",
        body.replace(b'"', b"'"),
        body + body,
        body + b" x",
        b"",
        b"null",
        b'"text"',
        b"// a comment\n" + body,
        b"\xef\xbb\xbf" + body,  # a byte order mark, which JSON has none of (RFC 8259, section 8.1)
        body.replace(b'":"', b'":"\x00\n', 1),
        b"model=a&prompt=b",
        b"[" + body + b"]",
    )
    return chance.choice(ways), None


def _wrong_nesting(base: Base, chance: random.Random) -> Made:
    name, value = chance.choice(_NESTED)
    return _dump(base | {name: value}), name


def _twice(base: Base, chance: random.Random) -> Made:
    name = chance.choice(sorted(base))
    other = {"model": b'"other"', "prompt": b'{"a":1}'}.get(name, b"1")
    return _dump(base)[:-1] + b',"' + name.encode() + b'":' + other + b"}", name


def _huge(base: Base, chance: random.Random) -> Made:
    digits = b"9" * chance.choice(_DIGITS)
    literal = chance.choice((digits, b"-" + digits, b"1e400", b"-1e999"))
    name = chance.choice(("seed", "logprobs", *_NUMBERS, "prompt", "logit_bias"))
    if name == "prompt":
        literal = b"[" + literal + b"]"
    if name == "logit_bias":
        literal = chance.choice((b'{"1":' + literal + b"}", b'{"' + digits + b'":1}'))
    return _spliced(base, name, literal), name


def _no_number(base: Base, chance: random.Random) -> Made:
    name = chance.choice((*_NUMBERS, "logit_bias"))
    literal = chance.choice((b"NaN", b"Infinity", b"-Infinity"))
    return _spliced(base, name, b'{"1":' + literal + b"}" if name == "logit_bias" else literal), name


def _deep(base: Base, chance: random.Random) -> Made:
    depth = chance.choice(_DEPTHS)
    name = chance.choice(("prompt", "stop", "logit_bias", "stream_options", "user"))
    arrays = b"[" * depth + b"]" * depth
    objects = b'{"a":' * depth + b"1" + b"}" * depth
    return _spliced(base, name, chance.choice((arrays, objects))), name


def _no_text(base: Base, chance: random.Random) -> Made:
    raw = chance.choice((b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"))
    if chance.random() < 0.2:  # noqa: PLR2004 - now and then the whole body
        return json.dumps(base).encode("utf-16"), None
    return _spliced(base, "prompt", b'"a' + raw + b'b"'), "prompt"


SYNTAX = "syntax"
VALUE = "value"

_KINDS: Mapping[str, tuple[str, Callable[[Base, random.Random], Made]]] = MappingProxyType(
    {
        "a value of the wrong type": (VALUE, _wrong_type),
        "a number out of its range": (VALUE, _out_of_range),
        "a missing member": (VALUE, _missing),
        "JSON that is malformed": (SYNTAX, _malformed),
        "values that are nested wrongly": (VALUE, _wrong_nesting),
        "a member that occurs twice": (SYNTAX, _twice),
        "a huge number": (VALUE, _huge),
        "a malformed number": (SYNTAX, _no_number),
        "values that are nested deeply": (VALUE, _deep),
        "bytes that are not text": (SYNTAX, _no_text),
    }
)


def invalid_requests(inputs: Inputs) -> list[tuple[str, str, Request]]:
    """The invalid requests of a run: what is wrong, whether the syntax or a value is, and the request.

    They are open: what is taken and what is refused is the business of requirements that name one case each.
    """
    chance = random.Random(f"{inputs.seed}/{inputs.examples}/defects")  # noqa: S311 - no secret
    prompt = inputs.known[0][0] if inputs.known else "Hello, world"
    base: Base = {"model": inputs.model, "prompt": prompt, "max_tokens": 1, "temperature": 0}
    kinds = deal(list(_KINDS), chance)
    found: dict[Request, tuple[str, str]] = {}
    for _ in range(_PATIENCE * inputs.invalid):
        if len(found) == inputs.invalid:
            break
        what = next(kinds)
        sort, make = _KINDS[what]
        body, parameter = make(base, chance)
        found[Request(body=body, intent=Intent.OPEN, parameter=parameter)] = what, sort
    return [(what, sort, request) for request, (what, sort) in found.items()]
