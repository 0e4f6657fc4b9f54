"""Whether the target still serves, and what it had been sent before it stopped.

Each question costs a request, so it is asked after what may have brought the target down (`LivenessWatch`), and no oftener.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol

from conformance.contract.verdict import Inconclusive, Reason
from conformance.kit.traffic import Incident, Traffic
from conformance.run.attempt import Attempt
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind, Intent, Request
from conformance.wire.quota import quota_words

CANARY_PROMPT = "Are you still there?"

_FAULTS_IN_A_ROW = 4
"""After so many faults without an answer between them the target is asked whether it is still alive."""
_TIMEOUTS_IN_A_ROW = 2
"""After so many valid requests that were never answered: each costs a minute."""
_REFUSALS_IN_A_ROW = 6
"""After so many valid requests that got the same status, none of them 2xx: a target may refuse several features, but not all."""
_SUSPECTS = 10
"""So many exchanges are named of those after which a target stopped answering."""

_CHECKS_UNASKED = 15
"""After so many checks with malformed requests the target is asked, even if nothing seems wrong."""
_PROOFS = 3
"""A target that has served as before after so many checks in which it answered with 5xx is known to survive its own errors."""

_WITHOUT_AN_ANSWER = frozenset({FaultKind.DROPPED, FaultKind.TIMEOUT})


class _Asks(Protocol):
    @property
    def exchanges(self) -> tuple[Exchange, ...]: ...


@dataclass
class Liveness:
    """Asks a small valid request, the canary, whether the target still serves, and remembers when it did not.

    `canary` sends it anew each time; `recovery` is how long, in seconds, a target that stopped answering is waited for.
    """

    session: _Asks
    canary: Callable[[], Awaitable[Exchange]]
    end: Callable[[Reason, str], object]
    """Ends the run, once the target is gone for good."""
    only_the_canary: Callable[[], AbstractContextManager[None]]
    """Within, nothing else is sent."""
    recovery: float
    is_flaky: Callable[[], bool] = lambda: False
    """Whether it is known not to serve now and then, so that one canary that is not served says little."""
    incidents: list[Incident] = field(default_factory=list)
    _gone: bool = False
    _faults: int = 0
    """How many came in a row."""
    _timeouts: int = 0
    """How many valid requests in a row were never answered."""
    _refusals: Counter[int] = field(default_factory=Counter)
    """How many valid requests in a row were refused, by their status; there is one at most."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def notice(self, exchange: Exchange) -> None:
        """After several faults in a row, or several refusals that are alike, find out whether the target still serves."""
        self._count(exchange)
        if (
            self._faults >= _FAULTS_IN_A_ROW
            or self._timeouts >= _TIMEOUTS_IN_A_ROW
            or any(count >= _REFUSALS_IN_A_ROW for count in self._refusals.values())
        ):
            await self.still_serves((exchange,))

    def _count(self, exchange: Exchange) -> None:
        fault, is_valid = exchange.fault, exchange.request.intent is Intent.VALID
        broken = fault is not None and fault.kind is not FaultKind.UNSENDABLE
        self._faults = self._faults + 1 if broken else 0
        if not is_valid:
            return
        timed_out = fault is not None and fault.kind is FaultKind.TIMEOUT and exchange.response is None
        self._timeouts = self._timeouts + 1 if timed_out else 0
        if exchange.status is None or exchange.served or exchange.status not in self._refusals:
            self._refusals.clear()
        if exchange.status is not None and not exchange.served:
            self._refusals[exchange.status] += 1

    def _forget(self) -> None:
        """It serves: what was counted was not its end."""
        self._faults = self._timeouts = 0
        self._refusals.clear()

    async def still_serves(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; notes an incident if it had stopped.

        Suspected is what was sent after the last valid request that was served. Where that was the last of all, `suspects` are: what
        the caller had sent just before, the likeliest last.
        """
        async with self._asking:
            with self.only_the_canary():
                return await self._asks_the_canary(suspects)

    async def _asks_the_canary(self, suspects: Sequence[Exchange]) -> bool:
        if self._gone:
            return False
        sent = self.session.exchanges
        try:
            canary = await self.canary()
            if not _serves(canary) and self.is_flaky():
                canary = await self.canary()
        except Inconclusive:
            return True  # the budget does not allow the question, and nothing else will be sent either
        if _serves(canary):
            self._forget()
            return True
        suspects = suspects_in(sent) or tuple(suspects)
        if await self._comes_back():
            self._forget()
            message = _what_happened(canary, "it came back later")
            self.incidents.append(Incident(message, suspects, recovered=True, canary=canary))
            return True
        self._gone = True
        what = "stopped answering" if canary.response is None else "serves nothing any more,"
        self.end(Reason.TARGET_GONE, f"the target {what} {_after(suspects)}: {_shown(canary)}")
        message = _what_happened(canary, "it did not come back")
        self.incidents.append(Incident(message, suspects, recovered=False, canary=canary))
        return False

    async def _comes_back(self) -> bool:
        clock = asyncio.get_running_loop().time
        deadline, wait = clock() + self.recovery, 0.1
        while clock() < deadline:
            await asyncio.sleep(wait)
            wait = min(2 * wait, 2.0)
            with contextlib.suppress(Inconclusive):  # the budget is spent
                if _serves(await self.canary()):
                    return True
        return False


@dataclass
class LivenessWatch:
    """Keeps an eye on the target while malformed requests are sent to it."""

    session: Traffic
    _suspects: list[Exchange] = field(default_factory=list)
    _unasked: int = 0
    _survived: int = 0

    async def after(self, attempt: Attempt) -> None:
        """Ask the target after a check with malformed requests, unless that can wait, or it has just served a valid request."""
        malformed = [exchange for exchange in attempt.used if exchange.request.intent is not Intent.VALID]
        self._suspects += malformed
        self._unasked += bool(malformed)
        if not self._suspects:
            return
        if all(map(serves_as_ever, self.session.exchanges[-1:])):
            self._forget()
        elif not self._can_wait(attempt):
            serves = await self.session.still_serves(self._suspects)
            self._survived += serves and not attempt.healthy
            self._forget()

    def _can_wait(self, attempt: Attempt) -> bool:
        well = attempt.healthy or (attempt.all_complete and self._survived >= _PROOFS)
        return well and self._unasked < _CHECKS_UNASKED

    def _forget(self) -> None:
        self._suspects, self._unasked = [], 0


def is_canary(request: Request) -> bool:
    """Whether a request is a canary."""
    return request.params.get("prompt") == CANARY_PROMPT


def incidents_in(exchanges: Sequence[Exchange]) -> Iterator[Incident]:
    """The times at which a target stopped answering, as recorded exchanges show them: for recordings that do not say it.

    Canaries of which the target says that it wants money, or a pause, are no sign of its death.
    """
    canaries = [
        (place, one) for place, one in enumerate(exchanges) if is_canary(one.request) and not _is_refused(one)
    ]
    well, before = True, 0
    for place, canary in canaries:
        if well and not _serves(canary):
            later = [one for at, one in canaries if at > place]
            back = any(map(_serves, later))
            message = _what_happened(canary, "it came back later" if back else "it did not come back")
            suspects = suspects_in(exchanges[:place]) or tuple(exchanges[before:place][-_SUSPECTS:])
            yield Incident(message, suspects, recovered=back, canary=canary)
        well, before = _serves(canary), place + 1


def _is_refused(exchange: Exchange) -> bool:
    return quota_words(exchange) is not None


def serves_as_ever(exchange: Exchange) -> bool:
    """Whether an exchange proves that the target was well when it was made: a valid request that was served to its end."""
    return exchange.served and exchange.complete and exchange.request.intent is Intent.VALID


def suspects_in(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """What a target may have stopped answering of: all that was sent since it last proved that it was well.

    Where something in there got no answer at all that is not known to be served, it is that, with what was in flight beside it; what was sent
    later met a dead target. Ordinary requests alone are never the reason.
    """
    unserved = list(takewhile(lambda exchange: not serves_as_ever(exchange), reversed(exchanges)))
    since = unserved[:_SUSPECTS][::-1]
    known = {exchange.request for exchange in exchanges if exchange.served}
    unanswered = [one for one in unserved[::-1] if _is_unanswered(one) and one.request not in known]
    if not unanswered:
        return tuple(since)
    over = unanswered[0].started + unanswered[0].seconds
    return tuple(one for one in unanswered if one.started <= over)[:_SUSPECTS]


def _is_unanswered(exchange: Exchange) -> bool:
    fault = exchange.fault
    return exchange.response is None and fault is not None and fault.kind in _WITHOUT_AN_ANSWER


def _serves(exchange: Exchange) -> bool:
    # A target that asks to be left alone for a while is alive.
    return exchange.served or exchange.rate_limited


def _shown(exchange: Exchange) -> str:
    if exchange.fault is not None:
        return exchange.fault.message
    return f"status {exchange.status}: {error_text(exchange)}"


def _what_happened(canary: Exchange, end: str) -> str:
    return f"a small valid request ({canary.id}) was no longer served: {_shown(canary)}; {end}"


def _after(suspects: Sequence[Exchange]) -> str:
    ids = ", ".join(exchange.id for exchange in suspects)
    return f"after {ids}" if ids else "in the middle of the run"
