"""The scripted upstream in another process, which was up before the run: `completions-conformance upstream` on this machine.

It is asked over HTTP what has arrived there, and what has become of it (`conformance/gateway/control.py` answers).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from conformance.contract.verdict import Inconclusive, Reason
from conformance.gateway.control import NAME, PATH
from conformance.gateway.keys import KeyMark
from conformance.gateway.requests import Asked, document_of
from conformance.wire.exchange import Auth, Exchange, Request
from conformance.wire.http import HttpClient, Limits
from conformance.wire.shown import shown

_LIMITS = Limits(connect=5.0, first_byte=20.0, between_bytes=20.0, total=60.0, body_bytes=4 * 1024 * 1024)
_QUESTIONS = 32
"""The most questions at a time: some of them wait for what has not happened yet."""
_START = "completions-conformance upstream"


class UpstreamUnusableError(Exception):
    """There is no upstream of ours at that place; the message says what there is, and what to do."""


class UpstreamElsewhere:
    """That upstream, as a run sees it. Use it as an asynchronous context manager, and `begin` before anything else."""

    def __init__(self, root: str, *, clients_key: KeyMark | None, version: str) -> None:
        """It listens at `root`, such as http://127.0.0.1:9000, and is to be of the suite's `version`; `clients_key` is of what the client sends."""
        self._root, self._clients_key, self._version = root, clients_key, version
        self._client = HttpClient(root, key=None, limits=_LIMITS, concurrency=_QUESTIONS)
        self._run = ""

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._client.__aexit__(None, None, None)

    @property
    def place(self) -> str:
        """Where it is, as the reader of a message would look for it."""
        return self._root

    @property
    def url(self) -> str:
        """The base URL that the gateway is to relay to."""
        return f"{self._root}/v1"

    async def begin(self) -> None:
        """Let it forget what has arrived before this run; raises `UpstreamUnusableError`."""
        about = await self._send("about", b"", method="GET")
        self._expect_ours(about)
        mark = self._clients_key and asdict(self._clients_key)
        self._run = str((await self._ask("begin", clients_key=mark)).get("run"))

    def _expect_ours(self, about: Exchange) -> None:
        if about.response is None:
            why = about.fault.message if about.fault else "it closed the connection"
            raise UpstreamUnusableError(
                f"The scripted upstream at {self._root} (--gateway-upstream-url) can't be reached: {why}\nStart it with"
                f" `{_START} --port={self._root.rpartition(':')[2]}` and leave it running, or let the run serve one itself"
                " (--gateway-upstream-port)."
            )
        found = about.response.json
        if not isinstance(found, dict) or found.get("server") != NAME:
            raise UpstreamUnusableError(
                f"What listens at {self._root} (--gateway-upstream-url) is not the scripted upstream of this suite, or one that is older than"
                f" this option: it answered {about.status} to GET {PATH}about.\nName the address at which `{_START}` listens, not that of the"
                " gateway or of an engine."
            )
        if found.get("version") != self._version:
            raise UpstreamUnusableError(
                f"The scripted upstream at {self._root} is of version {shown(found.get('version'))}, and this suite of {self._version}: they"
                f" would not mean the same by a script.\nEnd it, and start `{_START}` of this version."
            )

    async def asked(self, tag: str) -> Sequence[ArrivedElsewhere]:
        """The requests whose prompt, or whose user, holds `tag`, in order."""
        return self._read(await self._ask("asked", tag=tag))

    async def arrival(self, tag: str) -> ArrivedElsewhere | None:
        """The first request with this tag, as soon as it is here; None where it does not come."""
        return next(iter(self._read(await self._ask("arrival", tag=tag))), None)

    async def scripts(self) -> Sequence[str]:
        """The scripts that were asked for in this run, in order."""
        return [str(one) for one in (await self._ask("seen")).get("scripts", ())]

    async def has_been_asked_for_more(self) -> bool:
        """Whether something has arrived that no check sends there."""
        return bool((await self._ask("seen")).get("more"))

    async def keys_in(self, data: bytes) -> frozenset[str]:
        """The gateway's own keys that stand in `data`: they are told by their places, and so nobody learns one who has not seen it."""
        if not self._run:
            return frozenset()
        found = _document(await self._send(f"keys-in/{self._run}", data), self._root)
        spans = [(int(start), int(end)) for start, end in found.get("spans", ())]
        return frozenset(data[start:end].decode(errors="replace") for start, end in spans)

    async def about(self, number: int, *, question: str = "wait", **more: Any) -> Mapping[str, Any]:
        """What has become of a request."""
        return await self._ask(question, number=number, **more)

    def _read(self, found: Mapping[str, Any]) -> list[ArrivedElsewhere]:
        return [ArrivedElsewhere.read(self, one) for one in found.get("requests", ())]

    async def _ask(self, question: str, **body: Any) -> Mapping[str, Any]:
        request = Request.of({"run": self._run, **body})
        return _document(await self._send(question, request.body), self._root)

    async def _send(self, question: str, body: bytes, *, method: str = "POST") -> Exchange:
        return await self._client.send(Request(body, method, f"{PATH}{question}", auth=Auth.NONE))


def _document(exchange: Exchange, root: str) -> Mapping[str, Any]:
    """The answer to a question; raises `Inconclusive` where there is none."""
    found = exchange.response.json if exchange.response else None
    if isinstance(found, dict) and exchange.served and exchange.complete:
        return found
    why = exchange.fault.message if exchange.fault else ""
    if isinstance(found, dict):
        why = str(found.get("error"))
    raise Inconclusive(
        f"the scripted upstream at {root} does not answer the run any more: {why or f'status {exchange.status}'}",
        Reason.TARGET_GONE,
    )


@dataclass(eq=False)
class ArrivedElsewhere:
    """One request of the gateway, and what was known of it when the upstream was last asked."""

    upstream: UpstreamElsewhere
    number: int
    asked: Asked
    """With shortened keys."""
    script: str
    has_own_key: bool = False
    clients_key_in: Sequence[str] = ()
    left: bool = False
    companions: int = 1
    let_go_by_itself: bool = False
    waited: float = 0.0
    written: int = 0
    is_over: bool = False
    passed: list[float] = field(default_factory=list)
    """When the run let each piece go, by the clock of this process."""

    @classmethod
    def read(cls, upstream: UpstreamElsewhere, told: Mapping[str, Any]) -> ArrivedElsewhere:
        """A request as it is told."""
        data = str(told["data"]).encode(errors="surrogatepass")
        headers = tuple((str(name), str(value)) for name, value in told["headers"])
        asked = Asked(str(told["method"]), str(told["path"]), headers, data, document_of(data))
        found = cls(upstream, int(told["number"]), asked, str(told["script"]))
        found._learn(told)
        return found

    def _learn(self, told: Mapping[str, Any]) -> None:
        self.has_own_key, self.clients_key_in = bool(told["has_own_key"]), tuple(told["clients_key_in"])
        self.left, self.companions = bool(told["left"]), int(told["companions"])
        self.let_go_by_itself, self.written = bool(told["let_go_by_itself"]), int(told["written"])
        self.waited = float(told["waited"])
        self.is_over = bool(told["ended"])

    @property
    def body(self) -> Mapping[str, Any]:
        """The body as a JSON object."""
        return self.asked.body

    async def ended(self) -> None:
        """Wait until the answer is over."""
        while not self.is_over:
            self._learn(await self.upstream.about(self.number))

    async def wrote(self, pieces: int) -> None:
        """Wait until so many pieces are written, or the answer is over."""
        while self.written < pieces and not self.is_over:
            self._learn(await self.upstream.about(self.number, pieces=pieces))

    async def let_go(self, *, all_others: bool = False) -> None:
        """Let the next piece go, or it and all others."""
        self.passed.append(time.time())
        self._learn(await self.upstream.about(self.number, question="let-go", all_others=all_others))

    async def look_again(self) -> None:
        """Learn what has become of it since."""
        self._learn(await self.upstream.about(self.number, pieces=0))
