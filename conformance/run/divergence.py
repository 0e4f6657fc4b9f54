"""Where greedy texts after the same prompt go on in different ways: what a near tie does by chance, and many a defect always.

At a near tie a server takes now one token, now another, as batches and caches have it. That is no defect, and a comparison that fails there
proves nothing by itself: both sides have to be asked again, in turn.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from conformance.kit.same_text import in_common
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Request
from conformance.wire.greedy import takes_the_best

_ANY = frozenset(
    {
        "model",
        "prompt",
        "max_tokens",
        "temperature",
        "top_p",
        "stream",
        "stream_options",
        "n",
        "best_of",
        "echo",
        "logprobs",
        "stop",
        "user",
        "seed",
    }
)
"""Parameters that are not to change which text a model chooses."""
_CHARACTERS_A_TOKEN = 4
"""As a rule of thumb, in English; of other characters, each byte may be one."""
_DENSE = 0.13
"""The share of positions that are near ties is some hundredths on the worst servers; at a temperature of 0.7, every third to every seventh is a fork."""
_MANY = 4
"""As often five texts part of which no two are the same."""
_STEADY = 12
"""Tokens of a text, about, that are never the same four times in a row where texts are sampled."""
_UNFINISHED = "\ufffd"
"""What a character over several tokens ends in where the limit cuts it."""


@dataclass(frozen=True, slots=True)
class Text:
    """One greedy text, and what decides it."""

    key: Hashable
    """The prompt, and what parameters change the model's choice."""
    text: str
    index: int = 0
    stops: tuple[str, ...] = ()
    """What it may have gone on with, where it was ended by a stop sequence."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The texts that the model may have written."""
        return tuple(self.text + stop for stop in self.stops) or (self.text,)


@dataclass(frozen=True, slots=True)
class Forks:
    """Where several texts that should be the same go on in different ways."""

    parted: int
    """How many more ways there are than one, over all places at which they part."""
    positions: float
    """How many there are at which they could, about: where two or more had been the same so far."""
    texts: int = 0
    """How many texts there are."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Forks:
        """The forks of `texts`, which are the branches of the tree that they make."""
        parted, positions = 0, 0.0
        groups = [list(texts)]
        while groups:
            group = groups.pop()
            if len(group) < 2:  # noqa: PLR2004  # one alone is not the same as any other
                continue
            alike = _common(min(group), max(group))
            ways: dict[str, list[str]] = {}
            for text in group:
                if rest := text[len(alike) :]:
                    ways.setdefault(rest[:1], []).append(rest)
            positions += _tokens(alike)
            parted += len(ways) - 1 if ways else 0
            groups += ways.values()
        return cls(parted, parted + positions, len(texts))

    @property
    def are_dense(self) -> bool:
        """Whether they come more often than near ties do."""
        return self.parted > _DENSE * self.positions

    @property
    def are_of_sampling(self) -> bool:
        """Whether they come so often, and are so many, that the texts are sampled."""
        return self.are_dense and self.parted >= _MANY

    @property
    def are_none(self) -> bool:
        """Whether a text of some length came so often without a fork that it is not sampled."""
        return not self.parted and self.positions >= _STEADY and self.texts >= _MANY


def diverge(exchanges: Sequence[Exchange]) -> bool:
    """Whether greedy texts of some exchanges go on in different ways after the same prompt."""
    found = [text for exchange in exchanges for text in texts_of(exchange)]
    return any(one.key == other.key and _part(one, other) for one, other in combinations(found, 2))


def comes_and_goes(exchanges: Sequence[Exchange]) -> bool:
    """Whether a choice of one and the same greedy request goes on in different ways from one of its exchanges to another."""
    found = [{text.index: text for text in texts_of(exchange)} for exchange in exchanges]
    return any(
        _part(one[index], other[index])
        for one, other in combinations(found, 2)
        for index in one.keys() & other.keys()
    )


def texts_of(exchange: Exchange) -> Iterator[Text]:
    """The texts of a greedy exchange, each with its own prompt."""
    request = exchange.request
    each = max(1, request.integer("n", 1))
    if not _has_taken_the_best(exchange) or len(request.prompts) * each != request.choices:
        return
    others = {name: value for name, value in request.params.items() if name not in _ANY and value is not None}
    for index, choice in Completion.read(exchange).choices.items():
        if not 0 <= index < request.choices:
            continue
        prompt, text = request.prompts[index // each], choice.text
        if request.params.get("echo") is True:
            if not isinstance(prompt, str) or not text.startswith(prompt):
                continue
            text = text[len(prompt) :]
        stops = _stops(request) if choice.finish_reason == "stop" else ()
        yield Text((prompt, json.dumps(others, sort_keys=True)), text.rstrip(_UNFINISHED), index, stops)


def _has_taken_the_best(exchange: Exchange) -> bool:
    """Whether a greedy text, or the beginning of it, has come."""
    request = exchange.request
    if not exchange.served or not (exchange.complete or exchange.closed_by_us):
        return False
    if not takes_the_best(request.params):
        return False
    return exchange.closed_by_us or len(Completion.read(exchange).choices) >= request.choices


def _part(one: Text, other: Text) -> bool:
    """Whether two texts part, and not only because one of them ended."""
    return not any(
        len(_common(first, second)) == min(len(first), len(second))
        for first in one.ways
        for second in other.ways
    )


def _common(one: str, other: str) -> str:
    """What two texts begin with alike."""
    return one[: in_common(one, other)]


def _tokens(text: str) -> float:
    """How many tokens a text has, about."""
    return sum(
        1 / _CHARACTERS_A_TOKEN if char.isascii() else len(char.encode(errors="replace")) for char in text
    )


def _stops(request: Request) -> tuple[str, ...]:
    stop = request.params.get("stop")
    return (stop,) if isinstance(stop, str) else tuple(one for one in stop or () if isinstance(one, str))
