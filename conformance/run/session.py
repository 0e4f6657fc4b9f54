"""The traffic of one run: every request goes through here, once.

The session numbers exchanges and remembers them: the same request is sent once, and identical requests in flight are joined. When they
go out, and how often, is up to `delivery.py`; what they cost is counted in `budget.py`, contradictions are noticed in `determinism.py`,
and whether the target is still there in `liveness.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass, field

from conformance.contract.verdict import Inconclusive, Reason
from conformance.kit.traffic import Incident
from conformance.run.budget import Budget, Cost, Purse, SpentError, Tokens
from conformance.run.delivery import LONGEST_WAIT, Delivery, Send, UnansweredError
from conformance.run.determinism import Determinism
from conformance.run.liveness import Liveness
from conformance.run.pace import Pace
from conformance.run.rate import Rate
from conformance.run.results import End
from conformance.wire.exchange import Exchange, Request

_CANARY_PROMPT = "Are you still there?"


@dataclass
class Session:
    """Sends the requests of a run.

    `model` is the name that the canary asks for; `recovery` is how long, in seconds, a target that stopped answering is waited for;
    `run_timeout` how long the run may take, and `wait_ready` how long the target may take to start.
    """

    transport: Send
    model: str
    concurrency: int = 8
    budget: Budget = field(default_factory=Budget)
    rate: Rate | None = None
    recovery: float = 20.0
    run_timeout: float | None = None
    wait_ready: float | None = None
    cost: Cost = field(default_factory=Cost)
    determinism: Determinism = field(default_factory=Determinism)
    short_of: End | None = None
    """The first bound that kept a request from being sent, if any did."""

    def __post_init__(self) -> None:
        """Set up what only the session itself touches."""
        longest_wait = max(LONGEST_WAIT, self.run_timeout or 0.0)
        self.pace = Pace(self.concurrency, self.rate, longest_wait=longest_wait)
        self.purse = Purse(self.budget)
        self.delivery = Delivery(
            self.transport,
            self.purse,
            self.cost,
            self.pace,
            self._canary,
            run_timeout=self.run_timeout,
            wait_ready=self.wait_ready,
        )
        self.liveness = Liveness(
            self, self._canary_of_liveness, self.delivery.end, self.delivery.only_the_canary, self.recovery
        )
        self._sent: dict[tuple[Request, int, Hashable], asyncio.Task[Exchange]] = {}
        self._exchanges: list[Exchange | None] = []

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange that has ended, in the order in which the requests were made."""
        return tuple(exchange for exchange in self._exchanges if exchange is not None)

    @property
    def ended(self) -> End | None:
        """Why not all was sent, if so."""
        return self.delivery.ended or self.short_of

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
            self.delivery.raise_if_ended()
            self._sent[key] = asyncio.create_task(self._exchange(request, self._reserve(request)))
        # Shielded: a scenario that is cancelled must not take the answer away from others that wait for it.
        return await asyncio.shield(self._sent[key])

    @contextlib.asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[None]:
        """Send nothing at the same time as anything else: there are servers that break off a stream when another request arrives."""
        async with self.pace.alone():
            yield

    async def abandon(self) -> None:
        """Break off what is in flight."""
        for task in self._sent.values():
            task.cancel()
        await asyncio.gather(*self._sent.values(), return_exceptions=True)

    async def _exchange(self, request: Request, reserved: Tokens) -> Exchange:
        exchange = await self._deliver(request, reserved)
        self.determinism.notice(exchange)
        await self.liveness.notice(exchange)
        return exchange

    async def poll(self) -> Exchange:
        """What a small valid request is answered, whatever that is. It is no evidence: a server that is starting owes nothing yet."""
        request = self._small_request if self.model else Request(method="GET", path="/models", headers=())
        reserved = self._reserve(request)
        return await self.delivery.poll(request, reserved)

    async def _canary(self, patience: float | None = None) -> Exchange:
        """The exchange of a small valid request, sent anew each time: does the target still serve."""
        request = self._small_request
        return await self._deliver(request, self._reserve(request), is_canary=True, patience=patience)

    @property
    def _small_request(self) -> Request:
        return Request.of({"model": self.model, "prompt": _CANARY_PROMPT, "max_tokens": 1, "temperature": 0})

    async def _canary_of_liveness(self) -> Exchange:
        return await self._canary(self.recovery)

    def _reserve(self, request: Request) -> Tokens:
        """Set aside what a request may cost, before it waits for its turn. Raises `Inconclusive` where the budget is spent."""
        try:
            reserved = self.purse.reserve(request)
        except SpentError as spent:
            self.short_of = self.short_of or End(Reason.BUDGET, str(spent))
            raise Inconclusive(str(spent), Reason.BUDGET) from spent
        self.cost.requests = self.purse.requests
        return reserved

    def _next_number(self) -> int:
        self._exchanges.append(None)
        return len(self._exchanges)

    async def _deliver(
        self, request: Request, reserved: Tokens, *, is_canary: bool = False, patience: float | None = None
    ) -> Exchange:
        """Have a request delivered, and remember what came. Raises `Inconclusive` where nothing came that is an answer."""
        number = self._next_number()
        deliver = self.delivery.deliver(
            request, reserved, f"x{number}", is_canary=is_canary, patience=patience
        )
        try:
            exchange = await deliver
        except UnansweredError as stopped:
            self._exchanges[number - 1] = stopped.exchange
            raise Inconclusive(stopped.end.message, stopped.end.reason) from stopped
        self._exchanges[number - 1] = exchange
        self.cost.count(exchange)
        return exchange
