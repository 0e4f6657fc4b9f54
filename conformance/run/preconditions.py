"""What must be given before a check may run; without it the verdict is never a failure, but for a capability that the profile requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.contract.catalogue import Requirement
from conformance.contract.verdict import Reason, Verdict
from conformance.kit.capabilities import JUDGED_BY, JUDGED_WHERE_SERVED
from conformance.kit.facts import Capability, Facts, Support


@dataclass(frozen=True, slots=True)
class Unmet:
    """The verdict on a check that is not run."""

    verdict: Verdict
    message: str
    reason: Reason | None = None
    """For an inconclusive verdict: which kind of why that is."""
    evidence: tuple[str, ...] = ()


def speakers(
    requirements: Iterable[Requirement], required: Iterable[str], *, expensive: bool
) -> Mapping[str, tuple[str, ...]]:
    """The requirements that speak for the required capabilities, and for which: the first of `requirements` that needs one does.

    One missing capability is one finding; whatever else needs it stays unsupported.
    """
    judged = [one for one in requirements if expensive or not one.needs.expensive]
    found: dict[str, tuple[str, ...]] = {}
    for name in required:
        speaker = next((one.id for one in judged if name in one.needs.capabilities), None)
        if speaker is not None:
            found[speaker] = (*found.get(speaker, ()), name)
    return found


def missing(required: Iterable[str], facts: Facts) -> Unmet | None:
    """The failure of a requirement that speaks for the capabilities `required`; None where the target has all of them, or it is not known."""
    for name in required:
        found = facts.capabilities.get(name)
        if found is not None and found.support in {Support.REFUSED, Support.ABSENT}:
            message = f"the profile requires `{name}`, which is missing: {found.note}"
            return Unmet(Verdict.FAIL, message, evidence=_evidence(found))
    return None


def unmet(requirement: Requirement, facts: Facts, *, expensive: bool) -> Unmet | None:
    """Why the check of `requirement` can't run; None where it can."""
    needs = requirement.needs
    if needs.expensive and not expensive:
        return Unmet(Verdict.NOT_RUN, "it costs too much for an ordinary run; --expensive runs it")
    for name in needs.capabilities:
        found = facts.capabilities.get(name)
        # The requirement that judges whether a feature works is not kept from doing so by the feature not working.
        if found is not None and found.support is not Support.YES and JUDGED_BY.get(name) != requirement.id:
            return _lacking(name, found)
    if needs.det and facts.repeats is False:
        return Unmet(Verdict.INCONCLUSIVE, f"compares greedy answers, but {facts.repeats_note}", Reason.NOISE)
    if needs.det and facts.repeats is None and facts.repeats_note:
        return Unmet(
            Verdict.NOT_RUN,
            f"compares greedy answers, and whether they repeat is not known: {facts.repeats_note}",
        )
    return None


def _lacking(name: str, found: Capability) -> Unmet:
    evidence = _evidence(found)
    if found.support is Support.REFUSED:
        return Unmet(Verdict.UNSUPPORTED, f"needs {name}: {found.note}", evidence=evidence)
    if found.support is Support.ABSENT:
        return Unmet(Verdict.NOT_RUN, f"needs {name}: {found.note}", evidence=evidence)
    if found.support is Support.UNKNOWN:
        return Unmet(
            Verdict.INCONCLUSIVE,
            f"needs {name}, and the run could not find out: {found.note}",
            found.reason or Reason.PRECONDITION,
            evidence,
        )
    judges = name in JUDGED_BY and not (found.has_failed and name in JUDGED_WHERE_SERVED)
    speakers = [*([JUDGED_BY[name]] if judges else []), *(["HTTP-021"] if found.has_failed else [])]
    see = f"; see {' and '.join(speakers)}" if speakers else ""
    return Unmet(Verdict.NOT_RUN, f"needs {name}, which does not work: {found.note}{see}", evidence=evidence)


def _evidence(found: Capability) -> tuple[str, ...]:
    return (found.exchange,) if found.exchange else ()
