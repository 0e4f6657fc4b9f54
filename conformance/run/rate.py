"""A rate that somebody asked for, and when it lets the next request go."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_WINDOWS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86_400.0}
_SPELLINGS = {
    "s": "s",
    "sec": "s",
    "second": "s",
    "m": "min",
    "min": "min",
    "minute": "min",
    "h": "h",
    "hour": "h",
    "d": "day",
    "day": "day",
}
_LIMIT = re.compile(r"\s*([0-9]{1,7})\s*/\s*([a-z]{1,6})\s*", re.ASCII | re.IGNORECASE)
_TAKES = "a number of requests per time, such as 60/min, 2/s, 500/h or 20/min,1000/day"

_SPREAD = 60.0
"""Limits over so many seconds or less are spread evenly: vendors enforce 60 a minute as 1 a second, too. Those over an hour or a day are
counted only, where a shorter one is given: 1,000 a day spread evenly were a request every 86 s."""

_MARGIN = 1.02
"""How much longer a window is taken to be than it is. The vendor counts when a request arrives, we when it leaves: at 60 a minute and
1.000 s apart, a sixty-first that travels 10 ms faster than the first falls into its window, and is turned away. It costs 2 %."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests in any `unit` of time."""

    count: int
    unit: str
    """A key of `_WINDOWS`."""

    @property
    def window(self) -> float:
        """The seconds of a unit."""
        return _WINDOWS[self.unit]

    @property
    def interval(self) -> float:
        """The seconds from one request to the next, spread evenly."""
        return self.window / self.count

    def __str__(self) -> str:
        """As it is given: `60/min`."""
        return f"{self.count}/{self.unit}"


@dataclass(frozen=True, slots=True)
class Rate:
    """Limits that all hold."""

    limits: tuple[Limit, ...]

    @classmethod
    def parse(cls, text: str) -> Rate:
        """The rate that `60/min`, `2/s`, or `20/min,1000/day` stands for; raises `ValueError`, whose message says what is taken."""
        return cls(tuple(_limit(part) for part in text.split(",")))

    def __str__(self) -> str:
        """As it is given: `20/min,1000/day`."""
        return ",".join(map(str, self.limits))


def _limit(text: str) -> Limit:
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text.strip()[:40]!r} is not {_TAKES}")
    count, unit = int(found[1]), found[2].lower()
    if unit not in _SPELLINGS:
        raise ValueError(f"{unit!r} is not a unit of time here: s, min, h or day; a rate is {_TAKES}")
    if not count:
        raise ValueError(f"a rate of 0 would send nothing; it is {_TAKES}")
    return Limit(count, _SPELLINGS[unit])


class RateLimiter:
    """Keeps a rate that was given: knows when requests went out, and when the next may go."""

    def __init__(self, rate: Rate) -> None:
        """Nothing has been sent yet."""
        short = [limit for limit in rate.limits if limit.window <= _SPREAD]
        spread = short or [min(rate.limits, key=lambda limit: limit.window)]
        self._interval = _MARGIN * max(limit.interval for limit in spread)
        self._next = float("-inf")
        self._counted: list[tuple[Limit, deque[float]]] = [
            (limit, deque(maxlen=limit.count)) for limit in rate.limits
        ]

    def earliest(self) -> float:
        """The moment from which the next request may go."""
        free = [sent[0] + _MARGIN * limit.window for limit, sent in self._counted if len(sent) == limit.count]
        return max(self._next, *free) if free else self._next

    def sent(self, now: float) -> None:
        """Count a request that goes out now."""
        self._next = now + self._interval
        for _, sent in self._counted:
            sent.append(now)

    def seconds_for(self, requests: int, now: float) -> float:
        """The seconds until the last of so many more requests may go."""
        spread = max(0.0, self._next - now) + max(0, requests - 1) * self._interval
        return max(spread, *(self._counted_out(limit, sent, requests, now) for limit, sent in self._counted))

    @staticmethod
    def _counted_out(limit: Limit, sent: deque[float], requests: int, now: float) -> float:
        """The seconds that a count makes them wait: whole windows, after what is left of the one that is running."""
        running = [moment for moment in sent if moment > now - limit.window]
        windows = max(0, len(running) + requests - 1) // limit.count
        since = running[0] if running else now
        return max(0.0, windows * limit.window - (now - since))
