"""What is known of a request that has come to the scripted upstream, wherever that runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from conformance.gateway.requests import Asked


class Arrival(Protocol):
    """One request of the gateway, and what became of it, as the run sees it."""

    @property
    def asked(self) -> Asked:
        """What was asked; of one that has come to an upstream in another process, keys are shortened."""

    @property
    def script(self) -> str:
        """What it is answered by."""

    @property
    def has_own_key(self) -> bool:
        """Whether it has a key, and another one than the client's."""

    @property
    def clients_key_in(self) -> Sequence[str]:
        """The headers that hold the client's key."""

    @property
    def left(self) -> bool:
        """Whether the gateway closed the connection before the answer was written."""

    @property
    def companions(self) -> int:
        """How many requests for the same script were here at the same time, at most."""

    @property
    def passed(self) -> Sequence[float]:
        """When the run let each piece go that waits for that, as Unix time."""

    @property
    def let_go_by_itself(self) -> bool:
        """Whether the run did not let a piece go in time."""

    @property
    def waited(self) -> float:
        """Seconds for which the upstream was at work before its first byte, by its own clock, where the script wants that."""

    @property
    def written(self) -> int:
        """How many pieces of the body were written."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The body as a JSON object."""

    async def ended(self) -> None:
        """Wait until the answer is over."""

    async def wrote(self, pieces: int) -> None:
        """Wait until so many pieces are written, or the answer is over."""

    async def let_go(self, *, all_others: bool = False) -> None:
        """Let the next piece go, or it and all others."""

    async def look_again(self) -> None:
        """Learn what has become of it since."""


class UpstreamSide(Protocol):
    """The scripted upstream, in this process or in another."""

    async def asked(self, tag: str) -> Sequence[Arrival]:
        """The requests whose prompt, or whose user, holds `tag`, in order."""

    async def arrival(self, tag: str) -> Arrival | None:
        """The first request with this tag, as soon as it is here; None where it does not come."""

    async def scripts(self) -> Sequence[str]:
        """The scripts that were asked for in this run, in order; none says that nothing has arrived."""

    async def has_been_asked_for_more(self) -> bool:
        """Whether something has arrived that no check sends there."""

    async def keys_in(self, data: bytes) -> frozenset[str]:
        """The gateway's own keys that may stand in `data`, which has come out of the gateway."""

    @property
    def place(self) -> str:
        """Where it is, as the reader of a message would look for it."""

    @property
    def url(self) -> str:
        """The base URL that the gateway is to relay to."""


@dataclass(eq=False)
class Received:
    """One request of the gateway at an upstream in this process, and what became of it."""

    asked: Asked
    script: str
    came: float
    """When it had come, as Unix time."""
    number: int = 0
    """How many had come before it."""
    has_own_key: bool = False
    """It has a key, and another one than the client's."""
    clients_key_in: Sequence[str] = ()
    """The headers that hold the client's key."""
    left: bool = False
    """The gateway closed the connection before the answer was written."""
    companions: int = 1
    """How many requests for the same script were here at the same time, at most."""
    passed: list[float] = field(default_factory=list)
    """When the run let each piece go that waits for that, as Unix time."""
    all_may_go: bool = False
    """No further piece waits."""
    let_go_by_itself: bool = False
    """The run did not let a piece go in time."""
    waited: float = 0.0
    """Seconds for which the upstream was at work before its first byte, by its own clock."""
    written: int = 0
    """How many pieces of the body were written."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def body(self) -> Mapping[str, Any]:
        """The body as a JSON object."""
        return self.asked.body

    async def ended(self) -> None:
        """Wait until the answer is over."""
        await self.answered.wait()

    async def wrote(self, pieces: int) -> None:
        """Wait until so many pieces are written, or the answer is over."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.written >= pieces or self.answered.is_set())

    async def let_go(self, *, all_others: bool = False) -> None:
        """Let the next piece go, or it and all others."""
        async with self.changed:
            self.passed.append(time.time())
            self.all_may_go = all_others
            self.changed.notify_all()

    async def look_again(self) -> None:
        """Nothing is ever out of date here."""
