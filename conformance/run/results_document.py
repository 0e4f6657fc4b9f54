"""The document `results.json`, which every report is made from: what a run found, as JSON, without the key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, overload

from conformance import __version__
from conformance.contract.symptom import Symptom
from conformance.run.causes import causes
from conformance.run.results import Result, Results, RunOutcome
from conformance.wire.exchange import Response
from conformance.wire.record import to_json
from conformance.wire.redact import Redactor

FORMAT = "completions-conformance/2"
FORMATS = (FORMAT, "completions-conformance/1")
"""Those that are read."""
_SMALL = 64 * 1024
"""Bytes of an answer."""
_LIST = 300
"""Bytes of memory that a list of two short texts takes."""
EDITION = "2026-11"
"""The name of the list of requirements that this release scores."""


class WrittenExchanges(Sequence[dict[str, Any]]):
    """The exchanges of a run as a results document has them, each written down when it is looked at; only small ones are kept."""

    def __init__(self, results: Results) -> None:
        """Nothing is written down yet."""
        self._exchanges, self._redactor = results.exchanges, results.redactor
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._exchanges)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> Any:
        """One exchange, or several."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if place in self._kept:
            return self._kept[place]
        exchange = self._exchanges[place]
        written = to_json(exchange, self._redactor)
        if exchange.response is None or _size(exchange.response) <= _SMALL:
            self._kept[place] = written
        return written

    def ids(self) -> list[str]:
        """The ids of the exchanges."""
        return [exchange.id for exchange in self._exchanges]


def _size(response: Response) -> int:
    """Bytes of a body, and of the headers, each of which is a list of two texts."""
    return len(response.body) + sum(_LIST + len(name) + len(value) for name, value in response.headers)


def to_document(results: Results, *, exchanges: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The results document, redacted; see `spec/results.schema.json`. `exchanges` stand in it where they are given."""
    text, facts, cost = results.redactor.text, results.facts, results.cost
    return {
        "format": FORMAT,
        "started": _time(results.started),
        "finished": _time(results.finished),
        "suite": dict(zip(("version", "edition", "commit"), this_suite(), strict=True)),
        "target": {
            "name": text(results.name),
            "url": text(results.url),
            "model": text(facts.model),
            "server": text(facts.server),
            "embedded": results.embedded,
        },
        "recorded": results.recorded
        and {"started": results.recorded.started, "finished": results.recorded.finished},
        "resumed": results.resumed and {"from": results.resumed.began, "requests": results.resumed.requests},
        **({"inputs": asdict(results.inputs)} if results.inputs else {}),
        "profile": results.profile,
        "strict": results.strict,
        "unusable": results.unusable and text(results.unusable),
        "ended": results.ended
        and {
            "reason": results.ended.reason.value,
            "message": text(results.ended.message),
            "exchange": results.ended.exchange,
        },
        "background": asdict(results.background),
        "failed": results.outcome is not RunOutcome.CONFORMS,
        "outcome": results.outcome.value,
        "selection": {
            tier.value: {"selected": part.selected, "total": part.total}
            for tier, part in results.selection.items()
        },
        "determinism": {"repeats": facts.repeats, "note": text(facts.repeats_note)},
        "capabilities": {
            name: {"support": found.support.value, "note": text(found.note), "exchange": found.exchange}
            for name, found in facts.capabilities.items()
        },
        "cost": {
            "requests": cost.requests,
            "prompt_tokens": cost.prompt_tokens,
            "generated_tokens": cost.generated_tokens,
            "seconds": round(results.finished - results.started, 3),
            "most_in_flight": cost.most_in_flight,
            "retries": cost.retries,
            "money": cost.money,
            "charged": cost.charged,
            "pace": cost.pace,
        },
        "summary": results.summary,
        "incidents": [
            {
                "message": text(incident.message),
                "suspects": [exchange.id for exchange in incident.suspects],
                "recovered": incident.recovered,
                **({"exchange": incident.canary.id} if incident.canary else {}),
            }
            for incident in results.incidents
        ],
        "causes": [
            {
                "requirements": list(cause.requirements),
                "verdict": cause.verdict.value,
                "symptoms": symptoms_to_json(cause.symptoms),
            }
            for cause in causes(results.results)
        ],
        "requirements": [result_to_json(result, results.redactor) for result in results.results],
        "exchanges": exchanges
        if exchanges is not None
        else [to_json(exchange, results.redactor) for exchange in results.exchanges],
        # Last: a document that was cut off, or a run that was, can't pass for a whole one.
        "complete": results.complete,
    }


def result_to_json(result: Result, redactor: Redactor) -> dict[str, Any]:
    """The entry of one requirement, redacted."""
    requirement = result.requirement
    return {
        "id": requirement.id,
        "area": requirement.area,
        "tier": requirement.tier.value,
        "level": result.level.value,
        "title": requirement.title,
        "statement": requirement.statement,
        "hurts": requirement.hurts,
        "sources": [
            {"authority": source.authority, "place": source.place, "says": source.says}
            for source in requirement.sources
        ],
        "verdict": result.verdict.value,
        "kind": result.kind and result.kind.value,
        "reason": result.reason and result.reason.value,
        "known": result.known and result.known.to_json(redactor),
        "message": redactor.text(result.message),
        "test": result.test,
        "check": "rule" if result.is_rule else "scenario",
        "exchanges": list(result.exchanges),
        "symptoms": symptoms_to_json(result.symptoms),
        "looked_at": result.looked_at,
        "marks": [{"exchange": mark.exchange, "offset": mark.offset} for mark in result.marks],
        "seconds": round(result.seconds, 3),
    }


def symptoms_to_json(symptoms: Iterable[Symptom]) -> list[dict[str, Any]]:
    """What is wrong, and where."""
    return [{"what": one.what.value, "where": list(one.where)} for one in symptoms]


def this_suite() -> tuple[str, str, str | None]:
    """Version, edition and commit of the suite that runs."""
    return __version__, EDITION, _commit()


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
