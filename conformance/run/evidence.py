"""Which limit on the rate explains what was served and what was turned away.

A **window** serves n a minute and then nothing until one of them is a minute ago: it explains refusals before each of which as many were served
in a minute. A **bucket** fills steadily, holds so much, and lets one through as long as one is in it. Where it turned one away, less than one
was in it, and that bounds its rate from both sides: from one refusal to another it let through no more than came in, and one, so the rate is
*at least* so high; and with more than some rate there would have been one in it when it turned one away, so it is *at most* so high. What comes
in while it is full is lost; how much it holds is seen by the bursts that it let through.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from conformance.run.throttling import MINUTE, OVERTAKING, Sending

_REMEMBERED = 1000
"""So many requests are remembered: they bound a rate to 0.1 %."""
_HIGHEST, _LOWEST = 1000.0, 1 / 600
"""A second; rates beyond are as good as none, or no use."""
_STEP = 0.995
"""Rates are told apart by half a per cent."""


class Evidence:
    """The moments at which requests went out that were served, and that were turned away."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._served: list[float] = []
        self._refused: list[tuple[float, float]] = []
        """When they went out, and until when others did that may have overtaken them."""
        self._in_a_minute: list[int] = []
        """How many were served in the minutes before refusals."""

    def served(self, started: float) -> float:
        """A request that went out at a moment was served; gives how long before it the last one went out."""
        place = bisect_left(self._served, started)
        since = started - self._served[place - 1] if place else float("inf")
        self._served.insert(place, started)
        del self._served[:-_REMEMBERED]
        return since

    def refused(self, refused: Sequence[Sending]) -> None:
        """Requests were turned away, one after the other."""
        for one in refused:
            insort(self._refused, (one.started, min(one.ended, one.started + OVERTAKING)))
        del self._refused[:-_REMEMBERED]
        began = min(one.started for one in refused)
        self._in_a_minute.append(
            bisect_right(self._served, began) - bisect_right(self._served, began - MINUTE)
        )

    # -- a window --------------------------------------------------------------------------------------------------------------------------

    def window(self) -> float | None:
        """The rate of the window that explains all refusals, if there is one; before a minute is over nothing speaks against one."""
        least, most = min(self._in_a_minute), max(self._in_a_minute)
        last, _ = self._refused[-1]
        seen = bool(self._served) and self._served[0] < last - MINUTE
        several = len(self._in_a_minute) > 1
        return least / MINUTE if seen and several and least and most - least <= 1 else None

    # -- a bucket --------------------------------------------------------------------------------------------------------------------------

    def at_least(self) -> float:
        """The lowest rate of a bucket that explains how many were let through from an earlier refusal to the last."""
        last, _ = self._refused[-1]
        rates = (
            (self._between(overtaken, last - OVERTAKING) - 1) / (last - started)
            for started, overtaken in self._refused
            if started < last
        )
        return max(0.0, max(rates, default=0.0))

    def at_most(self, at_least: float) -> float:
        """The highest rate of a bucket that explains the last refusal; if none does that is high enough, one that is not.

        Lower ones need not explain it: the lower the rate, the more it must hold to have let the bursts through, and the more was in it.
        """
        if self._level(_HIGHEST) < 1:
            return _HIGHEST
        rate = min(_HIGHEST, self._since_service())
        while rate >= max(at_least, _LOWEST) and self._level(rate) >= 1:
            rate *= _STEP
        return rate if rate >= _LOWEST else 0.0

    def _since_service(self) -> float:
        """The rate at which one had nearly come in at the last refusal, since the service before it."""
        last, _ = self._refused[-1]
        place = bisect_left(self._served, last)
        return (1 - 1e-6) / (last - self._served[place - 1]) if place else _HIGHEST

    def _between(self, begin: float, end: float) -> int:
        """How many were served that went out between two moments."""
        return max(0, bisect_left(self._served, end) - bisect_right(self._served, begin))

    def _level(self, rate: float) -> float:
        """How much was in it at the last refusal, at least, if it fills at a rate."""
        last, overtaken = self._refused[-1]
        level, before, holds = 0.0, last, self._holds(rate)
        for started in self._served[: bisect_right(self._served, overtaken)]:
            now = min(started, last)
            level = max(0.0, min(holds, level + rate * max(0.0, now - before)) - 1)
            before = now
        return min(holds, level + rate * (last - before))

    def _holds(self, rate: float) -> float:
        """How much it holds, at least, if it fills at a rate: as much as was ever missing in it after a service."""
        holds = missing = before = 0.0
        for started in self._served:
            missing = max(0.0, missing - rate * (started - before)) + 1
            holds, before = max(holds, missing), started
        return holds
