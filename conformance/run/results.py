"""What a run found, as values; `results_document` writes them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract.catalogue import Level, Requirement, Tier
from conformance.contract.known_failures import KnownFailureState, ListedFailure
from conformance.contract.symptom import Symptom
from conformance.contract.verdict import LOST, Kind, Reason, Verdict
from conformance.kit.facts import Facts
from conformance.kit.traffic import Incident
from conformance.run.budget import Cost
from conformance.wire.exchange import Exchange
from conformance.wire.redact import Redactor


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the body of an exchange that a rule objects to."""

    exchange: str
    offset: int


@dataclass(frozen=True)
class Result:
    """The verdict on one requirement."""

    requirement: Requirement
    level: Level
    """The level that the profile gives it, which may differ from the catalogue's."""
    is_rule: bool
    """Whether a rule judged, which looks at what is there; a scenario sends requests and compares."""
    verdict: Verdict
    message: str = ""
    kind: Kind | None = None
    symptoms: tuple[Symptom, ...] = ()
    """What shows that it is broken, where that is so."""
    reason: Reason | None = None
    """Why the run can't tell, where it is inconclusive."""
    test: str = ""
    """What to hand to pytest to repeat it."""
    exchanges: tuple[str, ...] = ()
    """The evidence; the exchange that shows it best comes first."""
    looked_at: int = 0
    """How many exchanges the check looked at."""
    marks: tuple[Mark, ...] = ()
    seconds: float = 0.0
    known: ListedFailure | None = None
    """Its entry in the list of known failures, if it has one."""

    @property
    def fails(self) -> bool:
        """Whether it fails the run: a failure that is not known does, and so does a known failure that is gone."""
        standing = self.known and self.known.standing
        if self.verdict is Verdict.FAIL:
            return not self.is_excused
        return self.verdict is Verdict.ERROR or standing is KnownFailureState.STALE

    @property
    def is_excused(self) -> bool:
        """Whether the list of known failures excuses the verdict."""
        return self.known is not None and self.known.standing is KnownFailureState.KNOWN


class RunOutcome(StrEnum):
    """What a run as a whole says."""

    CONFORMS = "conforms"
    """Nothing fails, and every selected requirement was judged, but for a few that noise hides."""
    BREAKS = "breaks"
    """Something fails, or a list of known failures is stale."""
    NOT_ENOUGH = "not_enough"
    """Nothing fails, but something that was selected was not judged."""

    @property
    def exit_status(self) -> int:
        """What a program that ran the suite ends with. 2 to 5 are pytest's own."""
        return {RunOutcome.CONFORMS: 0, RunOutcome.BREAKS: 1, RunOutcome.NOT_ENOUGH: 6}[self]


@dataclass(frozen=True, slots=True)
class Part:
    """How many requirements were selected, of how many that there are."""

    selected: int
    total: int


JUDGED = frozenset({Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNSUPPORTED})
MOST_UNSURE = 0.03
"""The share of the selected core MUST that noise may hide in a run that conforms."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """When the traffic was recorded that was judged, RFC 3339."""

    started: str
    finished: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The run that was gone on with."""

    began: str
    """RFC 3339."""
    requests: int
    """How many exchanges were taken over."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the requests of a run follow from, besides the target's answers."""

    seed: int
    examples: int
    expensive: bool
    concurrency: int
    key: bool
    """Whether there was a key."""


@dataclass(frozen=True, slots=True)
class Background:
    """How many of the tries at harmless requests were not served by chance, by the kind of failure."""

    tries: int = 0
    connection: int = 0
    """The connection broke, or nothing came."""
    gateway: int = 0
    """Something went wrong on the way, or too many came at a time."""
    server: int = 0
    """The server failed."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a run ended before all was judged."""

    reason: Reason
    message: str
    exchange: str | None = None
    """The exchange that shows it, if one does."""


@dataclass(frozen=True)
class Results:
    """A whole run."""

    url: str
    profile: str
    strict: bool
    facts: Facts
    results: tuple[Result, ...]
    exchanges: tuple[Exchange, ...]
    cost: Cost
    started: float
    finished: float
    complete: bool
    selection: Mapping[Tier, Part]
    """How much of each tier was selected."""
    name: str = ""
    """What its owner calls the target, if anything."""
    embedded: bool = False
    """No target was named: the reference server of the suite was judged."""
    recorded: Recorded | None = None
    """Set where recorded traffic was judged, and nothing was sent."""
    resumed: Resumed | None = None
    """Set where an earlier run was gone on with."""
    inputs: Inputs | None = None
    unusable: str | None = None
    """Why nothing could be judged, if so."""
    ended: End | None = None
    """Why the run ended early, if it did."""
    incidents: tuple[Incident, ...] = ()
    background: Background = field(default_factory=Background)
    redactor: Redactor = field(default_factory=Redactor, repr=False)

    @property
    def summary(self) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """Counts by tier, level and verdict; there is no single percentage, which would reward refusing."""
        counts: dict[tuple[str, str], Counter[str]] = {}
        for result in self.results:
            key = (result.requirement.tier.value, result.level.value)
            counts.setdefault(key, Counter())[result.verdict.value] += 1
        return {
            tier.value: {level.value: dict(counts.get((tier.value, level.value), {})) for level in Level}
            for tier in Tier
        }

    @property
    def outcome(self) -> RunOutcome:
        """What the run says: what fails comes before what was not judged, and nothing conforms that was not judged.

        What could not be judged and is known for it counts for nothing.
        """
        if any(result.fails for result in self.results):
            return RunOutcome.BREAKS
        counted = [one for one in self.results if one.verdict in JUDGED or not one.is_excused]
        core = [one for one in counted if one.requirement.tier is Tier.CORE and one.level is Level.MUST]
        unsure = sum(one.reason in {Reason.NOISE, Reason.TRANSIENT} for one in core)
        enough = (
            self.complete
            and self.unusable is None
            and all(incident.recovered for incident in self.incidents)
            and any(one.verdict in JUDGED for one in counted)
            and not any(one.reason in LOST for one in counted)
            and unsure <= MOST_UNSURE * len(core)
        )
        return RunOutcome.CONFORMS if enough else RunOutcome.NOT_ENOUGH
