"""The values of an exchange say no more than what crossed the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.wire.exchange import NOT_JSON, Exchange, Fault, FaultKind, Request, Response, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" null\n", None),
        ("[1, 1.5, -0, 1e3]", [1, 1.5, 0, 1000.0]),
        ('"ä"'.encode(), "ä"),
        (b'"\\ud800"', "\ud800"),
        (b"", NOT_JSON),
        (b"{}{}", NOT_JSON),
        (b"NaN", NOT_JSON),
        (b"[Infinity]", NOT_JSON),
        (b"[-Infinity]", NOT_JSON),
        (b"1e999", NOT_JSON),
        (b"9" * 5000, NOT_JSON),
        (b"[" * 100_000, NOT_JSON),
        (b'"\xff"', NOT_JSON),
        (b"\xef\xbb\xbf{}", NOT_JSON),
        (b"data: {}", NOT_JSON),
    ],
)
def test_json_is_read_strictly(text: bytes | str, value: object) -> None:
    """What RFC 8259 does not allow, or no client could hold, is not JSON; nothing raises."""
    found = parse_json(text)

    assert found == value
    assert (found is NOT_JSON) == (value is NOT_JSON)


@pytest.mark.parametrize(
    ("status", "served", "refused", "rate_limited"),
    [
        (200, True, False, False),
        (204, True, False, False),
        (301, False, False, False),
        (400, False, True, False),
        (401, False, False, False),
        (403, False, False, False),
        (404, False, False, False),
        (408, False, False, False),
        (422, False, True, False),
        (429, False, False, True),
        (500, False, False, False),
        (503, False, False, False),
        (999, False, False, False),
    ],
)
def test_the_status_says_what_it_says(
    *, status: int, served: bool, refused: bool, rate_limited: bool
) -> None:
    """2xx is served, 4xx is a refusal unless it is about the key, the route or patience."""
    exchange = Exchange(Request(), Response(status))

    assert (served, refused, rate_limited) == (exchange.served, exchange.refused, exchange.rate_limited)


def test_a_503_that_says_when_asks_for_patience() -> None:
    """With `Retry-After` it is the server's load, without it is its failure."""
    assert Exchange(Request(), Response(503, (("retry-after", "1"),))).rate_limited


def test_without_an_answer_nothing_is_served_or_refused() -> None:
    """A fault is neither."""
    exchange = Exchange(Request(), fault=Fault(FaultKind.DROPPED, ""))

    assert exchange.status is None
    assert not exchange.served
    assert not exchange.refused
    assert not exchange.rate_limited
    assert not exchange.closed_by_us


def test_an_exchange_with_nothing_was_left() -> None:
    """Neither an answer nor a fault: the suite went away, by itself."""
    assert Exchange(Request(close_after=0)).closed_by_us


def test_headers_are_found_in_any_case() -> None:
    """The first of the name counts, and the media type is without its parameters."""
    response = Response(200, (("CONTENT-TYPE", "Text/Event-Stream; charset=utf-8"), ("content-type", "a/b")))

    assert response.media_type == "text/event-stream"
    assert response.is_event_stream
    assert response.header("x") is None
    assert Response(200).media_type == ""


@pytest.mark.parametrize(
    ("prompt", "n", "prompts", "choices"),
    [
        ("a", 2, ("a",), 2),
        (["a", "b"], 2, ("a", "b"), 4),
        ([1, 2], 1, ((1, 2),), 1),
        ([[1], [2, 3]], 1, ((1,), (2, 3)), 2),
        ([], 1, (), 1),
        (["a", 1], 1, (), 1),
        ([[1], []], 1, (), 1),
        ([True], 1, (), 1),
        (None, "2", (), 1),
        ({}, True, (), 1),
    ],
)
def test_prompts_are_read_in_their_four_forms(prompt: Any, n: Any, prompts: Any, choices: int) -> None:
    """A text, texts, token ids, or several of those; anything else is no prompt."""
    request = Request.of({"prompt": prompt, "n": n})

    assert (request.prompts, request.choices) == (prompts, choices)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'"a"'])
def test_a_body_that_is_no_object_has_no_parameters(body: bytes) -> None:
    """A request that is malformed on purpose can be asked about its parameters."""
    request = Request(body)

    assert request.params == {}
    assert not request.streamed
    assert request.integer("n", 7) == 7


def test_parameters_go_out_in_ascii() -> None:
    """The body of a request is compact JSON in ASCII, whatever its text."""
    assert Request.of({"prompt": "ä🙂"}).body == b'{"prompt":"\\u00e4\\ud83d\\ude42"}'
    assert json.loads(Request.of({"prompt": "\ud800"}).body) == {"prompt": "\ud800"}
    assert repr(NOT_JSON) == "NOT_JSON"
