"""One run of a selection of checks against one target: its lifecycle. Knows nothing of pytest.

The order of a run: preflight; the scenarios, phase by phase (`scenario_pass.py`); at last the rules, over every exchange of the run
(`rule_pass.py`). One observation is not a verdict: what fails is run once more (`confirmation.py`), and only a failure that repeats is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check, Scope
from conformance.contract.verdict import Inconclusive, Reason, Verdict
from conformance.gateway.upstream import Upstream
from conformance.kit.facts import Facts
from conformance.kit.target import Target
from conformance.run.budget import Budget, Cost, Price
from conformance.run.delivery import Send
from conformance.run.ledger import Ledger
from conformance.run.liveness import serves_as_ever
from conformance.run.preflight import Needs, UnusableTarget, find_model, preflight
from conformance.run.readiness import until_ready
from conformance.run.results import Results
from conformance.run.rule_pass import RulePass
from conformance.run.scenario_pass import ScenarioPass
from conformance.run.session import Session
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange
from conformance.wire.http import HttpClient, Limits

_NOTHING_JUDGED = "the target could not be judged; see the message of the run"


@dataclass
class Engine:
    """One run against a target that answers."""

    settings: Settings
    catalogue: Catalogue
    checks: Sequence[Check]
    transport: Send | None = None
    """What carries requests instead of the client for HTTP: a server in this process, a recording."""

    def __post_init__(self) -> None:
        """Set up what the run fills; nothing is opened before `run`."""
        settings, timeout = self.settings, self.settings.request_timeout
        self.ledger = Ledger(settings, self.catalogue, self.checks)
        self.started = time.time()
        self.facts = Facts(model=settings.model or "")
        self.unusable: str | None = None
        self._reached_the_target = False
        self._upstream = (
            None if settings.gateway_upstream_port is None else Upstream(settings.gateway_upstream_port)
        )
        self._client = HttpClient(
            settings.url,
            key=settings.key,
            headers=settings.headers,
            limits=Limits(first_byte=timeout, between_bytes=timeout, total=5 * timeout),
            concurrency=settings.concurrency,
        )
        self.session = Session(
            self.transport or self._client.send,
            settings.model or "",
            concurrency=settings.concurrency,
            budget=Budget(
                settings.max_requests,
                settings.max_tokens,
                settings.max_cost,
                Price(*settings.price) if settings.price else Price(),
            ),
            rate=settings.rate,
            recovery=settings.recovery,
            run_timeout=settings.run_timeout,
            wait_ready=settings.wait_ready,
        )

    async def run(self) -> Results:
        """Run everything; never raises for what a target does, nor for a defect of the suite, which becomes the verdict *error*."""
        try:
            async with self._client, self._upstream or contextlib.nullcontext():
                await self._judge_in_time()
                await self.session.abandon()  # what nobody waits for any more is neither sent nor counted
        except Exception:  # noqa: BLE001 - whoever waits for verdicts gets them
            self.ledger.settle_all(Verdict.ERROR, f"the run broke off:\n{traceback.format_exc()}")
        return self.snapshot(complete=True)

    async def _judge_in_time(self) -> None:
        """Judge, and settle what is left when the time of the run is over."""
        seconds = self.settings.run_timeout
        try:
            async with asyncio.timeout(seconds) as clock:
                await self._judge()
        except TimeoutError:
            if not clock.expired():
                raise
            await self.session.abandon()
            over = f"the time for the run was up after {seconds:g} s (--run-timeout)"
            if not self._was_served:
                self.unusable = (
                    f"Nothing could be judged: {over} before the target had answered the first requests."
                )
            self.conclude(over, Reason.TIME)

    async def _judge(self) -> None:
        variable = self.settings.key_variable
        try:
            await until_ready(self.session, self.settings.wait_ready or 0.0)
            model = self.settings.model or await find_model(self._target(), key_variable=variable)
            self.session.model, self.facts = model, Facts(model)
            self.facts = await preflight(self._target(), self._needs(), key_variable=variable)
        except (UnusableTarget, Inconclusive) as reason:
            self.unusable = str(reason)
            self.ledger.settle_all(Verdict.INCONCLUSIVE, _NOTHING_JUDGED, reason.reason)
            return
        self._reached_the_target = True
        runnable = [check for check in self.checks if not self.ledger.settle_unmet(check, self.facts)]
        scenarios = [check for check in runnable if check.scope is Scope.SCENARIO]
        await ScenarioPass(self.session, self.ledger, self._target).run(scenarios)
        rules = [check for check in runnable if check.scope is not Scope.SCENARIO]
        await RulePass(self.session, self.ledger, self._target).run(rules)

    def conclude(self, why: str, reason: Reason) -> None:
        """Judge by rules what is there, and settle the rest as not judged: however a run ends, what it has seen counts."""
        self.session.delivery.end(reason, why)
        if self._was_served:
            left = [check for check in self.ledger.unsettled if check.is_rule and self._can_tell(check)]
            runnable = [check for check in left if not self.ledger.settle_unmet(check, self.facts)]
            RulePass(self.session, self.ledger, self._target).conclude(runnable, why, reason)
        self.ledger.settle_unjudged(why, reason)

    def snapshot(self, *, complete: bool) -> Results:
        """The results so far; checks without a verdict yet are `not_run`."""
        return Results(
            url=self.settings.url,
            name=self.settings.name,
            embedded=self.settings.embedded,
            profile=self.settings.profile.name,
            strict=self.settings.strict,
            facts=self.facts,
            results=self.ledger.results,
            exchanges=self.exchanges,
            cost=self.cost,
            started=self.started,
            finished=time.time(),
            complete=complete,
            selection=self.ledger.selection,
            unusable=self.unusable,
            ended=self.session.ended,
            incidents=tuple(self.session.incidents),
            redactor=self.settings.redactor,
        )

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange so far."""
        return self.session.exchanges

    @property
    def cost(self) -> Cost:
        """What the run has cost so far."""
        return self.session.cost

    @property
    def _was_served(self) -> bool:
        """Whether a completion came that rules can look at."""
        return any(
            serves_as_ever(exchange) and exchange.request.path == "/completions"
            for exchange in self.exchanges
        )

    def _can_tell(self, check: Check) -> bool:
        """Whether it is known if the target has what a check needs; before the preflight is over, no capability is known."""
        return self._reached_the_target or not self.ledger.requirement(check).needs.capabilities

    def _needs(self) -> Needs:
        needs = [self.ledger.requirement(check).needs for check in self.checks]
        capabilities = {name for need in needs for name in need.capabilities}
        return Needs(capabilities, det=any(need.det for need in needs))

    def _target(self, name: str = "", attempt: int = 0) -> Target:
        return Target(
            self.session,
            self.facts,
            self.settings,
            attempt=attempt,
            name=name,
            has_key=self.settings.key is not None,
            upstream=self._upstream,
        )
