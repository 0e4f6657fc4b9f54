"""The checks of gateways pass on a relay that changes nothing, and each finds its defect."""

from __future__ import annotations

import asyncio
import socket

import pytest

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.check import checks_in
from conformance.contract.verdict import Verdict
from conformance.reference.serve import start
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from conformance.scenarios import gateway, gateway_streams
from fixtures.relays import MUTANTS, Relay

pytestmark = pytest.mark.whole_run

CATALOGUE, PROFILE = load_catalogue(), load_profile("reference")
CHECKS = (*checks_in(gateway), *checks_in(gateway_streams))
REQUIREMENTS = {check.requirement_id for check in CHECKS}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(relay: type[Relay], *, wanted: frozenset[str] | None = None) -> Results:
    port = _free_port()
    running = start(relay(f"http://127.0.0.1:{port}/v1"))
    checks = [check for check in CHECKS if wanted is None or check.requirement_id in wanted]
    settings = Settings(
        url=f"{running.url}/v1", profile=PROFILE, model="scripted", gateway_upstream_port=port
    )
    try:
        return asyncio.run(Engine(settings, CATALOGUE, checks).run())
    finally:
        running.stop()


def test_a_relay_that_changes_nothing_passes() -> None:
    """No check objects to a gateway that passes on what it gets."""
    results = _run(Relay)

    assert results.unusable is None
    # Where the upstream reports no usage, this relay has none of its own that could be judged.
    judged = {result.requirement.id: result.verdict for result in results.results}
    assert judged == dict.fromkeys(REQUIREMENTS, Verdict.PASS) | {"GW-003": Verdict.NOT_RUN}


@pytest.mark.parametrize("relay", MUTANTS, ids=lambda relay: relay.__name__)
def test_each_defect_is_found(relay: type[Relay]) -> None:
    """A gateway with one defect breaks the requirements that it names, and no others."""
    broken = {
        result.requirement.id
        for result in _run(relay).results
        if result.verdict in {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
    }

    assert set(relay.trips) <= broken
    assert broken <= {*relay.trips, *relay.may_trip}


def test_every_requirement_of_gateways_is_broken_by_one() -> None:
    """There is a defect for each check."""
    assert {name for relay in MUTANTS for name in relay.trips} == REQUIREMENTS
