"""Holds the rules of a selection against every exchange of the run, and asks again where a rule objects to few of them."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from conformance.contract.apply_rule import Objection, RuleResult, apply_rule, needs_confirmation
from conformance.contract.check import Check, Scope
from conformance.contract.verdict import LOST, Inconclusive, NotRecorded, Outcome, Reason, Verdict
from conformance.gateway.scripts import is_scripted
from conformance.kit import typical_requests
from conformance.kit.daemon_thread import in_daemon_thread
from conformance.kit.target import Target
from conformance.run.ledger import Ledger
from conformance.run.session import Session
from conformance.wire.exchange import Exchange, Intent

_LONG = 8 * 1024 * 1024
_LONG_ANSWER = _LONG // 16
"""Bytes of all answers, and of one, that are looked at while the event loop does other things."""
_LONGEST_END = 3.0
"""Seconds of work on what is there, once a run has ended."""


def judge_what_is_there(
    ledger: Ledger, exchanges: Sequence[Exchange], checks: Sequence[Check], why: str, reason: Reason
) -> None:
    """Apply rules where the run has ended before they were: nothing is sent, so few objections stay unconfirmed.

    A rule that finds nothing to look at is left unsettled.
    """
    began = time.thread_time()
    own = ordinary(exchanges)
    for check in checks:
        if time.thread_time() - began > _LONGEST_END:
            return  # what comes from a hostile target may take any time
        started = time.monotonic()
        try:
            result = apply_rule(check, own, ledger.settings.profile)
        except Exception:  # noqa: BLE001 - a defect of the suite becomes a verdict of its own
            ledger.settle(check, Verdict.ERROR, traceback.format_exc())
            continue
        if needs_confirmation(check, result):
            result = replace(result, unconfirmed=f"{why} before it could be asked again", reason=reason)
        if result.looked_at:
            ledger.settle_rule(check, result, time.monotonic() - started)


def ordinary(exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """The exchanges that rules look at: what a script of a gateway's upstream says is not the target's own, and may be odd on purpose."""
    return [exchange for exchange in exchanges if not is_scripted(exchange.request.body)]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an objection is no verdict yet."""

    why: str
    reason: Reason


@dataclass
class RulePass:
    """One pass over the rules. Each is settled in the ledger."""

    session: Session
    ledger: Ledger
    new_target: Callable[[], Target]
    _unsent: Inconclusive | None = field(default=None, init=False)
    """Why the run did not get to some of the typical requests, if so."""
    _is_long: bool = field(default=False, init=False)

    async def run(self, checks: Sequence[Check]) -> None:
        """Apply all of `checks`."""
        if not checks:
            return
        await self._send_typical_requests(
            refusals=any(check.scope in {Scope.REFUSAL, Scope.EXCHANGE} for check in checks)
        )
        sizes = [
            len(exchange.response.body)
            for exchange in self.session.exchanges
            if exchange.response is not None
        ]
        self._is_long = sum(sizes) > _LONG or max(sizes, default=0) > _LONG_ANSWER
        for check in checks:
            # A rule may have nothing to wait for; the clock of the run wants to be heard.
            await asyncio.sleep(0)
            await self._apply(check)

    async def _send_typical_requests(self, *, refusals: bool) -> None:
        """Give rules that are run alone something to look at; in a whole run nearly all of this has been sent already."""
        for send in typical_requests.VALID + (typical_requests.MALFORMED if refusals else ()):
            try:
                await send(self.new_target())
            except Inconclusive as why:
                if why.reason in LOST:
                    self._unsent = why
            except Outcome:
                pass

    async def _apply(self, check: Check) -> None:
        started = time.monotonic()
        profile, exchanges = self.ledger.settings.profile, ordinary(self.session.exchanges)
        try:
            judge = partial(apply_rule, check, exchanges, profile)
            result = await in_daemon_thread(judge) if self._is_long else judge()
            if needs_confirmation(check, result):
                result = await self._confirm(check, result)
        except Exception:  # noqa: BLE001 - a defect of the suite becomes a verdict of its own
            self.ledger.settle(check, Verdict.ERROR, traceback.format_exc())
            return
        if self._unsent is not None and not result.looked_at:
            why = f"nothing that this requirement is about was seen before the run ended: {self._unsent}"
            self.ledger.settle(check, Verdict.INCONCLUSIVE, why, reason=self._unsent.reason)
        else:
            self.ledger.settle_rule(check, result, time.monotonic() - started)

    async def _confirm(self, check: Check, result: RuleResult) -> RuleResult:
        """Send the few requests whose answers a rule objects to once more; one observation is no verdict."""
        doubts: list[Doubt] = []
        for objection in result.objections:
            doubt, again = await self._ask_again(check, objection.exchange)
            result = replace(
                result, objections=result.objections + again, looked_at=result.looked_at + len(again)
            )
            doubts += [doubt] if doubt else []
        # What came again for one request stands for the others.
        if len(doubts) < len(result.objections):
            return result
        return replace(result, unconfirmed=doubts[0].why, reason=doubts[0].reason)

    async def _ask_again(self, check: Check, first: Exchange) -> tuple[Doubt | None, tuple[Objection, ...]]:
        """Why an objection can't be confirmed; else the objection to the second answer."""
        try:
            again = await self.session.send(first.request, attempt=1)
        except Inconclusive as outcome:
            return Doubt(f"not again, since {outcome}", outcome.reason), ()
        except NotRecorded:
            return Doubt("recorded requests can't be sent again", Reason.PRECONDITION), ()
        if again.request.intent is not Intent.VALID:
            await self.session.still_serves((again,))
        second = apply_rule(check, (again,), self.ledger.settings.profile)
        if second.objections:
            return None, second.objections
        if not second.looked_at:
            came = f"status {again.status}" if again.response else "no answer"
            why = f"the same request got {came} the next time, so it could not be confirmed"
            return Doubt(why, Reason.TRANSIENT), ()
        return Doubt("not again when the same was sent", Reason.TRANSIENT), ()
