"""One clock for the target: every request of a run waits here for its turn.

    async with pace.turn() as turn:
        exchange = await send(request)
        if is_turned_away(exchange.response):
            turn.turned_away(wait_asked_for(exchange.response, now))
        else:
            turn.served()

A turn comes when all of these allow it: the rate that the user gave (`RateLimiter`), a pause that the target asked for, the rate that was
learned from its refusals (`Pacemaker`), and the number in flight (`Concurrency`). Who waits is served by priority, then in the order of
coming, and holds no place among those in flight. What the refusals mean is found out in `throttling.py`.

When the target turns requests away, all wait: as long as it says, or else not at all, 1 s, 2 s, then until a minute has passed since the
requests that used up its limit, then twice as long each time. After each wait one request is sent alone; once that is served, the rest
follows at the pace that was learned.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from conformance.run.pacemaker import Pacemaker
from conformance.run.rate import Rate, RateLimiter
from conformance.run.throttling import (
    MINUTE,
    Cause,
    Concurrency,
    Refusals,
    Sending,
    Traffic,
    possible_limit,
)

FIRST_WAIT = 1.0
"""Seconds that are waited after the first refusal that names no time."""
LONGEST_WAIT_OF_OUR_OWN = 60.0
"""Seconds after which a target that names no time is tried again at the latest."""
_IN_VAIN = 2
"""After so many waits that were too short it may be a minute that has to pass; most buckets have filled by then (1 s and 2 s)."""
_NOT_AT_ONCE = 0.7
"""The share of the time from one service to the next after which one more at a time is tried: late, so that a rate that is higher than that of
the number at a time lets it pass, but not so late that the answer may be on its way that frees a place."""
_AFTER_LEAVING = 2.0
"""So many times as long as answers take on the average is a request taken to be served after we left it: some take longer than others."""
_A_WINDOW = 3
"""So many must have been served in a minute before it is believed that a minute's limit was used up by them."""


@dataclass(order=True)
class _Waiter:
    priority: int
    number: int
    at_once: bool = field(compare=False)
    admitted: asyncio.Future[Sending] = field(compare=False)


class Turn:
    """The right to send one request, and the duty to say what became of it; said nothing, nothing is learned from it."""

    def __init__(self, pace: Pace, sending: Sending) -> None:
        """Made by `Pace.turn`."""
        self._pace, self._sending = pace, sending

    def served(self) -> None:
        """The target took the request: any answer but a refusal for the time being, an error included."""
        self._pace.end(self._sending, served=True)

    def left(self) -> None:
        """The target took the request, and we left before its answer was over."""
        self._pace.leave(self._sending)

    def turned_away(self, wait: float | None) -> None:
        """The target answered 429, 503 or 529, and asked to wait so many seconds; None: it did not say how long."""
        self._pace.refuse(self._sending, wait)


class Pace:
    """When requests may go out. Times are those of the running loop."""

    def __init__(self, at_once: int, rate: Rate | None = None, *, longest_wait: float = 3600.0) -> None:
        """At most `at_once` requests are in flight, at the `rate` that was given, if any; no wait that is asked for is longer than `longest_wait`."""
        self._rate = rate
        self._given = RateLimiter(rate) if rate else None
        self._longest_wait = longest_wait
        self._concurrency = Concurrency(at_once)
        self._pacemaker = Pacemaker()
        self._traffic = Traffic()
        self._refusals: Refusals | None = None
        self._pause_ends = float("-inf")
        self._probe: Sending | None = None
        self._named = False
        self._turned_away = 0
        self._corrected = 0
        self._last_start = float("-inf")
        self._service = 0.0
        self._waiters: list[_Waiter] = []
        self._numbers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._alone = False
        self._alone_lock = asyncio.Lock()
        self._idle: asyncio.Future[None] | None = None

    # -- for those who send ------------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def turn(self, priority: int = 0, *, at_once: bool = False) -> AsyncIterator[Turn]:
        """Wait until a request may be sent, and send it within; a lower `priority` comes first.

        `at_once`: what was learned of the target's limits does not count, only what the user and the target itself have said.
        """
        sending = await self._admission(priority, at_once=at_once)
        try:
            yield Turn(self, sending)
        finally:
            if not sending.left:
                self.end(sending, served=None)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until nothing is in flight; within, turns are given one at a time."""
        async with self._alone_lock:
            try:
                await self._nothing_in_flight()
                self._alone = True
                yield
            finally:
                self._alone, self._idle = False, None
                self._serve()

    @property
    def is_alone(self) -> bool:
        """Whether turns are given one at a time, as `alone` has it."""
        return self._alone

    @property
    def turned_away(self) -> int:
        """How many requests were turned away."""
        return self._turned_away

    def describe(self) -> str:
        """What holds requests back, for a human being: "20 a minute, as the target asked", "2 at a time"; empty where nothing does."""
        said = [f"{self._rate}, as given"] if self._rate else []
        if self._pacemaker.per_second is not None:
            known = self._pacemaker.limit or self._pacemaker.per_second
            why = "as the target asked" if self._named else f"learned from {self._turned_away} refusals"
            said.append(f"{_per_minute(known)}, {why}")
        if self._concurrency.known is not None:
            said.append(f"{self._concurrency.known} at a time")
        return "; ".join(said)

    def estimate(self, requests: int, seconds_each: float, now: float) -> float:
        """The seconds from `now`, by the loop's clock, that so many more requests will take, if each takes the target so long.

        It may be asked from any thread.
        """
        if requests < 1:
            return 0.0
        at_once = self._concurrency.known or self._concurrency.most
        learned = self._pacemaker.per_second
        bounds = [
            -(-requests // at_once) * seconds_each,
            (requests - 1) / learned + seconds_each if learned else 0.0,
            self._given.seconds_for(requests, now) + seconds_each if self._given else 0.0,
        ]
        return max(0.0, self._pause_ends - now) + max(bounds)

    # -- what became of a request ------------------------------------------------------------------------------------------------------

    def end(self, sending: Sending, *, served: bool | None) -> None:
        """A request has ended; told by its turn. Only the first word about it counts."""
        if sending not in self._traffic.in_flight:
            return
        self._traffic.end(sending, self._now(), served=served)
        if self._probe is sending:
            self._probe = None
        if served:
            if not sending.left:
                self._service += 0.2 * (self._now() - sending.started - self._service)
            self._concurrency.served(sending.together)
            self._pacemaker.served(sending.started)
            self._after_service(sending)
        if self._idle is not None and not self._traffic.in_flight and not self._idle.done():
            self._idle.set_result(None)
        self._serve()

    def leave(self, sending: Sending) -> None:
        """We left a request before its answer was over; told by its turn. Many servers go on with it, so it keeps its place for a while."""
        if sending in self._traffic.in_flight:
            sending.left = True
            until = _AFTER_LEAVING * self._service
            asyncio.get_running_loop().call_later(until, lambda: self.end(sending, served=True))

    def refuse(self, sending: Sending, wait: float | None) -> None:
        """A request was turned away; told by its turn."""
        if sending not in self._traffic.in_flight:
            return
        self._turned_away += 1
        self._named |= wait is not None
        if self._was_one_too_many(sending):
            self._pause(wait or 0.0)
        else:
            self._note(sending, wait)
        self.end(sending, served=False)

    def _note(self, sending: Sending, wait: float | None) -> None:
        """Begin or go on to count refusals, and let everything wait: as long as was asked, as seems right, the longer where both are known."""
        is_first = self._refusals is None
        refusals = self._refusals = self._refusals or self._first_refusal(sending, wait)
        if is_first:
            self._concurrency.halve()
        refusals.refused.append(sending)
        refusals.kept_in_vain += sending.probe
        refusals.asked_to_wait |= wait is not None
        if is_first or sending.probe:  # the others were on their way before the first was heard
            wait_of_our_own = (
                self._wait_of_our_own(refusals) if wait is None or refusals.kept_in_vain else 0.0
            )
            self._pause(max(wait or 0.0, wait_of_our_own))
        elif wait is not None:
            self._pause(wait)

    def _first_refusal(self, sending: Sending, wait: float | None) -> Refusals:
        now, paced = self._now(), self._pacemaker.per_second is not None
        serves = bool(self._traffic.served_between(now - MINUTE, now))
        return Refusals(now, sending, tried_at_once=wait is None and serves and not paced, paced=paced)

    def _was_one_too_many(self, sending: Sending) -> bool:
        """Whether a refusal says no more than that a known number at a time is met; if so, it is kept to from here on."""
        known = self._concurrency.known
        if known is None or self._refusals is not None or sending.most_beside < known:
            return False
        if sending.number <= self._corrected:
            return True  # it was on its way before the number was put right
        if self._concurrency.trying:
            self._concurrency.tried_in_vain()
        elif known > 1 and not self._concurrency.confirmed:
            self._concurrency.was_one_too_high()
        else:
            return False
        self._corrected = self._traffic.count
        return True

    def _after_service(self, sending: Sending) -> None:
        """See whether the target serves again."""
        refusals = self._refusals
        if refusals is None:
            return
        if refusals.passing(self._traffic):
            self._refusals = None
            self._pause_ends = self._now()
        elif sending.probe:
            self._refusals = None
            self._learn(refusals, sending)

    def _learn(self, refusals: Refusals, probe: Sending) -> None:
        """Draw the lesson from refusals that are over, since the probe was served."""
        cause = refusals.cause(self._traffic, probe)
        known = self._concurrency.known
        below = known is not None and any(one.most_beside < known for one in refusals.refused)
        if below and (cause is Cause.AT_A_TIME or self._concurrency.confirmed):
            cause = Cause.RATE  # the number at a time does not explain it
        if cause is Cause.AT_A_TIME:
            self._concurrency.learn(possible_limit(refusals.refused))
        elif cause is Cause.WEATHER:
            self._concurrency.refuted()
        elif cause is Cause.RATE:
            self._concurrency.refuted()
            minute = self._traffic.served_between(refusals.began - MINUTE, refusals.began)
            stubborn = refusals.asked_to_wait or refusals.waits_too_short > 0
            self._pacemaker.learn(refusals.refused, len(minute), probe.started, stubborn=stubborn)

    # -- waiting -----------------------------------------------------------------------------------------------------------------------

    def _pause(self, seconds: float) -> None:
        """Let everything wait."""
        self._pause_ends = max(self._pause_ends, self._now() + min(seconds, self._longest_wait))

    def _wait_of_our_own(self, refusals: Refusals) -> float:
        """Nothing where no pace is known, 1 s, 2 s, until the limit of a minute is fresh again if that may be it, 4 s, 8 s, … up to a minute.

        Where a pace is kept that sends one more seldom than each second, the first wait is that from one to the next, which is enough.
        """
        times = refusals.waits_too_short
        if times < 0:
            return 0.0
        first = max(FIRST_WAIT, self._pacemaker.interval)
        doubled = min(first * 2.0 ** min(times, 10), LONGEST_WAIT_OF_OUR_OWN)
        minute = self._traffic.served_between(refusals.began - MINUTE, refusals.began)
        if times >= _IN_VAIN and len(minute) >= _A_WINDOW and not refusals.may_be_at_a_time(self._traffic):
            return max(doubled, min(sending.started for sending in minute) + MINUTE - self._now())
        return doubled

    async def _admission(self, priority: int, *, at_once: bool) -> Sending:
        """Wait in line."""
        self._numbers += 1
        waiter = _Waiter(priority, self._numbers, at_once, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiters, waiter)
        self._serve()
        try:
            return await waiter.admitted
        except asyncio.CancelledError:
            if not waiter.admitted.cancelled() and waiter.admitted.done():
                self.end(
                    waiter.admitted.result(), served=None
                )  # admitted, and cancelled before it could know
            raise

    def _serve(self) -> None:
        """Admit whoever may go now, and wake up again when the next one may."""
        while self._waiters:
            if self._waiters[0].admitted.done():
                heapq.heappop(self._waiters)
                continue
            at_once = self._waiters[0].at_once
            if not self._has_room(at_once=at_once):
                return  # whoever ends calls again
            now = self._now()
            earliest = self._earliest(at_once=at_once)
            if earliest > now:
                self._wake_at(earliest)
                return
            heapq.heappop(self._waiters).admitted.set_result(self._begin(now))

    def _begin(self, now: float) -> Sending:
        self._traffic.forget((self._refusals.began if self._refusals else now) - MINUTE)
        sending = self._traffic.begin(now, probe=self._refusals is not None)
        if sending.probe:
            self._probe = sending
        if self._given:
            self._given.sent(now)
        self._pacemaker.sent(now)
        self._last_start = now
        return sending

    def _has_room(self, *, at_once: bool) -> bool:
        """Whether one more may be in flight."""
        in_flight = len(self._traffic.in_flight)
        if self._alone:
            return not in_flight
        if self._idle is not None:
            return False
        if self._refusals is None:
            return in_flight < (self._concurrency.most if at_once else self._concurrency.allowed)
        return self._probe is None and in_flight < possible_limit(self._refusals.refused)

    def _earliest(self, *, at_once: bool) -> float:
        """The moment from which the next request may go, as far as time is concerned."""
        paces = [self._pause_ends]
        if self._given:
            paces.append(self._given.earliest())
        if at_once:
            return max(paces)
        if self._refusals is None:
            paces.append(self._pacemaker.earliest())
        known = self._concurrency.known
        if known is not None and len(self._traffic.in_flight) >= known:
            # One more than the known limit is tried in the middle of the service of the others: two at the same moment could meet a rate.
            paces.append(self._last_start + _NOT_AT_ONCE * self._service / known)
        return max(paces)

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._serve)

    async def _nothing_in_flight(self) -> None:
        """Admit nobody until all that is in flight has ended."""
        if self._traffic.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _per_minute(per_second: float) -> str:
    """A rate in the unit in which a human being would say it."""
    if per_second >= 10:  # noqa: PLR2004 - 600 a minute is easier said by the second
        return f"{per_second:.0f} a second"
    return f"{60 * per_second:.0f} a minute"
