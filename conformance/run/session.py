"""The traffic of one run: every request goes through here, once.

The session numbers exchanges, remembers them (the same request is sent once, and identical requests in flight are joined), counts what
they cost, notices when a target contradicts itself, and notices when it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from conformance.contract.verdict import Inconclusive
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, FaultKind, Intent, Request

Send = Callable[[Request], Awaitable[Exchange]]

_CANARY_PROMPT = "Are you still there?"
_FAULTS_IN_A_ROW = 4
"""After so many faults without an answer between them the target is asked whether it is still alive."""
_SUSPECTS = 10
"""So many exchanges are named of those after which a target stopped answering."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may cost; None is no bound."""

    requests: int | None = None
    tokens: int | None = None


@dataclass(slots=True)
class Cost:
    """What a run has cost so far."""

    requests: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """A time at which the target stopped answering, and what it had been sent just before."""

    message: str
    suspects: tuple[Exchange, ...]
    recovered: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two different answers to the same greedy request: the target's own noise."""

    first: Exchange
    second: Exchange


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
    cost: Cost = field(default_factory=Cost)
    incidents: list[Incident] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    gone: str | None = None
    """Why nothing more is sent, once the target is gone for good."""

    def __post_init__(self) -> None:
        """Set up what only the session itself touches."""
        self._slots = asyncio.Semaphore(self.concurrency)
        self._sent: dict[tuple[Request, int, Hashable], asyncio.Task[Exchange]] = {}
        self._exchanges: list[Exchange | None] = []
        self._greedy: dict[Request, Exchange] = {}
        self._faults_in_a_row = 0
        self._reviving = asyncio.Lock()

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange that has ended, in the order in which the requests were made."""
        return tuple(exchange for exchange in self._exchanges if exchange is not None)

    async def send(self, request: Request, *, attempt: int = 0, sample: Hashable = 0) -> Exchange:
        """The exchange of `request`, sent now or remembered.

        `attempt` numbers the runs of a scenario, whose confirmation wants fresh evidence; `sample` tells apart requests that are
        the same on purpose. Raises `Inconclusive` where the budget is spent or the target is gone.
        """
        key = (request, attempt, sample)
        if key not in self._sent:
            self._check_budget(request)
            self._sent[key] = asyncio.create_task(self._exchange(request))
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

    def _check_budget(self, request: Request) -> None:
        if self.gone:
            raise Inconclusive(self.gone)
        if self.budget.requests is not None and self.cost.requests >= self.budget.requests:
            raise Inconclusive(f"the budget of {self.budget.requests} requests is spent (--max-requests)")
        if (
            self.budget.tokens is not None
            and self.cost.generated_tokens + request.most_tokens > self.budget.tokens
        ):
            raise Inconclusive(f"the budget of {self.budget.tokens} generated tokens is spent (--max-tokens)")
        self.cost.requests += 1

    async def _exchange(self, request: Request) -> Exchange:
        number = len(self._exchanges)
        self._exchanges.append(None)
        async with self._slots:
            if self.gone:
                raise Inconclusive(self.gone)
            self.cost.in_flight += 1
            self.cost.most_in_flight = max(self.cost.most_in_flight, self.cost.in_flight)
            try:
                exchange = replace(await self.transport(request), id=f"x{number + 1}")
            finally:
                self.cost.in_flight -= 1
        self._exchanges[number] = exchange
        self._account(exchange)
        self._compare(exchange)
        await self._watch(exchange)
        return exchange

    def _account(self, exchange: Exchange) -> None:
        self.cost.retries += exchange.retries
        if not exchange.served:
            return
        completion = Completion.read(exchange)
        usage = completion.usage
        if usage is not None:
            self.cost.prompt_tokens += max(0, usage.prompt_tokens or 0)
        if usage is not None and usage.completion_tokens is not None:
            self.cost.generated_tokens += max(0, usage.completion_tokens)
        else:
            # A stream need not report usage. A token has at least one byte, so this never counts too little.
            produced = sum(
                len(choice.text.encode("utf-8", "replace")) for choice in completion.choices.values()
            )
            self.cost.generated_tokens += min(produced, exchange.request.most_tokens)

    def _compare(self, exchange: Exchange) -> None:
        """Remember what a greedy request was answered, and notice when it is answered differently another time."""
        if not is_greedy(exchange):
            return
        first = self._greedy.setdefault(exchange.request, exchange)
        if first is not exchange and fingerprint(first) != fingerprint(exchange):
            self.contradictions.append(Contradiction(first, exchange))

    async def _watch(self, exchange: Exchange) -> None:
        """After several faults in a row find out whether the target is still there."""
        if exchange.fault is None or exchange.fault.kind is FaultKind.UNSENDABLE:
            self._faults_in_a_row = 0
            return
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= _FAULTS_IN_A_ROW:
            await self.revive((exchange,))

    async def revive(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; notes an incident if it had stopped.

        Suspected is what was sent after the last valid request that was served. Where that was the last of all, `suspects` are: what
        the caller had sent just before, the likeliest last.
        """
        async with self._reviving:
            if self.gone:
                return False
            sent = self.exchanges
            canary = await self._canary()
            if _serves(canary):
                self._faults_in_a_row = 0
                return True
            suspects = tuple(_unserved_end(sent)) or tuple(suspects)
            deadline = time.monotonic() + self.recovery
            pause = 0.1
            while time.monotonic() < deadline:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
                if _serves(await self._canary()):
                    self._faults_in_a_row = 0
                    self.incidents.append(
                        Incident(_what_happened(canary, "it came back later"), suspects, recovered=True)
                    )
                    return True
            self.gone = f"the target stopped answering {_after(suspects)}: {_shown(canary)}"
            self.incidents.append(
                Incident(_what_happened(canary, "it did not come back"), suspects, recovered=False)
            )
            return False

    async def _canary(self) -> Exchange:
        """The exchange of a small valid request, sent anew each time: does the target still serve."""
        request = Request.of(
            {"model": self.model, "prompt": _CANARY_PROMPT, "max_tokens": 1, "temperature": 0}
        )
        number = len(self._exchanges)
        self._exchanges.append(None)
        self.cost.requests += 1
        exchange = replace(await self.transport(request), id=f"x{number + 1}")
        self._exchanges[number] = exchange
        self._account(exchange)
        return exchange


def is_greedy(exchange: Exchange) -> bool:
    """Whether the exchange is a whole answer that is to come again when the same is asked again."""
    request = exchange.request
    whole = exchange.served and exchange.whole and request.close_after is None
    if not whole or request.params.get("temperature") != 0:
        return False
    # Where choices share an index their pieces are mixed as they come, which says nothing of the model.
    return len(Completion.read(exchange).choices) >= request.choices


def fingerprint(exchange: Exchange) -> Any:
    """What must be the same when a greedy request is sent again: the texts and finish reasons, by index."""
    choices = Completion.read(exchange).choices
    return {index: (choice.text, choice.finish_reason) for index, choice in choices.items()}


def serves_as_ever(exchange: Exchange) -> bool:
    """Whether an exchange proves that the target was well when it was made: a valid request that was served to its end."""
    return exchange.served and exchange.whole and exchange.request.intent is Intent.VALID


def _unserved_end(exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """The last few exchanges, as far as none of them proves that the target was well."""
    unserved = list(takewhile(lambda exchange: not serves_as_ever(exchange), reversed(exchanges)))
    return unserved[:_SUSPECTS][::-1]


def _serves(exchange: Exchange) -> bool:
    # A target that asks for patience is alive.
    return exchange.served or exchange.rate_limited


def _shown(exchange: Exchange) -> str:
    if exchange.fault is not None:
        return exchange.fault.message
    return f"status {exchange.status}"


def _what_happened(canary: Exchange, end: str) -> str:
    return f"a small valid request ({canary.id}) was no longer served: {_shown(canary)}; {end}"


def _after(suspects: Sequence[Exchange]) -> str:
    ids = ", ".join(exchange.id for exchange in suspects)
    return f"after {ids}" if ids else "in the middle of the run"
