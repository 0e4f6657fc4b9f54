"""The checks of gateways pass on a relay that changes nothing, each finds its defect, and none objects to what is legal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

import fixtures.relays
from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check
from conformance.contract.verdict import Verdict
from conformance.reference import Reference
from conformance.reference.serve import start
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from fixtures.doubles import Double, doubles_in
from fixtures.gate import BROKEN, checks, dangling, empty_passes, missed, said, strictest, unlisted
from fixtures.relays.relay import CLIENTS_KEY, UPSTREAMS_KEY, Relay, relay_of
from tests.gateway.serving import serving
from tests.ports import free_port

pytestmark = pytest.mark.whole_run

CATALOGUE = load_catalogue()
CHECKS = tuple(check for check in checks() if CATALOGUE.requirement(check.requirement_id).area == "gateway")
REQUIREMENTS = {check.requirement_id for check in CHECKS}
DOUBLES = doubles_in(fixtures.relays)
MUTANTS = tuple(double for double in DOUBLES if double.trips)
CONTROLS = tuple(double for double in DOUBLES if double.why)
MODEL = "scripted"
MOST_REQUESTS = 120
A_MINUTE = 2.0
"""Seconds that stand for a minute of the upstream's."""


def _run(double: Double | None) -> Results:
    """A run of the gateway area by the strictest profile: what is only recorded is seen. What a double lists elsewhere is judged before an engine."""
    elsewhere = set(double.trips) - REQUIREMENTS if double else set()
    if elsewhere:
        with start(Reference(MODEL, UPSTREAMS_KEY)) as engine:
            return _judged(
                double,
                f"{engine.url}/v1",
                [one for one in checks() if one.requirement_id in elsewhere],
                gateway_upstream_port=free_port(),
            )
    if double and "patience" in double.replaced:
        return _run_with_late_answers(double)
    port = free_port()
    return _judged(double, f"http://127.0.0.1:{port}/v1", CHECKS, gateway_upstream_port=port)


def _run_with_late_answers(double: Double | None) -> Results:
    """The same with what costs a minute, from an upstream for which that is some seconds."""
    with serving(lateness=A_MINUTE) as upstream:
        root = f"http://127.0.0.1:{upstream.port}"
        return _judged(double, upstream.url, CHECKS, gateway_upstream_url=root, expensive=True)


def _judged(double: Double | None, upstream: str, selection: Sequence[Check], **more: Any) -> Results:
    with start(relay_of(double, upstream)) as running:
        settings = Settings(
            url=f"{running.url}/v1",
            profile=strictest(),
            model=MODEL,
            key=CLIENTS_KEY,
            request_timeout=20,
            recovery=0.2,
            **more,
        )
        return asyncio.run(Engine(settings, CATALOGUE, selection).run())


@cache
def _sound() -> Results:
    return _run(None)


def test_a_relay_that_changes_nothing_passes() -> None:
    """No check objects to a gateway that passes on what it gets."""
    results = _sound()

    assert results.unusable is None
    judged = {one.requirement.id: one.verdict for one in results.results}
    messages = {one.requirement.id: one.message for one in results.results if one.verdict is not Verdict.PASS}
    # Where the upstream reports no usage, this relay has none of its own that could be judged; a minute is not spent unasked.
    assert judged == dict.fromkeys(REQUIREMENTS, Verdict.PASS) | dict.fromkeys(
        ["GW-003", "GW-032", "GW-035"], Verdict.NOT_RUN
    ), messages
    assert empty_passes(results) == []


def test_a_relay_that_waits_passes() -> None:
    """What costs a minute is judged where it is asked for, and a sound relay passes it."""
    results = _run_with_late_answers(None)
    judged = {one.requirement.id: one.verdict for one in results.results}

    assert judged["GW-035"] is Verdict.PASS
    assert said(results, *BROKEN) == {}


def test_the_area_costs_little() -> None:
    """A run of the gateway area alone sends no more than its bound."""
    assert _sound().cost.requests <= MOST_REQUESTS


@pytest.mark.parametrize("double", MUTANTS, ids=lambda double: "-".join((double.name, *double.trips)))
def test_each_defect_is_found(double: Double) -> None:
    """A gateway with one defect breaks the requirements that it names, and no others."""
    results = _run(double)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert missed(results, double) == {}, "the mutant survives"
    assert dangling(results) == {}
    assert unlisted(results, double) == {}


@pytest.mark.parametrize("double", CONTROLS, ids=lambda double: double.name)
def test_a_control_is_left_alone(double: Double) -> None:
    """A gateway with a legal oddity breaks nothing."""
    results = _run(double)

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
