"""What a run as a whole says, read from its document: whether it conforms, breaks something, or has not judged enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from conformance.contract.catalogue import Tier
from conformance.contract.verdict import LOST
from conformance.report.known_failures import is_known

Document = Mapping[str, Any]

CONFORMS, BREAKS, NOT_ENOUGH = "conforms", "breaks", "not_enough"

LOST_TO: Mapping[str, str] = MappingProxyType(
    {
        "budget": "the bound on the cost",
        "time": "the time of the run",
        "rate_limit": "the target's rate limit",
        "quota": "a quota that was used up",
        "target_gone": "a target that stopped answering",
        "interrupted": "an interruption",
    }
)
"""What the run lost requirements to, by the reason of their verdicts."""

UNSURE_FOR: Mapping[str, str] = MappingProxyType(
    {"noise": "the target's own noise", "transient": "a target that does not serve now and then"}
)
"""What hid the answer where the run did get to a requirement."""

SHOWN_AS: Mapping[str, str] = MappingProxyType({CONFORMS: "pass", BREAKS: "fail", NOT_ENOUGH: "inconclusive"})
"""The verdict with whose colour and sign an outcome is shown."""


def outcome_of(document: Document) -> str:
    """`conforms`, `breaks` or `not_enough`; a document of the first version does not say it, and so it follows from the rest."""
    said: str | None = document.get("outcome")
    if said is not None:
        return said
    if any(result["verdict"] in {"fail", "error"} for result in document["requirements"]):
        return BREAKS if document["failed"] else CONFORMS
    whole = document["complete"] and not document["unusable"]
    return CONFORMS if whole and not document["failed"] else NOT_ENOUGH


def in_a_word(document: Document) -> str:
    """The outcome where there is no room for a sentence."""
    said = {CONFORMS: "conforms", BREAKS: "breaks", NOT_ENOUGH: "not enough judged"}[outcome_of(document)]
    return f"partial: {said}" if is_partial(document) else said


def ending(document: Document) -> Mapping[str, Any] | None:
    """Why a run ended early, where nothing else in the report says so: a target that is gone is an incident, and told as one."""
    ended: Mapping[str, Any] | None = document.get("ended")
    if ended is None or document["unusable"] or ended["reason"] == "target_gone":
        return None
    return ended


GOES_ON = "This goes on from here, and asks nothing again that was answered:"


def can_go_on(document: Document) -> bool:
    """Whether a run ended early and has something to go on with."""
    ended_early = document.get("ended") is not None and not document["unusable"]
    return ended_early and not document.get("recorded") and not document["target"].get("embedded", False)


def is_partial(document: Document) -> bool:
    """Whether only a part of the requirements was selected."""
    return any(part["selected"] < part["total"] for part in document.get("selection", {}).values())


def selected(document: Document, tier: Tier) -> tuple[int, int] | None:
    """How many requirements of a tier were selected, and of how many; None where all of them were."""
    part = document.get("selection", {}).get(tier)
    if part is None or part["selected"] == part["total"]:
        return None
    return part["selected"], part["total"]


def part_in_words(document: Document) -> str:
    """How much a partial run selected: "41 of 182 core and 3 of 115 extended requirements were selected"; empty for a whole run."""
    if not is_partial(document):
        return ""
    parts = [f"{part['selected']} of {part['total']} {tier}" for tier, part in document["selection"].items()]
    return f"{' and '.join(parts)} requirements were selected"


def not_judged(document: Document) -> Iterator[str]:
    """What was not judged, and what it was lost to: "107 requirements to the time of the run". What is known for it is left out."""
    reasons = Counter(result.get("reason") for result in document["requirements"] if not is_known(result))
    for reason, words in (LOST_TO if any(reasons[one] for one in LOST) else UNSURE_FOR).items():
        if count := reasons[reason]:
            yield f"{count} requirement{'s' * (count > 1)} to {words}"
