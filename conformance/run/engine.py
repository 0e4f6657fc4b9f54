"""Runs a selection of checks against one target and says what was found. Knows nothing of pytest.

The order of a run: preflight; all harmless scenarios side by side; those that send malformed requests one by one, with a small valid
request now and then, since such a request may bring a server down; at last the rules, over every exchange of the run. One observation is
not a verdict: what fails is run once more, alone, on fresh exchanges, and only a failure that repeats is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from conformance.contract.apply_rule import Judged, Objection, is_doubtful, judge
from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check, Scope
from conformance.contract.verdict import Broken, Inconclusive, Lapse, NotRun, Outcome, Unsupported, Verdict
from conformance.gateway.upstream import Upstream
from conformance.kit import typical_requests as traffic
from conformance.kit.target import Facts, Target
from conformance.run.confirmation import NOISY_ATTEMPTS, Attempt, contradictory
from conformance.run.ledger import MOST_EVIDENCE, Ledger
from conformance.run.liveness import Vigil
from conformance.run.preflight import Needs, UnusableTarget, preflight
from conformance.run.results import Results
from conformance.run.session import Cost, Session
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Intent
from conformance.wire.http import HttpClient, Limits

_NOTHING_JUDGED = "the target could not be judged; see the message of the run"


@dataclass
class Engine:
    """One run against a target that answers."""

    settings: Settings
    catalogue: Catalogue
    checks: Sequence[Check]

    def __post_init__(self) -> None:
        """Set up what the run fills; nothing is opened before `run`."""
        settings, patience = self.settings, self.settings.request_timeout
        self.ledger = Ledger(settings, self.catalogue, self.checks)
        self.started = time.time()
        self.facts = Facts(model=settings.model or "")
        self.unusable: str | None = None
        self._acquainted = False
        self._failed_once: dict[str, Broken] = {}
        self._upstream = None if settings.gateway_port is None else Upstream(settings.gateway_port)
        self._client = HttpClient(
            settings.url,
            key=settings.key,
            headers=settings.headers,
            limits=Limits(first_byte=patience, between_bytes=patience, total=5 * patience),
            concurrency=settings.concurrency,
        )
        self.session = Session(
            self._client.send,
            settings.model or "",
            concurrency=settings.concurrency,
            budget=settings.budget,
            recovery=settings.recovery,
        )
        self._vigil = Vigil(self.session)

    # -- the run -----------------------------------------------------------------------------------------------------------------

    async def run(self) -> Results:
        """Run everything; never raises for what a target does, nor for a defect of the suite, which becomes the verdict *error*."""
        try:
            async with self._client, self._upstream or contextlib.nullcontext():
                await self._judge_in_time()
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
            over = f"the time of the run was over after {seconds:g} s (--run-timeout)"
            if not self._acquainted:
                self.unusable = (
                    f"Nothing could be judged: {over} before the target had answered the first requests."
                )
            for check in self.ledger.unsettled:
                once = self._failed_once.get(check.requirement)
                message = f"it failed once ({once}), and before that was confirmed {over}" if once else over
                self.ledger.settle(check, Verdict.INCONCLUSIVE, message)

    async def _judge(self) -> None:
        try:
            self.facts = await preflight(
                self._target(), self._needs(), key_variable=self.settings.key_variable
            )
        except (UnusableTarget, Inconclusive) as reason:
            self.unusable = str(reason)
            self.ledger.settle_all(Verdict.INCONCLUSIVE, _NOTHING_JUDGED)
            return
        self._acquainted = True
        await self._run_scenarios([check for check in self.checks if check.scope is Scope.SCENARIO])
        await self._run_rules([check for check in self.checks if check.scope is not Scope.SCENARIO])

    def snapshot(self, *, complete: bool) -> Results:
        """The results so far; checks without a verdict yet are `not_run`."""
        return Results(
            url=self.settings.url,
            name=self.settings.name,
            profile=self.settings.profile.name,
            strict=self.settings.strict,
            facts=self.facts,
            results=self.ledger.results,
            exchanges=self.exchanges,
            cost=self.cost,
            started=self.started,
            finished=time.time(),
            complete=complete,
            unusable=self.unusable,
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

    def _needs(self) -> Needs:
        needs = [self.ledger.requirement(check).needs for check in self.checks]
        capabilities = {name for need in needs for name in need.capabilities}
        return Needs(capabilities, det=any(need.det for need in needs))

    def _target(self, name: str = "", attempt: int = 0) -> Target:
        return Target(
            self.session,
            self.facts,
            self.settings.profile,
            attempt=attempt,
            name=name,
            has_key=self.settings.key is not None,
            expensive=self.settings.expensive,
            examples=self.settings.examples,
            seed=self.settings.seed,
            upstream=self._upstream,
        )

    # -- scenarios ---------------------------------------------------------------------------------------------------------------

    async def _run_scenarios(self, checks: Sequence[Check]) -> None:
        runnable = [check for check in checks if not self.ledger.settle_gated(check, self.facts)]
        harmless = [check for check in runnable if not check.hazardous]
        hazardous = [check for check in runnable if check.hazardous]
        failed = await asyncio.gather(*map(self._first_attempt, harmless))
        left = await self._confirm_calm([one for one in failed if one])
        if hazardous:
            # What died of the harmless requests must not be blamed on the malformed ones.
            await self.session.revive(self.session.exchanges[-MOST_EVIDENCE:])
        for check in hazardous:
            attempt = await self._hazard(check)
            if self._settle(check, attempt):
                left += await self._confirm_calm([(check, attempt)])
        await self._confirm(left)

    async def _confirm_calm(self, failed: Sequence[tuple[Check, Attempt]]) -> list[tuple[Check, Attempt]]:
        """Confirm at once what failed, before the target dies of another request; returns what is left to be confirmed.

        That is what it may die of itself when it is asked again: what it left unanswered, or answered with 5xx. It comes last of all.
        """
        calm = [attempt.calm and not attempt.unanswered for _, attempt in failed]
        await self._confirm(compress(failed, calm))
        return [one for one, is_calm in zip(failed, calm, strict=True) if not is_calm]

    async def _first_attempt(self, check: Check) -> tuple[Check, Attempt] | None:
        """Run a harmless check; what must be confirmed first, None where its verdict is final."""
        attempt = await self._attempt(check)
        return (check, attempt) if self._settle(check, attempt) else None

    async def _attempt(self, check: Check, number: int = 0) -> Attempt:
        target, started = self._target(check.requirement, number), time.monotonic()
        try:
            await check.function(target)
        except Outcome as outcome:
            found: Outcome | str | None = outcome
        except Exception:  # noqa: BLE001 - a defect of the suite becomes a verdict of its own
            found = traceback.format_exc()
        else:
            found = None
        return Attempt(found, tuple(target.used), time.monotonic() - started)

    async def _hazard(self, check: Check, number: int = 0) -> Attempt:
        """Run a check that sends malformed requests, and see afterwards whether the target still serves."""
        attempt = await self._attempt(check, number)
        await self._vigil.after(attempt)
        return attempt

    async def _confirm(self, failed: Iterable[tuple[Check, Attempt]]) -> None:
        """Run what failed once more, alone; on a target that was seen to contradict itself several times more."""
        again = [
            (check, [first, await self._repeat(check, 1)])
            for check, first in sorted(failed, key=lambda item: item[1].unanswered)
        ]
        for check, attempts in again:
            while isinstance(attempts[-1].outcome, Broken) and len(attempts) < self._attempts_needed:
                attempts.append(await self._repeat(check, len(attempts)))
            last = attempts[-1]
            if not isinstance(last.outcome, Broken):
                self._unstable(check, attempts[-2], last)
            elif contradiction := contradictory(attempts):
                self.ledger.settle(
                    check,
                    Verdict.INCONCLUSIVE,
                    f"{contradiction}; it failed with: {last.outcome}",
                    evidence=last.used,
                )
            else:
                self._finish_broken(check, last.outcome, last)

    @property
    def _attempts_needed(self) -> int:
        return NOISY_ATTEMPTS if self.session.contradictions else 2

    async def _repeat(self, check: Check, number: int) -> Attempt:
        if check.hazardous:
            return await self._hazard(check, number)
        # Batches flip near ties, and some servers break off one answer when another request arrives: neither is to pass for a defect.
        async with self.session.one_at_a_time():
            attempt = await self._attempt(check, number)
        if attempt.unanswered:
            # What a target that is gone leaves unanswered must not be blamed on it once more in another check's name.
            await self.session.revive(attempt.used[-MOST_EVIDENCE:])
        return attempt

    def _settle(self, check: Check, attempt: Attempt) -> bool:
        """Finish a check after its first attempt; True where it must be confirmed first."""
        outcome, verdict = attempt.outcome, Verdict.PASS
        if isinstance(outcome, Broken):
            self._failed_once[check.requirement] = outcome
            return True
        if isinstance(outcome, Unsupported):
            verdict = Verdict.UNSUPPORTED
        elif isinstance(outcome, Inconclusive):
            verdict = Verdict.INCONCLUSIVE
        elif isinstance(outcome, NotRun):
            verdict = Verdict.NOT_RUN
        elif outcome is not None:
            verdict = Verdict.ERROR
        self.ledger.settle(check, verdict, str(outcome or ""), evidence=attempt.used, seconds=attempt.seconds)
        return False

    def _unstable(self, check: Check, failed: Attempt, passed: Attempt) -> None:
        message = f"unstable: it failed once ({failed.outcome}), but not again on fresh exchanges"
        if isinstance(passed.outcome, Inconclusive):
            message = f"it failed once ({failed.outcome}), and could not be confirmed: {passed.outcome}"
        self.ledger.settle(check, Verdict.INCONCLUSIVE, message, evidence=failed.used, seconds=failed.seconds)

    def _finish_broken(self, check: Check, outcome: Broken, attempt: Attempt) -> None:
        verdict = self.ledger.broken(check, lapse=isinstance(outcome, Lapse))
        # The exchange that was looked at last is mostly the telling one.
        evidence = tuple(reversed(attempt.used))[:MOST_EVIDENCE]
        self.ledger.settle(
            check, verdict, str(outcome), evidence=evidence, kind=outcome.kind, seconds=attempt.seconds
        )

    # -- rules -------------------------------------------------------------------------------------------------------------------

    async def _run_rules(self, checks: Sequence[Check]) -> None:
        if not checks:
            return
        await self._send_traffic(
            refusals=any(check.scope in {Scope.REFUSAL, Scope.EXCHANGE} for check in checks)
        )
        for check in checks:
            # A rule may have nothing to wait for; the clock of the run wants to be heard.
            await asyncio.sleep(0)
            await self._run_rule(check)

    async def _send_traffic(self, *, refusals: bool) -> None:
        """Give rules that are run alone something to look at; in a whole run nearly all of this has been sent already."""
        for scene in traffic.HARMLESS + (traffic.HAZARDOUS if refusals else ()):
            with contextlib.suppress(Outcome):
                await scene(self._target())

    async def _run_rule(self, check: Check) -> None:
        if self.ledger.settle_gated(check, self.facts):
            return
        started = time.monotonic()
        try:
            judged = judge(check, self.session.exchanges, self.settings.profile)
            if is_doubtful(check, judged):
                judged = await self._look_again(check, judged)
        except Exception:  # noqa: BLE001 - a defect of the suite becomes a verdict of its own
            self.ledger.settle(check, Verdict.ERROR, traceback.format_exc())
            return
        seconds = time.monotonic() - started
        self.ledger.settle_rule(check, judged, seconds)

    async def _look_again(self, check: Check, judged: Judged) -> Judged:
        """Send the few requests whose answers a rule objects to once more; one observation is no verdict."""
        doubts = []
        for objection in judged.objections:
            doubt, again = await self._doubt(check, objection.exchange)
            judged = replace(
                judged, objections=judged.objections + again, looked_at=judged.looked_at + len(again)
            )
            doubts += [doubt] if doubt else []
        # What came again for one request stands for the others.
        confirmed = len(doubts) < len(judged.objections)
        return judged if confirmed else replace(judged, doubt=doubts[0])

    async def _doubt(self, check: Check, first: Exchange) -> tuple[str | None, tuple[Objection, ...]]:
        """Why an objection can't be confirmed; else the objection to the second answer."""
        try:
            again = await self.session.send(first.request, attempt=1)
        except Inconclusive as reason:
            return f"not again, since {reason}", ()
        if again.request.intent is not Intent.VALID:
            await self.session.revive((again,))
        second = judge(check, (again,), self.settings.profile)
        if second.objections:
            return None, second.objections
        if not second.looked_at:
            came = f"status {again.status}" if again.response else "no answer"
            return f"the same request got {came} the next time, so that it could not be confirmed", ()
        return "not again when the same was sent", ()
