"""What openai-python makes of a stream."""

from __future__ import annotations

import json

import pytest

from conformance.rules.official_client import the_official_client_reads_it
from conformance.wire.exchange import Intent
from tests.builders import asked, chunk, plain, says, stream

CHUNK = json.dumps(chunk(reason="length")).encode()
DONE = b"data: [DONE]\n\n"


def test_a_sound_stream_is_read() -> None:
    """Chunks and [DONE] are all that the client needs."""
    assert says(the_official_client_reads_it, stream()) == ""


@pytest.mark.parametrize(
    "body",
    [
        b"data:" + CHUNK + b"\n\ndata:[DONE]\n\n",
        b"data: " + CHUNK + b"\r\n\r\ndata: [DONE]\r\n\r\n",
        b"data: " + CHUNK + b"\r\rdata: [DONE]\r\r",
        b": ping\n\ndata: " + CHUNK + b"\n\n: ping\n\n" + DONE,
        b"id: 1\ndata: " + CHUNK + b"\n\nid: 2\n" + DONE,
        b"event: completion\ndata: " + CHUNK + b"\n\n" + DONE,
        b"data: " + CHUNK + b"\n\n" + DONE + b"data: rubbish behind the end\n\n",
        b"data: " + CHUNK + b"\n\ndata: an event that is not closed",
        b'data: {"error": null}\n\n' + DONE,
        b"unknown: field\ndata: " + CHUNK + b"\n\n" + DONE,
        b"",
    ],
)
def test_legal_oddities_are_read(body: bytes) -> None:
    """Line ends, comments, names, ids and what stands behind [DONE] do no harm."""
    assert says(the_official_client_reads_it, stream(body)) == ""


def test_an_error_in_the_stream_is_somebody_elses() -> None:
    """The client raises at an error event, which is what it is meant to do: that there is one STREAM-023 says."""
    assert (
        says(the_official_client_reads_it, stream(b'data: {"error": {"message": "no"}}\n\n' + DONE)) is None
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"id: 1\ndata: " + CHUNK + b"\n\n: ping\n\n" + DONE, "an event without data"),
        (b"event: ping\n\n" + DONE, "an event without data"),
        (b"retry: 3000\n\n" + DONE, "an event without data"),
        (b"data: : OPENROUTER PROCESSING\n\n" + DONE, "JSONDecodeError"),
        (b"data: {}{}\n\n" + DONE, "JSONDecodeError"),
        (b"data: " + b"[" * 100_000 + b"\n\n" + DONE, "JSONDecodeError"),
        (b"data: \xff\n\n" + DONE, "UnicodeDecodeError"),
    ],
)
def test_what_makes_it_raise_is_found(body: bytes, said: str) -> None:
    """Among it an empty event that the standard drops: a comment on its own after any id."""
    assert said in (says(the_official_client_reads_it, stream(body)) or "")


def test_plain_answers_and_odd_requests_are_not_its_business() -> None:
    """An error in the answer to an odd request is raised on purpose."""
    odd = asked({"stream": True, "max_tokens": 0}, intent=Intent.OPEN)

    assert says(the_official_client_reads_it, plain()) is None
    assert says(the_official_client_reads_it, stream(['{"error": "no"}'], odd)) is None
