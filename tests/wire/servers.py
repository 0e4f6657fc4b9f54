"""Small servers that answer as no server should, each under the name of what it does."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Server = Callable[["Client"], Awaitable[None]]

EVENT = b'data: {"a": 1}\n\n'


@dataclass
class Client:
    """The connection of a client, and what it sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    body: bytes = b""

    async def request(self) -> bool:
        """Read one request; whether there was one."""
        try:
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        length = next(
            (
                int(line.partition(b":")[2])
                for line in self.head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        self.body = await self.reader.readexactly(length)
        return True

    async def send(self, *pieces: bytes) -> None:
        """Write the pieces, each on its own as far as the network lets them be."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        while await self.reader.read(65536):
            pass


@dataclass
class Running:
    """A server that runs: where, what its clients sent, on how many connections, and how many of those the client closed."""

    url: str
    requests: list[Client] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serve(server: Server, *, reads: bool = True) -> AsyncIterator[Running]:
    """Run `server` for every request (for every connection where it does not read any) until the block ends."""
    running = Running("")
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        running.connections += 1
        client = Client(reader, writer)
        try:
            while not reads or await client.request():
                running.requests.append(Client(reader, writer, client.head, client.body))
                await server(client)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            running.left.set()
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    running.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield running
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


def answer(
    body: bytes = b"{}", status: str = "200 OK", headers: bytes = b"Content-Type: application/json\r\n"
) -> bytes:
    """A whole and correct answer."""
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status.encode(), headers, len(body), body)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def says(*pieces: bytes, close: bool = False) -> Server:
    """A server that answers every request with the same bytes."""

    async def server(client: Client) -> None:
        await client.send(*pieces)
        if close:
            client.writer.close()

    return server


def in_turn(*answers: bytes) -> Server:
    """A server that gives one answer after the other, and the last one for ever, over all connections."""
    left = list(answers)

    async def server(client: Client) -> None:
        await client.send(left.pop(0) if len(left) > 1 else left[0])

    return server


good = says(answer(b'{"object": "text_completion"}'))
streams = says(CHUNKED, *[chunk(EVENT)] * 3, chunk(b"data: [DONE]\n\n"), LAST_CHUNK)


async def says_nothing(client: Client) -> None:
    """Takes the request and keeps still."""
    await client.gone()


async def hangs_up(client: Client) -> None:
    """Closes the connection instead of answering."""
    client.writer.close()


async def hangs_up_hard(client: Client) -> None:
    """Resets the connection instead of answering."""
    client.writer.transport.abort()


async def streams_for_ever(client: Client) -> None:
    """Sends events until the client goes away."""
    await client.send(CHUNKED)
    while True:
        await client.send(*[chunk(EVENT)] * 4, chunk(EVENT * 100))


async def drips(client: Client) -> None:
    """Sends a byte now and then, so that it is never quite silent."""
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await client.send(b"x")
        await asyncio.sleep(0.01)


async def never_ends_its_headers(client: Client) -> None:
    """Sends headers until the client goes away."""
    await client.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await client.send(b"X-More: %s\r\n" % (b"x" * 1000))


async def never_gets_past_100(client: Client) -> None:
    """Sends interim answers until the client goes away."""
    while True:
        await client.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


async def never_ends_its_body(client: Client) -> None:
    """Sends a body without a length until the client goes away."""
    await client.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await client.send(b"x" * 65536)


async def stops_in_mid_body(client: Client) -> None:
    """Sends half a body and keeps still."""
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await client.gone()


async def takes_nothing(client: Client) -> None:
    """Accepts the connection and reads no request; for `serve(…, reads=False)`."""
    del client
    await asyncio.Event().wait()


def gzipped(body: bytes) -> bytes:
    """A correct answer with a compressed body."""
    return answer(gzip.compress(body), headers=b"Content-Encoding: gzip\r\n")


def deflated(body: bytes, *, raw: bool) -> bytes:
    """A correct answer with a body in the "deflate" coding, with or without the zlib wrapper."""
    compress = zlib.compressobj(wbits=-15 if raw else 15)
    return answer(compress.compress(body) + compress.flush(), headers=b"Content-Encoding: deflate\r\n")


gzip_bomb = says(gzipped(b"\0" * 50_000_000))
