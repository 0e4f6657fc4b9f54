"""Requests that go to the reference server within this process get what they get on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.reference import Reference
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Request
from fixtures.doubles import KEY, MODEL
from fixtures.in_process import BASE_URL, InProcess

pytestmark = pytest.mark.whole_run

FRESH = {"date", "x-request-id", "transfer-encoding", "connection"}
"""Headers that differ each time, or that a server for HTTP adds."""


def judged(url: str, transport: Any = None) -> Results:
    """A whole run of the suite."""
    settings = Settings(url, MODEL, KEY, profile=load_profile("reference"), examples=30)
    return asyncio.run(Engine(settings, load_catalogue(), all_checks(), transport).run())


def seen(exchange: Exchange) -> Any:
    """What an exchange shows, but for what is fresh each time."""
    response = exchange.response
    if response is None:
        return exchange.fault and exchange.fault.kind
    headers = {(name.lower(), value) for name, value in response.headers if name.lower() not in FRESH}
    view = Completion.read(exchange)
    texts = {index: (choice.text, choice.finish_reason) for index, choice in view.choices.items()}
    body = None if response.is_event_stream or texts else len(response.body)
    return response.status, frozenset(headers), response.complete, texts, view.usage, body


def greedy(results: Results) -> Mapping[Request, Any]:
    """What each greedy request was answered that was sent once, by request."""
    found = {
        one.request: seen(one) for one in results.exchanges if one.request.params.get("temperature") == 0
    }
    return {request: what for request, what in found.items() if request.close_after is None}


def test_a_run_in_this_process_is_a_run_on_the_wire(server: str) -> None:
    """The same requests are sent, they are answered alike, and the verdicts are the same."""
    wire = judged(server)
    here = judged(BASE_URL, InProcess(Reference(MODEL, KEY), KEY).send)

    assert {one.requirement.id: one.verdict for one in here.results} == {
        one.requirement.id: one.verdict for one in wire.results
    }
    assert greedy(here) == greedy(wire)
