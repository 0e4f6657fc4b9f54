"""What a run asks an upstream that was up before it: what has arrived, and what became of it.

Answered is what comes from this machine, and from no page in a browser. No answer holds a key: those in headers are shortened, and where the
gateway's own stands in a text is told by its place there. `conformance/kit/upstream_elsewhere.py` is the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from conformance.gateway.answers import Reply, json_reply
from conformance.gateway.keys import KeyMark, shortened, spans_of, without
from conformance.gateway.received import Received
from conformance.gateway.requests import Asked

PATH: Final = "/_conformance/"
NAME: Final = "completions-conformance upstream"
MOST_REQUESTS: Final = 40
"""So many requests stand in an answer, the last ones."""
MOST_BYTES: Final = 32 * 1024
"""Longer bodies of requests do not stand in an answer; those of the suite are shorter."""
_MOST_HEADERS: Final = 60
_LONGEST_VALUE: Final = 200
_PUBLIC: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
"""Headers whose values are told; those of all others are shortened."""
_PATIENCE: Final = 5.0
"""Seconds after which a question that waits is answered as it is, to be asked again."""


class Served(Protocol):
    """What is asked about: the upstream."""

    @property
    def received(self) -> Sequence[Received]:
        """What is remembered of what has arrived."""

    @property
    def version(self) -> str:
        """Of which version of the suite it is."""

    @property
    def clients_key(self) -> KeyMark | None:
        """The client's key."""

    @property
    def own_keys(self) -> Sequence[str]:
        """Those of the gateway's own."""

    def begin(self, clients_key: KeyMark | None) -> None:
        """Forget what has arrived: a run begins."""

    def find(self, tag: str) -> list[Received]:
        """The requests with this tag."""

    async def arrival(self, tag: str) -> Received | None:
        """The first of them, as soon as it is here."""

    async def scripts(self) -> Sequence[str]:
        """The scripts that were asked for."""

    async def has_been_asked_for_more(self) -> bool:
        """Whether something has arrived that no check sends there."""


class Control:
    """Answers the questions of a run."""

    def __init__(self, upstream: Served) -> None:
        """Answer for `upstream`."""
        self._upstream = upstream
        self._run = ""
        self._questions: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[object]]] = {
            "begin": self._begin,
            "asked": self._asked,
            "arrival": self._arrival,
            "wait": self._wait,
            "let-go": self._let_go,
            "seen": self._seen,
        }

    async def answer(self, asked: Asked, peer: str) -> Reply | None:
        """The answer to a question; None where it is none, or none for whoever asks."""
        question = asked.path.removeprefix(PATH)
        if question == asked.path or not is_from_here(asked, peer):
            return None
        if question == "about":
            return json_reply({"server": NAME, "version": self._upstream.version})
        try:
            if question.startswith("keys-in/"):
                self._expect_run(question.removeprefix("keys-in/"))
                return json_reply({"spans": spans_of(self._upstream.own_keys, asked.data)})
            if question not in self._questions:
                return None
            if question != "begin":
                self._expect_run(asked.body.get("run"))
            return json_reply(await self._questions[question](asked.body))
        except _WrongError as wrong:
            return json_reply({"error": str(wrong)}, status=wrong.status)

    def _expect_run(self, run: object) -> None:
        if run != self._run or not self._run:
            raise _WrongError(409, "another run has begun with this upstream")

    async def _begin(self, body: Mapping[str, Any]) -> object:
        mark = body.get("clients_key")
        client = None
        if isinstance(mark, dict) and isinstance(mark.get("length"), int):
            client = KeyMark(mark["length"], str(mark.get("salt")), str(mark.get("digest")))
        self._upstream.begin(client)
        self._run = secrets.token_hex(8)
        return {"run": self._run, "server": NAME, "version": self._upstream.version}

    async def _asked(self, body: Mapping[str, Any]) -> object:
        found = self._upstream.find(str(body.get("tag")))
        return {"requests": [_told(one, self._upstream.clients_key) for one in found[-MOST_REQUESTS:]]}

    async def _arrival(self, body: Mapping[str, Any]) -> object:
        found = await self._upstream.arrival(str(body.get("tag")))
        return {"requests": [_told(found, self._upstream.clients_key)] if found else []}

    async def _wait(self, body: Mapping[str, Any]) -> object:
        one, pieces = self._numbered(body), body.get("pieces")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await (one.ended() if pieces is None else one.wrote(int(pieces)))
        return _told(one, self._upstream.clients_key)

    async def _let_go(self, body: Mapping[str, Any]) -> object:
        one = self._numbered(body)
        await one.let_go(all_others=bool(body.get("all_others")))
        return _told(one, self._upstream.clients_key)

    async def _seen(self, _: Mapping[str, Any]) -> object:
        return {
            "scripts": list(await self._upstream.scripts()),
            "more": await self._upstream.has_been_asked_for_more(),
        }

    def _numbered(self, body: Mapping[str, Any]) -> Received:
        for one in self._upstream.received:
            if one.number == body.get("number"):
                return one
        raise _WrongError(404, "this request is not remembered any more")


class _WrongError(Exception):
    """A question that can't be answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def is_from_here(asked: Asked, peer: str) -> bool:
    """Whether a request comes from this machine, and from no page in a browser."""
    host = asked.header("host").rpartition(":")[0] or asked.header("host")
    return _is_loopback(peer) and (host == "localhost" or _is_loopback(host)) and not asked.header("origin")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _told(one: Received, client: KeyMark | None) -> dict[str, Any]:
    """A request as it may be told: without keys, and bounded."""
    return {
        "number": one.number,
        "method": one.asked.method,
        "path": one.asked.path,
        "headers": [[name, _value(name, value)] for name, value in one.asked.headers[:_MOST_HEADERS]],
        "data": _data(one.asked, client),
        "size": len(one.asked.data),
        "script": one.script,
        "came": one.came,
        "has_own_key": one.has_own_key,
        "clients_key_in": list(one.clients_key_in),
        "left": one.left,
        "companions": one.companions,
        "let_go_by_itself": one.let_go_by_itself,
        "waited": one.waited,
        "written": one.written,
        "ended": one.answered.is_set(),
    }


def _value(name: str, value: str) -> str:
    """The value of a header, which is shortened unless the header is one that has no secrets."""
    return value[:_LONGEST_VALUE] if name.lower() in _PUBLIC else shortened(value)


def _data(asked: Asked, client: KeyMark | None) -> str:
    """The body; nothing where it is too long, or holds the client's key."""
    text = asked.data.decode(errors="replace") if len(asked.data) <= MOST_BYTES else ""
    return "" if client is not None and client.stands_in(text) else without(text, asked.key)
