"""An exchange survives being written down, and its curl line sends the same request again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from conformance.wire.exchange import Auth, Exchange, Fault, FaultKind, Intent, Piece, Request, Response
from conformance.wire.http import HttpClient
from conformance.wire.record import curl, from_json, to_json
from conformance.wire.redact import Redactor
from tests.wire import servers
from tests.wire.servers import Client, Running, answer, chunk, serve

SCHEMA = json.loads((Path(__file__).parents[2] / "spec" / "exchange.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
KEY = "sk-proj/0123456789"

EXCHANGES = [
    pytest.param(Exchange(Request(), Response(200)), id="plain"),
    pytest.param(
        Exchange(
            Request.of(
                {"prompt": "ä\ud83d\ude42"},
                method="PUT",
                path="/a",
                headers=(("A", "1"), ("A", "2")),
                auth=Auth.NONE,
                intent=Intent.INVALID,
                parameter="stop",
                new_connection=True,
            ),
            Response(
                999,
                (("X", "ä"), ("X", "")),
                (Piece(0.25, b"\xe4"), Piece(0.5, "ä\0\u2028".encode()), Piece(0.5, b"")),
                wire_bytes=3,
            ),
            id="x12",
            started=1_700_000_000.5,
            seconds=0.75,
            retries=2,
            url="https://example.org/v1/a",
        ),
        id="everything",
    ),
    pytest.param(Exchange(Request(b"\xff"), fault=Fault(FaultKind.CONNECT, "no")), id="fault"),
    pytest.param(
        Exchange(
            Request(),
            Response(200, pieces=(Piece(0, b"{"),), complete=False),
            Fault(FaultKind.DROPPED, "cut"),
        ),
        id="half",
    ),
    pytest.param(
        Exchange(Request(close_after=2), Response(200, complete=False, closed_by_us=True)), id="left-early"
    ),
    pytest.param(Exchange(Request(close_after=0)), id="left-at-once"),
]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_exchange_comes_back_as_it_was(exchange: Exchange) -> None:
    """Written as JSON text and read again, an exchange is equal to itself, and the schema describes it."""
    document = json.loads(json.dumps(to_json(exchange, Redactor())))

    VALIDATOR.validate(document)
    assert from_json(document) == exchange


@given(
    st.builds(
        Exchange,
        st.builds(Request, st.binary(), headers=st.just(())),
        st.none()
        | st.builds(
            Response,
            st.integers(100, 999),
            pieces=st.lists(st.builds(Piece, st.sampled_from([0.0, 1.5]), st.binary())).map(tuple),
            closed_by_us=st.just(False),  # noqa: FBT003 - not ours to name
        ),
        st.none() | st.builds(Fault, st.sampled_from(FaultKind), st.text(min_size=1).map(ascii)),
    )
)
def test_any_bytes_come_back(exchange: Exchange) -> None:
    """Bodies of any bytes, in any pieces, survive."""
    assert from_json(json.loads(json.dumps(to_json(exchange, Redactor())))) == exchange


DEFECTS: list[tuple[str, Any]] = [
    ("id", 1),
    ("url", "file:///etc/passwd"),
    ("url", "https://example.org/ -o x"),
    ("seconds", -1),
    ("retries", 0.5),
    ("response", {}),
    ("fault", {"kind": "other", "message": "m"}),
    ("extra", 1),
    ("request.auth", "maybe"),
    ("request.close_after", -1),
    ("request.headers", [["a"]]),
    ("request.headers", [["a", "b", "c"]]),
    ("request.body_base64", "YQ=="),
    ("response.status", 99),
    ("response.status", "200"),
    ("response.closed_by_us", True),
    ("response.pieces", [{"seconds": 0}]),
    ("response.pieces", [{"seconds": 0, "body_base64": "?"}]),
]


@pytest.mark.parametrize(("place", "value"), DEFECTS)
def test_the_schema_is_strict(place: str, value: object) -> None:
    """A document with one thing wrong is none."""
    document = to_json(Exchange(Request(), Response(200)), Redactor())
    VALIDATOR.validate(document)
    *way, last = place.split(".")
    holder = document
    for name in way:
        holder = holder[name]
    holder[last] = value

    assert not VALIDATOR.is_valid(document)


def test_the_schema_is_a_schema_and_described() -> None:
    """The schema is valid itself, and says of every member what it is."""
    Draft202012Validator.check_schema(SCHEMA)

    def undescribed(schema: dict[str, Any], name: str) -> list[str]:
        found = [] if "description" in schema or "$ref" in schema else [name]
        for member, inner in schema.get("properties", {}).items():
            found += undescribed(inner, f"{name}.{member}")
        return found

    assert undescribed(SCHEMA, "") == []
    assert [name for key, inner in SCHEMA["$defs"].items() for name in undescribed(inner, key)] == []


@pytest.mark.parametrize("document", [{}, {"request": 1}, {"request": None, "response": None, "fault": None}])
def test_what_is_no_exchange_is_refused(document: Any) -> None:
    """Reading something else ends in one of the three documented exceptions."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_json(document)


# -- secrets


async def echoes_the_key(client: Client) -> None:
    """Sends the key back in every way it can think of."""
    line = next(line for line in client.head.decode().split("\r\n") if line.startswith("Authorization: "))
    key = line.removeprefix("Authorization: Bearer ")
    escaped = "".join(f"\\u{ord(char):04x}" for char in key)
    pieces = [
        key[:5],
        key[5:],
        "|",
        key.replace("/", "\\/"),
        "|",
        escaped[:7],
        escaped[7:],
        "|",
        key.replace("/", "%2f"),
    ]
    head = servers.CHUNKED.replace(b"\r\n\r\n", f"\r\nX-Echo: {key}\r\nX-{line}\r\n\r\n".encode())
    await client.send(head, *(chunk(piece.encode()) for piece in pieces), servers.LAST_CHUNK)


async def echoes_the_key_as_a_status_line(client: Client) -> None:
    """Sends the head of the request back, which is no answer."""
    await client.send(client.head)


@pytest.mark.parametrize("server", [echoes_the_key, echoes_the_key_as_a_status_line])
def test_an_echoed_key_is_written_nowhere(server: servers.Server) -> None:
    """A target that sends the key back does not bring it into what is written."""

    async def run() -> Exchange:
        async with serve(server) as running, HttpClient(running.url, key=KEY) as client:
            return await client.send(Request.of({"user": KEY}))

    exchange = asyncio.run(run())
    written = json.dumps(to_json(exchange, Redactor((KEY,))))

    assert exchange.response is not None or exchange.fault is not None
    for hidden in (
        KEY,
        KEY[5:],
        KEY.replace("/", "\\/"),
        KEY.replace("/", "\\\\/"),
        "\\u0073",
        "%2f0123456789",
    ):
        assert hidden not in written
    if exchange.response is not None:
        assert exchange.response.body.count(b"|") == 3
        assert json.loads(written)["response"]["pieces"][0]["body"] == "[removed]"


# -- curl

CURL = shutil.which("curl")
BASH = shutil.which("bash")
needs_curl = pytest.mark.skipif(not (CURL and BASH), reason="curl and bash are not installed")

BODIES = {
    "json": b'{"prompt": "a"}',
    "quotes": b"""'"'\\"$HOME`id`!!*?~#&|;<>()""",
    "lines": b"a\nb\r\nc\td\n\n",
    "nul": b"\0",
    "nul and more": b"a\0b\nc'%d%s\\n",
    "unicode": "äöü 🙂 \u202e\u2028".encode(),
    "invalid UTF-8": b"\xff\xfe%\xc3",
    "escape sequence": b"\x1b[31m\x07",
    "begins with @": b"@/etc/hostname",
    "begins with a dash": b"-d x",
    "every byte": bytes(range(256)),
    "long": b"x" * 300_000,
    "long with quotes": b"'%\\" * 100_000,
    "none": b"",
}


def replay(request: Request) -> tuple[Running, str]:
    """What a server gets from the curl line of `request`, and the line."""

    async def run() -> tuple[Running, str]:
        async with serve(servers.says(answer(), close=True)) as running:
            async with HttpClient(running.url, key=KEY) as client:
                exchange = await client.send(request)
            assert exchange.fault is None
            line = curl(Redactor((KEY,)).exchange(exchange))
            assert BASH is not None
            # The line goes in by a pipe, as one line of a script: no argument of a process may be as long as a body.
            process = await asyncio.create_subprocess_exec(
                BASH,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "COMPLETIONS_API_KEY": KEY, "HOME": "/nowhere"},
            )
            _, errors = await asyncio.wait_for(process.communicate(line.encode()), 20)
            assert (process.returncode, errors) == (0, b"")
            return running, line

    return asyncio.run(run())


def sent(running: Running, number: int) -> tuple[list[str], bytes]:
    """The head of a request without the headers in which two clients differ, and its body."""
    lines = running.requests[number].head.decode().split("\r\n")
    varying = ("user-agent:", "accept:", "accept-encoding:", "host:", "content-length:", "expect:")
    return [lines[0], *sorted(line.rstrip() for line in lines[1:] if not line.lower().startswith(varying))], (
        running.requests[number].body
    )


@needs_curl
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_curl_sends_the_same_body(body: bytes) -> None:
    """Any bytes arrive from the curl line as they did from the client, and the headers are the same."""
    running, line = replay(Request(body))

    assert sent(running, 0) == sent(running, 1)
    assert KEY not in line
    assert line.replace("\n", "").isprintable()


@needs_curl
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(method="GET", path="/models", headers=()), id="get"),
        pytest.param(Request(method="HEAD", path="/models", headers=()), id="head"),
        pytest.param(Request(b"{}", method="PUT"), id="put"),
        pytest.param(Request(b"{}", method="GET"), id="get-with-a-body"),
        pytest.param(Request(method="DELETE", path="/models/a%20b?c=[d]{e}", headers=()), id="delete"),
        pytest.param(Request(b"{}", headers=()), id="no-content-type"),
        pytest.param(Request(headers=()), id="nothing-posted"),
        pytest.param(Request(b"{}", headers=(("X-Empty", ""), ("X-A", "a 'b' \"$HOME\" \\ä"), ("X-A", "2"))), id="odd-headers"),
        pytest.param(Request(b"{}", auth=Auth.NONE), id="no-key"),
        pytest.param(Request(b"{}", auth=Auth.LONGER), id="longer-key"),
        pytest.param(Request.of({"stream": True}), id="stream"),
    ],
)  # fmt: skip
def test_curl_sends_the_same_request(request_: Request) -> None:
    """Method, path, headers and body arrive from the curl line as they did from the client."""
    running, _ = replay(request_)

    assert sent(running, 0) == sent(running, 1)


def test_curl_reads_naturally() -> None:
    """The line of an ordinary request is one that a person would write."""
    exchange = Exchange(Request.of({"stream": True}), url="https://example.org/v1/completions")

    assert curl(exchange) == (
        "curl -sS -i -g -N https://example.org/v1/completions -H 'Content-Type: application/json'"
        ' -H "Authorization: Bearer $COMPLETIONS_API_KEY" --data-raw \'{"stream":true}\''
    )


def test_curl_sends_the_key_in_the_header_that_takes_it() -> None:
    """Another header has the key as it is, and nothing in its name means anything to a shell."""
    exchange = Exchange(Request.of({}), url="https://example.org/v1/completions")

    assert ' -H "api-key: $COMPLETIONS_API_KEY" ' in curl(exchange, "api-key")
    assert ' -H "ab: $COMPLETIONS_API_KEY" ' in curl(exchange, 'a"`$(b')


def test_curl_reads_no_file_for_a_forged_record() -> None:
    """A recording from elsewhere can not make its curl line read a file or act on the terminal."""
    exchange = Exchange(
        Request(b"@/etc/passwd", method="X'; id;'", headers=(("@/etc/passwd", ""), ("X", "\x1b]0;a\x07"))),
        url="http://h/$(id)",
    )

    assert curl(exchange) == (
        "curl -sS -i -g -X 'X'\"'\"'; id;'\"'\"'' 'http://h/$(id)' -H 'X: ]0;a' -H 'Content-Type:'"
        ' -H "Authorization: Bearer $COMPLETIONS_API_KEY" --data-raw @/etc/passwd'
    )
