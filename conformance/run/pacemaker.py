"""How fast requests go out: at the rate that a target allows, as its refusals show it, evenly spread.

At the first refusals the pace is a guess. Each time that it proves too high, the limit is measured by all that was seen (`Evidence`): that of a
window, of a bucket, or, where the target kept refusing for far longer than either would, of windows by the clock. Where none of them explains
it, the rate is not why requests are turned away, and no pace is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.run.evidence import Evidence
from conformance.run.throttling import MINUTE, Sending


class Pacemaker:
    """How many requests go out a second.

    Until a limit is known the pace grows by 5 % with each request that is served. Below a known limit it comes nearer by 5 % of what is
    missing, up to 98 % of it.
    """

    _BELOW = 0.97
    """Where a pace begins below what was measured."""
    _CLOSEST = 0.98
    """Where it ends; see `_MARGIN` of `rate.py`."""
    _GROWTH = 1.05
    _NEARER = 0.05
    _WINDOW = 2.5
    """A wait in which the pace would have let so many through is a window's."""
    _PATIENCE = 1200.0
    """Seconds before more than a known limit is tried, twice as many each time: limits seldom rise within a run, and each try costs about
    3 refusals. A limit that was measured too low, as of a slow bucket that was taken for a window, is found out this way."""
    _MOST_PATIENCE = 500
    """But no more requests than that."""
    _IDLE = 1.5
    """What goes out so many times later than the pace allows is held back by something else."""
    _SHORTEST = 0.2
    """Seconds; what is served after less says nothing of a rate."""

    def __init__(self) -> None:
        """No limit is known."""
        self.per_second: float | None = None
        self.limit: float | None = None
        self._seen = Evidence()
        self._next = float("-inf")
        self._unrefused = 0
        self._learned = float("-inf")
        self._tries = 0
        self._refuted = 0
        """How often there proved to be no limit where one was believed in."""
        self._doubts = 0
        """So many more refusals are not believed to come from one."""

    def earliest(self) -> float:
        """The moment from which the next request may go."""
        return self._next

    @property
    def interval(self) -> float:
        """The seconds from one request to the next; 0 where no pace is kept."""
        return 1 / self.per_second if self.per_second is not None else 0.0

    def sent(self, now: float) -> None:
        """A request goes out."""
        self._next = now + self.interval

    def served(self, started: float) -> None:
        """A request was served: a little faster, if it went out at this pace."""
        since = self._seen.served(started)
        if self.per_second is None or started < self._learned or since > self._IDLE * self.interval:
            return
        self._unrefused += 1
        if (
            self.limit is not None
            and self._unrefused > min(self._MOST_PATIENCE, self._PATIENCE * self.limit) * 2**self._tries
        ):
            self.limit = None
            self._tries += 1
        if self.limit is None:
            self.per_second *= self._GROWTH
        else:
            self.per_second += max(0.0, self._NEARER * (self._CLOSEST * self.limit - self.per_second))

    def learn(self, refused: Sequence[Sending], in_the_minute: int, served: float, *, stubborn: bool) -> None:
        """Requests were turned away, after so many had been served in a minute, until one was served that went out at a moment.

        `stubborn`: a wait of a second or more was asked for, or was too short.
        """
        counted = in_the_minute / MINUTE
        waited = served - min(one.started for one in refused)
        is_stubborn = stubborn and counted * waited >= self._WINDOW
        self._seen.refused(refused)
        if self.per_second is None:
            self._begin(counted, waited, served, is_stubborn=is_stubborn)
        else:
            self._correct(counted, refused, served, is_stubborn=is_stubborn)

    def _begin(self, counted: float, waited: float, served: float, *, is_stubborn: bool) -> None:
        """Keep a pace from now on, as high as may be right."""
        if is_stubborn:
            self.limit = counted
            self._keep(counted, served)
        elif self._doubts:
            self._doubts -= 1
        else:
            self._keep(max(counted, 1 / max(waited, self._SHORTEST)), served)

    def _correct(
        self, counted: float, refused: Sequence[Sending], served: float, *, is_stubborn: bool
    ) -> None:
        """Keep the pace that explains what was seen, or none if none does; of two the higher, since it is soon seen if that is wrong."""
        least = self._seen.at_least()
        most = self._seen.at_most(least)
        window = self._seen.window() or 0.0
        if window > most:
            self.limit = window
            self._keep(window, served)
        elif least < most:
            self.limit = max(least, min(most, self.limit or most))
            self._keep((least + self.limit) / 2, served)
        elif is_stubborn:
            self._seen = Evidence()
            self._seen.refused(refused[-1:])
            self.limit = min(counted, least)
            self._keep(self.limit, served)
        else:
            self._lift()

    def _keep(self, per_second: float, since: float) -> None:
        """Send nearly so many a second, from a request on that went out at a moment."""
        self.per_second = self._BELOW * per_second
        self._learned = since
        self._next = since + self.interval
        self._unrefused = 0

    def _lift(self) -> None:
        """Keep no pace: no limit on the rate explains what was seen, and each time it needs more to believe in one again."""
        self._refuted += 1
        self._doubts = 2**self._refuted
        self.per_second = self.limit = None
        self._next = float("-inf")
        self._seen = Evidence()
