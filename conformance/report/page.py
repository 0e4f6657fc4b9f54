"""The compliance page: one file for a reader who has never seen the project.

Everything that tells what is wrong is in the HTML and can be read without a script. The evidence is embedded as JSON and becomes HTML when
a reader opens it, so that a page with a thousand exchanges is there at once. Whatever the size of a run, the page is bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from conformance.contract.catalogue import Level, Tier
from conformance.report.causes import causes_of
from conformance.report.excerpt import BRIEF, WHOLE, curl_line, excerpt, heading
from conformance.report.exchange_diff import exchange_diff
from conformance.report.known_failures import consequence, is_known, is_stale
from conformance.report.labels import PROBLEMS, SUPPORT, VERDICTS, duration, in_order
from conformance.report.outcome import BREAKS, GOES_ON, NOT_ENOUGH, can_go_on, ending, outcome_of
from conformance.report.render import embed, render
from conformance.report.rerun import pytest_line, resume_line
from conformance.report.text import money_in_words, name_of, resumed_in_words, verdict_in_words
from conformance.wire.record import from_json

_EVIDENCE_OF_PROBLEMS = 6
_EVIDENCE = 2
_EMBEDDED = 3_000_000
"""Bytes of evidence; the rest of a larger run is in `results.json` alone."""
_PROBLEMS_AT_THE_TOP = 15
_COMPARED = 100

Document = Mapping[str, Any]


class ById(Mapping[str, Document]):
    """Exchanges by their ids; each is looked at only when it is asked for."""

    def __init__(self, exchanges: Sequence[Document]) -> None:
        """Learn the ids."""
        self._exchanges = exchanges
        names = exchanges.ids() if hasattr(exchanges, "ids") else [exchange["id"] for exchange in exchanges]
        self._places = {name: place for place, name in enumerate(names)}

    def __getitem__(self, name: str) -> Document:
        """The exchange of that id."""
        return self._exchanges[self._places[name]]

    def __contains__(self, name: object) -> bool:
        """Whether there is one."""
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)


def page(document: Document) -> str:
    """The compliance page of a results document; it can be encoded as UTF-8."""
    requirements = document["requirements"]
    counts = Counter(result["verdict"] for result in requirements)
    exchanges = ById(document["exchanges"])
    evidence = _evidence(document, exchanges)
    problems = sorted(
        causes_of(document), key=lambda cause: is_known(cause.speaker)
    )  # what is new comes first
    return render(
        "page",
        document=document,
        name=name_of(document),
        words=verdict_in_words(document),
        worst=overall(document),
        duration=duration,
        pace=document["cost"].get("pace", ""),
        resumed=resumed_in_words(document),
        money=money_in_words(document["cost"]),
        chart=chart(document),
        problems=problems[:_PROBLEMS_AT_THE_TOP],
        stale=[*filter(is_stale, requirements)],
        more_problems=max(0, len(problems) - _PROBLEMS_AT_THE_TOP),
        areas=[
            (area, [_requirement(document, result, exchanges, evidence) for result in found])
            for area, found in groupby(requirements, key=lambda result: result["area"])
        ],
        verdicts=VERDICTS,
        problem_verdicts=PROBLEMS,
        tiers=[tier.value for tier in Tier],
        levels=[level.value for level in Level],
        shown_verdicts=[(verdict, counts[verdict]) for verdict in in_order(counts)],
        capabilities=[
            (
                name,
                SUPPORT.get(found["support"], found["support"]),
                found,
                _title(found["exchange"], exchanges, evidence),
            )
            for name, found in document["capabilities"].items()
        ],
        goes_on=GOES_ON,
        resume=resume_line(document) if can_go_on(document) else "",
        ending=_ending(document, exchanges, evidence),
        incidents=[
            (found, [_title(name, exchanges, evidence) for name in found["suspects"]])
            for found in document["incidents"]
        ],
        consequence=consequence,
        data=embed({"exchanges": evidence, "differences": _differences(requirements, exchanges)}),
    )


def _ending(
    document: Document, exchanges: Mapping[str, Document], evidence: Mapping[str, Any]
) -> tuple[Document, Any] | None:
    """Why the run ended early, and the exchange that shows it, if one does."""
    ended = ending(document)
    if ended is None:
        return None
    return ended, ended["exchange"] and _title(ended["exchange"], exchanges, evidence)


def overall(document: Document) -> str:
    """The verdict that colours the whole."""
    found, outcome = {result["verdict"] for result in document["requirements"]}, outcome_of(document)
    if document["unusable"] or not document["complete"] or outcome == NOT_ENOUGH:
        return "inconclusive"
    if outcome == BREAKS and found.isdisjoint({"fail", "error"}):
        return "fail"  # nothing does, but for a list of known failures that is stale
    return next(
        (verdict for verdict in PROBLEMS if verdict in found), "pass" if "pass" in found else "inconclusive"
    )


def chart(document: Document) -> list[dict[str, Any]]:
    """A bar for each tier and level: its parts `(verdict, count, start, length)`, the longest bar being 1,000 long."""
    bars = [
        (tier, level, counts)
        for tier, levels in document["summary"].items()
        for level, counts in levels.items()
        if counts
    ]
    longest = max((sum(counts.values()) for *_, counts in bars), default=1) or 1
    rows = []
    for tier, level, counts in bars:
        parts, start = [], 0.0
        for verdict in reversed(in_order(counts)):
            if count := counts.get(verdict, 0):
                length = count * 1000 / longest
                parts.append((verdict, count, round(start, 1), round(length, 1)))
                start += length
        rows.append({"tier": tier, "level": level, "total": sum(counts.values()), "parts": parts})
    return rows


def _requirement(
    document: Document, result: Document, exchanges: Mapping[str, Document], evidence: Mapping[str, Any]
) -> dict[str, Any]:
    names = [name for name in result["exchanges"] if name in exchanges]
    shown = names[: _most(result)]
    marks: dict[str, list[int]] = {}
    for mark in result["marks"]:
        marks.setdefault(mark["exchange"], []).append(mark["offset"])
    return {
        **result,
        "problem": result["verdict"] in PROBLEMS or is_stale(result),
        "pytest": pytest_line(document, result["id"]),
        "shown_by": names[0] if names else None,
        "curl": curl_line(exchanges[names[0]]) if names else None,
        "evidence": [(_title(name, exchanges, evidence), marks.get(name, [])[:20]) for name in shown],
        "more": names[len(shown) :][:50],
        "unlisted": max(0, len(names) - len(shown) - 50),
    }


def _title(
    name: str | None, exchanges: Mapping[str, Document], evidence: Mapping[str, Any]
) -> tuple[str, str, bool] | None:
    """An exchange's id, what it was in a few words, and whether its evidence is in the page."""
    return (
        (name, heading(exchanges[name]), name in evidence) if name is not None and name in exchanges else None
    )


def _most(result: Document) -> int:
    return _EVIDENCE_OF_PROBLEMS if result["verdict"] in PROBLEMS else _EVIDENCE


def _evidence(document: Document, exchanges: Mapping[str, Document]) -> dict[str, Any]:
    """The excerpts of the exchanges that someone may want to see, the most wanted first, until the page is full."""
    marks: dict[str, set[int]] = {}
    for result in document["requirements"]:
        for mark in result["marks"]:
            marks.setdefault(mark["exchange"], set()).add(mark["offset"])
    found: dict[str, Any] = {}
    room = _EMBEDDED
    for name, bounds in _wanted(document):
        if name in found or name not in exchanges:
            continue
        shown = excerpt(exchanges[name], marks.get(name, ()), bounds)
        room -= len(json.dumps(shown))
        if room < 0:
            break
        found[name] = shown
    return found


def _wanted(document: Document) -> Iterator[tuple[str, Any]]:
    requirements: Sequence[Document] = document["requirements"]
    for verdict in in_order({result["verdict"] for result in requirements}):
        for result in requirements:
            if result["verdict"] == verdict:
                bounds = BRIEF if verdict == "pass" else WHOLE
                yield from ((name, bounds) for name in result["exchanges"][: _most(result)])
    ended = ending(document)
    if ended is not None and ended["exchange"] is not None:
        yield ended["exchange"], WHOLE
    for incident in document["incidents"]:
        yield from ((name, WHOLE) for name in incident["suspects"])
    for capability in document["capabilities"].values():
        if capability["exchange"] is not None:
            yield capability["exchange"], BRIEF


def _differences(requirements: Sequence[Document], exchanges: Mapping[str, Document]) -> dict[str, Any]:
    """What sets the exchange that shows a problem apart from the one that it was compared with, by requirement.

    Scenarios compare exchanges, and the first that they made is what the others are held against; rules judge one at a time.
    """
    found: dict[str, Any] = {}
    for result in requirements:
        names = [name for name in result["exchanges"] if name in exchanges]
        if (
            len(found) >= _COMPARED
            or result["verdict"] not in {"fail", "warn", "inconclusive"}
            or _is_rule(result)
        ):
            continue
        if len(names) > 1 and (
            rows := exchange_diff(from_json(exchanges[names[-1]]), from_json(exchanges[names[0]]))
        ):
            found[result["id"]] = {"from": names[-1], "to": names[0], **rows}
    return found


def _is_rule(result: Document) -> bool:
    """Whether a rule judged the requirement, and no scenario."""
    # A document that was written before there was the member `check` says it by the module of the check only.
    return result["check"] == "rule" if "check" in result else ".rules." in result["test"]
