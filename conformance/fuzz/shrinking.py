"""Makes a request that shows a failure as small as it can be, with few new requests.

Hypothesis' own shrinker is made for tests that cost nothing: on failures like those of `fixtures/fuzz/` it tried 76 to 154 different
requests, one after the other, and left parameters that do not matter, since to it a short draw is not a small request. Every try here is
paid for. A request is a flat JSON object, so that less is enough: leave a parameter out, put an ordinary value in its place, halve a list or
a text. The parameters are tried side by side, each by one step; the steps that still fail are then taken together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from conformance.contract.openapi import Params, fits
from conformance.contract.verdict import Inconclusive
from conformance.wire.shown import shown

Fails = Callable[[Params], Awaitable[str | None]]
"""What is wrong with the answer to a request, None where nothing is. Raises `Inconclusive` where it can't be told."""

_LETTER = "a"
_FEW = 3
_ORDINARY: Mapping[str, Any] = MappingProxyType(
    {"top_p": 0.5, "presence_penalty": 0.5, "frequency_penalty": 0.5, "seed": 1}
)
_KEPT = ("model", "prompt", "max_tokens", "temperature")


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failing request that no step makes smaller, what is wrong, and a step away a request that passes."""

    params: Params
    message: str
    passing: Params | None
    tries: int

    @property
    def difference(self) -> str:
        """What tells the request from the one that passes, in words."""
        if self.passing is None:
            return "no smaller request was found to pass"
        changes = [
            _change(name, self.params.get(name, ...), self.passing.get(name, ...))
            for name in dict.fromkeys([*self.params, *self.passing])
            if _differ(self.params.get(name, ...), self.passing.get(name, ...))
        ]
        return f"the nearest request that passes: {' and '.join(changes)}"


def _change(name: str, value: Any, other: Any) -> str:
    if other is ...:
        return f"without `{name}`"
    return (
        f"`{name}` {shown(other)} instead of {shown(value)}"
        if value is not ...
        else f"with `{name}` {shown(other)}"
    )


def _differ(value: Any, other: Any) -> bool:
    return value is not other and (value != other or type(value) is not type(other))


class _Tries:
    """What is known about the requests that were tried, each of them once."""

    def __init__(self, fails: Fails, most: int) -> None:
        self._fails, self._most = fails, most
        self.known: dict[str, str | None] = {}
        self.count = 0

    async def attempt(self, params: Params) -> str | None:
        """What is wrong with the answer to a request; None where nothing is, or where it is not tried."""
        key = _key(params)
        if key not in self.known:
            if self.count >= self._most or not fits(params):
                return None
            self.count += 1
            try:
                self.known[key] = await self._fails(params)
            except Inconclusive:
                return None
        return self.known[key]

    async def first_that_fails(self, steps: Iterable[Params]) -> Params | None:
        """The first of these requests that fails, the others behind it not tried."""
        for step in steps:
            if await self.attempt(step):
                return step
        return None

    def passed(self, params: Params) -> bool:
        """Whether a request was tried and nothing was wrong."""
        return self.known.get(_key(params), ...) is None


async def shrink(params: Params, message: str, fails: Fails, *, ordinary: str, most: int = 60) -> Shrunk:
    """The smallest request on the way down from `params` that `fails`, within `most` tries; `ordinary` is a prompt without tricks."""
    tries = _Tries(fails, most)
    tries.known[_key(params)] = message
    current, been = params, {_key(params)}
    large = True  # parameters first: each that goes saves all steps of its value
    while True:
        ways = [
            [step for step in steps if _key(step) not in been]
            for steps in _ways(current, ordinary, large=large)
        ]
        found = await asyncio.gather(*map(tries.first_that_fails, ways))
        failing = [step for step in found if step is not None]
        if failing:
            current = await _together(current, failing, tries.attempt)
            been.add(_key(current))
        elif large:
            large = False
        else:
            right = [step for steps in ways for step in steps if tries.passed(step)]
            passing = min(right, key=lambda step: _distance(current, step), default=None)
            return Shrunk(current, tries.known[_key(current)] or message, passing, tries.count)


async def _together(current: Params, failing: Sequence[Params], attempt: Fails) -> Params:
    """As many of the steps that work alone as work together: all at once where that goes, else one after the other."""
    everything = current
    for step in failing:
        everything = _joined(everything, current, step)
    if await attempt(everything):
        return everything
    taken = failing[0]
    for step in failing[1:]:
        candidate = _joined(taken, current, step)
        if _key(candidate) != _key(taken) and await attempt(candidate):
            taken = candidate
    return taken


def _joined(base: Params, before: Params, after: Params) -> dict[str, Any]:
    """`base` with what has changed between `before` and `after`, where `base` still has what was before."""
    found = dict(base)
    for name in before:
        untouched = name in found and not _differ(found[name], before[name])
        if untouched and _differ(after.get(name, ...), before[name]):
            if name in after:
                found[name] = after[name]
            else:
                del found[name]
    return found


def _ways(params: Params, ordinary: str, *, large: bool) -> Iterator[list[Params]]:
    """The ways to a smaller request, each a list of steps of which one is taken, the largest first.

    `large` steps leave a parameter out or put the ordinary prompt in place; else every value is made plainer as well.
    """
    for name in reversed(list(params)):
        if name not in _KEPT:
            without = {key: value for key, value in params.items() if key != name}
            if name == "stream":
                without.pop("stream_options", None)
            yield [without]
    for name, value in params.items():
        plainer = [ordinary] * (name == "prompt") if large else _simpler(name, value, ordinary)
        yield [{**params, name: one} for one in plainer if _differ(one, value)]


def _simpler(name: str, value: Any, ordinary: str) -> Iterator[Any]:
    """Values that are plainer than `value`."""
    if name == "prompt":
        yield from _simpler_prompt(value, ordinary)
    elif isinstance(value, str) and name != "model":
        yield from _shorter(value)
    elif isinstance(value, list):
        yield from _simpler_list(value)
    elif isinstance(value, dict):
        yield from ({key: one for key, one in value.items() if key != left} for left in value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _simpler_number(name, value)


def _simpler_prompt(value: Any, ordinary: str) -> Iterator[Any]:
    if value == ordinary:
        return
    yield ordinary
    if isinstance(value, list):
        yield from ([*value[:place], ordinary, *value[place + 1 :]] for place in range(len(value)))
        yield from _simpler_list(value, ordinary)
    else:
        yield from _shorter(value)


def _simpler_list(value: list[Any], ordinary: str | None = None) -> Iterator[Any]:
    """One of the items, all but one, or one of them shorter; an item that is `ordinary` is as simple as can be."""
    yield from value
    if len(value) > 1:
        yield from (value[:place] + value[place + 1 :] for place in range(len(value)))
    for place, one in enumerate(value):
        if one != ordinary:
            yield from ([*value[:place], shorter, *value[place + 1 :]] for shorter in _shorter(one))


def _simpler_number(name: str, value: float) -> Iterator[Any]:
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    elif name in _ORDINARY:
        yield _ORDINARY[name]
    elif name in {"n", "best_of", "logprobs", "max_tokens"}:
        yield from (smaller for smaller in (1, 2, int(value) // 2) if 0 < smaller < value)


def _shorter(value: Any) -> Iterator[str]:
    """Shorter texts: the larger part of it gone, then less and less."""
    if not isinstance(value, str):
        return
    length = len(value)
    if length <= _FEW:
        yield from (value[:place] + value[place + 1 :] for place in range(length) if length > 1)
        yield from [_LETTER] if length == 1 and value != _LETTER else []
        return
    for part in sorted({length // 2, length // 8 or 1, 1}, reverse=True):
        yield value[:-part]
        yield value[part:]


def _distance(params: Params, other: Params) -> tuple[int, int]:
    """How far two requests are apart: parameters that differ, and characters."""
    names = {name for name in {*params, *other} if _differ(params.get(name, ...), other.get(name, ...))}
    size = sum(
        abs(len(_key({name: params.get(name)})) - len(_key({name: other.get(name)}))) for name in names
    )
    # A value that makes the difference says more than a parameter that does.
    return len(names) + any(name not in other for name in names), size


def _key(params: Params) -> str:
    return json.dumps(params, sort_keys=True)
