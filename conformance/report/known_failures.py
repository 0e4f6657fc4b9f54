"""Known failures in words, for every form of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def is_known(result: Document) -> bool:
    """Whether the verdict is the one that the list of known failures excuses: it does not count against the run."""
    return standing(result) == "known"


def is_known_failure(result: Document) -> bool:
    """Whether the requirement is broken, and known to be."""
    return is_known(result) and _excused(result["known"]) == "broken"


def is_known_otherwise(result: Document) -> bool:
    """Whether the requirement is inconclusive or unsupported, and known to be."""
    return is_known(result) and not is_known_failure(result)


def is_stale(result: Document) -> bool:
    """Whether the requirement passes although it is listed, so that the run fails until it no longer is."""
    return standing(result) == "stale"


def standing(result: Document) -> str:
    """How the requirement's entry in the list of known failures stands; empty where it has none."""
    return result["known"]["standing"] if result["known"] else ""


def explained(known: Document) -> str:
    """What the entry means for the run, and what to do about it."""
    excused = _excused(known)
    what = "a known failure" if excused == "broken" else f"known to be {excused}"
    return f"{known['file']} lists it as {what}: {_reason(known)}. {consequence(known)}"


def _excused(known: Document) -> str:
    """What the entry excuses; a document of the first version does not say it, and knows failures only."""
    return str(known.get("verdict", "broken"))


def _reason(known: Document) -> str:
    place = f" ({known['issue']})" if known["issue"] else ""
    return f"{known['reason'].rstrip('. ')}{place}"


def consequence(known: Document) -> str:
    """What the entry means for the run, in a sentence."""
    return {
        "known": f"It does not fail the run{' until ' + known['expires'] if known['expires'] else ''}.",
        "expired": f"That excused it until {known['expires']} only: fix it, or give the entry a new date.",
        "stale": "But it passes: remove the entry.",
        "unneeded": "It passes this time; since that may be chance, the entry may stay.",
        "mismatched": f"It excuses {_only(known)} only, and so excuses nothing here.",
        "unjudged": "This run can't tell whether that is still so.",
    }[known["standing"]]


def _only(known: Document) -> str:
    """What the entry excuses, in words that go before "only"."""
    excused = _excused(known)
    return "a failure" if excused == "broken" else excused


def told(result: Document) -> str:
    """What to say of a requirement on a line: what was found, or why it is in the list of known failures."""
    known, found = result["known"], str(result["message"])
    if is_known(result):
        what = f"{_excused(known)}: " if is_known_otherwise(result) else ""
        return f"{what}{_reason(known)}" + (f"; until {known['expires']}" if known["expires"] else "")
    if is_stale(result):
        return f"it passes; remove the entry from {known['file']} ({_reason(known)})"
    return f"{explained(known)} Found: {found}" if known else found
