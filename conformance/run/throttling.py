"""What the refusals of a target say about its limits: how many at a time, or how many in how long.

A target that turns requests away (429, 503, 529) seldom says which of its limits was met. What it served and what it turned away does:

*   **Weather.** Requests that began after the one that was turned away are served all the same, most of them, or it is itself, far
    sooner than requests had come before: no limit was met, a server behind the target was busy for a moment. The pace stays. Where a pace is kept this
    shows nothing, since of what is sent a little too fast most is served, too; then weather is what no rate explains.
*   **A number at a time.** Each request that was turned away began while as many were being served as this target was ever seen to serve
    together. Then that number is the limit. It is refuted by one request that is turned away while fewer are being served.
*   **A rate.** All else. How much it is, is measured (`Evidence`), and kept to (`Pacemaker`).

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
    ended: float = float("inf")
    served: bool | None = None
    left: bool = False
    """We left it before its answer was over, and the target may still be at it."""
    beside: int = 0
    """How many others were in flight when it began that were served since."""
    unknown: int = 0
    """How many were in flight when it began that have not ended yet."""
    later: int = 0
    """How many may have been served beside it that began after it: on their way, requests overtake each other."""
    followers: list[Sending] = field(default_factory=list)
    """Those that began while this one was in flight."""
    followed: list[Sending] = field(default_factory=list)
    """Those that were in flight when this one began, and may be overtaken by it."""

    @property
    def together(self) -> int:
        """How many were being served when it began, itself included, as far as is known."""
        return self.beside + 1

    @property
    def most_beside(self) -> int:
        """How many at most were being served while it was in flight, itself not included."""
        return self.beside + self.unknown + self.later

    def end(self, now: float, *, served: bool | None) -> None:
        """Note when and how it ended; None: in a way that says nothing."""
        self.ended, self.served = now, served
        for follower in self.followers:
            follower.unknown -= 1
            follower.beside += served is True
        for followed in self.followed:
            followed.later -= not served
        self.followers.clear()
        self.followed.clear()


OVERTAKING = 0.25
"""Seconds by which a request may overtake another on its way."""
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
            if now - other.started <= OVERTAKING:
                other.later += 1
                sending.followed.append(other)
        self.in_flight.add(sending)
        return sending

    def end(self, sending: Sending, now: float, *, served: bool | None) -> None:
        """A request has ended."""
        self.in_flight.remove(sending)
        sending.end(now, served=served)
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


_LATELY = 5
"""By so many it is told how close requests came lately."""
_SOON = 0.25
"""In so small a share of the time from one to the next a bucket that was empty seldom gets enough to let one through."""


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
    paced: bool = False
    """Whether a pace was kept."""

    @property
    def waits_too_short(self) -> int:
        """How many waits were too short; -1: not even a try without one has been turned away yet."""
        return self.kept_in_vain - self.tried_at_once

    def passing(self, traffic: Traffic) -> bool:
        """Whether others pass that came after."""
        passed = traffic.served_after(self.first)
        return self.may_be_weather and passed >= _PASSED and passed > 2 * len(self.refused)

    @property
    def may_be_weather(self) -> bool:
        """Whether what passes shows that no limit was met."""
        return not self.asked_to_wait and not self.paced

    def may_be_at_a_time(self, traffic: Traffic) -> bool:
        """Whether each was turned away while as many were being served as ever were."""
        together = traffic.most_together()
        return all(sending.most_beside >= max(1, together) for sending in self.refused)

    def cause(self, traffic: Traffic, probe: Sending) -> Cause:
        """Why, once the target has served a request that was sent alone, the probe."""
        if not traffic.served_between(self.began - MINUTE, self.began):
            return Cause.UNKNOWN
        if self.may_be_at_a_time(traffic):
            return Cause.AT_A_TIME
        others_passed = traffic.served_after(self.first) >= len(self.refused)
        if self.may_be_weather and (others_passed or self._soon_over(traffic, probe)):
            return Cause.WEATHER
        return Cause.RATE

    def _soon_over(self, traffic: Traffic, probe: Sending) -> bool:
        """Whether the probe was served so soon that a rate hardly explains it: far closer than requests had come before."""
        before = traffic.served_between(self.began - MINUTE, self.first.started)
        lately = sorted(one.started for one in before)[-_LATELY:]
        usual = (self.first.started - lately[0]) / len(lately) if lately else 0.0
        waited = probe.started - self.first.started
        return self.tried_at_once and not self.kept_in_vain and waited < _SOON * usual


class Concurrency:
    """How many may be in flight: additive increase, multiplicative decrease, and a limit once one is known."""

    _PATIENCE = 50
    """So many are served before one more at a time than the known limit is tried again; twice as many each time it was in vain. Before a
    server of 2 at a time 400 requests meet this three times (after 50, 150 and 350), which is less than 1 %."""
    _BEYOND = 6
    """So many times the known limit must be served beyond it, one after the other, before it is raised: the more places there are, the more
    often one is free at the target while the answer is on its way."""
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
        """One was turned away that made the limit full: as a guess it was too high."""
        if self.known is not None:
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
        if self.known is not None and self._beyond >= self._BEYOND * self.known:
            self.known = self.known + 1 if self.known + 1 < self.most else None
            self._patience, self._served, self._beyond, self.confirmed = self._GUESS, 0, 0, False


def possible_limit(refused: Iterable[Sending]) -> int:
    """The most that may be in flight, if what was turned away shows a limit on that."""
    return max(1, min((sending.most_beside for sending in refused), default=1))
