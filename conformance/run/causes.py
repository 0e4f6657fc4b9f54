"""Which findings have one cause: one requirement speaks for it, and the others are listed under that one.

Findings are taken the worst first. One whose symptoms are all explained by those of findings before it has nothing to add; any other speaks
for a cause of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from conformance.contract.catalogue import Level, Tier
from conformance.contract.symptom import Symptom, What
from conformance.contract.verdict import Verdict
from conformance.run.results import Result

_BROKEN = (Verdict.FAIL, Verdict.WARN)
_SPEAKS: Mapping[What, str] = MappingProxyType(
    {What.SERVER_ERROR: "ERR-004", What.NOT_SERVED: "HTTP-011", What.ENDS_WRONGLY: "STREAM-011"}
)
"""Who speaks for a cause among those that are equally bad, since it is what the requirement is about; else the first of the catalogue does."""
_SUMS_UP = "REQ-031"
"""Says of all parameters what others say of one each, and so speaks only where none of them does."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Findings with one cause; the first speaks for it."""

    requirements: tuple[str, ...]
    verdict: Verdict
    """The worst of theirs."""
    symptoms: tuple[Symptom, ...] = ()


def causes(results: Sequence[Result]) -> tuple[Cause, ...]:
    """The causes of what is broken, the worst first; `results` are in the order of the catalogue."""
    broken = sorted((one for one in results if one.verdict in _BROKEN), key=_rank)
    found: dict[str, list[Result]] = {}
    for one in broken:
        speaker = _speaker(one, [group[0] for group in found.values()])
        found.setdefault(speaker or one.requirement.id, []).append(one)
    return tuple(
        Cause(tuple(one.requirement.id for one in group), group[0].verdict, group[0].symptoms)
        for group in found.values()
    )


def _speaker(result: Result, speakers: Sequence[Result]) -> str | None:
    """The first of `speakers` that explains one symptom of a finding, where together they explain all of them; None where they do not."""
    explained = [
        next((one for one in speakers if any(map(symptom.is_explained_by, one.symptoms))), None)
        for symptom in result.symptoms
    ]
    if not explained or explained[0] is None or None in explained:
        return None
    return explained[0].requirement.id


def _rank(result: Result) -> tuple[int, bool, bool, bool, bool, int]:
    """Worse ones, and those that say less, come first; `sorted` keeps the catalogue's order among equals."""
    speaks = any(_SPEAKS.get(symptom.what) == result.requirement.id for symptom in result.symptoms)
    return (
        _BROKEN.index(result.verdict),
        result.requirement.id == _SUMS_UP,
        result.requirement.tier is not Tier.CORE,
        result.level is not Level.MUST,
        not speaks,
        sum(max(1, len(symptom.where)) for symptom in result.symptoms),
    )
