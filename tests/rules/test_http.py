"""The rules about HTTP and headers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.rules import headers, http
from conformance.wire.exchange import Exchange, Fault, FaultKind, Intent
from tests.builders import EVENTS, JSON, answer, asked, plain, says, stream


def broken_off(exchange: Exchange, kind: FaultKind = FaultKind.DROPPED) -> Exchange:
    """The same exchange, cut off with a fault."""
    assert exchange.response is not None
    response = replace(exchange.response, complete=False)
    return replace(exchange, response=response, fault=Fault(kind, "The server closed the connection."))


def test_json_by_name_with_200_passes() -> None:
    """Parameters of the content type are fine."""
    exchange = plain(headers=[("content-type", "Application/JSON; charset=utf-8")])

    assert says(http.a_valid_request_gets_200_and_json, exchange) == ""


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        (plain(status=201), "status 201"),
        (plain(headers=[]), "without a Content-Type"),
        (plain(headers=[("Content-Type", "text/plain")]), "text/plain"),
        (plain(b"data: {}\n\n", headers=EVENTS), "text/event-stream"),
    ],
)
def test_another_status_or_type_is_found(exchange: Exchange, message: str) -> None:
    """A plain answer that is not JSON by name, or not 200, breaks HTTP-001."""
    assert message in (says(http.a_valid_request_gets_200_and_json, exchange) or "")


def test_a_stream_may_answer_where_streams_are_open() -> None:
    """A coerced `stream` and a request that accepts event streams are judged elsewhere."""
    rule = http.a_valid_request_gets_200_and_json
    accepting = asked(headers=(("Accept", "text/event-stream"),))

    assert says(rule, plain(b"", asked({"stream": "yes"}, intent=Intent.INVALID), headers=EVENTS)) is None
    assert says(rule, plain(b"", accepting, headers=EVENTS)) is None


@pytest.mark.parametrize("body", [b'\n\n {"id": "\\ud800"}\r\n', b'{"a": 1, "a": 2}'])
def test_one_object_in_white_space_passes(body: bytes) -> None:
    """Blank lines before the object, as OpenRouter sends them, are JSON."""
    assert says(http.the_body_is_one_json_object, plain(body)) == ""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it is empty"),
        (b'{"a": NaN}', "NaN, Infinity"),
        (b'{"a": -1e999}', "beyond a double"),
        (b"{}{}", "Extra data at byte 2"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        ('{"é": }'.encode(), "at byte 7"),
        (b"[]", "not an object"),
        (b"[" * 200_000, "nested too deeply"),
        (b"1" * 5_000, "a number that is too long"),
    ],
)
def test_what_is_no_object_is_found(body: bytes, message: str) -> None:
    """HTTP-002 says what is wrong, and where."""
    assert message in (says(http.the_body_is_one_json_object, plain(body)) or "")


def test_only_json_by_name_has_to_be_json() -> None:
    """A page of HTML is HTTP-001's finding alone."""
    page = plain(b"<html>", headers=[("Content-Type", "text/html")])

    assert says(http.the_body_is_one_json_object, page) is None


def test_a_connection_closed_without_an_answer_is_found() -> None:
    """A dropped connection and an unreadable answer break HTTP-011, a stream that broke off too."""
    rule = http.every_request_gets_a_response

    for kind in (FaultKind.DROPPED, FaultKind.PROTOCOL):
        assert says(rule, Exchange(asked(), fault=Fault(kind, "The server closed the connection.")))
    assert says(rule, broken_off(stream()))
    assert says(rule, plain()) == ""


@pytest.mark.parametrize(
    "kind", [FaultKind.CONNECT, FaultKind.TIMEOUT, FaultKind.TOO_LARGE, FaultKind.UNSENDABLE]
)
def test_other_faults_are_no_broken_answers(kind: FaultKind) -> None:
    """Limits of the suite, and connections that never were, are judged elsewhere."""
    assert says(http.every_request_gets_a_response, Exchange(asked(), fault=Fault(kind, "?"))) is None
    assert says(http.every_request_gets_a_response, Exchange(asked())) is None  # closed by us


def test_the_length_is_judged_by_the_header_alone() -> None:
    """A body shorter than its `Content-Length` is HDR-003's, and not HTTP-011's as well."""
    short = broken_off(plain(b"{", headers=[*JSON, ("Content-Length", "500")]))

    assert "Content-Length is 500, but 1 bytes" in (
        says(headers.the_stated_length_is_the_length, short) or ""
    )
    assert says(http.every_request_gets_a_response, short) is None


def test_a_true_length_passes() -> None:
    """The length is that on the wire; none is fine, and so is one of what was not read to its end."""
    rule = headers.the_stated_length_is_the_length
    exchange = plain(b"{}", headers=[("content-length", "2")])

    assert says(rule, exchange) == ""
    assert says(rule, plain()) is None
    assert says(rule, plain(b"{}", headers=[("content-length", "٢")])) is None
    assert says(rule, broken_off(plain(b"{}", headers=[("content-length", "3")]), FaultKind.TIMEOUT)) is None
    assert says(rule, plain(b"", asked(method="HEAD"), headers=[("content-length", "3")])) is None


def test_a_stream_has_no_length() -> None:
    """A stream with `Content-Length` is found; one that an error answers is none."""
    rule = headers.the_stated_length_is_the_length
    size = len(stream().response.body)  # type: ignore[union-attr]
    length = ("Content-Length", str(size))

    assert says(rule, stream(headers=[*EVENTS, length]))
    assert says(rule, plain(answer(), {"stream": True}, headers=[*JSON, ("Content-Length", str(size))])) != ""


@pytest.mark.parametrize("value", ["no-cache", "private, No-Store", "no-cache=x, max-age=0"])
def test_a_stream_that_is_not_cached_passes(value: str) -> None:
    """One of the two directives is enough, wherever it stands."""
    assert says(headers.a_stream_is_not_cached, stream(headers=[EVENTS[0], ("cache-control", value)])) == ""


def test_a_stream_without_cache_control_is_found() -> None:
    """No header, and one that allows to store the stream."""
    assert (
        says(headers.a_stream_is_not_cached, stream(headers=EVENTS[:1]))
        == "the stream came with no Cache-Control"
    )
    assert says(headers.a_stream_is_not_cached, stream(headers=[EVENTS[0], ("Cache-Control", "max-age=60")]))
    assert says(headers.a_stream_is_not_cached, plain()) is None
