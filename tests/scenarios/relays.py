"""Relay doubles under judgement: each in a run of the gateway area, or of what it lists elsewhere before an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import fixtures.relays
from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check
from conformance.reference import Reference
from conformance.reference.serve import start
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from fixtures.doubles import Double, doubles_in
from fixtures.gate import checks, strictest
from fixtures.relays.relay import CLIENTS_KEY, UPSTREAMS_KEY, relay_of
from tests.gateway.serving import serving
from tests.ports import free_port

CATALOGUE = load_catalogue()
CHECKS = tuple(check for check in checks() if CATALOGUE.requirement(check.requirement_id).area == "gateway")
REQUIREMENTS = {check.requirement_id for check in CHECKS}
DOUBLES = doubles_in(fixtures.relays)
MUTANTS = tuple(double for double in DOUBLES if double.trips)
CONTROLS = tuple(double for double in DOUBLES if double.why)
MODEL = "scripted"
A_MINUTE = 2.0
"""Seconds that stand for a minute of the upstream's."""


def judged(double: Double | None) -> Results:
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
        return judged_with_late_answers(double)
    port = free_port()
    return _judged(double, f"http://127.0.0.1:{port}/v1", CHECKS, gateway_upstream_port=port)


def judged_with_late_answers(double: Double | None) -> Results:
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
