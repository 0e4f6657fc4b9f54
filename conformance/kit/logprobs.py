"""Log probabilities as values that two answers can be compared by.

A number is *the same* when it differs by rounding only. Half-precision kernels round a logit of 20 to an eighth, and another batch size
or a warm cache rounds it another way, so single values of a sound server wander by a quarter and their mean by a few hundredths. What is
wrong about a server moves them by far more: another row, another base, another sampler's distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import NotRun
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_ROUNDING = 1e-6
_SAME_ON_AVERAGE = 0.06
_SAME_AT_ALL = 0.5


@dataclass(frozen=True, slots=True)
class Scores:
    """The tokens of a choice, each with its log probability and its alternatives; None and empty where the answer has none."""

    tokens: tuple[str, ...]
    values: tuple[float | None, ...]
    tops: tuple[Mapping[str, float], ...]

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self.tokens)

    @property
    def text(self) -> str:
        """The joined tokens."""
        return "".join(self.tokens)

    def part(self, start: int, end: int | None = None) -> Scores:
        """The scores of some of the tokens."""
        return Scores(self.tokens[start:end], self.values[start:end], self.tops[start:end])


def scores(answer: Completion, index: int = 0) -> Scores:
    """The scores of a choice; raises `NotRun` where they can't be compared, which LOGP-001 and LOGP-002 judge."""
    choice = answer.choices.get(index)
    found = choice.logprobs if choice is not None else None
    if found is None or not found.tokens or found.token_logprobs is None:
        raise NotRun(
            f"choice {index} of {answer.exchange.id} has no log probabilities of the completions form; see LOGP-001"
        )
    tops: tuple[Any, ...] = found.top_logprobs or ({},) * len(found.tokens)
    if len({len(found.tokens), len(found.token_logprobs), len(tops)}) != 1:
        raise NotRun(f"the arrays of {answer.exchange.id} differ in length; see LOGP-001")
    if not all(isinstance(token, str) for token in found.tokens):
        raise NotRun(f"the tokens of {answer.exchange.id} are not all strings; see LOGP-002")
    read = Scores(
        found.tokens, tuple(map(_number, found.token_logprobs)), tuple(dict(_sound(top)) for top in tops)
    )
    if any(value is not None and value > _ROUNDING for value in read.values):
        raise NotRun(
            f"some values of {answer.exchange.id} are above 0, so they are not log probabilities; see LOGP-002"
        )
    return read


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _sound(top: Any) -> Iterator[tuple[str, float]]:
    for token, value in top.items() if isinstance(top, dict) else ():
        number = _number(value)
        if number is not None:
            yield token, number


def difference(one: Sequence[float | None], other: Sequence[float | None]) -> tuple[int, float, float] | None:
    """Where two sequences of log probabilities differ most, with both values; None where they are the same but for rounding."""
    pairs = [
        (number, first, second)
        for number, (first, second) in enumerate(zip(one, other, strict=False))
        if first is not None and second is not None
    ]
    if not pairs:
        return None
    worst = max(pairs, key=lambda pair: abs(pair[1] - pair[2]))
    mean = sum(abs(first - second) for _, first, second in pairs) / len(pairs)
    return worst if mean > _SAME_ON_AVERAGE or abs(worst[1] - worst[2]) > _SAME_AT_ALL else None


def expected_same(one: Scores, other: Scores) -> str | None:
    """What differs between the values of the same tokens, in words; None where they are the same."""
    found = difference(one.values, other.values)
    if found is None:
        return None
    number, first, second = found
    return f"token {number}, {shown(one.tokens[number])}, has {first:.4f} and {second:.4f}"


def in_common(one: Scores, other: Scores) -> int:
    """With how many equal tokens two sequences begin."""
    pairs = zip(one.tokens, other.tokens, strict=False)
    return next(
        (number for number, (first, second) in enumerate(pairs) if first != second),
        min(len(one), len(other)),
    )
