"""What comes from a target, before anybody looks at it: without the secrets that the target was given, and bounded in all.

A run keeps every exchange, since its rules look at all of them. What an honest target sends is a few megabytes; one that sends more gets less and
less room, so that a run fits into the memory of any machine however much comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate

from conformance.kit.daemon_thread import in_daemon_thread
from conformance.run.delivery import Send
from conformance.run.gateway_keys import GatewayKeys
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from conformance.wire.redact import Redactor

LONG = 64 * 1024
"""Bytes of an answer that is read while the event loop does other things."""
ROOM = 16 * 1024 * 1024
ROOM_FOR_ONE = 64 * 1024
"""Bytes of memory, nearly, that a run has for answers and what is read in them, and so many more with each answer: honest ones take half of it, on average."""
SHORT_OF_ROOM = 8 * 1024
"""Bytes that are kept of a body, and of its headers, where there is no room any more; what is read in it is not kept."""
_OF_A_VALUE = 80
"""Bytes that a value takes which was read."""
_OF_A_PIECE = 150
_OF_A_HEADER = 600
_BORDERS = (b",", b"[", b"{", b"\n")
"""What stands before each value of JSON, or event of a stream."""


@dataclass
class Receiving:
    """Sends requests by `send`, and gives answers as they may be looked at."""

    send: Send
    redactor: Redactor
    gateway_keys: GatewayKeys | None = None
    """Takes out the keys of a gateway under test."""
    taken: int = field(default=0, init=False)
    """Bytes of the room that are taken."""
    answers: int = field(default=0, init=False)

    async def __call__(self, request: Request) -> Exchange:
        """The exchange of a request."""
        exchange = await _aside(self.redactor.received, await self.send(request))
        if self.gateway_keys is not None:
            exchange = await self.gateway_keys.received(exchange)
        return await _aside(self._kept, exchange)

    def _kept(self, exchange: Exchange) -> Exchange:
        """The exchange as there is room for it."""
        if exchange.response is None:
            return exchange
        weight = _weight(exchange.response)
        self.answers += 1
        if self.taken + weight > ROOM + ROOM_FOR_ONE * self.answers:
            return _in_little_room(exchange, exchange.response)
        self.taken += weight
        Completion.read(exchange)
        return exchange


async def _aside(work: Callable[[Exchange], Exchange], exchange: Exchange) -> Exchange:
    """What `work` makes of an exchange: of a long one beside the event loop."""
    response = exchange.response
    if response is None or sum(len(piece.data) for piece in response.pieces) <= LONG:
        return work(exchange)
    return await in_daemon_thread(partial(work, exchange))


def _weight(response: Response) -> int:
    body = response.body
    values = sum(map(body.count, _BORDERS))
    headers = sum(len(name) + len(value) + _OF_A_HEADER for name, value in response.headers)
    return 3 * len(body) + headers + _OF_A_VALUE * values + _OF_A_PIECE * len(response.pieces)


def _in_little_room(exchange: Exchange, response: Response) -> Exchange:
    """The exchange with as much of the body as there is room for, in one piece, and as many of the headers."""
    seconds = response.pieces[-1].seconds if response.pieces else 0.0
    headers = _first(response.headers)
    is_whole = len(response.body) <= SHORT_OF_ROOM and len(headers) == len(response.headers)
    kept = replace(
        response,
        headers=headers,
        pieces=(Piece(seconds, response.body[:SHORT_OF_ROOM]),),
        complete=response.complete and is_whole,
        is_kept=False,
    )
    if is_whole:
        return replace(exchange, response=kept)
    fault = Fault(
        FaultKind.TOO_LARGE,
        f"The target has sent so much in this run that no more than {SHORT_OF_ROOM} bytes of an answer are kept.",
    )
    return replace(exchange, response=kept, fault=exchange.fault or fault)


def _first(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The first headers, as many as there is room for."""
    sizes = accumulate(_OF_A_VALUE + len(name) + len(value) for name, value in headers)
    return tuple(header for header, size in zip(headers, sizes, strict=True) if size <= SHORT_OF_ROOM)
