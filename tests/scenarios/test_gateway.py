"""The checks of gateways pass on a relay that changes nothing, each finds its defect, and none objects to what is legal."""

from __future__ import annotations

from functools import cache

import pytest

from conformance.contract.verdict import Verdict
from conformance.run.results import Results
from fixtures.doubles import Double
from fixtures.gate import BROKEN, dangling, empty_passes, missed, said, unlisted
from fixtures.relays.relay import Relay
from tests.scenarios.relays import (
    CATALOGUE,
    CONTROLS,
    DOUBLES,
    MUTANTS,
    REQUIREMENTS,
    judged,
    judged_with_late_answers,
)

pytestmark = pytest.mark.whole_run

MOST_REQUESTS = 120


@cache
def _sound() -> Results:
    return judged(None)


def test_a_relay_that_changes_nothing_passes() -> None:
    """No check objects to a gateway that passes on what it gets."""
    results = _sound()

    assert results.unusable is None
    verdicts = {one.requirement.id: one.verdict for one in results.results}
    messages = {one.requirement.id: one.message for one in results.results if one.verdict is not Verdict.PASS}
    # Where the upstream reports no usage, this relay has none of its own that could be judged; a minute is not spent unasked.
    assert verdicts == dict.fromkeys(REQUIREMENTS, Verdict.PASS) | dict.fromkeys(
        ["GW-003", "GW-032", "GW-035"], Verdict.NOT_RUN
    ), messages
    assert empty_passes(results) == []


def test_a_relay_that_waits_passes() -> None:
    """What costs a minute is judged where it is asked for, and a sound relay passes it."""
    results = judged_with_late_answers(None)
    verdicts = {one.requirement.id: one.verdict for one in results.results}

    assert verdicts["GW-035"] is Verdict.PASS
    assert said(results, *BROKEN) == {}


def test_the_area_costs_little() -> None:
    """A run of the gateway area alone sends no more than its bound."""
    assert _sound().cost.requests <= MOST_REQUESTS


@pytest.mark.parametrize("double", MUTANTS, ids=lambda double: "-".join((double.name, *double.trips)))
def test_each_defect_is_found(double: Double) -> None:
    """A gateway with one defect breaks the requirements that it names, and no others."""
    results = judged(double)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert missed(results, double) == {}, "the mutant survives"
    assert dangling(results) == {}
    assert unlisted(results, double) == {}


@pytest.mark.parametrize("double", CONTROLS, ids=lambda double: double.name)
def test_a_control_is_left_alone(double: Double) -> None:
    """A gateway with a legal oddity breaks nothing."""
    results = judged(double)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert said(results, *BROKEN) == {}
    assert dangling(results) == {}


def test_every_requirement_of_gateways_is_broken_by_one() -> None:
    """There is a defect for each check."""
    assert {name for double in MUTANTS for name in double.trips} >= REQUIREMENTS


@pytest.mark.parametrize("double", DOUBLES, ids=lambda double: double.name)
def test_a_double_is_well_made(double: Double) -> None:
    """A double replaces a method that there is, lists requirements that there are, and says in a sentence what it does."""
    assert all(hasattr(Relay, name) for name in double.replaced)
    for name in (*double.trips, *double.may_trip):
        CATALOGUE.requirement(name)
    assert double.what.endswith(".")
    assert bool(double.trips) != bool(double.why)
