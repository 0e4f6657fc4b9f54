"""What the codes of a results document mean, for a reader who has never seen the suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from conformance.contract.catalogue import Catalogue, load_catalogue
from conformance.contract.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Label:
    """How a verdict is shown: never by its colour alone."""

    text: str
    glyph: str
    meaning: str


_LABELS: Mapping[Verdict, Label] = MappingProxyType(
    {
        Verdict.FAIL: Label(
            "fail",
            "✗",
            "What a MUST says is broken. Also: a documented parameter is accepted with status 200 and has no effect.",
        ),
        Verdict.ERROR: Label(
            "suite error",
            "⚠",
            "The suite itself broke. This says nothing about the target; please report it.",
        ),
        Verdict.WARN: Label("warn", "!", "What a SHOULD says is broken. It fails a strict run."),
        Verdict.INCONCLUSIVE: Label(
            "inconclusive",
            "?",
            "The target's own noise, a rate limit or a broken precondition hides the answer.",
        ),
        Verdict.UNSUPPORTED: Label(
            "unsupported",
            "○",
            "The target honestly refuses an optional feature with an error. That is not a failure.",
        ),
        Verdict.NOT_RUN: Label(
            "not run", "·", "The check had nothing to look at; its text says what was missing."
        ),
        Verdict.PASS: Label("pass", "✓", "The target does what the requirement says."),
    }
)

VERDICTS: Mapping[str, Label] = MappingProxyType({verdict.value: _LABELS[verdict] for verdict in Verdict})
"""Worst first."""

PROBLEMS = tuple(
    verdict.value for verdict in Verdict if verdict in {Verdict.FAIL, Verdict.ERROR, Verdict.WARN}
)
"""The verdicts that someone has to do something about, worst first."""

SUPPORT: Mapping[str, str] = MappingProxyType(
    {
        "yes": "works",
        "refused": "refused",
        "absent": "not there",
        "ignored": "ignored: accepted without effect",
        "broken": "broken",
        "unknown": "unknown",
    }
)
"""What a target does with an optional feature."""


def label_of(verdict: str) -> Label:
    """How to show a verdict, an unknown one too."""
    return VERDICTS.get(verdict, Label(verdict, "*", ""))


def in_order(verdicts: Collection[str]) -> list[str]:
    """These verdicts, each once, worst first. Those that the suite does not know, from a newer one's document, come last."""
    known = [verdict.value for verdict in Verdict if verdict.value in verdicts]
    return known + sorted(set(verdicts).difference(known))


def area_title(area: str) -> str:
    """The heading of an area, as the catalogue has it; an area that the catalogue does not know is headed by its own name."""
    return next((known.title for known in _catalogue().areas if known.name == area), area)


def authority_title(authority: str) -> str:
    """Who it is that says what holds, as the catalogue has it; an authority that the catalogue does not know has its code for a name."""
    return _catalogue().authorities.get(authority, authority)


@cache
def _catalogue() -> Catalogue:
    """The catalogue of this suite; a document has only names of areas and codes of authorities."""
    return load_catalogue()


_MINUTE = 60
"""Seconds in a minute, and minutes in an hour."""


def moment(time: str) -> str:
    """A time of the document, to the minute: `2026-11-23 19:03 UTC`."""
    return f"{time[:10]} {time[11:16]} UTC"


def duration(seconds: float) -> str:
    """A time span as people say it: `340 ms`, `8.5 s`, `19 min 4 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < 2 * _MINUTE:
        return f"{minutes} min {rest} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE} min"
