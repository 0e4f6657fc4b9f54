"""Judges recorded traffic. Nothing here can send: there is no client."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.contract.apply_rule import apply_rule, needs_confirmation
from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check
from conformance.contract.verdict import Reason, Verdict
from conformance.run.budget import Cost
from conformance.run.ledger import Ledger
from conformance.run.recording import Recording
from conformance.run.results import Recorded, Results
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange

RULES_ONLY = "recorded traffic is judged by rules only"


@dataclass
class Replay:
    """One judgement of a recording, by the rules among `checks`."""

    settings: Settings
    catalogue: Catalogue
    checks: Sequence[Check]
    recording: Recording

    def __post_init__(self) -> None:
        """Set up what the judgement fills."""
        self.ledger = Ledger(self.settings, self.catalogue, self.checks)
        self.started = time.time()
        self.cost = Cost()

    def seconds_left(self, now: float) -> float | None:  # noqa: ARG002 - there is nothing to wait for
        """Nothing is sent, so nothing has to be waited for."""
        return None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange of the recording."""
        return self.recording.exchanges

    async def run(self) -> Results:
        """Judge everything; never raises for what was recorded, nor for a defect of the suite, which becomes the verdict *error*."""
        for check in self.checks:
            await asyncio.sleep(0)  # there is nothing to wait for, and whoever interrupts wants to be heard
            self._judge(check)
        return self.snapshot(complete=True)

    def _judge(self, check: Check) -> None:
        if self.ledger.settle_missing(check, self.recording.facts):
            return
        if not check.is_rule:
            self.ledger.settle(check, Verdict.NOT_RUN, RULES_ONLY)
            return
        if self.ledger.settle_unmet(check, self.recording.facts):
            return
        started = time.monotonic()
        try:
            judged = apply_rule(check, self.exchanges, self.settings.profile)
        except Exception:  # noqa: BLE001 - a defect of the suite becomes a verdict of its own
            self.ledger.settle(check, Verdict.ERROR, traceback.format_exc())
            return
        if needs_confirmation(check, judged):
            # One observation is no verdict. A run would ask again, and what it was answered is recorded, too.
            judged = replace(judged, unconfirmed="recorded requests can't be sent again")
        ended = self.recording.ended
        if ended is not None and not judged.looked_at:
            why = f"nothing that this requirement is about was recorded before the run ended: {ended.message}"
            self.ledger.settle(check, Verdict.INCONCLUSIVE, why, reason=ended.reason)
        else:
            self.ledger.settle_rule(check, judged, time.monotonic() - started)

    def conclude(self, why: str, reason: Reason) -> None:
        """Settle what was not judged."""
        self.ledger.settle_unjudged(why, reason)

    def snapshot(self, *, complete: bool) -> Results:
        """The results so far; checks without a verdict yet are `not_run`."""
        recording, settings = self.recording, self.settings
        return Results(
            url=recording.url,
            name=settings.name or recording.name,
            profile=settings.profile.name,
            strict=settings.strict,
            facts=recording.facts,
            results=self.ledger.results,
            exchanges=self.exchanges,
            cost=self.cost,
            started=self.started,
            finished=time.time(),
            complete=complete and recording.complete,
            selection=self.ledger.selection,
            recorded=Recorded(recording.started, recording.finished),
            ended=recording.ended,
            redactor=settings.redactor,
        )
