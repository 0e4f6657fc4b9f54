"""Sends requests and records exchanges; the one module that imports httpx.

The life of a request, and what each step can end in:

    wait for a slot     (bounded concurrency; no clock runs)
    connect             CONNECT (no such host, refused, TLS) · TIMEOUT
    send                UNSENDABLE (h11 refuses to write it) · TIMEOUT
    first byte          DROPPED · PROTOCOL · TOO_LARGE (endless headers) · TIMEOUT
    body                DROPPED · PROTOCOL (framing, content coding) · TOO_LARGE · TIMEOUT, each with the response as far as it came

httpx's transport is used below its client: a target gets no cookies back, no redirect is followed, no proxy or `.netrc` of the
environment is looked at, and the bytes arrive as they came. One clock watches all steps; httpx's trace tells it where a request is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self, cast

import httpx

from conformance.wire import sse
from conformance.wire.content_coding import CodingError, Decoder, TooLargeError
from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from conformance.wire.headers import check_headers, merge_headers
from conformance.wire.network_errors import explain, host_and_port

KEEP_ALIVE = 2.0
"""Seconds that an idle connection is kept: less than servers do (5 s is common), so that theirs seldom closes under a request."""

MAX_PIECES = 100_000
"""Pieces of a body that are kept; each costs memory beyond its bytes."""

_CLOCK_RESOLUTION = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target may cost: seconds and bytes."""

    connect: float = 10.0
    """Seconds to a connection, TLS included."""
    first_byte: float = 60.0
    """Seconds from a connection to the request being taken, and from there to the end of the headers."""
    between_bytes: float = 60.0
    """Seconds without a byte of the body."""
    total: float = 300.0
    """Seconds for one try at a request."""
    body_bytes: int = 2 * 1024 * 1024
    """Bytes of a body, on the wire as well as with its content coding undone; what the suite asks for fits into a tenth of it."""


def trusted_certificates() -> ssl.SSLContext:
    """The certificates by which an https target is known, which takes 20 ms. Raises `OSError` where $SSL_CERT_FILE names none."""
    return httpx.create_ssl_context()


class HttpClient:
    """An async context manager that sends requests to one target.

    `base_url` is what request paths are appended to; a query in it goes on every request. `headers` go on every request, but those
    that are secret only with `Auth.KEY`; `public_headers` go on every one, whatever is in them. A header of a request takes the place of
    one of the same name. The key goes out as `Authorization: Bearer`, or as it is in `key_header`, to `base_url`'s origin only, since
    redirects are not followed.

    Raises `ValueError` where the URL, the key, or a header could never be sent; its message holds no secret.
    """

    def __init__(  # noqa: PLR0913 - what a client is told of its target, each by its name
        self,
        base_url: str,
        *,
        key: str | None,
        key_header: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        public_headers: tuple[tuple[str, str], ...] = (),
        limits: Limits = Limits(),
        concurrency: int = 8,
    ) -> None:
        """Check the settings; nothing is opened yet."""
        self._base = _checked_url(base_url)
        check_headers((*headers, *public_headers), key, key_header)
        self._key = key
        self._key_header = key_header
        self._headers = headers
        self._public_headers = public_headers
        self._limits = limits
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._tls: ssl.SSLContext | bool = False
        self._transports: dict[bool, httpx.AsyncHTTPTransport] = {}

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        while self._transports:
            _, transport = self._transports.popitem()
            await transport.aclose()

    async def send(self, request: Request) -> Exchange:
        """What came back, whatever it was; raises nothing but `asyncio.CancelledError`. The exchange has no id yet.

        Whether a request that was turned away is sent again is the session's business.
        """
        async with self._slots:
            return await self._send_once(request)

    async def _send_once(self, request: Request) -> Exchange:
        """One answer. A kept connection that fails before an answer began proves nothing, so a new one is tried.

        The server may have closed it while it was idle, or an earlier body was longer than its `Content-Length` and the rest of it was
        taken for this answer.
        """
        try:
            wire_request = self._wire_request(request)
        except (UnicodeError, ValueError, TypeError, httpx.InvalidURL) as error:
            fault = Fault(FaultKind.UNSENDABLE, f"The request cannot be written: {type(error).__name__}.")
            return Exchange(request, fault=fault, started=time.time())
        attempt = _Attempt(request, wire_request, self._limits)
        exchange = await attempt.run(self._transport(kept=not request.new_connection))
        if attempt.reused and _failed_before_an_answer(exchange):
            # Made anew, since a body without a known length is read only once.
            attempt = _Attempt(request, self._wire_request(request), self._limits)
            exchange = await attempt.run(self._transport(kept=False))
        return exchange

    def _transport(self, *, kept: bool) -> httpx.AsyncHTTPTransport:
        """A transport that keeps connections for further requests, or one that opens and closes one for each."""
        if kept not in self._transports:
            if self._base.scheme == "https" and self._tls is False:
                self._tls = trusted_certificates()
            self._transports[kept] = httpx.AsyncHTTPTransport(
                verify=self._tls,
                trust_env=False,
                limits=httpx.Limits(
                    max_keepalive_connections=self._concurrency if kept else 0, keepalive_expiry=KEEP_ALIVE
                ),
            )
        return self._transports[kept]

    def _wire_request(self, request: Request) -> httpx.Request:
        """The request for httpx, which adds `Host`, and the framing of the body where the request does not choose it."""
        path, _, query = request.path.partition("?")
        base_path, _, base_query = self._base.raw_path.decode("ascii").partition("?")
        query = "&".join(part for part in (base_query, query) if part)
        raw_path = base_path.rstrip("/") + path + (f"?{query}" if query else "")
        url = self._base.copy_with(raw_path=(raw_path or "/").encode("ascii"))
        pairs = merge_headers(request, self._key, self._headers, self._key_header, self._public_headers)
        headers = [(name.encode("ascii"), value.encode("utf-8")) for name, value in pairs]
        # A body of known length gets a Content-Length; that and chunked coding together would be malformed (RFC 9112, 6.3).
        chunked = any(name.lower() == "transfer-encoding" for name, _ in pairs)
        content = _in_pieces(request.body) if chunked else request.body
        return httpx.Request(request.method, url, headers=headers, content=content)


async def _in_pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body without a known length, which httpx sends in chunked coding."""
    middle = len(body) // 2
    for piece in (body[:middle], body[middle:]):
        if piece:
            yield piece


class _Step(Enum):
    """Where a request is."""

    CONNECT = auto()
    SEND = auto()
    FIRST_BYTE = auto()
    BODY = auto()


class _GoneError(Exception):
    """Thrown out of httpx to leave as soon as the request is sent."""


class _Attempt:
    """One try at a request: what has come so far, and the clock for what has not."""

    def __init__(self, request: Request, wire_request: httpx.Request, limits: Limits) -> None:
        self.reused = True
        self._request = request
        self._wire_request = wire_request
        waits = request.waits
        self._limits = replace(
            limits, first_byte=max(limits.first_byte, waits), total=max(limits.total, waits)
        )
        self._step = _Step.CONNECT
        self._socket: Any = None
        self._sent: float | None = None
        self._head: httpx.Response | None = None
        self._pieces: list[Piece] = []
        self._wire_bytes = 0
        self._complete = False
        self._closed_by_us = False

    async def run(self, transport: httpx.AsyncHTTPTransport) -> Exchange:
        """The exchange; raises nothing but `asyncio.CancelledError`."""
        started, began = time.time(), time.perf_counter()
        fault: Fault | None = None
        self._loop = asyncio.get_running_loop()
        self._last_call = self._loop.time() + self._limits.total
        self._wire_request.extensions = {"trace": self._trace}
        try:
            async with asyncio.timeout(None) as self._clock:
                self._enter(_Step.CONNECT)
                await self._exchange(transport)
        except _GoneError:
            self._closed_by_us = True
        except TimeoutError:
            fault = Fault(FaultKind.TIMEOUT, self._what_took_too_long())
        except TooLargeError as error:
            fault = Fault(FaultKind.TOO_LARGE, str(error))
        except CodingError as error:
            fault = Fault(FaultKind.PROTOCOL, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a hostile answer provokes below us, the run goes on
            fault = self._fault(error)
        finally:
            if self._step is _Step.CONNECT and self._socket is not None:
                await self._socket.aclose()  # httpcore forgets it where the TLS handshake is cut short
        since = began if self._sent is None else self._sent
        return Exchange(
            request=self._request,
            response=self._response(),
            fault=fault,
            started=started,
            seconds=time.perf_counter() - since,
            url=str(self._wire_request.url),
        )

    # -- the clock -------------------------------------------------------------------------------------------------------------------

    def _enter(self, step: _Step) -> None:
        """Begin to wait for `step`, or for more of it."""
        self._step = step
        if not self._clock.expired():
            self._clock.reschedule(min(self._loop.time() + self._limit(step), self._last_call))

    def _limit(self, step: _Step) -> float:
        match step:
            case _Step.CONNECT:
                return self._limits.connect
            case _Step.SEND | _Step.FIRST_BYTE:
                return self._limits.first_byte
            case _Step.BODY:
                return self._limits.between_bytes

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Hear from httpcore what happens: https://www.encode.io/httpcore/extensions/#trace."""
        if event == "connection.connect_tcp.started":
            self.reused = False
        elif event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]
        elif event == "http11.send_request_headers.started":
            self._enter(_Step.SEND)
        elif (
            event == "http11.receive_response_headers.started"
        ):  # httpcore reads on even where not all could be sent
            self._sent = time.perf_counter()
            self._enter(_Step.FIRST_BYTE)
            if self._request.close_after == 0:
                await asyncio.sleep(self._request.stays)
                raise _GoneError

    def _what_took_too_long(self) -> str:
        if self._loop.time() >= self._last_call - _CLOCK_RESOLUTION:
            return f"The exchange was not over after {self._limits.total:g} s (the limit for the whole exchange).{self._so_far()}"
        seconds = f"{self._limit(self._step):g} s"
        match self._step:
            case _Step.CONNECT:
                return f"There was no connection to {host_and_port(self._wire_request.url)} within {seconds}."
            case _Step.SEND:
                return f"The server did not take the request within {seconds}."
            case _Step.FIRST_BYTE:
                return f"No status line and headers came within {seconds} after the request was sent."
            case _Step.BODY:
                return f"Nothing more came for {seconds}.{self._so_far()}"

    # -- the answer ------------------------------------------------------------------------------------------------------------------

    async def _exchange(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._head = await transport.handle_async_request(self._wire_request)
        # httpx's transport always gives an async stream, and its iterator is a generator, which must be closed where it is left early.
        stream = cast("httpx.AsyncByteStream", self._head.stream)
        try:
            async with contextlib.aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as body:
                await self._read(body)
        finally:
            await stream.aclose()

    async def _read(self, body: AsyncGenerator[bytes]) -> None:
        decoder = Decoder(self._coding(), self._limits.body_bytes)
        events = sse.Parser()
        awaited = self._request.close_after
        self._enter(_Step.BODY)
        async for data in body:
            self._enter(_Step.BODY)
            self._wire_bytes += len(data)
            if self._wire_bytes > self._limits.body_bytes:
                raise TooLargeError(f"The body is larger than {self._limits.body_bytes} bytes.")
            decoded = decoder.feed(data)
            if not decoded:
                continue
            self._keep(decoded)
            if awaited is not None:
                awaited -= len(events.feed(decoded))
                if awaited <= 0:
                    self._closed_by_us = True
                    return
        decoder.close()
        self._complete = True

    def _coding(self) -> str:
        assert self._head is not None  # noqa: S101 - the body comes after it
        return ", ".join(
            value.decode("latin-1")
            for name, value in self._head.headers.raw
            if name.lower() == b"content-encoding"
        )

    def _keep(self, data: bytes) -> None:
        if len(self._pieces) >= MAX_PIECES:
            raise TooLargeError(f"The body came in more than {MAX_PIECES} pieces.")
        self._pieces.append(Piece(time.perf_counter() - (self._sent or 0.0), data))

    def _response(self) -> Response | None:
        if self._head is None:
            return None
        return Response(
            status=self._head.status_code,
            headers=tuple((_text(name), _text(value)) for name, value in self._head.headers.raw),
            pieces=tuple(self._pieces),
            complete=self._complete,
            wire_bytes=self._wire_bytes,
            closed_by_us=self._closed_by_us,
        )

    def _fault(self, error: Exception) -> Fault:
        """What an exception of httpx, or of anything below it, says about the target."""
        host = host_and_port(self._wire_request.url)
        of_the_network = isinstance(error, (httpx.TransportError, OSError))
        if isinstance(error, httpx.LocalProtocolError) or (self._step is _Step.SEND and not of_the_network):
            # Not h11's message: it repeats the header, which may be the one with the key.
            return Fault(FaultKind.UNSENDABLE, "The request cannot be written as HTTP/1.1.")
        if self._step is _Step.CONNECT:
            return Fault(FaultKind.CONNECT, explain(error, host))
        where = self._so_far() if self._head else " No status line and headers had come."
        if isinstance(error, httpx.RemoteProtocolError):
            kind, message = _protocol_fault(str(error))
            return Fault(kind, message + where)
        if of_the_network:
            return Fault(FaultKind.DROPPED, f"The connection broke: {explain(error, host)}{where}")
        return Fault(FaultKind.PROTOCOL, f"The answer cannot be read ({type(error).__name__}).{where}")

    def _so_far(self) -> str:
        if self._head is None:
            return ""
        return f" {self._wire_bytes} bytes of the body had come."


def _failed_before_an_answer(exchange: Exchange) -> bool:
    return (
        exchange.response is None
        and exchange.fault is not None
        and exchange.fault.kind in {FaultKind.DROPPED, FaultKind.PROTOCOL}
    )


def _protocol_fault(text: str) -> tuple[FaultKind, str]:
    """What httpcore and h11 mean by a `RemoteProtocolError`, which they say in its text only."""
    if "disconnected" in text or "closed connection" in text:
        return FaultKind.DROPPED, "The server closed the connection."
    if "Receive buffer too long" in text:
        return FaultKind.TOO_LARGE, "The headers, or the line before a chunk, do not end."
    return FaultKind.PROTOCOL, f"What came is not HTTP/1.1: {text[:200]}."


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise ValueError(f"The base URL is not a URL: {error}.") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("The base URL must begin with http:// or https:// and name a host.")
    if url.userinfo:
        raise ValueError("The base URL must not hold a user name or password: they would end up in reports.")
    if url.fragment:
        raise ValueError("The base URL must not have a fragment (#…): it is never sent.")
    return url
