"""Where greedy texts went on in two ways: by prompt, by the text before, and by the form of asking.

At a near tie a server takes now one token, now another, as batches and caches have it. That is no defect, and a comparison that fails there
proves nothing. It is known as soon as the same form of asking (plain, stream, batch, `n`, `echo`, `stop` …) has shown both ways; what only
ever differs *between* two forms is what the comparisons are after.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, takewhile
from typing import Any

from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Request
from conformance.wire.greedy import is_greedy

_OF_THE_FORM = ("stream", "n", "best_of", "echo", "logprobs", "stop")
"""Parameters that change how is asked, and not which text comes."""
_OF_NEITHER = ("max_tokens", "stream_options", "user", "seed", "prompt", "model")
_UNFINISHED = "\ufffd"
"""What a character over several tokens ends in where the limit cuts it."""
_MOST_TEXTS = 50


@dataclass(frozen=True, slots=True)
class Text:
    """One greedy text, and what decides it."""

    key: Hashable
    """The prompt, and what parameters change the model's choice."""
    form: Hashable
    """How it was asked for."""
    text: str
    stops: tuple[str, ...] = ()
    """What it may have gone on with, where it was ended by a stop sequence."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The texts that the model may have written."""
        return tuple(self.text + stop for stop in self.stops) or (self.text,)


def divergence(one: Text, other: Text) -> frozenset[str]:
    """The text after which two texts go on in different ways; more than one where the stop sequence that ended one of them is not known."""
    prefixes = set()
    for first in one.ways:
        for second in other.ways:
            common = _common(first, second)
            if len(common) == min(len(first), len(second)):
                return frozenset()  # the one begins the other
            prefixes.add(common)
    return frozenset(prefixes)


def _common(one: str, other: str) -> str:
    """What two texts begin with alike."""
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return one[:alike]


def texts_of(exchange: Exchange) -> Iterator[Text]:
    """The texts of a greedy exchange, each with its own prompt."""
    request = exchange.request
    if not is_greedy(exchange) or len(request.prompts) * request.integer("n", 1) != request.choices:
        return
    form, others = _form(request), _others(request)
    each = max(1, request.integer("n", 1))
    for index, choice in Completion.read(exchange).choices.items():
        if not 0 <= index < request.choices:
            continue
        prompt, text = request.prompts[index // each], choice.text
        if request.params.get("echo") is True:
            if not isinstance(prompt, str) or not text.startswith(prompt):
                continue
            text = text[len(prompt) :]
        stops = _stops(request) if choice.finish_reason == "stop" else ()
        yield Text((prompt, others), form, text.rstrip(_UNFINISHED), stops)


def _form(request: Request) -> Hashable:
    found = {name: request.params.get(name) for name in _OF_THE_FORM}
    return _frozen({**found, "batch": len(request.prompts) > 1})


def _others(request: Request) -> Hashable:
    names = sorted(set(request.params) - {*_OF_THE_FORM, *_OF_NEITHER})
    return _frozen({name: request.params[name] for name in names})


def _frozen(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=str)


def _stops(request: Request) -> tuple[str, ...]:
    stop = request.params.get("stop")
    return (stop,) if isinstance(stop, str) else tuple(s for s in stop or () if isinstance(s, str))


@dataclass
class Forks:
    """Remembers greedy texts, and the forks that one form of asking has shown."""

    _texts: dict[tuple[Hashable, Hashable], set[Text]] = field(default_factory=dict)
    _known: set[tuple[Hashable, str]] = field(default_factory=set)

    def notice(self, exchange: Exchange) -> None:
        """Compare the texts of an exchange with those of the same prompt and form."""
        for text in texts_of(exchange):
            kept = self._texts.setdefault((text.key, text.form), set())
            for other in kept:
                self._known.update((text.key, prefix) for prefix in divergence(text, other))
            if len(kept) < _MOST_TEXTS:
                kept.add(text)

    def differences(self, exchanges: Sequence[Exchange]) -> list[tuple[Text, Text]]:
        """The greedy texts of some exchanges that go on in different ways after the same prompt."""
        found = [text for exchange in exchanges for text in texts_of(exchange)]
        return [
            (one, other)
            for one, other in combinations(found, 2)
            if one.key == other.key and divergence(one, other)
        ]

    def known(self, exchanges: Sequence[Exchange]) -> str | None:
        """A text among `exchanges` after which the target is known to go on in two ways, as others of them do; None where there is none."""
        for one, other in self.differences(exchanges):
            for prefix in divergence(one, other):
                if (one.key, prefix) in self._known:
                    return prefix
        return None
