"""What is worth most is judged first where a run is bounded, and nothing else in a quick one."""

from __future__ import annotations

from typing import Any

from conformance.contract.verdict import Verdict
from conformance.run.engine import Engine
from conformance.run.results import Result, Results, RunOutcome
from conformance.run.settings import Settings
from conformance.run.worth import is_core, load_worth
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import MUTANTS, PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped

WORTH = load_worth()


def run(app: Any, *, quick: bool = False, **bounds: Any) -> Results:
    """The results of a run in this process."""
    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN, quick=quick, **bounds)
    chosen = WORTH.quick(checks()) if quick else checks()
    return virtual_time.run(Engine(settings, catalogue(), chosen, InProcess(app, KEY, 60.0).send).run())


def core(results: Results) -> list[Result]:
    """The core MUST of a run."""
    return [one for one in results.results if is_core(one.requirement, one.level)]


def test_the_order_knows_every_scenario_and_nothing_else() -> None:
    """A new check is put into the order by `python benchmarks/order.py --write`."""
    assert set(WORTH.requests) == {check.requirement_id for check in checks() if not check.is_rule}


def test_core_comes_first() -> None:
    """Whoever can't pay for all gets what all users rely on."""
    ranked = sorted((check for check in checks() if not check.is_rule), key=WORTH.rank)
    levels = [
        is_core(catalogue().requirement(check.requirement_id), PLAIN.level(requirement))
        for check in ranked
        if (requirement := catalogue().requirement(check.requirement_id)).area != "gateway"
    ]

    assert levels == sorted(levels, reverse=True)


def test_a_quick_run_costs_little_and_judges_what_it_selected() -> None:
    """40 to 60 requests, and more than half of core MUST with them."""
    results = run(shaped(Shape()), quick=True)

    assert 40 <= results.cost.requests <= 60
    assert _unsettled(results) == {}
    assert len(core(results)) >= 80
    assert results.outcome is RunOutcome.CONFORMS


def test_a_quick_run_ends_where_three_a_minute_are_served() -> None:
    """As fast as that allows, with the verdicts of any other."""
    shaper = shaped(Shape(rate=3, latency=0.2))
    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN)
    engine = Engine(settings, catalogue(), WORTH.quick(checks()), InProcess(shaper, KEY, 60.0).send)

    results, seconds = virtual_time.timed(engine.run())

    assert _unsettled(results) == {}
    assert seconds <= 1.1 * shaper.counters.handed_on * 20
    assert shaper.counters.turned_away.total() <= 0.1 * shaper.counters.received


def _unsettled(results: Results) -> dict[str, str]:
    """What of core is neither seen to hold nor refused nor, like a way to take `suffix` that is not this target's, without an object."""
    settled = (Verdict.PASS, Verdict.UNSUPPORTED)
    return {
        one.requirement.id: one.message
        for one in core(results)
        if one.verdict not in settled
        and not (one.verdict is Verdict.NOT_RUN and "suffix mode" in one.message)
    }


def test_a_bound_is_spent_on_what_is_worth_most() -> None:
    """More than half of core MUST is judged with 60 requests."""
    results = run(shaped(Shape()), max_requests=60)
    assert len([one for one in core(results) if one.verdict is Verdict.PASS]) >= 80
    assert results.outcome is RunOutcome.NOT_ENOUGH


def test_tokens_are_spent_on_what_is_worth_most() -> None:
    """The preflight alone takes some two hundred."""
    results = run(shaped(Shape()), max_tokens=800)

    assert len([one for one in core(results) if one.verdict is Verdict.PASS]) >= 80
    assert results.outcome is RunOutcome.NOT_ENOUGH


def test_what_a_bounded_run_finds_it_has_proved() -> None:
    """A failure is confirmed before the next requirement is paid for."""
    mutant = next(one for one in MUTANTS if "MAXTOK-002" in one.trips and not one.on_the_wire)

    results = run(mutant.build(), max_requests=60)

    assert "MAXTOK-002" in {one.requirement.id for one in results.results if one.verdict is Verdict.FAIL}
    assert results.outcome is RunOutcome.BREAKS
