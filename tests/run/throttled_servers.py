"""Servers that turn requests away, as plain objects in virtual time, and a crowd that sends to them by a pace."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

from conformance.run.pace import Pace
from fixtures.virtual_time import run


def now() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


class Server:
    """Admits a request, or says for how long it will not; None: it does not say for how long. This one admits all."""

    def admit(self) -> tuple[bool, float | None]:
        """Whether a request is served, and if not, the time that the refusal names."""
        return True, None

    def done(self) -> None:
        """A request that was admitted has been served."""


class Window(Server):
    """So many in each window of the clock; `late`: how long the first one has been running."""

    def __init__(self, count: int, window: float = 60.0, *, late: float = 0.0, named: bool = False) -> None:
        """`named`: refusals say when the window ends."""
        self.count, self.window, self.late, self.named = count, window, late, named
        self.running, self.used = -1, 0

    def admit(self) -> tuple[bool, float | None]:
        """Count in the window that is running."""
        at, into = divmod(now() + self.late, self.window)
        if at != self.running:
            self.running, self.used = int(at), 0
        self.used += 1
        return self.used <= self.count, self.window - into if self.named else None


class Sliding(Server):
    """So many in any stretch of time."""

    def __init__(self, count: int, window: float = 60.0, *, named: bool = False) -> None:
        """`named`: refusals say when there is room."""
        self.count, self.window, self.named = count, window, named
        self.sent: deque[float] = deque()

    def admit(self) -> tuple[bool, float | None]:
        """Count what came in the last stretch."""
        while self.sent and self.sent[0] <= now() - self.window:
            self.sent.popleft()
        if len(self.sent) < self.count:
            self.sent.append(now())
            return True, None
        return False, self.sent[0] + self.window - now() if self.named else None


class Bucket(Server):
    """Fills at a steady rate, and lets a burst through while it is full."""

    def __init__(self, per_second: float, size: int, *, named: bool = False) -> None:
        """`named`: refusals say when there is something in it."""
        self.per_second, self.size, self.named = per_second, size, named
        self.level, self.seen = float(size), 0.0

    def admit(self) -> tuple[bool, float | None]:
        """Take one out."""
        self.level = min(self.size, self.level + (now() - self.seen) * self.per_second)
        self.seen = now()
        if self.level >= 1:
            self.level -= 1
            return True, None
        return False, (1 - self.level) / self.per_second if self.named else None


class AtATime(Server):
    """So many at a time."""

    def __init__(self, count: int, *, named: float | None = None) -> None:
        """`named`: what refusals ask to wait."""
        self.count, self.named, self.serving = count, named, 0

    def admit(self) -> tuple[bool, float | None]:
        """Take a place, if there is one."""
        if self.serving < self.count:
            self.serving += 1
            return True, None
        return False, self.named

    def done(self) -> None:
        """Free the place."""
        self.serving -= 1


class Both(AtATime):
    """So many at a time, and no faster than another server."""

    def __init__(self, count: int, other: Server) -> None:
        """`other` is asked where there is a place."""
        super().__init__(count)
        self.other = other

    def admit(self) -> tuple[bool, float | None]:
        """Take a place, if there is one and the other server has one as well."""
        admitted, wait = self.other.admit() if self.serving < self.count else (False, None)
        self.serving += admitted
        return admitted, wait


class Starting(Server):
    """Serves nothing before a moment: a model is being loaded."""

    def __init__(self, ready: float) -> None:
        """`ready`: the moment."""
        self.ready = ready

    def admit(self) -> tuple[bool, float | None]:
        """Not yet, or at once."""
        return now() >= self.ready, None


class Moody(Server):
    """Turns away one in so many, whatever the pace."""

    def __init__(self, one_in: int) -> None:
        """The same ones each time."""
        self.one_in, self.chance = one_in, random.Random(1)  # noqa: S311 - chance that repeats

    def admit(self) -> tuple[bool, float | None]:
        """By chance."""
        return self.chance.randrange(self.one_in) > 0, None


@dataclass(frozen=True)
class Latency:
    """How long things take, in seconds."""

    service: float = 0.4
    refusal: float = 0.1
    jitter: float = 0.2
    """A share of the service."""
    network: float = 0.0
    """Each way."""


_WANTED = 64
"""So many are wanted at any time."""


@dataclass
class Crowd:
    """What became of a number of requests."""

    served: int = 0
    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: list[tuple[float, int]] = field(default_factory=list)
    """How many were in flight, each time that one went out."""
    seconds: float = 0.0

    @property
    def share_refused(self) -> float:
        """The share of what was sent that was turned away."""
        return len(self.refused) / len(self.sent)


def send(  # noqa: C901 - one crowd
    server: Server,
    requests: int,
    pace: Pace,
    latency: Latency = Latency(),
    *,
    leaving: int | None = None,
) -> Crowd:
    """Have so many requests served, each sent again until it is; one in `leaving` is left at once, and the server goes on with it."""
    crowd, chance = Crowd(), random.Random(2)  # noqa: S311 - chance that repeats
    left = iter(range(requests))
    working = set()

    async def work() -> None:
        await asyncio.sleep(latency.service * (1 + latency.jitter * chance.uniform(-1, 1)))
        server.done()

    async def way() -> None:
        if latency.network:
            await asyncio.sleep(latency.network * chance.uniform(0.7, 1.3))

    async def once() -> bool:
        async with pace.turn() as turn:
            crowd.in_flight += 1
            crowd.sent.append(now())
            crowd.most_in_flight.append((now(), crowd.in_flight))
            await way()
            admitted, wait = server.admit()
            if admitted and leaving and len(crowd.sent) % leaving == 0:
                working.add(asyncio.create_task(work()))
                turn.left()
            elif admitted:
                await work()
                await way()
                turn.served()
            else:
                crowd.refused.append(now())
                await asyncio.sleep(latency.refusal)
                turn.turned_away(wait)
            crowd.in_flight -= 1
            return admitted

    async def one_of_them() -> None:
        for _ in left:
            while not await once():
                pass
            crowd.served += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(one_of_them() for _ in range(_WANTED)))
        crowd.seconds = now()

    run(all_of_them())
    return crowd
