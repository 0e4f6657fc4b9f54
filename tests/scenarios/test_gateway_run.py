"""One run judges a gateway with two models: what it does with an engine's answers, and what it does with those of a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.check import Check
from conformance.contract.verdict import Verdict
from conformance.options import EXAMPLES_BESIDE_A_RELAY
from conformance.reference import Reference
from conformance.reference.serve import start
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from fixtures.gate import checks, said
from fixtures.relays.relay import CLIENTS_KEY, Receive, Relay, Send
from tests.ports import free_port

pytestmark = pytest.mark.whole_run

CATALOGUE, PROFILE = load_catalogue(), load_profile("reference")
GATEWAY = tuple(one for one in checks() if CATALOGUE.requirement(one.requirement_id).area == "gateway")
MOST_REQUESTS = 480


class TwoModels:
    """A gateway that relays one model to the scripted upstream, and serves all else by an engine of its own."""

    def __init__(self, upstream: str) -> None:
        """Relay to the server at the base URL `upstream`."""
        self._relay, self._engine = Relay(upstream), Reference("engine", CLIENTS_KEY)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        messages: list[Mapping[str, Any]] = []
        while scope["type"] == "http" and (not messages or messages[-1].get("more_body")):
            messages.append(await receive())

        async def again() -> Mapping[str, Any]:
            return messages.pop(0) if messages else await receive()

        body = b"".join(message.get("body", b"") for message in messages)
        serve: Any = self._relay if _model(body) == "scripted" else self._engine
        await serve(scope, again, send)


def _model(body: bytes) -> object:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found.get("model") if isinstance(found, dict) else None


def _run(app: Any, port: int, selection: tuple[Check, ...], model: str) -> Results:
    with start(app) as running:
        settings = Settings(
            url=f"{running.url}/v1",
            profile=PROFILE,
            model=model,
            key=CLIENTS_KEY,
            gateway_upstream_port=port,
            recovery=0.2,
            examples=EXAMPLES_BESIDE_A_RELAY,
        )
        return asyncio.run(Engine(settings, CATALOGUE, selection).run())


def test_a_gateway_with_two_models_is_judged_in_one_run() -> None:
    """Nothing is found in a sound gateway before a sound engine, neither by what relays owe nor by what servers owe."""
    port = free_port()
    results = _run(TwoModels(f"http://127.0.0.1:{port}/v1"), port, checks(), "engine")
    judged = {one.requirement.id for one in results.results if one.verdict is Verdict.PASS}

    assert results.unusable is None
    assert said(results, Verdict.ERROR, Verdict.FAIL, Verdict.WARN) == {}
    assert {one.requirement_id for one in GATEWAY} - judged == {"GW-003", "GW-032", "GW-035"}
    assert results.cost.requests <= MOST_REQUESTS


def test_a_gateway_that_has_no_engine_is_told_so() -> None:
    """Where everything goes to the scripted upstream, a run that would judge an engine ends with what to do."""
    port = free_port()
    results = _run(Relay(f"http://127.0.0.1:{port}/v1"), port, checks(), "any")

    assert results.unusable is not None
    assert f"scripted upstream on port {port}" in results.unusable
    assert "--gateway-model" in results.unusable
    assert {one.verdict for one in results.results} == {Verdict.INCONCLUSIVE}


def test_an_upstream_that_nobody_asks_is_told_so() -> None:
    """Where nothing arrives, the run ends with the port on which, and what to look at."""
    port = free_port()
    results = _run(Reference("engine", CLIENTS_KEY), port, GATEWAY, "engine")

    assert results.unusable is not None
    assert f"no request arrived on port {port}" in results.unusable
    assert "--gateway-model" in results.unusable
    assert {one.verdict for one in results.results} == {Verdict.INCONCLUSIVE}


def test_an_upstream_that_nobody_asks_spoils_nothing_else() -> None:
    """Where an engine is judged beside it, only what takes the scripted upstream can't be."""
    stop = tuple(one for one in checks() if one.requirement_id == "STOP-002")
    results = _run(Reference("engine", CLIENTS_KEY), free_port(), (*stop, *GATEWAY[:3]), "engine")
    by_verdict = {one.requirement.area: one for one in results.results}

    assert results.unusable is None
    assert by_verdict["stop"].verdict is Verdict.PASS
    assert by_verdict["gateway"].verdict is Verdict.INCONCLUSIVE
    assert "no request arrived on port" in by_verdict["gateway"].message
