"""No answer, however odd, makes a rule raise: an exception would be blamed on the suite."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import conformance.rules
from conformance.contract.apply_rule import apply_rule
from conformance.contract.check import checks_of
from conformance.wire.exchange import Exchange, Fault, FaultKind, Intent, Request
from tests.builders import EVENTS, JSON, PROFILE, PROMPT, answer, asked, choice, plain, refusal, stream, usage

ALL = tuple(checks_of(conformance.rules))

KEYS = st.sampled_from(
    [
        *(
            "id",
            "object",
            "created",
            "model",
            "choices",
            "usage",
            "error",
            "system_fingerprint",
            "index",
            "text",
        ),
        *(
            "finish_reason",
            "logprobs",
            "message",
            "delta",
            "type",
            "param",
            "code",
            "detail",
            "tokens",
            "top_logprobs",
        ),
        *(
            "token_logprobs",
            "text_offset",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "cached_tokens",
        ),
        *("prompt_tokens_details", "completion_tokens_details"),
    ]
)
NUMBERS = st.one_of(
    st.integers(-2, 3),
    st.integers(),
    st.sampled_from([10**4299, -(10**4299), 9 * 10**4299, 1.5, -0.0, 1e308, -1e308, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
TEXTS = st.one_of(
    st.text(max_size=6), st.sampled_from(["", "stop", "length", "text_completion", PROMPT, "\ud83d", "a\0"])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=5)
    ),
    max_leaves=12,
)


def around(base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A sound object in which some members are anything."""
    return st.dictionaries(st.sampled_from(sorted(base)), VALUES, max_size=3).map(
        lambda changes: {**base, **changes}
    )


SCORES = around({"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [{"a": -1}], "text_offset": [0]})
CHOICES = st.one_of(
    around(choice()),
    SCORES.flatmap(lambda scores: around(choice(logprobs=scores))),
    SCORES.map(lambda s: choice(logprobs=s)),
)
BODIES = st.one_of(
    VALUES,
    around(answer()),
    st.lists(CHOICES, max_size=3).map(lambda choices: answer(choices=choices)),
    around({**usage(), "prompt_tokens_details": {"cached_tokens": 1}}).map(
        lambda counts: answer(usage=counts)
    ),
    around({"message": "no", "type": "x", "param": None, "code": None}).map(lambda error: {"error": error}),
)
REQUESTS = st.builds(
    lambda changes, intent: asked(changes, intent=intent, parameter="max_tokens"),
    st.fixed_dictionaries(
        {},
        optional={
            "prompt": st.sampled_from(["", ["a", "b"], [1, 2], [[1], [2]], [], {"a": 1}, None]),
            "n": st.sampled_from([0, 1, 2, None, "x"]),
            "stop": st.sampled_from(["a", ["a", ""], 5, None, {}]),
            "echo": st.booleans(),
            "logprobs": st.sampled_from([0, 1, 5, True, None]),
            "max_tokens": st.sampled_from([0, 4, 16, "x", None]),
            "temperature": st.sampled_from([0, 1]),
            "stream_options": st.sampled_from([{"include_usage": True}, {}, None, 5]),
            "suffix": st.sampled_from(["", "a"]),
        },
    ),
    st.sampled_from(Intent),
)


def judge_all(*exchanges: Exchange) -> None:
    """Apply every rule."""
    for check in ALL:
        apply_rule(check, exchanges, PROFILE)


def streaming(request: Request) -> Request:
    """The same request for a stream."""
    return Request.of({**request.params, "stream": True}, intent=request.intent, parameter=request.parameter)


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(BODIES, REQUESTS, st.sampled_from([200, 201, 400, 401, 429, 500]))
def test_no_plain_answer_raises(body: Any, request: Request, status: int) -> None:
    """Any JSON, to any request, with any status."""
    judge_all(
        plain(body, request, status=status, id="x1"), plain(body, streaming(request), status=status, id="x2")
    )


@FUZZ
@given(st.lists(BODIES, max_size=4), REQUESTS, st.booleans())
def test_no_stream_raises(bodies: list[Any], request: Request, done: bool) -> None:  # noqa: FBT001 - drawn
    """Any JSON in the events of a stream."""
    judge_all(
        stream(bodies, streaming(request), done=done),
        plain(json.dumps(bodies).encode(), request, headers=EVENTS),
    )


@FUZZ
@given(st.binary(max_size=60), st.sampled_from([JSON, EVENTS, ()]), st.sampled_from([200, 400]))
def test_no_bytes_raise(body: bytes, headers: Any, status: int) -> None:
    """Any bytes, under any content type."""
    sent = asked({"stream": True})
    judge_all(plain(body, status=status, headers=headers), plain(body, sent, status=status, headers=headers))


@pytest.mark.parametrize("depth", range(700, 1000, 50))
@pytest.mark.parametrize(
    "name", sorted([*answer(), "error", "system_fingerprint", "logprobs", "text", "index", "finish_reason"])
)
def test_deep_nesting_does_not_raise(name: str, depth: int) -> None:
    """A value that is nested about as deep as it can be read, where showing it takes more of the stack than reading did."""
    deep = "[" * depth + "]" * depth
    whole = json.dumps(
        answer(**{name: "DEEP"})
        if name in answer() or name == "error"
        else answer(choices=[choice(**{name: "DEEP"})])
    )
    body = whole.replace('"DEEP"', deep).encode()

    judge_all(
        plain(body), plain(body, {"stream": True}), stream(b"data: " + body + b"\n\n"), refusal(body=body)
    )


@pytest.mark.parametrize("kind", FaultKind)
def test_no_fault_raises(kind: FaultKind) -> None:
    """Faults with and without the beginning of a response."""
    fault = Fault(kind, "no")
    response = stream().response

    judge_all(
        Exchange(asked(), fault=fault), Exchange(asked({"stream": True}), response, fault), Exchange(asked())
    )


def test_there_is_a_rule_for_each_requirement_once() -> None:
    """No two rules implement one requirement, and each states its fact."""
    ids = [check.requirement_id for check in ALL]

    assert len(ids) == len(set(ids)) == len({check.name for check in ALL})
    assert all(check.fact.endswith(".") for check in ALL)
