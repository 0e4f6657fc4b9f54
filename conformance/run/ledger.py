"""The verdicts of a run: each check is settled once, as its level and the evidence have it. Where the evidence comes from is others' business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.contract.apply_rule import RuleResult
from conformance.contract.catalogue import Catalogue, Level, Requirement, Tier
from conformance.contract.check import Check, Finding, Scope
from conformance.contract.symptom import Symptom
from conformance.contract.verdict import Broken, Kind, Reason, Verdict
from conformance.kit.facts import Facts
from conformance.kit.symptoms import of_valid
from conformance.run.preconditions import Unmet, missing, speakers, unmet
from conformance.run.results import Mark, Part, Result
from conformance.run.settings import Settings
from conformance.run.worth import is_core
from conformance.wire.exchange import Exchange

MOST_EVIDENCE = 10
"""So many exchanges are shown for one failure."""

OnResult = Callable[[Check, Result], None]


@dataclass
class Ledger:
    """What is settled so far. `on_result` hears of every verdict as soon as it is final, in no particular order."""

    settings: Settings
    catalogue: Catalogue
    checks: Sequence[Check]
    on_result: OnResult = lambda check, result: None  # noqa: ARG005 - the signature is the point
    settled: dict[str, Result] = field(default_factory=dict)
    failed_once: dict[str, tuple[Broken, Sequence[Exchange]]] = field(default_factory=dict)
    """What failed and is not confirmed yet, by requirement, and what it had looked at."""

    def __post_init__(self) -> None:
        """Number the requirements, and find those that speak for what the profile requires."""
        self._positions = {requirement.id: number for number, requirement in enumerate(self.catalogue)}
        in_order = sorted(map(self.requirement, self.checks), key=lambda one: self._positions[one.id])
        self._speakers = speakers(in_order, self.settings.profile.requires, expensive=self.settings.expensive)

    def position(self, check: Check) -> int:
        """Where the catalogue has the requirement that a check judges."""
        return self._positions[check.requirement_id]

    def requirement(self, check: Check) -> Requirement:
        """The requirement that a check judges."""
        return self.catalogue.requirement(check.requirement_id)

    def level(self, check: Check) -> Level:
        """The level of that requirement in the profile of the run."""
        return self.settings.profile.level(self.requirement(check))

    def is_core(self, check: Check) -> bool:
        """Whether all users of the endpoint rely on what a check judges, by the profile of the run."""
        return is_core(self.requirement(check), self.level(check))

    @property
    def selection(self) -> Mapping[Tier, Part]:
        """How many of the requirements that have a check were selected, by tier."""
        scored = Counter(one.tier for one in self.catalogue if not one.excluded and not one.planned)
        selected = Counter(self.requirement(check).tier for check in self.checks)
        return {tier: Part(selected[tier], scored[tier]) for tier in Tier}

    def speaker_of(self, exchange: Exchange, but_for: str, exchanges: Iterable[Exchange]) -> str | None:
        """The requirement that fails, or did when it was judged first, by what a valid request shows that is answered so.

        What a finding does not state as its symptom shows in what it has looked at, among all `exchanges`.
        """
        by_id = {one.id: one for one in exchanges if not one.served}
        found = {
            name: (one.symptoms, [by_id[key] for key in one.exchanges if key in by_id])
            for name, one in self.settled.items()
            if one.verdict in {Verdict.FAIL, Verdict.WARN}
        }
        found |= {
            name: (outcome.symptoms, [one for one in used if not one.served])
            for name, (outcome, used) in self.failed_once.items()
            if name not in self.settled
        }
        symptom = of_valid(exchange)
        for name, (symptoms, lost) in found.items():
            seen = (*symptoms, *map(of_valid, lost))
            if name != but_for and any(map(symptom.is_explained_by, seen)):
                return name
        return None

    @property
    def unsettled(self) -> list[Check]:
        """The checks that have no verdict yet."""
        return [check for check in self.checks if check.requirement_id not in self.settled]

    @property
    def results(self) -> tuple[Result, ...]:
        """A result for each check, in the catalogue's order; those without a verdict yet are `not_run`."""
        found = [
            self.settled.get(check.requirement_id)
            or self._result(
                check,
                Verdict.INCONCLUSIVE,
                "the run was ended before this check was",
                reason=Reason.INTERRUPTED,
            )
            for check in self.checks
        ]
        return tuple(sorted(found, key=lambda result: self._positions[result.requirement.id]))

    def settle(  # noqa: PLR0913 - the fields of a result
        self,
        check: Check,
        verdict: Verdict,
        message: str = "",
        *,
        evidence: Sequence[Exchange | str] = (),
        kind: Kind | None = None,
        reason: Reason | None = None,
        marks: tuple[Mark, ...] = (),
        seconds: float = 0.0,
        symptoms: Sequence[Symptom] = (),
        looked_at: int | None = None,
    ) -> None:
        """Settle a check for good; `reason` belongs to what is inconclusive."""
        result = self._result(
            check, verdict, message, evidence, kind, reason, marks, seconds, symptoms, looked_at
        )
        self.keep(check, result)

    def keep(self, check: Check, result: Result) -> None:
        """Settle a check with a result that is there already. The first counts: a run that was given up may still be at it."""
        if check.requirement_id in self.settled:
            return
        self.settled[check.requirement_id] = result
        self.on_result(check, result)

    def settle_all(self, verdict: Verdict, message: str, reason: Reason | None = None) -> None:
        """Settle whatever is left."""
        for check in self.unsettled:
            self.settle(check, verdict, message, reason=reason)

    def settle_unjudged(self, why: str, reason: Reason) -> None:
        """Settle whatever is left as inconclusive, with what is known of it so far."""
        for check in self.unsettled:
            once = self.failed_once.get(check.requirement_id)
            message = f"it failed once ({once[0]}), and before it could be confirmed, {why}" if once else why
            self.settle(check, Verdict.INCONCLUSIVE, message, reason=reason)

    def _result(  # noqa: PLR0913, PLR0917 - the fields of a result
        self,
        check: Check,
        verdict: Verdict,
        message: str,
        evidence: Sequence[Exchange | str] = (),
        kind: Kind | None = None,
        reason: Reason | None = None,
        marks: tuple[Mark, ...] = (),
        seconds: float = 0.0,
        symptoms: Sequence[Symptom] = (),
        looked_at: int | None = None,
    ) -> Result:
        requirement, is_broken = self.requirement(check), verdict in {Verdict.FAIL, Verdict.WARN}
        shown = tuple(dict.fromkeys(item if isinstance(item, str) else item.id for item in evidence))
        return Result(
            requirement=requirement,
            level=self.level(check),
            verdict=verdict,
            known=self.settings.known.listed(requirement.id, verdict),
            message=self.settings.redactor.text(message),
            kind=kind if is_broken else None,
            symptoms=tuple(symptoms or check.shows) if is_broken else (),
            reason=(reason or Reason.PRECONDITION) if verdict is Verdict.INCONCLUSIVE else None,
            test=check.place,
            is_rule=check.is_rule,
            exchanges=shown,
            looked_at=len(shown) if looked_at is None else looked_at,
            marks=marks,
            seconds=seconds,
        )

    def settle_unmet(self, check: Check, facts: Facts) -> bool:
        """Settle a check whose precondition is not met; False where it may run."""
        return self.settle_missing(check, facts) or self._settle_as(
            check, unmet(self.requirement(check), facts, expensive=self.settings.expensive)
        )

    def settle_missing(self, check: Check, facts: Facts) -> bool:
        """Fail a check that speaks for a capability which the profile requires and the target refuses; False where it does not."""
        return self._settle_as(check, missing(self._speakers.get(check.requirement_id, ()), facts))

    def _settle_as(self, check: Check, found: Unmet | None) -> bool:
        if found is None:
            return False
        self.settle(
            check,
            found.verdict,
            found.message,
            evidence=found.evidence,
            kind=Kind.WRONG,
            reason=found.reason,
        )
        return True

    def verdict_when_broken(self, check: Check, *, only_should: bool) -> Verdict:
        """What a broken requirement amounts to, by its level in the profile; where only the SHOULD part of a MUST is broken, it warns."""
        level = self.level(check)
        if level is Level.MUST and only_should:
            level = Level.SHOULD
        if level is Level.MUST or (level is Level.SHOULD and self.settings.strict):
            return Verdict.FAIL
        return Verdict.WARN if level is Level.SHOULD else Verdict.PASS

    def settle_rule(self, check: Check, judged: RuleResult, seconds: float) -> None:
        """Settle a rule as it judged all the evidence."""
        if not judged.looked_at:
            why = (
                f"nothing that was seen can be judged; see {judged.elsewhere}"
                if judged.elsewhere
                else "nothing that this requirement is about was seen in this run"
            )
            self.settle(check, Verdict.NOT_RUN, why)
        elif not judged.objections:
            self.settle(
                check,
                Verdict.PASS,
                f"holds on {judged.looked_at} exchanges",
                seconds=seconds,
                looked_at=judged.looked_at,
            )
        else:
            self._settle_objected(check, judged, seconds)

    def _settle_objected(self, check: Check, judged: RuleResult, seconds: float) -> None:
        # What breaks the MUST comes before what breaks only its SHOULD part.
        objections = sorted(judged.objections, key=lambda objection: objection.finding.only_should)
        message, others = objections[0].finding.message, len(objections) - 1
        if judged.unconfirmed is not None:
            verdict = Verdict.INCONCLUSIVE
            times = f"{others + 1} times" if others else "once"
            message = f"seen {times} in {judged.looked_at} exchanges, and {judged.unconfirmed}: {message}"
        else:
            verdict = self.verdict_when_broken(check, only_should=objections[0].finding.only_should)
            if check.scope not in {Scope.RUN, Scope.TRIES}:
                message += _how_often(others, judged.looked_at)
        shown = objections[:MOST_EVIDENCE]
        self.settle(
            check,
            verdict,
            message,
            evidence=[objection.exchange for objection in shown],
            marks=tuple(
                Mark(objection.exchange.id, objection.finding.at)
                for objection in shown
                if objection.finding.at is not None
            ),
            kind=Kind.WRONG,
            reason=judged.reason,
            seconds=seconds,
            symptoms=_symptoms(one.finding for one in objections),
            looked_at=judged.looked_at,
        )


def _symptoms(findings: Iterable[Finding]) -> Sequence[Symptom]:
    """What shows in findings that are as bad as the first."""
    found = list(findings)
    return list(
        dict.fromkeys(
            symptom for one in found if one.only_should is found[0].only_should for symptom in one.symptoms
        )
    )


def _how_often(others: int, looked_at: int) -> str:
    """In how many of the exchanges that a rule looked at it was seen besides the first, in brackets."""
    if others:
        return f" (and in {others} more of {looked_at} exchanges)"
    return f" (in 1 of {looked_at} exchanges)" if looked_at > 1 else ""
