"""The scripted upstream: a small HTTP server that a gateway under test is configured to relay to.

It writes down what the gateway sends and answers by script (`gateway_scripts.py`), so that both sides of the gateway can be seen. It serves
`POST …/completions` and `GET …/models`, on the loopback interface only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from conformance.gateway.scripts import SCRIPTS, Reply, named

HOST: Final = "127.0.0.1"
_HEAD: Final = 64 * 1024
_BODY: Final = 4 * 1024 * 1024
_PATIENCE: Final = 30.0
"""Seconds for a request to come whole, and for each write."""
_KEPT: Final = 1000
"""So many requests are remembered."""


@dataclass
class Received:
    """One request of the gateway; `left` says that the gateway closed the connection before the answer was written."""

    path: str
    body: Mapping[str, Any]
    left: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class _Malformed(Exception):  # noqa: N818 - what came is no request; nobody else hears of it
    """The request can't be read."""


class Upstream:
    """The server. Use it as an asynchronous context manager; `OSError` where the port is taken."""

    def __init__(self, port: int) -> None:
        """Serve on `port` of the loopback interface, 0 for any free one."""
        self.port = port
        self.received: list[Received] = []
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, HOST, self.port, limit=_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes sockets one turn after it was told to

    def asked(self, prompt: object) -> list[Received]:
        """The requests with exactly this prompt, in order; a gateway may put a single prompt into a list."""
        return [request for request in self.received if request.body.get("prompt") in (prompt, [prompt])]

    async def arrival(self, prompt: object, patience: float = 5.0) -> Received | None:
        """The last request with this prompt once it is answered or left, within `patience` seconds; None where that does not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not (found := self.asked(prompt)):  # noqa: ASYNC110 - nobody can say which request is to come
                    await asyncio.sleep(0.05)
                await found[-1].answered.wait()
                return found[-1]
        return None

    # -- connections ---------------------------------------------------------------------------------------------------------------

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close: every answer says `Connection: close`."""
        try:
            async with asyncio.timeout(_PATIENCE):
                method, path, body = await _request(reader, writer)
            request = self._note(path, body) if method == "POST" and path.endswith("/completions") else None
            await self._answer(reader, writer, request, _reply(method, path, body))
            writer.close()
            async with asyncio.timeout(_PATIENCE):
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, _Malformed):
            pass  # the other side has gone, or never was an HTTP client
        finally:
            writer.transport.abort()  # does nothing to a connection that is closed already

    def _note(self, path: str, body: Mapping[str, Any]) -> Received:
        request = Received(path, body)
        self.received.append(request)
        del self.received[:-_KEPT]
        return request

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: Received | None,
        reply: Reply,
    ) -> None:
        written = False
        try:
            async for piece in _paced(reader, reply):
                writer.write(piece)
                async with asyncio.timeout(_PATIENCE):
                    await writer.drain()
            written = not reader.at_eof()
            if reply.breaks_off:
                writer.transport.abort()
        finally:
            if request is not None:
                request.left = not written
                request.answered.set()


async def _paced(reader: asyncio.StreamReader, reply: Reply) -> AsyncIterator[bytes]:
    """The bytes of an answer, until the other side has gone."""
    yield _head(reply)
    for number, piece in enumerate(reply.pieces):
        if number and reply.pause:
            await asyncio.sleep(reply.pause)
        if reader.at_eof():
            return
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    if not reply.breaks_off:
        yield b"0\r\n\r\n"


def _head(reply: Reply) -> bytes:
    headers = (
        ("Content-Type", reply.content_type),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        *reply.headers,
    )
    lines = (f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers), "", "")
    return "\r\n".join(lines).encode("ascii")


def _reply(method: str, path: str, body: Mapping[str, Any]) -> Reply:
    if method == "GET" and path.endswith("/models"):
        models = {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "suite"}]}
        return Reply((json.dumps(models).encode(),))
    if method == "POST" and path.endswith("/completions") and not path.endswith("/chat/completions"):
        return SCRIPTS[named(body)](body)
    error = {
        "message": f"The scripted upstream has no {method} {path}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return Reply((json.dumps({"error": error}).encode(),), status=404)


# -- requests ----------------------------------------------------------------------------------------------------------------------------


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, str, Mapping[str, Any]]:
    """Method, path without its query, and body; an empty body where it is no JSON object."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise _Malformed from error
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    document = _document(await _body(reader, headers))
    return method, rest.partition(" ")[0].partition("?")[0], document


def _document(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(_size(headers.get("content-length", "0"), 10))
    data = b""
    while size := _size((await reader.readline()).partition(b";")[0].decode("latin-1"), 16):
        if len(data) + size > _BODY:
            raise _Malformed
        data += (await reader.readexactly(size + 2))[:-2]
    return data


def _size(digits: str, base: int) -> int:
    try:
        size = int(digits, base)
    except ValueError as error:
        raise _Malformed from error
    if not 0 <= size <= _BODY:
        raise _Malformed
    return size
