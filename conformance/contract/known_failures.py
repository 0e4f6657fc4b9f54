"""Known failures: what a server is known to break, so that a pipeline fails of what is new only.

Nothing is hidden. A listed requirement is judged and shown like any other, and keeps its verdict; the list decides only whether it fails
the run, or whether enough was judged without it. A list that is no longer true fails the run as well, or it would grow and excuse what
nobody looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdict import Verdict
from conformance.contract.yaml_files import (
    DocumentError,
    check_document,
    did_you_mean,
    load_schema,
    read_yaml,
    spec_root,
)
from conformance.wire.redact import Redactor


class Excused(StrEnum):
    """What an entry of the list excuses."""

    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    UNSUPPORTED = "unsupported"

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """The verdicts that are excused."""
        return _VERDICTS[self]


_VERDICTS = {
    Excused.BROKEN: frozenset({Verdict.FAIL, Verdict.WARN}),
    Excused.INCONCLUSIVE: frozenset({Verdict.INCONCLUSIVE}),
    Excused.UNSUPPORTED: frozenset({Verdict.UNSUPPORTED}),
}
_CANNOT_TELL = frozenset({Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.ERROR})


class KnownFailureState(StrEnum):
    """How an entry of the list stands after a run."""

    KNOWN = "known"
    """The verdict is the one that the entry excuses: it does not count against the run."""
    EXPIRED = "expired"
    """It is that verdict, and the entry excuses it no longer."""
    STALE = "stale"
    """It passes: the entry has to go, and the run fails until it is gone."""
    UNNEEDED = "unneeded"
    """It passes, and the entry excuses what comes and goes: it may stay."""
    MISMATCHED = "mismatched"
    """It is another verdict than the entry excuses, so that the entry excuses nothing."""
    UNJUDGED = "unjudged"
    """The run can't tell whether it is still so."""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One entry of the list."""

    id: str
    reason: str
    issue: str | None = None
    """Where it is tracked, a URL."""
    expires: date | None = None
    """The last day (UTC) on which the entry excuses the failure."""
    verdict: Excused = Excused.BROKEN


@dataclass(frozen=True, slots=True)
class ListedFailure:
    """An entry, held against the verdict of a run."""

    failure: KnownFailure
    standing: KnownFailureState
    file: str

    def to_json(self, redactor: Redactor) -> dict[str, Any]:
        """The member `known` of a requirement in the results document."""
        failure = self.failure
        return {
            "standing": self.standing.value,
            "verdict": failure.verdict.value,
            "reason": redactor.text(failure.reason),
            "issue": failure.issue and redactor.text(failure.issue),
            "expires": failure.expires and failure.expires.isoformat(),
            "file": redactor.text(self.file),
        }


@dataclass(frozen=True)
class KnownFailures:
    """The list of a run; empty where none was given."""

    failures: Mapping[str, KnownFailure] = field(default_factory=dict)
    file: str = ""
    today: date = date.min

    def listed(self, requirement_id: str, verdict: Verdict) -> ListedFailure | None:
        """How the entry of a requirement stands, given the verdict on it; None where it is not listed."""
        failure = self.failures.get(requirement_id)
        return (
            None if failure is None else ListedFailure(failure, self._standing(failure, verdict), self.file)
        )

    def _standing(self, failure: KnownFailure, verdict: Verdict) -> KnownFailureState:
        if verdict in failure.verdict.verdicts:
            expired = failure.expires is not None and self.today > failure.expires
            return KnownFailureState.EXPIRED if expired else KnownFailureState.KNOWN
        if verdict is Verdict.PASS:
            # Whether a run can tell is chance, so one that can proves nothing about the next.
            by_chance = failure.verdict is Excused.INCONCLUSIVE
            return KnownFailureState.UNNEEDED if by_chance else KnownFailureState.STALE
        return KnownFailureState.UNJUDGED if verdict in _CANNOT_TELL else KnownFailureState.MISMATCHED


def load_known_failures(path: Path, *, today: date | None = None) -> KnownFailures:
    """Read the list of a file; without `today`, entries expire by the clock. Raises `DocumentError` where it is not what it has to be."""
    document = _plain(read_yaml(path) or [])  # whoever removes the last entry leaves an empty file
    check_document(document, load_schema(spec_root(), "known-failures"), path.name)
    failures: dict[str, KnownFailure] = {}
    ids = {requirement.id for requirement in load_catalogue()}
    for entry in document:
        identifier = entry["id"]
        if identifier not in ids:
            raise DocumentError(
                f"{path.name}: there is no requirement {identifier!r}{did_you_mean(identifier, ids)}"
            )
        if identifier in failures:
            raise DocumentError(f"{path.name}, {identifier}: it is listed twice; keep one of the entries")
        failures[identifier] = KnownFailure(
            identifier,
            entry["reason"],
            entry.get("issue"),
            _date(path.name, entry),
            Excused(entry.get("verdict", Excused.BROKEN)),
        )
    return KnownFailures(failures, path.name, today or datetime.now(UTC).date())


def _plain(document: Any) -> Any:
    """The document with its dates as the text that they were: YAML knows dates, JSON Schema does not."""
    if isinstance(document, date):
        return document.isoformat()
    if isinstance(document, Mapping):
        return {key: _plain(value) for key, value in document.items()}
    if isinstance(document, Iterable) and not isinstance(document, str | bytes):
        return [_plain(value) for value in document]
    return document


def _date(name: str, entry: Mapping[str, str]) -> date | None:
    if "expires" not in entry:
        return None
    try:
        return date.fromisoformat(entry["expires"])
    except ValueError as error:
        raise DocumentError(
            f"{name}, {entry['id']}, expires: {entry['expires']} is not a day of the calendar"
        ) from error
