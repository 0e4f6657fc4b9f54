"""A faulty request is refused with the right status and an error object that names the parameter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.reference import Reference

from .asker import Asker, Reply

WRONG_TYPES: list[tuple[str, list[Any]]] = [
    ("model", [1, {}, [], True, ""]),
    (
        "prompt",
        [
            1,
            True,
            {"a": 1},
            [],
            [[]],
            [True],
            [{}],
            [["a"]],
            [None],
            ["a", 1],
            [1.5],
            [-1],
            [10**9],
            "\ud800",
        ],
    ),
    ("max_tokens", ["16", "abc", {}, [], True, 4.5, -5]),
    ("temperature", ["1", {}, True, 2.1, -0.1]),
    ("top_p", ["1", [], 1.1, -0.1]),
    ("n", ["1", {}, 0, -1, 129, 1.5]),
    ("best_of", ["1", -1, 21]),
    ("stream", ["true", {}, 1]),
    ("stream_options", ["x", [], True]),
    ("stop", [5, {}, [1], [None], "", [""], ["a"] * 5, "\udc00"]),
    ("suffix", [5, {}, ["a"]]),
    ("echo", ["true", {}, 1]),
    ("logprobs", ["1", True, -5, 6]),
    ("seed", ["1", 1.5, 2**63, -(2**63) - 1]),
    ("presence_penalty", ["1", 2.1, -2.1]),
    ("frequency_penalty", ["1", 2.1, -2.1]),
    (
        "logit_bias",
        [[], "x", {"a": 1}, {"-1": 1}, {"99999999": 1}, {"1": 101}, {"1": -101}, {"1": "1"}, {"²": 1}],
    ),
    ("user", [1, {}, None]),
]
BROKEN = [
    b"",
    b"x",
    b'{"model": "reference-1", ',
    b'{"model": "reference-1", "prompt": "x",}',
    b"[]",
    b'"x"',
    b"1",
    b"null",
    b'{"model": "reference-1", "prompt": "x"} {}',
    b'{"model": "reference-1", "prompt": "x", "temperature": NaN}',
    b'{"model": "reference-1", "prompt": "x", "temperature": Infinity}',
    b'{"model": "reference-1", "prompt": "x", "temperature": 1e999}',
    b'{"model": "reference-1", "prompt": "x", "prompt": "y"}',
    b'{"model": "reference-1", "prompt": "\xff"}',
    b'\xef\xbb\xbf{"model": "reference-1", "prompt": "x"}',
    b'{"model": "reference-1", "prompt": "x", "n": 1' + b"0" * 5000 + b"}",
    b'{"model": "reference-1", "prompt": ' + b"[" * 100_000,
]


def assert_refused(reply: Reply, status: int, param: str | None = None) -> None:
    """Check status and the shape of the error object."""
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))
    (error,) = reply.json.values()
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["code"] is None or isinstance(error["code"], str)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_TYPES for value in values]
)
def test_a_wrong_value_is_refused_by_name(ask: Asker, name: str, value: Any, *, stream: bool) -> None:
    """A value of a wrong type or out of range is refused, in streams by the status too."""
    status = 404 if (name, value) == ("model", "") else 400

    assert_refused(ask(**{"stream": stream, name: value}), status, name)


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_body_is_refused(ask: Asker, body: bytes) -> None:
    """A body that is not one JSON object is refused."""
    assert_refused(ask.raw(body), 400)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"best_of": 0}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"prompt": ["a"] * 257}, "prompt"),
        ({"prompt": ["a"] * 5, "n": 128}, "n"),
        ({"prompt": ["a"] * 26, "best_of": 20}, "best_of"),
        ({"prompt": None}, "prompt"),
        ({"model": None}, "model"),
    ],
)
def test_parameters_that_contradict_are_refused(ask: Asker, fields: dict[str, Any], param: str) -> None:
    """What is wrong only together is refused as well."""
    assert_refused(ask(**fields), 400, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 10_000_000},
        {"max_tokens": 4091},
        {"prompt": "word " * 200_000},
        {"prompt": "q z " * 4000},
        {"prompt": [1] * 4097, "max_tokens": 1},
        {"prompt": [1] * 4096, "max_tokens": 1},
        {"suffix": "q z " * 4000},
    ],
)
def test_too_many_tokens_are_refused(ask: Asker, fields: dict[str, Any]) -> None:
    """Prompt plus `max_tokens` beyond the context is refused; the message names the length."""
    reply = ask(**fields)

    assert_refused(reply, 400)
    assert "maximum context length is 4096 tokens" in reply.json["error"]["message"]
    assert reply.json["error"]["code"] == "context_length_exceeded"


def test_the_whole_context_may_be_used(ask: Asker) -> None:
    """Prompt plus `max_tokens` may equal the context."""
    assert ask([1] * 4095, max_tokens=1).status == 200
    assert ask([1] * 4096, max_tokens=0, echo=True).status == 200


@pytest.mark.parametrize("name", ["model", "prompt"])
def test_required_parameters_are_required(ask: Asker, name: str) -> None:
    """A request without model or prompt is refused."""
    fields = {"model": "reference-1", "prompt": "x"}
    del fields[name]

    assert_refused(ask.raw(json.dumps(fields).encode()), 400, name)


def test_an_unknown_model_is_not_found(ask: Asker) -> None:
    """Another model is 404 with the code `model_not_found`."""
    reply = ask(model="gpt-x")

    assert_refused(reply, 404, "model")
    assert reply.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": value} for value in (0, 0.0, 1, 2, 2.0)
    ]
    + [{"top_p": 0}, {"top_p": 1}, {"stop": []}, {"stop": ["a"] * 4}, {"stop": "x" * 1000}, {"max_tokens": 4.0}]
    + [{"prompt": text} for text in ("", [""], "\0\x01", "a\u2028b", [65.0])]
    + [{"best_of": 1}, {"n": 2, "best_of": 2}, {"user": "abc"}, {"x_unknown": {}}, {"seed": 2**53 + 1}]
    + [{"stream": True, "best_of": 1}, {"stream": True, "stream_options": {}}],
)  # fmt: skip
def test_legal_values_are_served(ask: Asker, fields: dict[str, Any]) -> None:
    """What the description allows is accepted, and an unknown field is ignored."""
    assert ask(**fields).status == 200


@pytest.mark.parametrize("name", [name for name, _ in WRONG_TYPES if name not in {"model", "prompt", "user"}])
def test_null_is_the_same_as_nothing(ask: Asker, name: str) -> None:
    """Null for a nullable parameter equals leaving it out."""
    fields = {"temperature": 0} if name != "temperature" else {"seed": 3}

    assert ask(**fields, **{name: None}).json["choices"] == ask(**fields).json["choices"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(ask: Asker, method: str) -> None:
    """Only POST is accepted, and the refusal says so in `Allow`."""
    reply = ask.raw(b"", method=method)

    assert_refused(reply, 405)
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/completions/", "/", "/v1/models/other"])
def test_other_paths_are_not_found(ask: Asker, path: str) -> None:
    """An unknown path is 404 with an error object."""
    assert ask.raw(b"", method="GET", path=path).status == 404


def test_a_large_body_is_refused(ask: Asker) -> None:
    """A body of more than 4 MB is refused with 413."""
    assert_refused(ask.raw(b" " * (4 * 1024 * 1024 + 1)), 413)


KEYS = {
    None: 401,
    "Bearer": 401,
    "Bearer ": 401,
    "Basic abc": 401,
    "xyz": 401,
    "Bearer wrong-key-0123456789": 401,
    "Bearer s3cret": 200,
    "bearer s3cret": 200,
}


@pytest.mark.parametrize(("header", "status"), KEYS.items())
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/reference-1"])
def test_a_key_is_needed_where_one_is_set(header: str | None, status: int, path: str) -> None:
    """Without the right key every endpoint says 401."""
    ask = Asker(Reference(api_key="s3cret"))
    headers = {} if header is None else {"authorization": header}

    assert ask.raw(b"", method="GET", path=path, headers=headers).status == status
    body = b'{"model":"reference-1","prompt":"x","stream":true}' if status == 200 else b"{broken"
    reply = ask.raw(body, headers=headers)
    assert reply.status == status
    if status == 401:
        assert_refused(reply, 401)
        assert reply.headers["www-authenticate"].startswith("Bearer")
        assert b"0123456789" not in reply.body


def test_a_defect_of_the_server_is_a_json_error() -> None:
    """What fails inside is 500 with an error object before a stream, and an error event without `[DONE]` in it."""

    class Broken(Reference):
        def step(self, *_: Any) -> Any:
            raise ZeroDivisionError

    ask = Asker(Broken())
    assert ask().status == 500
    assert ask().json["error"]["type"] == "server_error"
    assert ask(stream=True).body.startswith(b'data: {"error":')
    assert b"[DONE]" not in ask(stream=True).body
