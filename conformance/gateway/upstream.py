"""The scripted upstream: a small HTTP server that a gateway under test is configured to relay to.

It writes down what the gateway sends (headers, bytes, order, times) and answers by script (`scripts.py`), so that both sides of the gateway
can be seen. It serves `POST …/completions`, `GET …/models` and `GET …/health`, and a run's questions about all that (`control.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from conformance.gateway.answers import KEY_PLACE, Reply, json_reply
from conformance.gateway.control import Control
from conformance.gateway.keys import KeyMark, is_own, torn_in
from conformance.gateway.received import Received
from conformance.gateway.requests import HEAD_BYTES, Asked, MalformedError, read_request
from conformance.gateway.scripts import SCRIPTS, is_scripted, named

HOST: Final = "127.0.0.1"
MODEL: Final = "scripted"
_LONGEST_WAIT: Final = 30.0
"""Seconds for a request to come whole, and for each write."""
_KEPT: Final = 1000
"""So many requests are remembered."""
_KEPT_KEYS: Final = 16
_TICK: Final = 0.05
_HELD: Final = 10.0
"""Seconds that the upstream works on a slow answer, in steps of its own: on a busy machine they take longer, and so does the work."""
LATENESS: Final = 65.0
"""Seconds that a late answer takes to its first byte, in the same steps: more than the minute after which many give up."""
_TICKS_TOGETHER: Final = 20
"""How long it waits for another request to come."""
_TICKS_ONE_BY_ONE: Final = 100
"""How long a piece waits to be let go, for a gateway that serves nobody else meanwhile."""
_TICKS_AFTERWARDS: Final = 5
"""How long it waits after that, so that what comes with it is not taken for what came before."""


Notice = Callable[[Asked, Reply, str], object]
"""Is told of each request, its answer, and the script of that."""


class Upstream:
    """The server. Use it as an asynchronous context manager; `OSError` where the port is taken."""

    def __init__(  # noqa: PLR0913 - where it is, and what it is told, each by its name
        self,
        port: int,
        host: str = HOST,
        *,
        clients_key: KeyMark | None = None,
        notice: Notice | None = None,
        version: str = "",
        lateness: float = LATENESS,
    ) -> None:
        """Serve on `port` of `host`, 0 for any free one; `clients_key` is of what the client sends to the gateway."""
        self.port, self.host, self.version = port, host, version
        self._lateness = lateness
        self.clients_key = clients_key
        self.own_keys: tuple[str, ...] = ()
        """The keys of the gateway's own, the last that were seen."""
        self.received: list[Received] = []
        """What was asked for by scripts, the last requests of it."""
        self._number = 0
        self._notice = notice
        self._control = Control(self)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, _Gathering] = {}
        """The requests that wait for others, by their script."""
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, self.host, self.port, limit=HEAD_BYTES)
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

    @property
    def place(self) -> str:
        """Where it is, as the reader of a message would look for it."""
        return f"port {self.port}"

    @property
    def url(self) -> str:
        """The base URL that the gateway is to relay to."""
        return f"http://{HOST}:{self.port}/v1"

    def begin(self, clients_key: KeyMark | None) -> None:
        """Forget what has arrived: a run begins."""
        self.clients_key, self.own_keys = clients_key, ()
        self.received.clear()

    def find(self, tag: str) -> list[Received]:
        """The requests whose prompt, or whose user, holds `tag`, in order."""
        return [
            one
            for one in self.received
            if tag in json.dumps([one.body.get("prompt"), one.body.get("user")], ensure_ascii=False)
        ]

    async def asked(self, tag: str) -> list[Received]:
        """The same, for those who don't know where the upstream runs."""
        return self.find(tag)

    async def arrival(self, tag: str, ticks: int = _TICKS_ONE_BY_ONE) -> Received | None:
        """The first request with this tag, as soon as it is here; None where it does not come."""
        for _ in range(ticks):
            if found := self.find(tag):
                return found[0]
            async with self._came:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), _TICK)
        return None

    async def scripts(self) -> list[str]:
        """The scripts that were asked for, in order."""
        return [one.script for one in self.received]

    async def has_been_asked_for_more(self) -> bool:
        """Whether something has arrived that no check sends there."""
        return any(not is_scripted(one.asked.data) for one in self.received)

    async def keys_in(self, data: bytes) -> frozenset[str]:
        """The gateway's own keys that may stand in `data`, and what is left there of them: in this process all of them may be known."""
        return torn_in(self.own_keys, data).union(self.own_keys)

    # -- connections ---------------------------------------------------------------------------------------------------------------

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close: every answer says `Connection: close`."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                asked = await read_request(reader, writer)
            peer = str((writer.get_extra_info("peername") or ("",))[0])
            told = await self._control.answer(asked, peer)
            reply, script = (told, "") if told else _reply(asked)
            if self._notice is not None and told is None:
                self._notice(asked, reply, script)
            request = self._received(asked, script)
            if script:
                await self._remember(request)
            await self._answer(reader, writer, request, reply, script)
            writer.close()
            async with asyncio.timeout(_LONGEST_WAIT):
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, MalformedError):
            pass  # the other side has gone, or never was an HTTP client
        finally:
            writer.transport.abort()  # does nothing to a connection that is closed already

    def _received(self, asked: Asked, script: str) -> Received:
        self._number += 1
        client = self.clients_key
        has_own_key = bool(script) and is_own(asked.key, client)
        if has_own_key and asked.key not in self.own_keys:
            self.own_keys = (*self.own_keys, asked.key)[-_KEPT_KEYS:]
        names = (
            [name for name, value in asked.headers if client is not None and client.stands_in(value)]
            if script
            else []
        )
        return Received(asked, script, time.time(), self._number, has_own_key, tuple(names))

    async def _remember(self, request: Received) -> None:
        async with self._came:
            self.received.append(request)
            del self.received[:-_KEPT]
            self._came.notify_all()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: Received,
        reply: Reply,
        script: str,
    ) -> None:
        has_written = False
        try:
            if reply.together:
                await self._wait_for_others(request, script, reply.together)
            if reply.late:
                await _work(reader, request, self._lateness)
            if reply.held:
                await _work(reader, request, _HELD)
            if not reader.at_eof():
                await _write(reader, writer, request, reply)
            has_written = not reader.at_eof()
            if reply.breaks_off:
                writer.transport.abort()
        finally:
            request.left = not has_written
            request.answered.set()
            async with request.changed:
                request.changed.notify_all()

    async def _wait_for_others(self, request: Received, script: str, wanted: int) -> None:
        """Wait until `wanted` requests for the script are here, or no more have come for a while; notes how many were."""
        gathering = self._waiting.setdefault(script, _Gathering())
        gathering.here.append(request)
        gathering.came += 1
        for one in gathering.here:
            one.companions = max(one.companions, len(gathering.here))
        if len(gathering.here) >= wanted:
            gathering.all_came.set()
        try:
            came, ticks = gathering.came, 0
            while ticks < _TICKS_TOGETHER and not gathering.all_came.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(gathering.all_came.wait(), _TICK)
                came, ticks = gathering.came, 0 if came < gathering.came else ticks + 1
        finally:
            gathering.here.remove(request)
            if not gathering.here:
                self._waiting.pop(script, None)


@dataclass
class _Gathering:
    """Requests that wait for one another."""

    here: list[Received] = field(default_factory=list)
    came: int = 0
    """How many have come, those included that have left."""
    all_came: asyncio.Event = field(default_factory=asyncio.Event)


async def _work(reader: asyncio.StreamReader, request: Received, seconds: float) -> None:
    """Work on the first byte of an answer, for as long as somebody waits for it."""
    while request.waited < seconds and not reader.at_eof():
        await asyncio.sleep(_TICK)
        request.waited += _TICK


async def _write(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Received, reply: Reply
) -> None:
    """Write an answer, until the other side has gone."""
    compress = reply.compressed and request.asked.takes_gzip
    pieces = _compressed(reply.pieces) if compress else reply.pieces
    writer.write(_head(reply, (("Content-Encoding", "gzip"),) if compress else ()))
    for number, piece in enumerate(pieces):
        if number and reply.pause:
            await asyncio.sleep(reply.pause)
        if number and reply.one_by_one:
            await _until_let_go(request, number)
        if reader.at_eof():
            return
        data = piece.replace(KEY_PLACE.encode(), request.asked.key.encode()) if reply.mentions_key else piece
        if data:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        async with asyncio.timeout(_LONGEST_WAIT):
            await writer.drain()
        async with request.changed:
            request.written += 1
            request.changed.notify_all()
    if not reply.breaks_off:
        writer.write(b"0\r\n\r\n")
        async with asyncio.timeout(_LONGEST_WAIT):
            await writer.drain()


def _compressed(pieces: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The pieces of a body as those of one gzip file."""
    data = gzip.compress(b"".join(pieces), mtime=0)
    size = max(1, len(data) // len(pieces))
    return tuple(data[at : at + size] for at in range(0, len(data), size))


async def _until_let_go(request: Received, number: int) -> None:
    """Wait until the run lets piece `number` go: a gateway that serves nobody else meanwhile would wait for ever."""
    for _ in range(_TICKS_ONE_BY_ONE):
        if len(request.passed) >= number:
            await asyncio.sleep(_TICKS_AFTERWARDS * _TICK)
            return
        if request.all_may_go:
            return
        async with request.changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(request.changed.wait(), _TICK)
    request.let_go_by_itself = request.all_may_go = True


def _head(reply: Reply, more: tuple[tuple[str, str], ...]) -> bytes:
    headers = (
        ("Content-Type", reply.content_type),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        *reply.headers,
        *more,
    )
    lines = (f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers), "", "")
    return "\r\n".join(lines).encode("ascii")


def _reply(asked: Asked) -> tuple[Reply, str]:
    """The answer to a request, and the script that it comes from, empty where no completion was asked for."""
    method, path = asked.method, asked.path
    if method == "POST" and path.endswith("/completions") and not path.endswith("/chat/completions"):
        script = named(asked.body)
        return SCRIPTS[script](asked.body), script
    if method == "GET" and path.endswith("/models"):
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "completions-conformance"}
        return json_reply({"object": "list", "data": [model]}), ""
    if method == "GET" and path.endswith("/health"):
        return json_reply({"status": "ok"}), ""
    error = {
        "message": f"The scripted upstream has no {method} {path}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return json_reply({"error": error}, status=404), ""
