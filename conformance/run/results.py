"""What a run found: values, and the document `results.json` that every report is made from."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.contract.catalogue import Level, Requirement, Tier
from conformance.contract.known_failures import KnownFailureState, ListedFailure
from conformance.contract.verdict import Kind, Verdict
from conformance.kit.facts import Facts
from conformance.kit.traffic import Incident
from conformance.run.budget import Cost
from conformance.wire.exchange import Exchange
from conformance.wire.record import to_json
from conformance.wire.redact import Redactor

FORMAT = "completions-conformance/1"
EDITION = "2026-11"
"""The name of the list of requirements that this release scores."""


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
    verdict: Verdict
    message: str = ""
    kind: Kind | None = None
    test: str = ""
    """What to hand to pytest to repeat it."""
    is_rule: bool = False
    """Whether the check is a rule, which looks at what is there; a scenario sends requests and compares."""
    exchanges: tuple[str, ...] = ()
    """The evidence, the telling one first."""
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

    def to_json(self, redactor: Redactor) -> dict[str, Any]:
        """The entry of the results document, redacted."""
        requirement = self.requirement
        return {
            "id": requirement.id,
            "area": requirement.area,
            "tier": requirement.tier.value,
            "level": self.level.value,
            "title": requirement.title,
            "statement": requirement.statement,
            "hurts": requirement.hurts,
            "sources": [
                {"authority": source.authority, "place": source.place, "says": source.says}
                for source in requirement.sources
            ],
            "verdict": self.verdict.value,
            "kind": self.kind and self.kind.value,
            "known": self.known and self.known.to_json(redactor),
            "message": redactor.text(self.message),
            "test": self.test,
            "check": "rule" if self.is_rule else "scenario",
            "exchanges": list(self.exchanges),
            "marks": [{"exchange": mark.exchange, "offset": mark.offset} for mark in self.marks],
            "seconds": round(self.seconds, 3),
        }


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

    def to_json(self) -> dict[str, Any]:
        """The results document, redacted; see `spec/results.schema.json`."""
        text = self.redactor.text
        return {
            "format": FORMAT,
            "started": _time(self.started),
            "finished": _time(self.finished),
            "suite": {"version": __version__, "edition": EDITION, "commit": _commit()},
            "target": {
                "name": text(self.name),
                "url": text(self.url),
                "model": text(self.facts.model),
                "server": text(self.facts.server),
            },
            "recorded": self.recorded
            and {"started": self.recorded.started, "finished": self.recorded.finished},
            "profile": self.profile,
            "strict": self.strict,
            "unusable": self.unusable and text(self.unusable),
            "failed": self.failed,
            "determinism": {"repeats": self.facts.repeats, "note": text(self.facts.repeats_note)},
            "capabilities": {
                name: {"support": found.support.value, "note": text(found.note), "exchange": found.exchange}
                for name, found in self.facts.capabilities.items()
            },
            "cost": {
                "requests": self.cost.requests,
                "prompt_tokens": self.cost.prompt_tokens,
                "generated_tokens": self.cost.generated_tokens,
                "seconds": round(self.finished - self.started, 3),
                "most_in_flight": self.cost.most_in_flight,
                "retries": self.cost.retries,
            },
            "summary": self.summary,
            "incidents": [
                {
                    "message": text(incident.message),
                    "suspects": [exchange.id for exchange in incident.suspects],
                    "recovered": incident.recovered,
                }
                for incident in self.incidents
            ],
            "requirements": [result.to_json(self.redactor) for result in self.results],
            "exchanges": [to_json(exchange, self.redactor) for exchange in self.exchanges],
            # Last: a document that was cut off, or a run that was, can't pass for a whole one.
            "complete": self.complete,
        }


@cache
def _commit() -> str | None:
    """The commit of the checkout that the suite runs from; None for an installed wheel, and where git can't say."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
