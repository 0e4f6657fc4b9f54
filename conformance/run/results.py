"""What a run found, as values; `results_document` writes them down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.contract.catalogue import Level, Requirement, Tier
from conformance.contract.known_failures import KnownFailureState, ListedFailure
from conformance.contract.verdict import Kind, Verdict
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
    test: str = ""
    """What to hand to pytest to repeat it."""
    exchanges: tuple[str, ...] = ()
    """The evidence; the exchange that shows it best comes first."""
    marks: tuple[Mark, ...] = ()
    seconds: float = 0.0
    known: ListedFailure | None = None
    """Its entry in the list of known failures, if it has one."""

    @property
    def fails(self) -> bool:
        """Whether it fails the run: a failure that is not known does, and so does a known failure that is gone."""
        standing = self.known and self.known.standing
        if self.verdict is Verdict.FAIL:
            return standing is not KnownFailureState.KNOWN
        return self.verdict is Verdict.ERROR or standing is KnownFailureState.STALE


@dataclass(frozen=True, slots=True)
class Recorded:
    """When the traffic was recorded that was judged, RFC 3339."""

    started: str
    finished: str


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
    name: str = ""
    """What its owner calls the target, if anything."""
    embedded: bool = False
    """No target was named: the reference server of the suite was judged."""
    recorded: Recorded | None = None
    """Set where recorded traffic was judged, and nothing was sent."""
    unusable: str | None = None
    """Why nothing could be judged, if so."""
    incidents: tuple[Incident, ...] = ()
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
    def failed(self) -> bool:
        """Whether the run ends with a non-zero status: something fails that is not known to, nothing could be judged, or the target was gone."""
        judged = {Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNSUPPORTED}
        gone = any(not incident.recovered for incident in self.incidents)
        nothing = not any(result.verdict in judged for result in self.results)
        return any(result.fails for result in self.results) or gone or nothing
