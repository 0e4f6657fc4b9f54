"""The traffic of one run: every request goes through here, once.

The session numbers exchanges and remembers them: the same request is sent once, and identical requests in flight are joined. What they
cost is counted in `budget.py`, contradictions are noticed in `determinism.py`, and whether the target is still there in `liveness.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from conformance.contract.verdict import Inconclusive, Reason
from conformance.kit.traffic import Incident
from conformance.run.budget import Budget, Cost, Purse, SpentError, Tokens
from conformance.run.determinism import Determinism
from conformance.run.liveness import Liveness
from conformance.wire.exchange import Exchange, Request
from conformance.wire.retry import Retries, with_retries

Send = Callable[[Request], Awaitable[Exchange]]

_CANARY_PROMPT = "Are you still there?"


@dataclass
class Session:
    """Sends the requests of a run.

    `model` is the name that the canary asks for; `recovery` is how long, in seconds, a target that stopped answering is waited for.
    """

    transport: Send
    model: str
    concurrency: int = 8
    budget: Budget = field(default_factory=Budget)
    recovery: float = 20.0
    retries: Retries = field(default_factory=Retries)
    cost: Cost = field(default_factory=Cost)
    determinism: Determinism = field(default_factory=Determinism)

    def __post_init__(self) -> None:
        """Set up what only the session itself touches."""
        self.liveness = Liveness(self, self._canary, self.recovery)
        self.purse = Purse(self.budget)
        self._slots = asyncio.Semaphore(self.concurrency)
        self._sent: dict[tuple[Request, int, Hashable], asyncio.Task[Exchange]] = {}
        self._exchanges: list[Exchange | None] = []

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange that has ended, in the order in which the requests were made."""
        return tuple(exchange for exchange in self._exchanges if exchange is not None)

    @property
    def incidents(self) -> Sequence[Incident]:
        """The times at which the target stopped answering."""
        return self.liveness.incidents

    async def still_serves(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; where it does not, `suspects` were sent just before."""
        return await self.liveness.still_serves(suspects)

    async def send(self, request: Request, *, attempt: int = 0, sample: Hashable = 0) -> Exchange:
        """The exchange of `request`, sent now or remembered.

        `attempt` numbers the runs of a scenario, whose confirmation wants fresh evidence; `sample` tells apart requests that are
        the same on purpose. Raises `Inconclusive` where the budget is spent or the target is gone.
        """
        key = (request, attempt, sample)
        if key not in self._sent:
            if self.liveness.gone:
                raise Inconclusive(self.liveness.gone, Reason.TARGET_GONE)
            self._sent[key] = asyncio.create_task(self._exchange(request, self._reserve(request)))
        # Shielded: a scenario that is cancelled must not take the answer away from others that wait for it.
        return await asyncio.shield(self._sent[key])

    @contextlib.asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[None]:
        """Send nothing at the same time as anything else: there are servers that break off a stream when another request arrives."""
        others = self.concurrency - 1
        for _ in range(others):
            await self._slots.acquire()
        try:
            yield
        finally:
            for _ in range(others):
                self._slots.release()

    async def abandon(self) -> None:
        """Break off what is in flight."""
        for task in self._sent.values():
            task.cancel()
        await asyncio.gather(*self._sent.values(), return_exceptions=True)

    async def _exchange(self, request: Request, reserved: Tokens) -> Exchange:
        number = self._next_number()
        async with self._slots:
            if self.liveness.gone:
                self.purse.take_back(reserved)
                raise Inconclusive(self.liveness.gone, Reason.TARGET_GONE)
            self.cost.in_flight += 1
            self.cost.most_in_flight = max(self.cost.most_in_flight, self.cost.in_flight)
            try:
                exchange = await self._transport(request, reserved, number)
            finally:
                self.cost.in_flight -= 1
        self.determinism.notice(exchange)
        await self.liveness.notice(exchange)
        return exchange

    async def _canary(self) -> Exchange:
        """The exchange of a small valid request, sent anew each time: does the target still serve."""
        request = Request.of(
            {"model": self.model, "prompt": _CANARY_PROMPT, "max_tokens": 1, "temperature": 0}
        )
        return await self._transport(request, self._reserve(request), self._next_number())

    def _reserve(self, request: Request) -> Tokens:
        """Set aside what a request may cost, before it waits for its turn. Raises `Inconclusive` where the budget is spent."""
        try:
            reserved = self.purse.reserve(request)
        except SpentError as spent:
            raise Inconclusive(str(spent), Reason.BUDGET) from spent
        self.cost.requests = self.purse.requests
        return reserved

    def _next_number(self) -> int:
        self._exchanges.append(None)
        return len(self._exchanges)

    async def _transport(self, request: Request, reserved: Tokens, number: int) -> Exchange:
        """Send a request, again while it is turned away and the budget allows it, and count each time."""
        exchange: Exchange | None = None

        async def send_once() -> Exchange:
            nonlocal exchange, reserved
            if exchange is not None:
                self.purse.settle(reserved, exchange)
                reserved = Tokens()
                reserved = self.purse.reserve(request)
                self.cost.requests = self.purse.requests
            tries = 0 if exchange is None else exchange.retries + 1
            exchange = replace(await self.transport(request), retries=tries)
            return exchange

        try:
            exchange = await with_retries(send_once, self.retries)
        except SpentError:
            pass  # the answer that there is has to do
        finally:
            self.purse.settle(reserved, exchange)
        assert exchange is not None  # noqa: S101 - what is not answered raises
        exchange = replace(exchange, id=f"x{number}")
        self._exchanges[number - 1] = exchange
        self.cost.count(exchange)
        return exchange
