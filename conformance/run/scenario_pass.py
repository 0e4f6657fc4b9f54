"""Runs the scenarios of a selection, phase by phase.

First those that share the target, side by side. Then, one by one, those that want it for themselves, those that send what a weak server
may die of, with a small valid request now and then, and what comes last of all. Within a phase the catalogue's order counts.

A run that goes on with one whose target died leaves for the very end what asks for a request that it may have died of.

A run with a bound may end at any time: it goes through the phases with core MUST first, then with the rest, each in the order of its worth
(`worth.py`), a few at a time, and confirms what fails before it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import compress

from conformance.contract.check import Check, Phase
from conformance.contract.verdict import Broken, Inconclusive, NotRun, Postponed, Unsupported, Verdict
from conformance.kit.target import Target
from conformance.run.attempt import Attempt, attempt
from conformance.run.confirmation import Confirmation, Failure
from conformance.run.ledger import MOST_EVIDENCE, Ledger
from conformance.run.liveness import LivenessWatch
from conformance.run.session import Session
from conformance.run.worth import load_worth

NewTarget = Callable[[str, int], Target]
"""Makes the target that a scenario talks to, from its requirement id and the number of the attempt."""

_ONE_BY_ONE = (Phase.ALONE, Phase.MALFORMED, Phase.DEADLY, Phase.LAST)


class ScenarioPass:
    """One pass over the scenarios. Each is settled in the ledger."""

    def __init__(self, session: Session, ledger: Ledger, new_target: NewTarget) -> None:
        """Prepare; nothing is sent before `run`."""
        self._session, self._ledger, self._new_target = session, ledger, new_target
        self._watch = LivenessWatch(session)
        self._confirmation = Confirmation(ledger, session.determinism, session.reliability, self._repeat)
        self._postponed: list[Check] = []

    async def run(self, checks: Sequence[Check]) -> None:
        """Run all of `checks`."""
        self._session.postpones = True
        await self._run_in_order(checks)
        self._session.postpones = False
        for check in self._postponed:
            await self._run_alone(check)

    async def _run_alone(self, check: Check) -> None:
        """Run and confirm one check."""
        first = await self._watched(check)
        if not self._settled(check, first):
            await self._confirmation.confirm([(check, first)])

    async def _run_in_order(self, checks: Sequence[Check]) -> None:
        if not self._ledger.settings.is_bounded:
            in_order = sorted(checks, key=self._ledger.position)
            await self._run_phases(in_order, at_once=max(1, len(checks)))
            return
        by_worth = sorted(checks, key=load_worth().rank)
        core = [check for check in by_worth if self._ledger.is_core(check)]
        for part in (core, [check for check in by_worth if check not in core]):
            await self._run_phases(part, at_once=self._session.concurrency)

    async def _run_phases(self, checks: Sequence[Check], *, at_once: int) -> None:
        """Run `checks` phase by phase, so many of those that share the target at once."""
        shared = [check for check in checks if check.phase is Phase.SHARED]
        one_by_one = [check for phase in _ONE_BY_ONE for check in checks if check.phase is phase]
        left: list[Failure] = []
        self._session.reliability.may_learn = True
        for start in range(0, len(shared), at_once):
            failed = await asyncio.gather(*map(self._run_shared, shared[start : start + at_once]))
            left += await self._confirm_healthy([one for one in failed if one])
        self._session.reliability.may_learn = False
        if one_by_one:
            # What died of the requests so far must not be blamed on those that follow.
            await self._session.still_serves(self._session.exchanges[-MOST_EVIDENCE:])
        for check in one_by_one:
            first = await self._watched(check)
            if not self._settled(check, first):
                left += await self._confirm_healthy([(check, first)])
        await self._confirmation.confirm(left)

    async def _confirm_healthy(self, failed: Sequence[Failure]) -> list[Failure]:
        """Confirm at once what failed, before the target dies of another request; returns what is left to be confirmed.

        That is what it may die of itself when it is asked again: what it left unanswered, or answered with 5xx. It comes last of all.
        """
        healthy = [first.healthy and not first.left_a_valid_request_unserved for _, first in failed]
        await self._confirmation.confirm(compress(failed, healthy))
        return [one for one, is_healthy in zip(failed, healthy, strict=True) if not is_healthy]

    async def _run_shared(self, check: Check) -> Failure | None:
        """Run a check beside others; a failure that must be confirmed first, None where its verdict is final."""
        first = await attempt(check, self._new_target(check.requirement_id, 0))
        return None if self._settled(check, first) else (check, first)

    async def _watched(self, check: Check, number: int = 0) -> Attempt:
        """Run a check by itself, and see afterwards whether the target still serves."""
        found = await attempt(check, self._new_target(check.requirement_id, number))
        await self._watch.after(found)
        return found

    async def _repeat(self, check: Check, number: int) -> Attempt:
        self._session.postpones, postpones = False, self._session.postpones
        try:
            return await self._repeated(check, number)
        finally:
            self._session.postpones = postpones

    async def _repeated(self, check: Check, number: int) -> Attempt:
        if check.phase is not Phase.SHARED:
            return await self._watched(check, number)
        # Batches flip near ties, and some servers break off one answer when another request arrives: neither is to pass for a defect.
        async with self._session.one_at_a_time():
            found = await attempt(check, self._new_target(check.requirement_id, number))
        if found.left_a_valid_request_unserved:
            # What a target that is gone leaves unanswered must not be blamed on it once more in another check's name.
            await self._session.still_serves(found.used[-MOST_EVIDENCE:])
        return found

    def _settled(self, check: Check, first: Attempt) -> bool:
        """Settle a check by its first attempt; False where that is a failure, which must be confirmed first."""
        outcome = first.outcome
        if isinstance(outcome, Postponed):
            self._postponed.append(check)
            return True
        if isinstance(outcome, Broken):
            self._ledger.failed_once[check.requirement_id] = outcome, first.used
            return False
        self._ledger.settle(
            check,
            _verdict(outcome),
            str(outcome or ""),
            evidence=first.used,
            reason=outcome.reason if isinstance(outcome, Inconclusive) else None,
            seconds=first.seconds,
        )
        return True


def _verdict(outcome: object) -> Verdict:
    """The verdict that an outcome other than `Broken` amounts to."""
    if outcome is None:
        return Verdict.PASS
    if isinstance(outcome, Unsupported):
        return Verdict.UNSUPPORTED
    if isinstance(outcome, Inconclusive):
        return Verdict.INCONCLUSIVE
    return Verdict.NOT_RUN if isinstance(outcome, NotRun) else Verdict.ERROR
