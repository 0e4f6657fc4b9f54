"""One run of a selection of checks against one target: its lifecycle. Knows nothing of pytest.

The order of a run: preflight; the scenarios, phase by phase (`scenario_pass.py`); at last the rules, over every exchange of the run
(`rule_pass.py`). One observation is not a verdict: what fails is run once more (`confirmation.py`), and only a failure that repeats is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from conformance import __version__
from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check, Scope
from conformance.contract.verdict import LOST, Inconclusive, NotRecorded, Reason, Verdict
from conformance.gateway.keys import KeyMark
from conformance.gateway.upstream import Upstream
from conformance.kit.capabilities import learn_what_is_in_doubt
from conformance.kit.daemon_thread import in_daemon_thread
from conformance.kit.facts import Facts
from conformance.kit.target import Target
from conformance.kit.upstream_elsewhere import UpstreamElsewhere
from conformance.run.budget import Budget, Cost, Price, Tokens
from conformance.run.delivery import Send
from conformance.run.forecast import forecast, seconds_each
from conformance.run.gateway_keys import GatewayKeys
from conformance.run.gateway_preflight import gateway_preflight, meet_upstream
from conformance.run.ledger import Ledger
from conformance.run.liveness import serves_as_ever
from conformance.run.preflight import Needs, UnusableTarget, find_model, preflight
from conformance.run.readiness import until_ready
from conformance.run.receiving import Receiving
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.results import Inputs, Recorded, Results, Resumed
from conformance.run.rule_pass import RulePass, judge_what_is_there
from conformance.run.scenario_pass import ScenarioPass
from conformance.run.session import Session
from conformance.run.settings import Settings
from conformance.run.worth import load_worth
from conformance.wire.exchange import Exchange, Request
from conformance.wire.http import HttpClient, Limits

_CUT_SHORT = frozenset({Reason.TIME, Reason.INTERRUPTED})
"""Ends after which the rules are judged over what is there, and nothing else is."""
_NOTHING_JUDGED = "the target could not be judged; see the message of the run"
_NOT_KNOWN_YET = "Before it judges, a run gets to know the target, and it had not come to the end of that."
_EXAMPLES_BEFORE = 30
"""So many requests were drawn by default when recordings did not yet say how many."""


@dataclass
class Engine:
    """One run against a target that answers."""

    settings: Settings
    catalogue: Catalogue
    checks: Sequence[Check]
    transport: Send | None = None
    """What carries requests instead of the client for HTTP: a server in this process."""
    recorded: RecordedTraffic | None = None
    """What is known already: the run goes on with it, or, where it does not `goes_on`, judges nothing else and sends nothing."""

    def __post_init__(self) -> None:
        """Set up what the run fills; nothing is opened before `run`."""
        if self.recorded is not None:
            self.settings = _with_inputs(self.settings, self.recorded)
        settings = self.settings
        self.ledger = Ledger(settings, self.catalogue, self.checks)
        self.started = time.time()
        self.facts = Facts(model=settings.model or "")
        self.unusable: str | None = None
        self._reached_the_target = False
        self._upstream = _upstream(settings)
        self._gateway_keys = None if self._upstream is None else GatewayKeys(self._upstream)
        self._client = None if self.transport or self._only_judges else _client(settings)
        self.session = Session(
            Receiving(
                self.transport or (self._client.send if self._client else _never),
                settings.redactor,
                self._gateway_keys,
            ),
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
            recorded=self.recorded,
        )
        if self._gateway_keys is not None:
            self._gateway_keys.end = self.session.delivery.end

    @property
    def _only_judges(self) -> bool:
        """Whether nothing is sent."""
        return self.recorded is not None and not self.recorded.goes_on

    async def run(self) -> Results:
        """Run everything; never raises for what a target does, nor for a defect of the suite, which becomes the verdict *error*."""
        try:
            async with self._client or contextlib.nullcontext(), self._upstream or contextlib.nullcontext():
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
            await in_daemon_thread(partial(self.conclude, over, Reason.TIME))

    async def _judge(self) -> None:
        if not await self._gets_to_know_the_target():
            return
        self._reached_the_target = True
        doubtful = [check for check in self.checks if self._is_doubtful(check)]
        runnable = self._runnable(check for check in self.checks if check not in doubtful)
        await self._run_scenarios(runnable)
        if doubtful:
            self.facts = replace(self.facts, capabilities=await learn_what_is_in_doubt(self._target()))
            doubtful = self._runnable(doubtful)
            await self._run_scenarios(doubtful)
            runnable += doubtful
        end = self.session.ended
        if self._only_judges and end is not None and end.reason in _CUT_SHORT:
            self.conclude(end.message, end.reason)  # as the run did that was recorded
            return
        rules = [check for check in runnable if check.scope is not Scope.SCENARIO]
        await RulePass(self.session, self.ledger, self._target).run(rules)

    def _is_doubtful(self, check: Check) -> bool:
        """Whether a check needs what the target closed the connection for, and so comes last: it may die of it."""
        known, needed = self.facts.capabilities, self.ledger.requirement(check).needs.capabilities
        return any(known[name].in_doubt for name in needed if name in known)

    def _runnable(self, checks: Iterable[Check]) -> list[Check]:
        """Those of `checks` whose preconditions are met; the others are settled."""
        return [check for check in checks if not self.ledger.settle_unmet(check, self.facts)]

    async def _run_scenarios(self, checks: Iterable[Check]) -> None:
        scenarios = [check for check in checks if check.scope is Scope.SCENARIO]
        await ScenarioPass(self.session, self.ledger, self._target).run(scenarios)
        self.session.weigh_what_was_lost()

    async def _gets_to_know_the_target(self) -> bool:
        """Fill the facts; False where nothing can be judged, which is then settled."""
        variable = self.settings.key_variable
        try:
            await meet_upstream(self._upstream)
            await until_ready(self.session, self.settings.wait_ready or 0.0)
            model = self.settings.model or await find_model(self._target(), key_variable=variable)
            self.session.model, self.facts = model, Facts(model)
            self.facts = await preflight(self._target(), self._needs(), key_variable=variable)
            await gateway_preflight(self._target(), map(self.ledger.requirement, self.checks))
        except (UnusableTarget, Inconclusive) as why:
            self._judge_nothing(why)
            return False
        except NotRecorded:
            # The rules can be held against whatever is there, by what the recorded run knew.
            self.facts = self.recorded.recording.facts if self.recorded else self.facts
        return True

    def _judge_nothing(self, why: UnusableTarget | Inconclusive) -> None:
        """Settle everything as not judged, since the target can't be used or the run did not come so far as to know it."""
        said = str(why)
        if isinstance(why, UnusableTarget) and why.is_unreadable and self._breaks_a_rule(said, why.reason):
            return
        self.unusable = (
            said if isinstance(why, UnusableTarget) else f"Nothing could be judged: {said}. {_NOT_KNOWN_YET}"
        )
        if why.reason in LOST and self.session.ended is None:
            self.session.delivery.end(why.reason, said)
        self.ledger.settle_all(Verdict.INCONCLUSIVE, _NOTHING_JUDGED, why.reason)

    def _breaks_a_rule(self, why: str, reason: Reason) -> bool:
        """Judge by rules the little that has come; False, and nothing is settled, where that breaks none of them."""
        rules = self._rules_left
        judged = Ledger(self.settings, self.catalogue, rules)
        judge_what_is_there(judged, self.exchanges, rules, why, reason)
        if all(one.verdict is not Verdict.FAIL for one in judged.settled.values()):
            return False
        for check in rules:
            if (result := judged.settled.get(check.requirement_id)) is not None:
                self.ledger.keep(check, result)
        self.ledger.settle_unjudged(why, reason)
        return True

    def give_up(self) -> None:
        """End the run from another thread: its time is over, and it is held up by what can't be interrupted. Nothing more is judged."""
        over = f"the time for the run was up after {self.settings.run_timeout:g} s (--run-timeout)"
        self.session.delivery.end(Reason.TIME, over)
        self.ledger.settle_unjudged(over, Reason.TIME)

    def conclude(self, why: str, reason: Reason) -> None:
        """Judge by rules what is there, and settle the rest as not judged: however a run ends, what it has seen counts."""
        self.session.delivery.end(reason, why)
        if self._was_served:
            self.session.weigh_what_was_lost()
            runnable = self._runnable(self._rules_left)
            judge_what_is_there(self.ledger, self.exchanges, runnable, why, reason)
        self.ledger.settle_unjudged(why, reason)

    def snapshot(self, *, complete: bool) -> Results:
        """The results so far; checks without a verdict yet are `not_run`."""
        only_judged = self.recorded.recording if self.recorded and self._only_judges else None
        return Results(
            url=only_judged.url if only_judged else self.settings.url,
            name=self.settings.name or (only_judged.name if only_judged else ""),
            embedded=self.settings.embedded,
            profile=self.settings.profile.name,
            strict=self.settings.strict,
            facts=self.facts,
            results=self.ledger.results,
            exchanges=self.exchanges,
            cost=self.cost,
            started=self.started,
            finished=time.time(),
            complete=complete and (only_judged is None or only_judged.complete),
            selection=self.ledger.selection,
            recorded=Recorded(only_judged.started, only_judged.finished) if only_judged else None,
            resumed=self._resumed,
            inputs=self._inputs,
            unusable=self.unusable,
            ended=self.session.ended,
            incidents=tuple(self.session.incidents),
            background=self.session.reliability.background,
            redactor=self._gateway_keys.added_to(self.settings.redactor)
            if self._gateway_keys
            else self.settings.redactor,
        )

    @property
    def _resumed(self) -> Resumed | None:
        if self.recorded is None or self._only_judges:
            return None
        return Resumed(self.recorded.recording.began, len(self.recorded.exchanges))

    def seconds_left(self, now: float) -> float | None:
        """How long the run will still take, at the speed that was seen until `now`, by the loop's clock; None before the preflight is over."""
        if not self._reached_the_target or self._only_judges:
            return None
        pace, left = self.session.pace, forecast(self.ledger.unsettled, load_worth())
        each = seconds_each(self.exchanges)
        return max(left.seconds(each, self.session.concurrency), pace.estimate(left.requests, each, now))

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange so far."""
        return self.session.exchanges

    @property
    def cost(self) -> Cost:
        """What the run has cost so far."""
        cost, price = self.session.cost, self.settings.price
        tokens = Tokens(cost.prompt_tokens, cost.generated_tokens)
        return replace(
            cost, money=Price(*price).of(tokens) if price else None, pace=self.session.pace.describe()
        )

    @property
    def _was_served(self) -> bool:
        """Whether a completion came that rules can look at."""
        return any(
            serves_as_ever(exchange) and exchange.request.path == "/completions"
            for exchange in self.exchanges
        )

    @property
    def _rules_left(self) -> list[Check]:
        """The rules without a verdict of which it is known if the target has what they need: before the preflight is over, no capability is known."""
        return [
            check
            for check in self.ledger.unsettled
            if check.is_rule
            and (self._reached_the_target or not self.ledger.requirement(check).needs.capabilities)
        ]

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
            has_key=self._has_key,
            upstream=self._upstream,
            speaker=lambda exchange, name: self.ledger.speaker_of(exchange, name, self.exchanges),
        )

    @property
    def _has_key(self) -> bool:
        """Whether there is a key, or was one where nothing is sent."""
        if self.recorded is not None and self._only_judges:
            return self.recorded.had_key
        return self.settings.key is not None

    @property
    def _inputs(self) -> Inputs:
        settings = self.settings
        return Inputs(
            settings.seed, settings.examples, settings.expensive, settings.concurrency, self._has_key
        )


def _upstream(settings: Settings) -> Upstream | UpstreamElsewhere | None:
    """The scripted upstream of the run, where it has one; nothing is opened yet."""
    client = KeyMark.of(settings.key)
    if settings.gateway_upstream_url is not None:
        return UpstreamElsewhere(settings.gateway_upstream_url, clients_key=client, version=__version__)
    if settings.gateway_upstream_port is not None:
        return Upstream(settings.gateway_upstream_port, clients_key=client)
    return None


def _with_inputs(settings: Settings, recorded: RecordedTraffic) -> Settings:
    """The settings with those of a recorded run on which its requests depend, so that the same are made."""
    recording, model = recorded.recording, recorded.recording.facts.model
    settings = replace(settings, model=model or settings.model)
    if not recorded.goes_on:
        settings = replace(
            settings, gateway_upstream_port=None, gateway_upstream_url=None, wait_ready=None, run_timeout=None
        )
    inputs = recording.inputs
    if inputs is None:
        return replace(settings, examples=_EXAMPLES_BEFORE)
    concurrency = settings.concurrency if recorded.goes_on else inputs.concurrency
    return replace(
        settings,
        seed=inputs.seed,
        examples=inputs.examples,
        expensive=inputs.expensive,
        concurrency=concurrency,
    )


def _client(settings: Settings) -> HttpClient:
    timeout = settings.request_timeout
    return HttpClient(
        settings.url,
        key=settings.key,
        key_header=settings.api_key_header,
        headers=settings.headers,
        public_headers=settings.public_headers,
        limits=Limits(first_byte=timeout, between_bytes=timeout, total=5 * timeout),
        concurrency=settings.concurrency,
    )


async def _never(request: Request) -> Exchange:
    """The transport of what sends nothing."""
    raise AssertionError(f"a recording is judged, and nothing is to be sent: {request.method} {request.path}")
