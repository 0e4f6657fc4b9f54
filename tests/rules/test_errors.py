"""The rules about errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.catalogue import Limit
from conformance.rules import errors, usage
from conformance.wire.exchange import Exchange, Intent
from tests.builders import JSON, PROFILE, answer, asked, plain, refusal, says, stream

RULES = [value for value in vars(errors).values() if hasattr(value, "__conformance_check__")]
ERROR = {"message": "max_tokens is wrong", "type": "invalid_request_error", "param": None, "code": None}


@pytest.mark.parametrize("rule", [*RULES, usage.a_refused_request_reports_no_usage])
def test_a_sound_refusal_passes(rule: Callable[..., Any]) -> None:
    """No rule objects to OpenAI's own error."""
    assert not says(rule, refusal())


def test_the_shape_of_an_error() -> None:
    """Flat, string and `detail` errors, and bodies that are no JSON, break ERR-001; 401 is AUTH-004's."""
    rule = errors.an_error_is_an_object_under_error

    shapes: list[Any] = [
        {"message": "no"},
        {"error": "no"},
        {"detail": "no"},
        [],
        "no",
        {"error": None},
        b"<html>",
    ]
    for body in shapes:
        assert says(rule, refusal(body=body))
    assert says(rule, refusal(422, {"error": {}})) == ""
    assert says(rule, refusal(401, {"detail": "no"})) is None
    assert says(rule, plain({"detail": "no"}, asked(method="GET"), status=405)) is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"object": "error", "message": "no"},
        {"error": "no", "error_type": "validation"},
        {"detail": "no"},
        {"detail": [{"loc": ["body", "n"], "msg": "no"}]},
        "no",
        b"Internal Server Error",
    ],
)
def test_the_text_of_an_error_is_found_wherever_it_is(body: Any) -> None:
    """Each shape that servers use has its text."""
    assert says(errors.an_error_says_what_is_wrong, refusal(body=body)) == ""


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": ""}}, {"error": {"message": 5}}, {"error": {}}, {}, [], b"", {"detail": []}, 5],
)
def test_an_error_without_a_text_is_found(body: Any) -> None:
    """No text, an empty one, and one that is no string break ERR-002."""
    assert says(errors.an_error_says_what_is_wrong, refusal(body=body))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": None}, "`type` is null"),
        ({"param": 1}, "`param` is 1"),
        ({"code": []}, "`code` is []"),
    ],
)
def test_type_param_and_code_have_types(changes: dict[str, Any], message: str) -> None:
    """Another type is found; an integer code is tolerated."""
    rule = errors.an_error_has_type_param_and_code

    assert message in (says(rule, refusal(body={"error": {**ERROR, **changes}})) or "")
    assert says(rule, refusal(body={"error": {**ERROR, "code": 400}})) == ""


def test_missing_members_are_named() -> None:
    """llama.cpp has no `param`; another shape of error is ERR-001's."""
    rule = errors.an_error_has_type_param_and_code

    assert "`param` is missing" in (says(rule, refusal(body={"error": {"type": "x", "code": 400}})) or "")
    assert says(rule, refusal(body={"error": "no"})) is None


def test_a_client_fault_answered_with_5xx_is_found() -> None:
    """Invalid requests never get a 5xx; only its own finding speaks of it, and what is open is judged by whoever sent it."""
    exchange = refusal(500, b"Internal Server Error", asked(intent=Intent.INVALID, parameter="n"))
    rule = errors.a_client_fault_is_no_server_error

    assert "a fault in `n` was answered with status 500" in (says(rule, exchange) or "")
    assert [rule.__name__ for rule in RULES if says(rule, exchange)] == ["a_client_fault_is_no_server_error"]
    assert says(rule, refusal(500, b"Internal Server Error", asked(intent=Intent.OPEN))) is None


def test_other_failures_are_no_client_faults() -> None:
    """4xx is what is wanted; a valid request, or a plea for patience, proves nothing here."""
    rule = errors.a_client_fault_is_no_server_error
    patience = refusal(503, {"error": ERROR}, headers=[*JSON, ("Retry-After", "1")])

    assert says(rule, refusal(404)) == ""
    assert says(rule, refusal(500, {"error": ERROR}, asked())) is None
    assert says(rule, patience) is None


def test_an_error_inside_a_success_is_found() -> None:
    """An `error` in a 200 body breaks ERR-006, unless the profile declares it; chunks are STREAM-023's."""
    rule = errors.success_carries_no_error
    declared = replace(PROFILE, errors_in_200=Limit(value=True))

    assert says(rule, plain({"error": ERROR}))
    assert says(rule, plain({"error": ERROR}, {"stream": True}))
    assert says(rule, plain(answer(error=""))) != ""
    assert says(rule, plain(answer(error=None))) == ""
    assert says(rule, plain({"error": ERROR}), profile=declared) is None
    assert says(rule, stream([{"error": ERROR}])) is None


def bent(parameter: str, message: str, **error: Any) -> Exchange:
    """A refusal of a request that was bent in one parameter."""
    sent = asked(intent=Intent.INVALID, parameter=parameter)
    return refusal(400, {"error": {**ERROR, "message": message, **error}}, sent)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("n", "0 is less than the minimum of 1 - 'n'"),
        ("max_tokens", "Max tokens must be positive"),
        ("stop", "'$.stop' is invalid"),
        ("top_p", "top_p: Input should be less than or equal to 1"),
        ("prompt", "Prompt cannot be empty"),
    ],
)
def test_a_parameter_that_is_named_in_the_message_passes(parameter: str, message: str) -> None:
    """The name may be part of a sentence, with spaces for underscores."""
    assert says(errors.a_refusal_names_its_parameter, bent(parameter, message)) == ""


def test_a_parameter_that_is_not_named_is_found() -> None:
    """`n` is no word in "unknown"; naming it in `param` or in FastAPI's `loc` is enough."""
    rule = errors.a_refusal_names_its_parameter
    detail = {"detail": [{"loc": ["body", "n"], "msg": "not an integer"}]}

    assert says(rule, bent("n", "unknown\nvalue"))
    assert says(rule, bent("n", "unknown value", param="n")) == ""
    assert says(rule, refusal(422, detail, asked(intent=Intent.INVALID, parameter="n"))) == ""
    assert says(rule, refusal(400, b"no", asked(intent=Intent.INVALID, parameter="n")))
    assert says(rule, bent("n", "no echo here", param="prompt")) is None
    assert says(rule, refusal(404, {}, asked(intent=Intent.INVALID, parameter="n"))) is None
    assert says(rule, refusal(400, {}, asked(intent=Intent.OPEN, parameter="n"))) is None


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):\n",
        'File "/app/server.py", line 5, in run',
        "panic: runtime error: index out of range",
        "thread 'main' panicked at src/main.rs:5",
        "at handler (/srv/app/index.js:10:5)",
        "error in /usr/lib/python3/site-packages/vllm/engine.py",
        "C:\\llama\\server\\server.cpp(15)",
    ],
)
def test_internals_are_found(text: str) -> None:
    """Stack traces and paths of source files, in JSON and in plain text."""
    rule = errors.an_error_reveals_no_internals

    assert says(rule, refusal(500, {"error": {**ERROR, "message": text}}))
    assert says(rule, refusal(500, text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "see https://github.com/x/y/blob/main/server.py for help",
        "Invalid URL (POST /v1/completions)",
        "[json.exception.parse_error.101] parse error at line 1, column 9",
        "the model models/tiny/model.gguf does not exist",
        "/" * 50_000 + "a/" * 50_000,
    ],
)
def test_addresses_and_names_are_no_internals(text: str) -> None:
    """Links, request paths and relative names are fine, and a long text is read in a moment."""
    assert (
        says(errors.an_error_reveals_no_internals, refusal(body={"error": {**ERROR, "message": text}})) == ""
    )


@pytest.mark.parametrize("value", ["1", "120", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_rate_limit_with_a_time_passes(value: str) -> None:
    """Seconds or a date."""
    exchange = refusal(429, headers=[*JSON, ("retry-after", value)])

    assert says(errors.a_rate_limit_says_when_to_retry, exchange) == ""


def test_a_rate_limit_without_a_time_is_found() -> None:
    """No header, or one that is neither."""
    rule = errors.a_rate_limit_says_when_to_retry

    assert says(rule, refusal(429))
    assert says(rule, refusal(429, headers=[*JSON, ("Retry-After", "soon")]))
    assert says(rule, refusal(429, headers=[*JSON, ("Retry-After", "1.5")]))
    assert says(rule, refusal(400)) is None


def test_an_error_with_parts_of_an_answer_is_found() -> None:
    """`choices` and `usage` do not belong into an error; a null misleads nobody."""
    choices, charged = errors.an_error_carries_no_choices, usage.a_refused_request_reports_no_usage

    assert says(choices, refusal(body={"error": ERROR, "choices": []}))
    assert says(charged, refusal(body={"error": ERROR, "usage": {"total_tokens": 0}}))
    assert says(choices, refusal(body={"error": ERROR, "choices": None})) == ""
    assert says(charged, refusal(body={"error": ERROR, "usage": None})) == ""
    assert says(choices, refusal(body=b"no")) is None
