"""What is drawn: by the schema, within bounds, the same for the same seed, and rich enough to find something."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from conformance.contract.openapi import fits, properties
from conformance.fuzz.campaign import most
from conformance.fuzz.covering_design import COLUMNS, ROWS, rows
from conformance.fuzz.defects import invalid_requests
from conformance.fuzz.drawing import OPTIONAL_FORMS, Inputs, valid_requests
from conformance.fuzz.relations import comparable, plain, prompts, stops
from conformance.fuzz.schema import (
    CAPABILITIES,
    CHEAP,
    EXPENSIVE,
    FEATURES,
    default,
    limits,
    nullable,
)
from conformance.options import DEFAULT_EXAMPLES, EXAMPLES_BESIDE_A_RELAY, OptionError
from conformance.run.configure import settings
from conformance.wire.exchange import Request

INPUTS = Inputs(
    "m",
    (("Hello, world", " water was hired before winter"), ("Once upon a time", " there was a house")),
    CAPABILITIES,
)


def bodies(inputs: Inputs) -> list[bytes]:
    """Every body of a run, in order."""
    invalid = [request for _, _, request in invalid_requests(inputs)]
    return [request.body for request in (*valid_requests(inputs), *invalid)]


def test_a_seed_repeats_a_run_exactly() -> None:
    """The same seed draws the same bytes, another seed others."""
    first = bodies(INPUTS)
    valid_requests.cache_clear()

    assert bodies(INPUTS) == first
    assert bodies(replace(INPUTS, seed=1)) != first


@pytest.mark.parametrize("seed", range(5))
def test_what_is_called_valid_fits_the_schema(seed: int) -> None:
    """Every well-formed request is an instance of the schema of requests."""
    assert [one.body for one in valid_requests(replace(INPUTS, seed=seed)) if not fits(one.params)] == []


@pytest.mark.parametrize("bounds", [CHEAP, EXPENSIVE])
def test_no_request_asks_for_much(bounds: Any) -> None:
    """Tokens, choices, prompts and characters stay within the bounds."""
    for one in valid_requests(replace(INPUTS, bounds=bounds, examples=60)):
        texts = one.params["prompt"] if isinstance(one.params["prompt"], list) else [one.params["prompt"]]
        choices = max(one.params.get("n") or 1, one.params.get("best_of") or 1)

        assert one.params["max_tokens"] <= bounds.tokens
        assert choices <= bounds.choices
        assert len(texts) <= bounds.prompts
        assert all(len(text) <= bounds.characters for text in texts)
        assert one.params["max_tokens"] * choices * len(texts) <= max(bounds.product, choices * len(texts))


@pytest.mark.parametrize("examples", [1, 2, 10, 30, 100])
def test_the_price_is_known_before(examples: int) -> None:
    """The requests of a run, and the tokens they allow, are no more than `most` says."""
    bound = most(examples)
    for seed in range(5):
        inputs = replace(INPUTS, seed=seed, examples=examples)
        valid = valid_requests(inputs)
        alone = {Request.of(one) for each in valid if comparable(each.params) for one in plain(each.params)}
        tokens = sum(int(one.params["max_tokens"]) * max(1, len(one.prompts)) for one in {*valid, *alone})

        assert len({*valid, *alone}) + len(invalid_requests(inputs)) <= bound.requests
        assert tokens <= bound.tokens


def test_the_default_run_is_cheap() -> None:
    """The default number of examples costs at most 65 requests and 1,000 tokens."""
    bound = most(30)

    assert bound.requests <= 65
    assert bound.tokens <= 1000
    assert most(0).requests == 0


@pytest.mark.parametrize("name", FEATURES)
def test_what_the_target_lacks_is_not_sent(name: str) -> None:
    """A parameter whose capability is missing stands in no request."""
    inputs = replace(INPUTS, capabilities=CAPABILITIES - {FEATURES[name]}, examples=60)

    assert not any(name in one.params for one in valid_requests(inputs))


def test_what_the_target_refuses_is_not_sent() -> None:
    """Of the optional forms that a target does not take none is in a greedy request."""
    inputs = replace(INPUTS, refused=frozenset(OPTIONAL_FORMS), examples=60)
    greedy = [one.params for one in valid_requests(inputs) if comparable(one.params)]

    assert greedy
    for params in greedy:
        assert None not in params.values()
        assert params.get("n", 1) == 1
        assert params.get("top_p") != 0
        assert not any(isinstance(params.get(name), float) for name in ("max_tokens", "best_of", "logprobs"))


def test_any_three_options_meet() -> None:
    """Twelve rows hold every pattern of on and off of any three options."""
    options = [f"option {number}" for number in range(COLUMNS)]
    for seed in range(5):
        dealt = list(itertools.islice(rows(options, Random(seed)), ROWS))  # noqa: S311 - no secret
        for three in itertools.combinations(options, 3):
            assert len({tuple(option in row for option in three) for row in dealt}) == 8
    with pytest.raises(ValueError, match="12 options and 11 columns"):
        next(rows([*options, "one more"], Random(0)))  # noqa: S311 - no secret


@pytest.mark.parametrize("seed", range(5))
def test_the_hard_cases_are_in_every_run(seed: int) -> None:
    """In each run there are blank prompts in second place, very long stops, overlapping ones, nulls, `top_p` 0, a batch of one."""
    drawn = [one.params for one in valid_requests(replace(INPUTS, seed=seed))]
    texts = [prompts(params) for params in drawn]

    assert any(not text.strip() for batch in texts for text in batch[1:])
    assert any(len(stop) > 5000 for params in drawn for stop in stops(params))
    assert any(len(stops(params)) > 1 for params in drawn)
    assert any(None in params.values() for params in drawn)
    assert any(params.get("top_p") == 0 for params in drawn)
    assert any("\u200d" in text for batch in texts for text in batch)
    for name in ("n", "echo", "stream", "logprobs"):
        assert any(params.get(name) and stops(params) for params in drawn), name


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_defect_is_in_every_run(seed: int) -> None:
    """The default run has a defect of each kind."""
    assert len({what for what, _, _ in invalid_requests(replace(INPUTS, seed=seed))}) == 10


def test_no_defect_is_costly() -> None:
    """No invalid request asks for more than one token, or for several choices, however it is read."""
    for _, _, one in invalid_requests(replace(INPUTS, examples=900)):
        if one.params:
            assert one.params.get("max_tokens") in {1, 0.5}
            assert one.params.get("n", 1) in {1, 0, -1}
            assert one.params.get("best_of", 1) in {1, -1}


def test_the_schema_tells_defaults_nulls_and_edges() -> None:
    """Defaults, nullability and ranges are read from the document."""
    assert default("max_tokens") == 16
    assert default("user") is ...
    assert nullable("stop")
    assert not nullable("user")
    assert limits("temperature") == (0, 2)
    assert list(properties())[:2] == ["model", "prompt"]


@pytest.mark.parametrize(("given", "found"), [(None, DEFAULT_EXAMPLES), ("0", 0), ("7", 7)])
def test_examples_is_an_option(given: str | None, found: int) -> None:
    """`--examples` takes a number, 0 among them, and has a default."""
    assert settings({"examples": given}.get).examples == found


@pytest.mark.parametrize(
    "upstream",
    [{"gateway-upstream-port": "9000"}, {"gateway-upstream-url": "http://127.0.0.1:9000"}],
)
def test_fewer_examples_are_drawn_beside_a_relay(upstream: dict[str, str]) -> None:
    """A run that judges a gateway's relay as well generates fewer requests, unless it is told how many."""
    assert settings(upstream.get).examples == EXAMPLES_BESIDE_A_RELAY
    assert settings({**upstream, "examples": "7"}.get).examples == 7


def test_the_seed_is_that_of_hypothesis() -> None:
    """`--hypothesis-seed` is the seed; it has to be a number here."""
    nothing: dict[str, str] = {}

    assert settings({"hypothesis-seed": "12"}.get).seed == 12
    assert settings(nothing.get).seed == 0
    with pytest.raises(OptionError, match="--hypothesis-seed"):
        settings({"hypothesis-seed": "x"}.get)
    with pytest.raises(OptionError, match="--examples"):
        settings({"examples": "many"}.get)
