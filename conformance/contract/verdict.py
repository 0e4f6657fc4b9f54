"""What can be said of a requirement after a run, and how a scenario says it.

A scenario that returns has passed. Everything else it says by raising one of the exceptions below, each of which names whose business
it is: the target's (`Broken`, `Ignored`, `BrokenShould`), nobody's (`Unsupported`, `NotRun`), or a matter of chance (`Inconclusive`: noise, what is transient). Any other exception is
a defect of the suite and becomes the verdict *error*, never blamed on the target.
"""

from __future__ import annotations

from enum import StrEnum

from conformance.contract.symptom import Symptom


class Verdict(StrEnum):
    """The verdict on one requirement, worst first for who reads a report: every form of it has this order."""

    FAIL = "fail"
    """A MUST is broken (or a SHOULD, in a strict run)."""
    ERROR = "error"
    """The suite itself failed."""
    WARN = "warn"
    """A SHOULD is broken."""
    INCONCLUSIVE = "inconclusive"
    """The target's noise, a rate limit or a broken precondition hides the answer."""
    NOT_RUN = "not_run"
    """Nothing of the kind that the requirement speaks of was seen in this run."""
    UNSUPPORTED = "unsupported"
    """The target refuses the optional feature, honestly."""
    PASS = "pass"  # noqa: S105 - a verdict, no password


class Kind(StrEnum):
    """What sort of defect a fail or warn is."""

    WRONG = "wrong"
    """The answer contradicts the requirement."""
    IGNORED = "ignored"
    """A parameter was taken with 200 and had no effect, which users complain about most."""


class Reason(StrEnum):
    """Why the run can't tell whether a requirement holds."""

    NOISE = "noise"
    """The target contradicts itself."""
    TRANSIENT = "transient"
    """It does not serve now and then."""
    PRECONDITION = "precondition"
    """What the check needs was not found on this target; the message says what, and which requirement speaks of it."""
    BUDGET = "budget"
    """The bound on requests, tokens or money was reached."""
    TIME = "time"
    """The time of the run was over."""
    RATE_LIMIT = "rate_limit"
    """The target limited requests to the end."""
    QUOTA = "quota"
    """The money or the quota of the key is at its end."""
    TARGET_GONE = "target_gone"
    """The target stopped answering and did not come back, or never answered."""
    INTERRUPTED = "interrupted"
    """Somebody ended the run."""


LOST = frozenset(
    {Reason.BUDGET, Reason.TIME, Reason.RATE_LIMIT, Reason.QUOTA, Reason.TARGET_GONE, Reason.INTERRUPTED}
)
"""The reasons that say that the run did not get to a requirement: whoever runs it again, otherwise, may."""


class Outcome(Exception):  # noqa: N818 - what a scenario found is no error of the program
    """What a scenario found; the message is for the reader of the report."""


class Broken(Outcome):
    """The target contradicts the requirement."""

    kind = Kind.WRONG

    def __init__(self, message: object = "", *symptoms: Symptom) -> None:
        """Say what is wrong; where no symptom is stated, it is that of the check."""
        super().__init__(message)
        self.symptoms = symptoms


class ProvedBroken(Broken):
    """A failure that proves itself: the check has asked several times, and the target that it leaves behind can't be asked again."""


class NotServed(Broken):
    """A request was not served, or met a failure of the server's: what may be chance, unless it comes often enough in a row."""


class Ignored(Broken):
    """The target took a documented parameter with 200 and did nothing with it."""

    kind = Kind.IGNORED


class BrokenShould(Broken):
    """The target contradicts the part of the requirement that is only a SHOULD: never more than a warning."""


class IgnoredShould(BrokenShould):
    """The target took a parameter that only OpenAI documents with 200 and did nothing with it: ignored, and a SHOULD."""

    kind = Kind.IGNORED


class Unsupported(Outcome):
    """The target refused an optional feature with a 4xx."""


class Inconclusive(Outcome):
    """The run can't tell; the message says why, and the reason which kind of why that is."""

    def __init__(self, message: object = "", reason: Reason = Reason.PRECONDITION) -> None:
        """Say why; where nothing else is said, what the check needs was not found."""
        super().__init__(message)
        self.reason = reason


class NotRun(Outcome):
    """The check had nothing to look at; the message says what was missing."""


class Postponed(Outcome):
    """The target may not survive a request that the check makes, so that everything else comes first. No check is to take it for an answer."""


class NotRecorded(NotRun):
    """Recorded traffic is judged, and it has no answer to a request that the check makes."""
