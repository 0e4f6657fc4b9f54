"""Whatever a server does, the client ends in bounded time with an exchange that says what happened."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from dataclasses import replace
from typing import Any

import pytest

from conformance.wire.exchange import Auth, Exchange, FaultKind, Request
from conformance.wire.headers import USER_AGENT
from conformance.wire.http import HttpClient, Limits
from conformance.wire.network_errors import explain
from tests.ports import free_port
from tests.wire import servers
from tests.wire.servers import CHUNKED, EVENT, LAST_CHUNK, Running, Server, answer, chunk, says, serve

KEY = "sk-0123456789"
REQUEST = Request.of({"prompt": "a"})
EASY = Limits(total=30.0, body_bytes=100_000)
QUICK = replace(EASY, first_byte=0.1, between_bytes=0.1)


def ask(
    server: Server, *requests: Request, limits: Limits = EASY, reads: bool = True, **options: Any
) -> Exchange:
    """What the last of `requests` gets from `server`."""
    return ask_all(server, *requests, limits=limits, reads=reads, **options)[0][-1]


def ask_all(
    server: Server, *requests: Request, limits: Limits = EASY, reads: bool = True, **options: Any
) -> tuple[list[Exchange], Running]:
    """What each of `requests`, sent one after the other, gets from `server`, and what that saw."""

    async def run() -> tuple[list[Exchange], Running]:
        async with (
            serve(server, reads=reads) as running,
            HttpClient(running.url, key=options.pop("key", None), limits=limits, **options) as client,
        ):
            return [await client.send(request) for request in requests or (REQUEST,)], running

    return asyncio.run(run())


def fault(exchange: Exchange) -> tuple[FaultKind, str]:
    """The fault, which there is."""
    assert exchange.fault is not None
    return exchange.fault.kind, exchange.fault.message


def header_lines(running: Running, number: int = 0) -> list[bytes]:
    """The lines of the head that the server got."""
    return running.requests[number].head.split(b"\r\n")[:-2]


# -- good answers


def test_an_answer_is_recorded_as_it_came() -> None:
    """Status, headers in their case and order, body, URL and times are in the exchange."""
    reply = answer(b"[1]", "418 I am", b"X-B: 1\r\nx-a: \xe4\r\nX-B: \xc3\xa4\r\n")
    exchange = ask(says(reply))

    assert exchange.response is not None
    assert exchange.response.status == 418
    assert exchange.response.headers == (("X-B", "1"), ("x-a", "ä"), ("X-B", "ä"), ("Content-Length", "3"))
    assert exchange.response.body == b"[1]"
    assert exchange.response.json == [1]
    assert exchange.response.complete
    assert exchange.response.wire_bytes == 3
    assert exchange.fault is None
    assert exchange.url.endswith("/v1/completions")
    assert exchange.request is REQUEST
    assert exchange.id == ""
    assert exchange.started > 1_700_000_000
    assert exchange.seconds > 0


def test_pieces_carry_their_arrival() -> None:
    """Each chunk of a stream is a piece, and their times go up from the moment the request was sent."""
    exchange = ask(servers.streams)

    assert exchange.response is not None
    assert [piece.data for piece in exchange.response.pieces] == [EVENT] * 3 + [b"data: [DONE]\n\n"]
    times = [piece.seconds for piece in exchange.response.pieces]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] <= exchange.seconds


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """HTTP/1.0's way to end a body is complete."""
    exchange = ask(says(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True))

    assert exchange.response is not None
    assert exchange.response.complete
    assert exchange.response.body == b"hello"


def test_a_redirect_is_an_answer() -> None:
    """A redirect is recorded and not followed."""
    exchanges, running = ask_all(
        says(answer(b"", "307 Temporary Redirect", b"Location: /elsewhere\r\n")), key=KEY
    )

    assert exchanges[0].status == 307
    assert len(running.requests) == 1


def test_cookies_do_not_come_back() -> None:
    """A target can not mark the suite with a cookie."""
    _, running = ask_all(says(answer(headers=b"Set-Cookie: a=b\r\n")), REQUEST, REQUEST)

    assert b"cookie" not in running.requests[1].head.lower()


def test_an_interim_answer_is_passed_over() -> None:
    """What follows `100 Continue` is the answer."""
    assert ask(says(b"HTTP/1.1 100 Continue\r\n\r\n", answer())).status == 200


# -- what is sent


def test_a_request_goes_out_as_it_is() -> None:
    """Method, path, body bytes and the headers of a check go out unchanged, repeated ones too."""
    request = Request(
        body=b"\0\xff{",
        method="PUT",
        path="/a%20b?c=d",
        headers=(("X-A", "1"), ("x-a", "\tä 2".strip()), ("X-Empty", "")),
    )
    _, running = ask_all(servers.good, request)

    lines = header_lines(running)
    assert lines[0] == b"PUT /v1/a%20b?c=d HTTP/1.1"
    assert {b"X-A: 1", "x-a: ä 2".encode(), b"X-Empty: ", b"Content-Length: 3"} <= set(lines)
    assert not any(line.lower().startswith(b"content-type") for line in lines)
    assert running.requests[0].body == b"\0\xff{"


def test_a_chunked_body_has_no_length() -> None:
    """A request in chunked coding carries no Content-Length, and its chunks add up to the body."""
    request = replace(REQUEST, headers=(("Transfer-Encoding", "chunked"),))
    head, chunks = asyncio.run(_first_bytes(request))

    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-length" not in head.lower()
    assert b"".join(chunks.split(b"\r\n")[1:-2:2]) == request.body
    assert chunks.endswith(LAST_CHUNK)


async def _first_bytes(request: Request) -> tuple[bytes, bytes]:
    """Head and body of `request` as they go over the wire."""
    came: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set_result((await reader.readuntil(b"\r\n\r\n"), await reader.readuntil(LAST_CHUNK)))
        writer.write(answer())
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with HttpClient(f"http://127.0.0.1:{port}/v1", key=None, limits=EASY) as client:
            await client.send(request)
        return await came


def test_the_client_says_who_it_is() -> None:
    """The headers of the client are few and do not vary."""
    _, running = ask_all(servers.good)

    assert sorted(line.partition(b":")[0] for line in header_lines(running)[1:]) == [
        b"Accept",
        b"Accept-Encoding",
        b"Content-Length",
        b"Content-Type",
        b"Host",
        b"User-Agent",
    ]
    assert f"User-Agent: {USER_AGENT}".encode() in header_lines(running)


@pytest.mark.parametrize(
    ("request_", "key", "headers", "expected"),
    [
        pytest.param(Request(), KEY, (), [f"Authorization: Bearer {KEY}"], id="key"),
        pytest.param(Request(), None, (), [], id="target-without-a-key"),
        pytest.param(Request(auth=Auth.NONE), KEY, (), [], id="request-without-a-key"),
        pytest.param(Request(auth=Auth.LONGER), KEY, (("authorization", "Basic x"),), [f"Authorization: Bearer {KEY}-1"], id="longer-key"),
        pytest.param(
            Request(auth=Auth.NONE, headers=(("Authorization", "Bearer x"),)),
            KEY,
            (),
            ["Authorization: Bearer x"],
            id="key-of-the-check",
        ),
        pytest.param(Request(), KEY, (("api-key", "k"), ("X-A", "1")), [f"Authorization: Bearer {KEY}", "api-key: k", "X-A: 1"], id="extra"),
        pytest.param(Request(auth=Auth.NONE), KEY, (("api-key", "k"), ("X-A", "1")), ["X-A: 1"], id="extra-credential-without-a-key"),
        pytest.param(Request(), KEY, (("authorization", "Basic x"),), ["authorization: Basic x"], id="extra-in-place-of-the-key"),
    ],
)  # fmt: skip
def test_credentials_go_out_with_the_key_only(
    request_: Request, key: str | None, headers: tuple[tuple[str, str], ...], expected: list[str]
) -> None:
    """The key and the credentials among the extra headers go with `Auth.KEY`, other extra headers always."""
    _, running = ask_all(servers.good, request_, key=key, headers=headers)

    sent = [
        line.decode()
        for line in header_lines(running)
        if line.lower().startswith((b"authorization", b"api-key", b"x-a"))
    ]
    assert sent == expected


def test_a_header_of_the_check_replaces_that_of_the_client() -> None:
    """`Accept-Encoding: identity` of a check is the only one."""
    _, running = ask_all(servers.good, Request(headers=(("accept-encoding", "identity"),)))

    assert [line for line in header_lines(running) if line.lower().startswith(b"accept-encoding")] == [
        b"accept-encoding: identity"
    ]


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("/v1", "/completions", b"/v1/completions"),
        ("/v1/", "/completions", b"/v1/completions"),
        ("", "/models", b"/models"),
        ("/x?api-version=1", "/completions", b"/x/completions?api-version=1"),
        ("/x?a=1", "/y?b=2", b"/x/y?a=1&b=2"),
    ],
)
def test_paths_follow_the_base_url(base: str, path: str, expected: bytes) -> None:
    """A path is appended to that of the base URL, whose query goes on every request."""

    async def run() -> bytes:
        async with serve(servers.good) as running:
            url = running.url.removesuffix("/v1") + base
            async with HttpClient(url, key=None) as client:
                await client.send(Request(path=path))
            return running.requests[0].head

    assert asyncio.run(run()).split(b" ")[1] == expected


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(headers=(("X-A", "a\r\nX-B: b"),)), id="line-end-in-a-value"),
        pytest.param(Request(headers=(("X-A", " a"),)), id="space-before-a-value"),
        pytest.param(Request(headers=(("X-A", "\ud800"),)), id="surrogate-in-a-value"),
        pytest.param(Request(headers=(("X A", "a"),)), id="space-in-a-name"),
        pytest.param(Request(headers=(("ä", "a"),)), id="name-that-is-not-ascii"),
        pytest.param(Request(headers=(("Content-Length", "1"),), body=b"{}"), id="length-too-small"),
        pytest.param(Request(headers=(("Content-Length", "3"),), body=b"{}"), id="length-too-large"),
        pytest.param(Request(method="G T"), id="method-with-a-space"),
        pytest.param(Request(path="/ä"), id="path-that-is-not-ascii"),
        pytest.param(Request(path="/\n"), id="path-with-a-line-end"),
    ],
)
def test_what_http_can_not_carry_is_the_suites_fault(request_: Request) -> None:
    """A request that can not be written ends as `unsendable`, without the key in the message, and the next one is served."""
    bad, good = ask_all(servers.good, request_, REQUEST, key=KEY)[0]

    kind, message = fault(bad)
    assert kind is FaultKind.UNSENDABLE
    assert KEY not in message
    assert bad.response is None
    assert good.status == 200


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("example.org/v1", "must begin with http"),
        ("ftp://example.org", "must begin with http"),
        ("http://", "must begin with http"),
        ("http://user:secret@example.org", "must not hold a user name or password"),
        ("http://example.org/#a", "must not have a fragment"),
        ("http://example.org:a", "is not a URL"),
    ],
)
def test_a_bad_base_url_is_refused(url: str, words: str) -> None:
    """A base URL that can not work is refused at once, and its secrets are not repeated."""
    with pytest.raises(ValueError, match=words) as refusal:
        HttpClient(url, key=None)

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("", ()),
        ("secret\n", ()),
        ("secret key", ()),
        ("secrét", ()),
        (None, (("X-A", "secret\n"),)),
        (None, (("X-A", " secret"),)),
        (None, (("X A", "secret"),)),
    ],
)
def test_a_bad_key_or_header_is_refused(key: str | None, headers: tuple[tuple[str, str], ...]) -> None:
    """A key or header that could never be sent is refused at once, without being repeated."""
    with pytest.raises(ValueError, match=r"key|header") as refusal:
        HttpClient("http://127.0.0.1", key=key, headers=headers)

    assert "secr" not in str(refusal.value)


# -- connections


def test_connections_are_kept() -> None:
    """Requests one after the other share a connection."""
    assert ask_all(servers.good, *[REQUEST] * 3)[1].connections == 1


def test_a_request_may_have_a_connection_of_its_own() -> None:
    """`new_connection` neither takes a kept connection nor leaves one."""
    own = Request(new_connection=True)

    assert ask_all(servers.good, REQUEST, own, own, REQUEST)[1].connections == 3


def test_concurrency_is_bounded() -> None:
    """No more requests than allowed are under way at a time, and that many are."""
    here, most = 0, 0
    three = asyncio.Barrier(3)

    async def counts(client: servers.Client) -> None:
        nonlocal here, most
        here += 1
        most = max(most, here)
        await three.wait()
        here -= 1
        await client.send(answer())

    async def run() -> list[Exchange]:
        async with serve(counts) as running, HttpClient(running.url, key=None, concurrency=3) as client:
            return await asyncio.gather(*(client.send(REQUEST) for _ in range(12)))

    assert {exchange.status for exchange in asyncio.run(run())} == {200}
    assert most == 3


def test_a_kept_connection_that_was_closed_is_no_fault() -> None:
    """A server that closes after an answer without saying so makes the next request go out on a new connection."""
    exchanges, running = ask_all(says(answer(), close=True), *[REQUEST] * 3)

    assert [exchange.fault for exchange in exchanges] == [None] * 3
    assert running.connections == 3


def test_a_body_in_pieces_goes_out_once_more_on_a_new_connection() -> None:
    """What is sent in chunked coding is made anew where the connection that was kept turns out to be closed."""
    chunked = replace(REQUEST, headers=(("Transfer-Encoding", "chunked"),))
    served = 0

    async def hangs_up_on_the_second(client: servers.Client) -> None:
        nonlocal served
        served += 1
        if served == 2:
            client.writer.close()
            return
        await client.send(answer())

    exchanges, running = ask_all(hangs_up_on_the_second, REQUEST, chunked)

    assert [exchange.fault for exchange in exchanges] == [None, None]
    assert running.connections == 2


def test_the_rest_of_a_body_is_not_the_next_answer() -> None:
    """A body longer than its `Content-Length` is cut there, and does not spoil the answer that follows."""
    longer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}}}"
    exchanges, _ = ask_all(says(longer), REQUEST, REQUEST)

    assert [exchange.response and exchange.response.body for exchange in exchanges] == [b"{}", b"{}"]
    assert [exchange.fault for exchange in exchanges] == [None, None]


def test_a_server_that_drops_every_request_is_at_fault() -> None:
    """The second try on a new connection does not hide a server that always hangs up."""

    async def first_only(client: servers.Client) -> None:
        if client.body != b"{}":
            client.writer.close()
            return
        await client.send(answer())

    exchange = ask(first_only, Request(body=b"{}"), REQUEST)

    assert fault(exchange)[0] is FaultKind.DROPPED


# -- leaving early


def test_close_after_counts_events() -> None:
    """The connection is closed after that many events, however they are cut into pieces; that is nobody's fault."""
    half = len(EVENT) // 2
    pieces = [EVENT[:half], EVENT[half:] + EVENT + b": comment\n\n", EVENT, EVENT]

    async def run() -> Exchange:
        async def server(client: servers.Client) -> None:
            await client.send(CHUNKED, *map(chunk, pieces))
            await client.gone()

        async with serve(server) as running, HttpClient(running.url, key=None) as client:
            exchange = await client.send(Request(close_after=3))
            await asyncio.wait_for(running.left.wait(), 5)
            return exchange

    exchange = asyncio.run(run())

    assert exchange.response is not None
    assert exchange.response.body.count(EVENT) >= 3
    assert exchange.closed_by_us
    assert not exchange.response.complete
    assert exchange.fault is None


def test_close_after_more_events_than_come_reads_all() -> None:
    """A stream that ends before is complete."""
    exchange = ask(servers.streams, Request(close_after=9))

    assert exchange.response is not None
    assert exchange.response.complete
    assert not exchange.closed_by_us


def test_close_after_0_leaves_before_the_answer() -> None:
    """The request is sent whole, and the connection closed without waiting."""

    async def run() -> tuple[Exchange, Running, Exchange]:
        async def server(client: servers.Client) -> None:
            if client.body == b"bye":
                await client.gone()
            else:
                await client.send(answer())

        async with serve(server) as running, HttpClient(running.url, key=None) as client:
            exchange = await client.send(Request(body=b"bye", close_after=0))
            await asyncio.wait_for(running.left.wait(), 5)
            return exchange, running, await client.send(REQUEST)

    exchange, running, after = asyncio.run(run())

    assert running.requests[0].body == b"bye"
    assert exchange.response is None
    assert exchange.fault is None
    assert exchange.closed_by_us
    assert after.status == 200


def test_cancelling_is_heard() -> None:
    """A request that is cancelled ends at once, closes its connection and frees its slot."""

    async def run() -> int | None:
        reached = asyncio.Event()

        async def server(client: servers.Client) -> None:
            reached.set()
            await (servers.good if client.body == b"{}" else servers.says_nothing)(client)

        async with serve(server) as running, HttpClient(running.url, key=None, concurrency=1) as client:
            task = asyncio.create_task(client.send(REQUEST))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(running.left.wait(), 5)
            return (await client.send(Request(body=b"{}"))).status

    assert asyncio.run(run()) == 200


# -- no connection


def ask_url(url: str) -> Exchange:
    """What a request to `url` gets."""

    async def run() -> Exchange:
        async with HttpClient(url, key=None, limits=EASY) as client:
            return await client.send(REQUEST)

    return asyncio.run(run())


def test_a_refused_connection_says_so() -> None:
    """The message names host and port."""
    port = free_port()
    exchange = ask_url(f"http://127.0.0.1:{port}")

    assert fault(exchange) == (FaultKind.CONNECT, f"127.0.0.1:{port} refuses connections.")
    assert exchange.response is None
    assert exchange.url == f"http://127.0.0.1:{port}/completions"


def test_a_host_that_does_not_exist_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that can not be resolved is told from a host that does not answer."""

    async def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unknown)

    assert fault(ask_url("http://nowhere.invalid")) == (
        FaultKind.CONNECT,
        "The name of nowhere.invalid:80 cannot be resolved.",
    )


def test_a_server_without_tls_says_so() -> None:
    """An https URL of a server that speaks plain http leads to a fault that names TLS."""

    async def run() -> Exchange:
        async def gibberish(client: servers.Client) -> None:
            await client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.writer.close()

        async with (
            serve(gibberish, reads=False) as running,
            HttpClient(running.url.replace("http:", "https:"), key=None, limits=EASY) as client,
        ):
            return await client.send(REQUEST)

    kind, message = fault(asyncio.run(run()))
    assert kind is FaultKind.CONNECT
    assert message.startswith("TLS with 127.0.0.1:")


def test_other_failures_are_explained_too() -> None:
    """An operating system's own words are used, from wherever in the chain of causes they are."""
    outer = RuntimeError()
    outer.__cause__ = ExceptionGroup("", [OSError(113, "No route to host")])

    assert explain(outer, "h:1") == "h:1 cannot be reached: No route to host."
    assert explain(RuntimeError(), "h:1") == "h:1 cannot be reached (RuntimeError)."
    assert explain(ConnectionResetError(), "h:1") == "h:1 closed the connection."
    assert explain(ssl.SSLError(), "h:1") == "TLS with h:1 failed: no handshake."


# -- bad servers

BAD_SERVERS = [
    # Silence.
    pytest.param(servers.says_nothing, FaultKind.TIMEOUT, "No status line and headers came within 0.1 s", None, id="says-nothing"),
    pytest.param(servers.stops_in_mid_body, FaultKind.TIMEOUT, "Nothing more came for 0.1 s. 5 bytes", b"hello", id="stops-in-mid-body"),
    # Too much.
    pytest.param(servers.never_ends_its_body, FaultKind.TOO_LARGE, "The body is larger than 100000 bytes.", ..., id="endless-body"),
    pytest.param(servers.never_ends_its_headers, FaultKind.TOO_LARGE, "The headers, or the line before a chunk, do not end.", None, id="endless-headers"),
    pytest.param(servers.streams_for_ever, FaultKind.TOO_LARGE, "The body is larger than 100000 bytes.", ..., id="endless-stream"),
    pytest.param(servers.gzip_bomb, FaultKind.TOO_LARGE, "The body is larger than 100000 bytes.", ..., id="gzip-bomb"),
    pytest.param(servers.never_gets_past_100, FaultKind.TIMEOUT, "No status line and headers came within 0.1 s", None, id="endless-1xx"),
    pytest.param(says(CHUNKED, b"1" * 200_000), FaultKind.TOO_LARGE, "The headers, or the line before a chunk, do not end.", b"", id="endless-chunk-size"),
    pytest.param(says(CHUNKED, b"fffffffff\r\n" + b"x" * 200_000), FaultKind.TOO_LARGE, "The body is larger", ..., id="huge-chunk"),
    # Hanging up.
    pytest.param(servers.hangs_up, FaultKind.DROPPED, "The server closed the connection. No status line", None, id="hangs-up"),
    pytest.param(servers.hangs_up_hard, FaultKind.DROPPED, "The ", None, id="resets"),
    pytest.param(says(b"HTTP/1.1 200 OK\r\nConte", close=True), FaultKind.DROPPED, "The server closed the connection. No status line", None, id="hangs-up-in-headers"),
    pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", close=True), FaultKind.DROPPED, "The server closed the connection. 5 bytes of the body", b"hello", id="shorter-than-its-length"),
    pytest.param(says(CHUNKED, chunk(EVENT), close=True), FaultKind.DROPPED, "The server closed the connection. 16 bytes", EVENT, id="no-last-chunk"),
    pytest.param(says(CHUNKED, b"20\r\nhello", close=True), FaultKind.DROPPED, "The server closed the connection. 5 bytes", b"hello", id="half-a-chunk"),
    # What is no HTTP.
    pytest.param(says(b"\0\1\2garbage\r\n\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1: illegal status line", None, id="garbage"),
    pytest.param(says(b"HTTP/1.1 OK\r\n\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", None, id="no-status-code"),
    pytest.param(says(b"HTTP/1.1 000 Nothing\r\n\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", None, id="status-000"),
    pytest.param(says(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", None, id="bad-header"),
    pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", None, id="two-lengths"),
    pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", None, id="negative-length"),
    pytest.param(says(CHUNKED, b"xyz\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", b"", id="bad-chunk-size"),
    pytest.param(says(CHUNKED, b"2\r\nhello\r\n"), FaultKind.PROTOCOL, "What came is not HTTP/1.1", ..., id="chunk-longer-than-its-size"),
    # Content codings.
    pytest.param(says(answer(b"hello", headers=b"Content-Encoding: gzip\r\n")), FaultKind.PROTOCOL, "The body is not gzip", b"", id="not-gzip"),
    pytest.param(says(answer(b"hello", headers=b"Content-Encoding: deflate\r\n")), FaultKind.PROTOCOL, "The body is not deflate", b"", id="not-deflate"),
    pytest.param(says(answer(b"hello", headers=b"Content-Encoding: br\r\n")), FaultKind.PROTOCOL, "The body has the content coding 'br', which was not asked for", b"", id="coding-not-asked-for"),
    pytest.param(says(answer(b"hello", headers=b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")), FaultKind.PROTOCOL, "The body has the content coding 'gzip, gzip'", b"", id="coded-twice"),
    pytest.param(says(answer(gzip.compress(b"hello")[:-4], headers=b"Content-Encoding: gzip\r\n")), FaultKind.PROTOCOL, "The body ends before its gzip data does.", b"hello", id="half-a-gzip"),
    pytest.param(says(answer(gzip.compress(b"hello") + b"rest", headers=b"Content-Encoding: gzip\r\n")), FaultKind.PROTOCOL, "Bytes follow the end of the gzip data.", b"", id="rest-after-gzip"),
    pytest.param(says(answer(gzip.compress(b"") * 200, headers=b"Content-Encoding: gzip\r\n")), FaultKind.PROTOCOL, "The body has more than 100 gzip members.", b"", id="many-gzips"),
]  # fmt: skip


@pytest.mark.parametrize(("server", "kind", "words", "body"), BAD_SERVERS)
def test_a_bad_server_is_a_fault(server: Server, kind: FaultKind, words: str, body: Any) -> None:
    """Each way to answer badly ends in a fault of its kind, with what came of the body (None: no answer; ...: some)."""
    exchange = ask(server, limits=QUICK if kind is FaultKind.TIMEOUT else EASY)

    assert (kind, words) == (fault(exchange)[0], fault(exchange)[1][: len(words)])
    if body is None:
        assert exchange.response is None
    else:
        assert exchange.response is not None
        assert not exchange.response.complete
        assert not exchange.closed_by_us
        assert len(exchange.response.body) <= EASY.body_bytes
        assert body in (..., exchange.response.body)


def test_a_server_that_drips_is_a_fault() -> None:
    """A server that is never quite silent runs into the limit for the whole exchange."""
    kind, message = fault(ask(servers.drips, limits=replace(EASY, total=0.3)))

    assert kind is FaultKind.TIMEOUT
    assert message.startswith("The exchange was not over after 0.3 s (the limit for the whole exchange). ")


def test_the_limit_for_the_whole_exchange_holds_before_the_answer() -> None:
    """It ends a wait that no other limit would."""
    exchange = ask(servers.says_nothing, limits=replace(EASY, total=0.1))

    assert fault(exchange) == (
        FaultKind.TIMEOUT,
        "The exchange was not over after 0.1 s (the limit for the whole exchange).",
    )


def test_a_reset_in_mid_body_keeps_what_came() -> None:
    """A connection that breaks is told from one that is closed, as far as the system tells."""

    async def run() -> Exchange:
        async def server(client: servers.Client) -> None:
            await client.send(CHUNKED, chunk(EVENT))
            # A socket that is closed with nothing to linger for sends a reset.
            client.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            await asyncio.sleep(0.05)  # until the client has read
            client.writer.transport.abort()

        async with serve(server) as running, HttpClient(running.url, key=None, limits=EASY) as client:
            return await client.send(REQUEST)

    kind, message = fault(asyncio.run(run()))

    assert kind is FaultKind.DROPPED
    assert message.startswith("The connection broke: 127.0.0.1:")


def test_a_handshake_that_does_not_end_is_a_fault() -> None:
    """TLS belongs to the connection, and to its limit."""

    async def run() -> Exchange:
        async with serve(servers.takes_nothing, reads=False) as running:
            url = running.url.replace("http:", "https:")
            async with HttpClient(url, key=None, limits=replace(EASY, connect=0.1)) as client:
                return await client.send(REQUEST)

    kind, message = fault(asyncio.run(run()))
    assert kind is FaultKind.TIMEOUT
    assert message.startswith("There was no connection to 127.0.0.1:")
    assert message.endswith(" within 0.1 s.")


def test_a_server_that_does_not_read_is_a_fault() -> None:
    """A request that is not taken ends in a fault that says so."""
    exchange = ask(servers.takes_nothing, Request(body=b"x" * 20_000_000), limits=QUICK, reads=False)

    assert fault(exchange) == (FaultKind.TIMEOUT, "The server did not take the request within 0.1 s.")


def test_an_answer_before_the_request_was_read_is_read() -> None:
    """A server may refuse a large body without reading it, and hang up: its answer counts."""

    async def refuses(client: servers.Client) -> None:
        await client.send(answer(b"", "413 Content Too Large"))
        await client.reader.read(1)
        client.writer.close()

    exchange = ask(refuses, Request(body=b"x" * 3_000_000), reads=False)

    assert exchange.status == 413 or fault(exchange)[0] is FaultKind.DROPPED


def test_too_many_pieces_are_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body in countless tiny pieces ends in a fault."""
    monkeypatch.setattr("conformance.wire.http.MAX_PIECES", 10)

    assert fault(ask(servers.streams_for_ever)) == (
        FaultKind.TOO_LARGE,
        "The body came in more than 10 pieces.",
    )


def test_a_surprise_below_us_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw ends in a fault with its name."""

    def surprise(*_args: object) -> None:
        raise LookupError(KEY)

    monkeypatch.setattr("conformance.wire.sse.Parser.feed", surprise)

    assert fault(ask(servers.streams, Request(close_after=1))) == (
        FaultKind.PROTOCOL,
        "The answer cannot be read (LookupError). 16 bytes of the body had come.",
    )


# -- content codings


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(servers.gzipped(b"hello" * 100), id="gzip"),
        pytest.param(servers.deflated(b"hello" * 100, raw=False), id="deflate"),
        pytest.param(servers.deflated(b"hello" * 100, raw=True), id="raw-deflate"),
        pytest.param(
            answer(
                gzip.compress(b"hello") * 99 + gzip.compress(b"hello"),
                headers=b"Content-Encoding: X-GZip\r\n",
            ),
            id="gzip-members",
        ),
        pytest.param(answer(b"hello" * 100, headers=b"Content-Encoding: identity\r\n"), id="identity"),
    ],
)
def test_content_codings_are_undone(reply: bytes) -> None:
    """The codings that were asked for are undone, and the size on the wire is kept."""
    exchange = ask(says(reply))

    assert exchange.response is not None
    assert exchange.response.body == b"hello" * 100
    assert exchange.response.complete
    assert exchange.response.wire_bytes == len(reply.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_coded_stream_is_undone_as_it_comes(size: int) -> None:
    """The bytes of a coding may be cut anywhere."""
    coded = gzip.compress(EVENT * 3) + gzip.compress(EVENT)
    chunks = [chunk(coded[at : at + size]) for at in range(0, len(coded), size)]
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    exchange = ask(says(head, *chunks, LAST_CHUNK))

    assert exchange.response is not None
    assert exchange.response.body == EVENT * 4
    assert exchange.response.complete


def test_no_body_is_no_broken_coding() -> None:
    """A coding without a body, as in an answer to HEAD, is fine."""
    exchange = ask(says(answer(b"", headers=b"Content-Encoding: gzip\r\n")))

    assert exchange.fault is None


# -- several at once


def test_many_requests_at_once_to_bad_servers_stay_apart() -> None:
    """A fault of one request is not seen by another on the same client."""

    async def mixed(client: servers.Client) -> None:
        await {b"0": servers.good, b"1": servers.hangs_up, b"2": servers.streams}[client.body](client)

    async def run() -> list[Exchange]:
        async with serve(mixed) as running, HttpClient(running.url, key=None) as client:
            return await asyncio.gather(*(client.send(Request(body=b"%d" % (n % 3))) for n in range(30)))

    exchanges = asyncio.run(run())

    assert [exchange.status for exchange in exchanges] == [200, None, 200] * 10
    assert {exchange.fault.kind for exchange in exchanges if exchange.fault} == {FaultKind.DROPPED}


def test_a_client_says_nothing_about_its_key() -> None:
    """The key is in no representation of the client."""
    client = HttpClient("http://127.0.0.1", key=KEY)

    assert KEY not in repr(client) + str(client)
