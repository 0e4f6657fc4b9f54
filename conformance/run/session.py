"""The traffic of one run: every request goes through here, once.

The session numbers exchanges and remembers them: the same request is sent once, and identical requests in flight are joined. When they
go out, and how often, is up to `delivery.py`; what they cost is counted in `budget.py`, contradictions are noticed in `determinism.py`,
and whether the target is still there in `liveness.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.contract.verdict import Inconclusive, Postponed, Reason
from conformance.kit.traffic import Incident
from conformance.run.budget import Budget, Cost, Purse, SpentError, Tokens
from conformance.run.delivery import LONGEST_WAIT, Delivery, Send, UnansweredError
from conformance.run.determinism import Determinism
from conformance.run.liveness import CANARY_PROMPT, Liveness
from conformance.run.pace import Pace
from conformance.run.rate import Rate
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.reliability import Reliability, is_unserved
from conformance.run.results import End
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind, Request

_CANARY = "canary"
_TRY = "try"
"""The occasion of what was not served and was sent again: whoever judges a recording is given the last try alone."""
_PAUSE = 0.5
"""Seconds until what was not served is sent again."""


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
    recorded: RecordedTraffic | None = None
    """What is not sent again, since its answer is known."""
    postpones: bool = False
    """Whether a request that the target may have died of is refused for now, by raising `Postponed`."""
    cost: Cost = field(default_factory=Cost)
    determinism: Determinism = field(default_factory=Determinism)
    reliability: Reliability = field(default_factory=Reliability)
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
            self,
            self._canary_of_liveness,
            self.delivery.end,
            self.delivery.only_the_canary,
            self.recovery,
            lambda: self.reliability.rate > 0,
        )
        self._sent: dict[tuple[Request, int, Hashable], asyncio.Task[Exchange]] = {}
        self._left: dict[Request, list[Exchange]] = {}
        """The tries at requests that were not served so far."""
        self._exchanges: list[Exchange | None] = []
        self._places: dict[str, int] = {}
        """Where in that list an exchange lies."""
        self._numbers = 0
        if self.recorded is not None:
            self._take_over(self.recorded)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange that has ended, in the order in which the requests were made."""
        return tuple(exchange for exchange in self._exchanges if exchange is not None)

    @property
    def ended(self) -> End | None:
        """Why not all was sent, if so."""
        return self.delivery.ended or self.short_of or (self.recorded.ended if self.recorded else None)

    @property
    def incidents(self) -> Sequence[Incident]:
        """The times at which the target stopped answering."""
        return [*(self.recorded.incidents if self.recorded else ()), *self.liveness.incidents]

    async def still_serves(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; where it does not, `suspects` were sent just before."""
        if self.recorded is not None and all(map(self.recorded.holds, suspects)):
            return self.recorded.still_served()
        return await self.liveness.still_serves(suspects)

    async def send(self, request: Request, *, attempt: int = 0, sample: Hashable = 0) -> Exchange:
        """The exchange of `request`, sent now or remembered.

        `attempt` numbers the runs of a scenario, whose confirmation wants fresh evidence; `sample` tells apart requests that are
        the same on purpose. Raises `Inconclusive` where the budget is spent or the target is gone, and `NotRecorded` where recorded traffic
        alone is judged and does not hold it.
        """
        key = (request, attempt, sample)
        if key not in self._sent:
            occasion = _occasion(attempt, sample)
            known = self.recorded and self.recorded.take(request, occasion)
            answer = self._remember(known, request) if known else self._ask(request, occasion)
            self._sent[key] = asyncio.create_task(answer)
        # Shielded: a scenario that is cancelled must not take the answer away from others that wait for it.
        return await asyncio.shield(self._sent[key])

    def _take_over(self, recorded: RecordedTraffic) -> None:
        """Begin with what was recorded: it is evidence like all that is sent, and new exchanges are numbered behind it."""
        self._exchanges += recorded.exchanges
        self._numbers = max((int(exchange.id[1:]) for exchange in recorded.exchanges), default=0)
        self._places = {exchange.id: place for place, exchange in enumerate(recorded.exchanges)}
        self.reliability = Reliability.known(recorded.recording.background)
        for exchange in recorded.exchanges:
            self.determinism.notice(exchange)

    async def _remember(self, known: Exchange, request: Request) -> Exchange:
        """A recorded exchange, as the answer to `request`."""
        await asyncio.sleep(0)  # whoever interrupts wants to be heard
        why = self.recorded and self.recorded.why_unanswered(known)
        if why:
            raise why
        return known if known.request == request else replace(known, request=request)

    def _ask(self, request: Request, occasion: str) -> Coroutine[Any, Any, Exchange]:
        """Have a request sent, if any more are."""
        if self.recorded is not None and not self.recorded.goes_on:
            raise self.recorded.why_missing()
        if self.postpones and self.recorded is not None and self.recorded.is_suspect(request):
            raise Postponed("the target was gone after a request of this check, which therefore comes last")
        self.delivery.raise_if_ended()
        return self._exchange(request, self._reserve(request), occasion)

    @contextlib.asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[None]:
        """Send nothing at the same time as anything else: there are servers that break off a stream when another request arrives.

        What an attempt before has left behind is answered first: it may want the target for itself, while what comes now waits for its answer.
        """
        while left_behind := [task for task in self._sent.values() if not task.done()]:
            await asyncio.wait(left_behind)
        async with self.pace.alone():
            yield

    async def abandon(self) -> None:
        """Break off what is in flight."""
        for task in self._sent.values():
            task.cancel()
        await asyncio.gather(*self._sent.values(), return_exceptions=True)

    async def _exchange(self, request: Request, reserved: Tokens, occasion: str) -> Exchange:
        """The exchange of a request that is sent until it is served, or until chance does not explain any more that it is not."""
        failed: list[Exchange] = []
        exchange = await self._deliver(request, reserved, occasion)
        while is_unserved(exchange):
            failed.append(exchange)
            await self._after_a_failure(exchange)
            if not self.reliability.may_try_again(failed):
                break
            set_aside = self._again(request)
            if set_aside is None:
                break
            failed[-1] = replace(exchange, occasion=_TRY)
            self._keep(failed[-1])
            async with self._undisturbed(failed):
                exchange = await self._deliver(request, set_aside, occasion)
        else:
            self.determinism.notice(exchange)
            await self.liveness.notice(exchange)
        return self._judge_tries(failed, exchange)

    def _undisturbed(self, failed: Sequence[Exchange]) -> AbstractAsyncContextManager[None]:
        """For the try that decides: nothing else is sent meanwhile, since what others' requests break off is not the request's own fault."""
        decides = len(failed) > 1 and not self.reliability.may_try_again([*failed, failed[-1]])
        return self.pace.alone() if decides and not self.pace.is_alone else contextlib.nullcontext()

    async def _after_a_failure(self, exchange: Exchange) -> None:
        """Give what passes by itself some time to pass; where nobody listens any more, wait until somebody does."""
        await self.liveness.notice(exchange)
        await asyncio.sleep(_PAUSE)
        if exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT:
            await self.still_serves((exchange,))

    def _again(self, request: Request) -> Tokens | None:
        """What is set aside for one more try; None where there will be none."""
        if self.ended is not None:
            return None
        try:
            return self._reserve(request)
        except Inconclusive:
            return None

    def _judge_tries(self, failed: Sequence[Exchange], last: Exchange) -> Exchange:
        """Mark what was chance, and count it; the last try with what it proves. Raises `Inconclusive` where it proves nothing."""
        before = [] if last.request.once else self._left.pop(last.request, [])
        if not failed or failed[-1] is not last:
            self.reliability.served([*before, *failed])
            self._pass_for_chance([*before, *failed])
            return last
        last = replace(last, unserved=len(failed))
        self._keep(last)
        self.reliability.unserved(failed)
        if last.request.once:
            # Its check makes of it what it can; where such things happen by chance, nobody else does.
            self._keep(replace(last, transient=self.reliability.rate_of(failed) > 0))
            return last
        self._left[last.request] = [*before, *failed[:-1], last]
        if self.reliability.enough(failed) > len(failed) > 1:
            self._pass_for_chance([*failed[:-1], last])  # for every rule: nothing is proved about the request
            rate = self.reliability.rate_of(failed)
            raise Inconclusive(
                f"{last.id} was not served {len(failed)} times in a row ({error_text(last)}), which proves nothing about the request:"
                f" {rate:.0%} of all requests are not served when they are first sent",
                Reason.TRANSIENT,
            )
        return last

    def _pass_for_chance(self, exchanges: Sequence[Exchange]) -> None:
        """Mark exchanges as what says nothing about their requests."""
        for exchange in exchanges:
            self._keep(replace(exchange, transient=True))

    def weigh_what_was_lost(self) -> None:
        """Mark what was lost and says nothing of its request, by all that is known of the weather in the end."""
        self._pass_for_chance(self.reliability.lost_by_chance(self.exchanges))

    async def poll(self) -> Exchange:
        """What a small valid request is answered, whatever that is. It is no evidence: a server that is starting owes nothing yet."""
        request = self._small_request if self.model else Request(method="GET", path="/models", headers=())
        reserved = self._reserve(request)
        return await self.delivery.poll(request, reserved)

    async def _canary(self, patience: float | None = None) -> Exchange:
        """The exchange of a small valid request, sent anew each time: does the target still serve."""
        request = self._small_request
        return await self._deliver(
            request, self._reserve(request), _CANARY, is_canary=True, patience=patience
        )

    @property
    def _small_request(self) -> Request:
        return Request.of({"model": self.model, "prompt": CANARY_PROMPT, "max_tokens": 1, "temperature": 0})

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

    async def _deliver(
        self,
        request: Request,
        reserved: Tokens,
        occasion: str,
        *,
        is_canary: bool = False,
        patience: float | None = None,
    ) -> Exchange:
        """Have a request delivered, and remember what came. Raises `Inconclusive` where nothing came that is an answer."""
        self._numbers += 1
        self._places[f"x{self._numbers}"] = len(self._exchanges)
        self._exchanges.append(None)
        deliver = self.delivery.deliver(
            request, reserved, f"x{self._numbers}", is_canary=is_canary, patience=patience
        )
        try:
            exchange = replace(await deliver, occasion=occasion)
        except UnansweredError as stopped:
            self._keep(replace(stopped.exchange, occasion=occasion))
            raise Inconclusive(stopped.end.message, stopped.end.reason) from stopped
        self._keep(exchange)
        self.cost.count(exchange)
        return exchange

    def _keep(self, exchange: Exchange) -> None:
        """Keep an exchange in its place, instead of what was known of it before."""
        self._exchanges[self._places[exchange.id]] = exchange


def _occasion(attempt: int, sample: Hashable) -> str:
    """The words for an attempt and a sample in a record."""
    told = f"{sample[0]}#{sample[1]}" if isinstance(sample, tuple) else str(sample)
    return f"{attempt}:{told}"
