"""What the refusals of a target say about its limits: how many at a time, or how many in how long.

A target that turns requests away (429, 503, 529) seldom says which of its limits was met. What it served and what it turned away does:

*   **Weather.** Requests that began after the one that was turned away are served all the same, most of them: no limit was met, a server
    behind the target was busy for a moment. The pace stays.
*   **A number at a time.** Each request that was turned away began while as many were being served as this target was ever seen to serve
    together. Then that number is the limit. It is refuted by one request that is turned away while fewer are being served.
*   **A rate.** All else. How much it is, is measured (`Pacemaker`).

In the middle of refusals one request at a time is sent, so that each step of finding out costs one refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

MINUTE = 60.0
"""Seconds over which what was served is counted: nearly all vendors state their limits by the minute."""


@dataclass(eq=False, slots=True)
class Sending:
    """A request that went out, and what was in flight beside it."""

    number: int
    started: float
    probe: bool = False
    """It is the one that is sent to see whether the target serves again."""
    served: bool | None = None
    left: bool = False
    """We left it before its answer was over, and the target may still be at it."""
    beside: int = 0
    """How many others were in flight when it began that were served since."""
    unknown: int = 0
    """How many were in flight when it began that have not ended yet."""
    later: int = 0
    """How many may have been served beside it that began while it was in flight: on their way, requests overtake each other."""
    followers: list[Sending] = field(default_factory=list)
    """Those that began while this one was in flight."""
    followed: list[Sending] = field(default_factory=list)
    """Those that were in flight when this one began."""

    @property
    def together(self) -> int:
        """How many were being served when it began, itself included, as far as is known."""
        return self.beside + 1

    @property
    def most_beside(self) -> int:
        """How many at most were being served while it was in flight, itself not included."""
        return self.beside + self.unknown + self.later

    def end(self, *, served: bool | None) -> None:
        """Note how it ended; None: in a way that says nothing."""
        self.served = served
        for follower in self.followers:
            follower.unknown -= 1
            follower.beside += served is True
        for followed in self.followed:
            followed.later -= not served
        self.followers.clear()
        self.followed.clear()


_PROOFS = 3
"""How often a number at a time must have been seen to be believed."""


class Traffic:
    """What is in flight, and what was served in the last minute."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.in_flight: set[Sending] = set()
        self._served: deque[Sending] = deque()
        self.count = 0

    def begin(self, now: float, *, probe: bool) -> Sending:
        """A request goes out."""
        self.count += 1
        sending = Sending(self.count, now, probe, unknown=len(self.in_flight))
        for other in self.in_flight:
            other.followers.append(sending)
            other.later += 1
            sending.followed.append(other)
        self.in_flight.add(sending)
        return sending

    def end(self, sending: Sending, *, served: bool | None) -> None:
        """A request has ended."""
        self.in_flight.remove(sending)
        sending.end(served=served)
        if served:
            self._served.append(sending)

    def forget(self, before: float) -> None:
        """Forget what began before a moment."""
        while self._served and self._served[0].started < before:
            self._served.popleft()

    def served_between(self, begin: float, end: float) -> list[Sending]:
        """What began in a time and was served."""
        return [sending for sending in self._served if begin < sending.started <= end]

    def served_after(self, sending: Sending) -> int:
        """How many began after another and were served."""
        return sum(one.number > sending.number and not one.probe for one in self._served)

    def most_together(self) -> int:
        """How many this target was seen to serve at one time, three times at least.

        Once is no proof: an answer that is on its way still counts as being served here, when at the target its place is free.
        """
        return min(sorted((sending.together for sending in self._served), reverse=True)[:_PROOFS], default=0)


class Cause(Enum):
    """Why a target turned requests away."""

    WEATHER = auto()
    AT_A_TIME = auto()
    RATE = auto()
    UNKNOWN = auto()
    """It has not served anything for a minute: it may be starting, or under maintenance."""


_PASSED = 3
"""So many served after the first refusal, and more than twice as many as were turned away, are no chance: a bucket that fills once a second
lets one in among eight."""


@dataclass(eq=False, slots=True)
class Refusals:
    """The refusals from the first one until the target serves again."""

    began: float
    first: Sending
    refused: list[Sending] = field(default_factory=list)
    kept_in_vain: int = 0
    """How often it was waited as long as was asked or thought right, and the next request was turned away again."""
    asked_to_wait: bool = False
    tried_at_once: bool = False
    """Whether the first try came without a wait, since no pace was known that could have been too fast."""

    @property
    def waits_too_short(self) -> int:
        """How many waits were too short; -1: not even a try without one has been turned away yet."""
        return self.kept_in_vain - self.tried_at_once

    def passing(self, traffic: Traffic) -> bool:
        """Whether others pass that came after."""
        passed = traffic.served_after(self.first)
        return not self.asked_to_wait and passed >= _PASSED and passed > 2 * len(self.refused)

    def may_be_at_a_time(self, traffic: Traffic) -> bool:
        """Whether each was turned away while as many were being served as ever were."""
        together = traffic.most_together()
        return all(sending.most_beside >= max(1, together) for sending in self.refused)

    def cause(self, traffic: Traffic) -> Cause:
        """Why, once the target has served a request that was sent alone."""
        if not traffic.served_between(self.began - MINUTE, self.began):
            return Cause.UNKNOWN
        if self.may_be_at_a_time(traffic):
            return Cause.AT_A_TIME
        served_at_once = self.tried_at_once and not self.kept_in_vain
        others_passed = not self.asked_to_wait and traffic.served_after(self.first) >= len(self.refused)
        return Cause.WEATHER if served_at_once or others_passed else Cause.RATE


class Concurrency:
    """How many may be in flight: additive increase, multiplicative decrease, and a limit once one is known."""

    _PATIENCE = 50
    """So many are served before one more at a time than the known limit is tried again; twice as many each time it was in vain. Before a
    server of 2 at a time 400 requests meet this three times (after 50, 150 and 350), which is less than 1 %."""
    _BEYOND = 6
    """So many must be served beyond the known limit, one after the other, before it is raised."""
    _GUESS = 3
    """A limit that was only guessed from one set of refusals is tried so soon."""

    def __init__(self, most: int) -> None:
        """`most` is the most that the user wants in flight."""
        self.most = most
        self.allowed = most
        self.known: int | None = None
        """The limit of the target, once it is known."""
        self._patience = self._GUESS
        self._served = 0
        self._beyond = 0
        self.confirmed = False
        """Whether one more than the limit was tried, and turned away."""

    @property
    def trying(self) -> bool:
        """Whether one more than the known limit is being tried."""
        return self.known is not None and self.allowed > self.known

    def halve(self) -> None:
        """Have fewer in flight."""
        self.allowed, self._served = max(1, self.allowed // 2), 0

    def learn(self, limit: int) -> None:
        """The target serves so many at a time."""
        self.allowed = max(1, min(limit, self.most))
        self.known = self.allowed if self.allowed < self.most else None
        self._patience, self._served, self._beyond, self.confirmed = self._GUESS, 0, 0, False

    def refuted(self) -> None:
        """The target turned one away while fewer than the limit were in flight: a guess is dropped, what is proved is kept."""
        if not self.confirmed:
            self.known = None

    def tried_in_vain(self) -> None:
        """One more than the known limit was turned away."""
        if self.known is not None:
            self._patience = max(self._PATIENCE, 2 * self._patience)
            self.allowed, self._served, self._beyond, self.confirmed = self.known, 0, 0, True

    def was_one_too_high(self) -> None:
        """One was turned away while fewer than the limit were in flight: if it was a guess, or raised before, that was a mistake."""
        if self.known is not None and not self.confirmed:
            self.known = max(1, self.known - 1)
            self.tried_in_vain()

    def served(self, together: int) -> None:
        """One was served, while so many were being served."""
        self._served += 1
        if self.known is not None and together > self.known:
            self._one_more()
        enough = self._patience if self.allowed == self.known else self.allowed
        if self.allowed < self.most and self._served >= enough:
            self.allowed, self._served = self.allowed + 1, 0

    def _one_more(self) -> None:
        """More than the limit were served at a time: so often without a refusal that it is no chance (see `most_together`)."""
        self._beyond += 1
        if self.known is not None and self._beyond >= self._BEYOND:
            self.known = self.known + 1 if self.known + 1 < self.most else None
            self._patience, self._served, self._beyond, self.confirmed = self._GUESS, 0, 0, False


class Pacemaker:
    """The rate that a target seems to allow: how many a second, evenly spread.

    There are two kinds of limits, and each is measured in its own way. A **window** allows n and then nothing until it ends: n is what was
    served in the minute before the first refusal. A **bucket** fills steadily, and lets a burst through while it is full: its rate is what
    was served from one refusal to the next, since it was empty at both. They are told apart by the wait: a window keeps refusing for
    far longer than its rate would explain.

    Until a limit is known the pace grows by 5 % with each request that is served; below a known limit by 0.2 %, up to 98 % of it.
    """

    _BELOW = 0.97
    """Where a pace begins below the limit that was measured."""
    _CLOSEST = 0.98
    """Where it ends; see `_MARGIN` of `rate.py`."""
    _GROWTH = 1.05
    _GROWTH_BELOW_A_LIMIT = 1.002
    _WINDOW = 2.5
    """A wait in which the pace would have let so many through is a window's."""
    _PATIENCE = 1200.0
    """Seconds before more than a known limit is tried, twice as many each time: limits seldom rise within a run, and each try costs about
    3 refusals. A limit that was measured too low, as of a slow bucket that was taken for a window, is found out this way."""
    _MOST_PATIENCE = 500
    """But no more requests than that."""
    _AT_LEAST, _AT_LEAST_BY_A_FEW = 0.7, 0.9
    """The share of the pace that a lesson leaves at least: a count while the pace grew is too low, and one of a few requests is rough."""
    _SHORTEST = 0.2
    """Seconds; what is served after less says nothing of a rate."""
    _FAR_BELOW = 0.7
    _SINGLES = 8
    """So many refusals, each of which was over at the next try, before 20 more each had been served: going slower does not help."""
    _ENOUGH = 20
    """From so many on a count between two refusals is exact enough (5 %) to begin anew."""

    def __init__(self) -> None:
        """No limit is known."""
        self.per_second: float | None = None
        self.limit: float | None = None
        self._next = float("-inf")
        self._since: float | None = None
        self._admitted_since = 0
        self._unrefused = 0
        self._learned = float("-inf")
        self._tries = 0
        self._singles = 0
        self._proved = 0.0

    def earliest(self) -> float:
        """The moment from which the next request may go."""
        return self._next

    def sent(self, now: float) -> None:
        """A request goes out."""
        self._admitted_since += 1
        if self.per_second is not None:
            self._next = now + 1 / self.per_second

    def turned_away(self) -> None:
        """A request was turned away."""
        self._admitted_since = max(0, self._admitted_since - 1)

    def served(self, started: float) -> None:
        """A request was served: a little faster, if it went out at this pace."""
        if self.per_second is None or started < self._learned:
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
            self.per_second = max(
                self.per_second, min(self.per_second * self._GROWTH_BELOW_A_LIMIT, self._CLOSEST * self.limit)
            )

    def learn(
        self, in_the_minute: int, began: float, waited: float, *, passing: bool, stubborn: bool
    ) -> None:
        """Refusals began at a moment, after so many were served in a minute, and lasted so many seconds.

        `passing`: the first try after them was served; `stubborn`: a wait of a second or more was asked for, or was too short.
        """
        counted = in_the_minute / MINUTE
        if passing and self._going_slower_was_no_help(began):
            self.lift()
            return
        if stubborn and counted * waited >= self._WINDOW:
            self.limit = counted
        elif self.per_second is not None:
            exact = self._admitted_since >= self._ENOUGH
            self.limit = max(
                self._measured(began),
                (self._AT_LEAST if exact else self._AT_LEAST_BY_A_FEW) * self.per_second,
            )
        self.per_second = self._BELOW * (self.limit or max(counted, 1 / max(waited, self._SHORTEST)))
        self._learned = began + waited
        self._next = self._learned + 1 / self.per_second
        self._begin(began)
        self._unrefused = 0

    def _going_slower_was_no_help(self, now: float) -> bool:
        """Whether single requests are turned away again and again, however slow the pace is: then the pace is not why.

        A limit is not met at a pace far below what the target let in before, for as long as it takes to count.
        """
        self._singles = self._singles + 1 if self._unrefused < self._ENOUGH else 0
        if self._admitted_since >= self._ENOUGH:
            self._proved = max(self._proved, self._measured(now))
        far_below = self.per_second is not None and self.per_second < self._FAR_BELOW * self._proved
        return far_below or self._singles >= self._SINGLES

    def lift(self) -> None:
        """Forget the pace."""
        self.per_second = self.limit = self._since = None
        self._next, self._singles, self._proved = float("-inf"), 0, 0.0

    def _measured(self, now: float) -> float:
        """What was let in a second from an earlier refusal to this one."""
        return (
            self._admitted_since / (now - self._since)
            if self._since is not None and now > self._since
            else 0.0
        )

    def _begin(self, now: float) -> None:
        """Measure from this refusal on, unless so few came since the one before that the count goes on."""
        if self._since is None or self._admitted_since >= self._ENOUGH:
            self._since, self._admitted_since = now, 0


def possible_limit(refused: Iterable[Sending]) -> int:
    """The most that may be in flight, if what was turned away shows a limit on that."""
    return max(1, min((sending.most_beside for sending in refused), default=1))
