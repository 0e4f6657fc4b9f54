"""Draws the requests of a run. Pure: the same inputs give the same requests, to the byte.

Hypothesis draws whole bodies from the schema (`schema.bodies`), with a seed. What they lack is what random requests always lack: three
given options at once, a stop sequence that the answer really contains, a blank prompt in second place. So most requests are dealt:
`design.rows` says which options meet, the decks of `values` which hard value each of them takes, and the drawn body gives the rest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from conformance.contract.openapi import Params, odd, properties, whole
from conformance.fuzz.covering_design import rows
from conformance.fuzz.relations import comparable, plain
from conformance.fuzz.schema import (
    CHEAP,
    FEATURES,
    Bounds,
    bodies,
    default,
    nullable,
)
from conformance.fuzz.values import (
    BESIDE,
    BLANKS,
    EDGES,
    FRAGMENTS,
    MATCHING,
    ODD,
    SEEDS,
    TEMPERATURES,
    USERS,
    deal,
    steering,
)
from conformance.kit.stop_sequences import NEVER
from conformance.wire.exchange import Intent, Request, is_int

_SAMPLED_EVERY = 7
"""Every so many-th request is not greedy: it is judged by the rules alone, for nobody knows its text."""

OPTIONAL_FORMS: Mapping[str, Params] = MappingProxyType(
    {
        "nulls": {"n": None, "stop": None, "top_p": None, "logprobs": None, "stream": None},
        "points": {"max_tokens": 1.0},
        "greedy_n": {"n": 2},
        "top_p_zero": {"top_p": 0},
    }
)
"""What may be refused: explicit nulls, integers with a point, several greedy choices, `top_p` 0. A request that is refused for one of them
shows nothing else, so that a target which does so gets none of it."""

_LARGEST_STOPS = 4
_TRIES = 9
_NO_DEFAULT = frozenset({"model", "prompt", "max_tokens", "temperature", "user"})


@dataclass(frozen=True)
class Inputs:
    """What the requests of a run are drawn from.

    `known` has prompts with the beginnings of their greedy answers; `refused` names of the `OPTIONAL_FORMS` that the target does not take.
    """

    model: str
    known: tuple[tuple[str, str], ...]
    capabilities: frozenset[str]
    seed: int = 0
    examples: int = 30
    bounds: Bounds = CHEAP
    refused: frozenset[str] = frozenset()

    @property
    def invalid(self) -> int:
        """How many of the examples are requests with a defect: a third."""
        return self.examples // 3

    @property
    def price(self) -> int:
        """The most requests for the well-formed examples: each of them, and the plain requests that their texts follow from."""
        return max(2, self.valid * 23 // 10)

    @property
    def valid(self) -> int:
        """How many of the examples are well-formed."""
        return self.examples - self.invalid


def request(params: Params) -> Request:
    """The request with these parameters. Most are valid, also where a refusal is honest; what is odd in itself is open."""
    return Request.of(params, intent=Intent.OPEN if odd(params) else Intent.VALID)


@lru_cache(maxsize=4)
def valid_requests(inputs: Inputs) -> tuple[Request, ...]:
    """The well-formed requests of a run, no two of them the same, as many as the price allows with the plain ones they are compared with."""
    found: dict[Request, None] = {}
    paid: set[Request] = set()
    for params in _dealt(inputs, _drawn(inputs)):
        one = request(params)
        paid |= {one, *map(Request.of, plain(params) if comparable(params) else ())}
        if len(paid) > inputs.price:
            break
        found[one] = None
    return tuple(found)


def _drawn(inputs: Inputs) -> list[Params]:
    """As many bodies as there are well-formed examples, drawn by Hypothesis."""
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings  # noqa: PLC0415 - costs a quarter of a second

    found: list[Params] = []

    # No database and no replay: the seed alone decides, so that a run can be repeated anywhere.
    @seed(inputs.seed)
    @settings(
        max_examples=inputs.valid + 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies(inputs.capabilities, inputs.bounds))
    def collect(body: Params) -> None:
        found.append(body)

    collect()
    return found[1:] or found  # the first is always the least that there is


_WHOLES = MappingProxyType({"blank": BLANKS, "edge": EDGES, "odd": ODD})
_FIRST = ("mixed", "mixed", "mixed", "blank", "edge", "odd", "schema")
_LATER = ("mixed", "mixed", "blank", "blank", "edge", "odd")
"""Of what kind a hard prompt is: the first one, and those behind it."""


class _Hand:
    """The decks that one run deals from."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.chance = chance = random.Random(f"{inputs.seed}/{inputs.examples}")  # noqa: S311 - no secret
        self.rows = rows(_options(inputs.capabilities), chance)
        self.first, self.later = deal(_FIRST, chance), deal(_LATER, chance)
        self.wholes = {name: deal(texts, chance) for name, texts in _WHOLES.items()}
        self.users = deal(USERS, chance)
        self.matching = deal(MATCHING, chance)
        self.beside = deal(BESIDE, chance)
        self.nulls = deal((True, False) if "nulls" not in inputs.refused else (False,), chance)
        self.seeds = deal([one for one in SEEDS if one is not None or "nulls" not in inputs.refused], chance)
        self.logprobs = deal((0, 5), chance)
        edges = steering(inputs.capabilities)
        if "top_p_zero" in inputs.refused:
            edges["top_p"].remove(0)
        self.steering = {name: deal(values, chance) for name, values in edges.items()}
        self.top_p = deal(edges["top_p"], chance)
        self.temperatures = deal(TEMPERATURES, chance)


def _options(capabilities: frozenset[str]) -> list[str]:
    """The options that are switched on and off; one that only goes with another stands for both or one."""
    always = ["stop", "steer", "spelled"]
    optional = {"batch": "multi_prompt", "n": "n", "stream": "stream", "usage": "stream_usage"}
    optional |= {"echo": "echo", "logprobs": "logprobs", "best_of": "best_of"}
    return always + [name for name, capability in optional.items() if capability in capabilities]


def _dealt(inputs: Inputs, drawn: list[Params]) -> Iterator[Params]:
    hand = _Hand(inputs)
    for number in range(inputs.valid):
        body = drawn[number % len(drawn)]
        if number % _SAMPLED_EVERY < _SAMPLED_EVERY - 1:
            yield _within(_row(hand, body, next(hand.rows)), inputs.bounds)
            continue
        # Half of the others are as they were drawn, half are dealt.
        if number // _SAMPLED_EVERY % 2 == 0:
            sampled = dict(body) | _steered(hand)
        else:  # a stop sequence would be wasted on a text that nobody knows
            sampled = _row(hand, body, next(hand.rows) - {"stop"})
        yield _within(_sampled(hand, sampled), inputs.bounds)


def _sampled(hand: _Hand, params: dict[str, Any]) -> dict[str, Any]:
    """The same request with a temperature at an edge, or none."""
    temperature = next(hand.temperatures)
    others = {name: value for name, value in params.items() if name != "temperature"}
    return (
        others | {"model": hand.inputs.model} | ({} if temperature is ... else {"temperature": temperature})
    )


def _row(hand: _Hand, drawn: Params, row: frozenset[str]) -> dict[str, Any]:
    """A greedy request with the options of one row."""
    chance, bounds = hand.chance, hand.inputs.bounds
    prompts, answer = _prompts(hand, drawn, row)
    params: dict[str, Any] = {"model": hand.inputs.model, "prompt": prompts, "max_tokens": bounds.tokens}
    params["temperature"] = chance.choice((0, 0, 0, 0.0))
    options: dict[str, Any] = {"n": bounds.choices, "echo": True, "stream": True}
    if "greedy_n" in hand.inputs.refused:
        del options["n"]
    params |= {name: value for name, value in options.items() if name in row}
    if "stream" not in row and "best_of" in row:
        params["best_of"] = bounds.choices
    if {"stream", "usage"} <= row:
        params["stream_options"] = {"include_usage": True}
    if "logprobs" in row:
        params["logprobs"] = next(hand.logprobs)
    if "stop" in row:
        params["stop"] = _stops(hand, prompts if isinstance(prompts, str) else prompts[0], answer)
    if "steer" in row and "stop" in row:
        # The sequence is made for an answer that is known, which anything but `top_p` would change.
        params["top_p"] = next(hand.top_p)
    elif "steer" in row:
        params |= _steered(hand)
    if "seed" in hand.inputs.capabilities and chance.random() < 0.5:  # noqa: PLR2004 - a coin
        params["seed"] = next(hand.seeds)
    return _spelled(hand, params) if "spelled" in row else params


def _prompts(hand: _Hand, drawn: Params, row: frozenset[str]) -> tuple[str | list[str], str]:
    """The prompt or prompts, and the answer that the stop sequences are cut out of."""
    chance = hand.chance
    known, answer = chance.choice(hand.inputs.known) if hand.inputs.known else ("Hello, world", "")
    # A stop sequence has to have something to stop.
    first = known if "stop" in row else _text(hand, drawn, "full" if "echo" in row else next(hand.first))
    if "batch" not in row:
        return first, answer
    more = chance.choice((0, 1, 1, 1, 2))
    return [
        first,
        *(_text(hand, drawn, next(hand.later)) for _ in range(min(more, hand.inputs.bounds.prompts - 1))),
    ], answer


def _text(hand: _Hand, drawn: Params, kind: str) -> str:
    """A hard text: one of many fragments (`full`: of all), a blank one and the like, or what the schema gave."""
    given = drawn.get("prompt")
    given = given[-1] if isinstance(given, list) else given
    if kind == "schema" and isinstance(given, str):
        return given
    if kind in hand.wholes:
        text: str = next(hand.wholes[kind])
        return text
    some = hand.chance.sample(FRAGMENTS, len(FRAGMENTS) * (3 if kind == "full" else 2) // 3)
    return " ".join(some)[: hand.inputs.bounds.characters]


def _stops(hand: _Hand, prompt: str, answer: str) -> str | list[str]:
    """Stop sequences of which the first nearly match or do, and others beside them; or a single one, as a string.

    None stands in the prompt, for in an echo nobody says whether it counts there.
    """
    make = next(hand.matching)
    tries = ([stop for stop in make(answer, hand.chance) if stop not in prompt] for _ in range(_TRIES))
    matching = next(filter(None, tries), [NEVER])
    if len(matching) == 1 and hand.chance.random() < 0.5:  # noqa: PLR2004 - a coin
        return matching[0]
    beside = [stop for _ in range(2) for stop in next(hand.beside)(answer, hand.chance) if stop not in prompt]
    return [*matching, *beside][:_LARGEST_STOPS]


def _steered(hand: _Hand) -> dict[str, Any]:
    """The parameters that change which text is likely, each at an edge."""
    return {name: next(values) for name, values in hand.steering.items()}


def _spelled(hand: _Hand, params: dict[str, Any]) -> dict[str, Any]:
    """Most parameters that are absent, as their documented default or as null; `user`; and perhaps an integer as 5.0."""
    chance, nulls = hand.chance, next(hand.nulls)
    known = {name for name in properties() if name not in _NO_DEFAULT and _may_be_sent(hand.inputs, name)}
    for name in sorted(known - params.keys()):
        if chance.random() < 0.25 or (name == "best_of" and params.get("n", 1) > 1):  # noqa: PLR2004 - most of them
            continue
        value = None if nulls and nullable(name) else default(name)
        if value is not None or "nulls" not in hand.inputs.refused:
            params[name] = value
    params["user"] = next(hand.users)
    if "points" in hand.inputs.refused:
        return params
    pointed = chance.choice([name for name, value in params.items() if is_int(value) and whole(name)])
    if chance.random() < 0.6:  # noqa: PLR2004 - about half
        params[pointed] = float(params[pointed])
    return params


def _may_be_sent(inputs: Inputs, name: str) -> bool:
    return FEATURES.get(name) is None or FEATURES[name] in inputs.capabilities


def _within(params: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    """The request with as many tokens as the bounds leave for each choice."""
    found = dict(params)
    prompts = len(found["prompt"]) if isinstance(found["prompt"], list) else 1
    choices = prompts * max(int(found.get("n") or 1), int(found.get("best_of") or 1))
    most = min(bounds.tokens, max(1, bounds.product // choices))
    asked = found.get("max_tokens")
    found["max_tokens"] = asked if isinstance(asked, int | float) and 0 <= asked <= most else most
    return found
