"""Shrinking ends at a request that a person would call minimal, and asks seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from conformance.contract.openapi import Params
from conformance.contract.verdict import Inconclusive
from conformance.fuzz.shrinking import Shrunk, shrink

ORDINARY = "Hello, world"
JOINER = "\N{ZERO WIDTH JOINER}"
START: dict[str, Any] = {
    "model": "m",
    "prompt": [ORDINARY, "a \u200d b \u6f22\u5b57 and more of it", " "],
    "max_tokens": 5.0,
    "temperature": 0.0,
    "n": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "echo": True,
    "logprobs": 3,
    "stop": ["abc", "x" * 5000],
    "top_p": 0,
    "presence_penalty": -2,
    "logit_bias": {"1": 1, "2": 2},
    "user": "somebody",
    "seed": None,
}
LEAST: dict[str, Any] = {"model": "m", "prompt": ORDINARY, "max_tokens": 1, "temperature": 0}


def shrunk(wrong: Callable[[Params], bool], most: int = 60) -> Shrunk:
    """What is left of `START` where `wrong` says which requests fail."""

    async def fails(params: Params) -> str | None:
        return "wrong" if wrong(params) else None

    return asyncio.run(shrink(START, "wrong", fails, ordinary=ORDINARY, most=most))


CASES: dict[str, tuple[Callable[[Params], bool], dict[str, Any]]] = {
    "anything": (lambda _: True, {}),
    "a value": (lambda params: params.get("top_p") == 0, {"top_p": 0}),
    "an edge": (lambda params: params.get("presence_penalty") == -2, {"presence_penalty": -2}),
    "three options": (
        lambda params: bool(params.get("n") == 2 and params.get("echo") and params.get("stop")),
        {"n": 2, "echo": True, "stop": "a"},
    ),
    "a batch": (
        lambda params: (
            isinstance(params["prompt"], list) and any(not text.strip() for text in params["prompt"][1:])
        ),
        {"prompt": [ORDINARY, " "]},
    ),
    "a character": (lambda params: JOINER in "".join(params["prompt"]), {"prompt": "\u200d"}),
    "a number with a point": (lambda params: isinstance(params["max_tokens"], float), {"max_tokens": 5.0}),
    "a null": (lambda params: params.get("seed", 0) is None, {"seed": None}),
    "usage in a stream": (
        lambda params: bool(params.get("stream") and params.get("stream_options")),
        {"stream": True, "stream_options": {}},
    ),
}


@pytest.mark.parametrize(("wrong", "left"), CASES.values(), ids=CASES.keys())
def test_only_what_matters_is_left(wrong: Callable[[Params], bool], left: dict[str, Any]) -> None:
    """Of fifteen parameters those are left that make the request fail, with the plainest values that still do."""
    found = shrunk(wrong)

    if left.get("stream_options") == {}:  # an empty object is as good as one with a member
        assert found.params.keys() == {**LEAST, **left}.keys()
    else:
        assert found.params == {**LEAST, **left}
    assert found.tries <= 60


def test_the_nearest_request_that_passes_is_named() -> None:
    """A value that can be replaced is named rather than a parameter that can be left out."""
    assert shrunk(lambda params: params.get("top_p") == 0).difference == (
        "the nearest request that passes: `top_p` 0.5 instead of 0"
    )
    assert "without `echo`" in shrunk(lambda params: bool(params.get("echo"))).difference


def test_the_number_of_tries_is_bounded() -> None:
    """When the tries are used up the smallest request so far is given."""
    found = shrunk(lambda params: JOINER in "".join(params["prompt"]), most=5)

    assert found.tries <= 5
    assert JOINER in "".join(found.params["prompt"])


def test_what_can_not_be_told_is_no_failure_and_does_not_pass() -> None:
    """A request that can't be judged is neither smaller nor the one that passes."""

    async def fails(params: Params) -> str | None:
        if params != START:
            raise Inconclusive("429")
        return "wrong"

    found = asyncio.run(shrink(START, "wrong", fails, ordinary=ORDINARY))

    assert found.params == START
    assert found.passing is None
    assert found.difference == "no smaller request was found to pass"
