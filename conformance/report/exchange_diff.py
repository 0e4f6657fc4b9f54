"""The difference between two exchanges, as a difference: what was asked differently, and what came back differently."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from conformance.report.escaping import shorten
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange

_READ_BYTES = 1_000_000
_LONGEST_TEXT = 3_000
_MOST_WORDS = 160
"""Of the part in which two texts differ; the time that a comparison takes grows with its square."""
_CONTEXT = 200
_SHOWN_VALUE = 300
_SHOWN_PARAMETERS = 12
_WORD = re.compile(r"\w+|.", re.DOTALL)

Change = list[str]
"""`=`, `-` or `+`, and the text that is in both, only in the first, only in the second."""


def exchange_diff(first: Exchange, second: Exchange) -> dict[str, Any] | None:
    """How the second exchange differs from the first: `{asked, came}`, each a list of rows `{name, changes}` or `{name, same}`.

    None where one of them is no answered completion, so that there is nothing to compare.
    """
    readings = [_reading(exchange) for exchange in (first, second)]
    left, right = readings
    if left is None or right is None:
        return None
    asked = _rows(dict(first.request.params), dict(second.request.params))
    return {
        "asked": asked[:_SHOWN_PARAMETERS],
        "came": [_row(name, left.get(name), right.get(name)) for name in {**left, **right}],
    }


def _reading(exchange: Exchange) -> dict[str, str] | None:
    response = exchange.response
    if response is None or len(response.body) > _READ_BYTES:
        return None
    completion = Completion.read(exchange)
    if not completion.choices and exchange.served:
        return None
    read = {"status": str(response.status)}
    for choice in list(completion.choices.values())[:2]:
        name = f" of choice {choice.index}" if len(completion.choices) > 1 else ""
        read[f"text{name}"] = choice.text
        read[f"finish_reason{name}"] = _json(choice.finish_reasons[-1] if choice.finish_reasons else None)
    if completion.choices:
        read["usage"] = (
            _json({key: value for key, value in completion.usage.raw.items() if key.endswith("_tokens")})
            if completion.usage
            else "(none)"
        )
    return read


def _rows(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters that are not the same in both requests."""
    names = [name for name in {**left, **right} if left.get(name, _row) != right.get(name, _row)]
    return [
        _row(name, _json(left[name]) if name in left else None, _json(right[name]) if name in right else None)
        for name in names
    ]


def _row(name: str, left: str | None, right: str | None) -> dict[str, Any]:
    name = shorten(name, 100)
    if left is not None and left == right:
        return {"name": name, "same": shorten(left, _SHOWN_VALUE)}
    return {"name": name, "changes": changes(left or "", right or "")}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def changes(left: str, right: str) -> list[Change]:
    """The difference of two texts, word by word; bounded in size and time."""
    a, b = (_WORD.findall(text[:_LONGEST_TEXT]) for text in (left, right))
    start = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middle = _middle(a[start : len(a) - end], b[start : len(b) - end])
    pairs = [("=", word) for word in a[:start]] + middle + [("=", word) for word in a[len(a) - end :]]
    found = [
        [sign, "".join(word for _, word in group)] for sign, group in groupby(pairs, key=lambda pair: pair[0])
    ]
    return [[sign, _elide(text) if sign == "=" else text] for sign, text in found]


def _elide(text: str) -> str:
    """What two long texts have in common needs no more than its ends."""
    return text if len(text) <= 2 * _CONTEXT else f"{text[:_CONTEXT]} … {text[-_CONTEXT:]}"


def _middle(a: Sequence[str], b: Sequence[str]) -> list[tuple[str, str]]:
    """The longest common subsequence of two short texts, told as steps from one to the other."""
    if len(a) > _MOST_WORDS or len(b) > _MOST_WORDS:
        return [("-", word) for word in a] + [("+", word) for word in b]
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            longest[i][j] = (
                longest[i + 1][j + 1] + 1 if a[i] == b[j] else max(longest[i + 1][j], longest[i][j + 1])
            )
    steps: list[tuple[str, str]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            steps.append(("=", a[i]))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            steps.append(("-", a[i]))
            i += 1
        else:
            steps.append(("+", b[j]))
            j += 1
    return steps + [("-", word) for word in a[i:]] + [("+", word) for word in b[j:]]
