"""A run with a scripted upstream that is up already says what one with its own says, or why it can't."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check
from conformance.contract.verdict import Verdict
from conformance.options import OptionError
from conformance.reference import Reference
from conformance.reference.serve import start
from conformance.run.configure import settings
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.run import Run
from conformance.run.settings import Settings
from fixtures.doubles import Double
from fixtures.gate import BROKEN, said, strictest
from fixtures.relays import of_answers, of_errors, of_requests, of_streams
from fixtures.relays.relay import CLIENTS_KEY, UPSTREAMS_KEY, relay_of
from tests.gateway.serving import serving
from tests.ports import free_port
from tests.scenarios.relays import CHECKS, DOUBLES, MODEL, REQUIREMENTS

pytestmark = pytest.mark.whole_run

OF_THE_OTHER_SIDE = (
    of_requests.the_clients_key_is_passed_on,
    of_requests.what_is_refused_is_asked_twice,
    of_answers.the_key_stands_in_a_header,
    of_errors.an_error_quotes_the_key,
    of_streams.each_chunk_waits_for_the_next,
    of_streams.nobody_notices_who_leaves_a_stream,
    of_streams.nobody_notices_who_leaves_without_a_stream,
    of_streams.one_client_is_served_at_a_time,
)
"""Defects that are seen at the upstream alone, or by what it does when the run says so."""
NAMES = frozenset(function.__name__ for function in OF_THE_OTHER_SIDE)


def _settings(url: str, upstream: str | None, port: int | None = None) -> Settings:
    return Settings(
        url=url,
        profile=strictest(),
        model=MODEL,
        key=CLIENTS_KEY,
        gateway_upstream_url=upstream,
        gateway_upstream_port=port,
        request_timeout=20,
        recovery=0.2,
    )


def _run(double: Double | None, selection: Sequence[Check] = CHECKS) -> Results:
    with serving() as upstream, start(relay_of(double, upstream.url)) as running:
        chosen = _settings(f"{running.url}/v1", f"http://127.0.0.1:{upstream.port}")
        return asyncio.run(Engine(chosen, load_catalogue(), selection).run())


def _of(*ids: str) -> tuple[Check, ...]:
    return tuple(one for one in CHECKS if one.requirement_id in ids)


def test_a_relay_that_changes_nothing_passes() -> None:
    """The verdicts are those of a run that serves the upstream itself."""
    results = _run(None)

    assert results.unusable is None
    assert {one.requirement.id for one in results.results if one.verdict is not Verdict.PASS} == {
        "GW-003",
        "GW-032",
        "GW-035",
    }
    assert len(results.results) == len(REQUIREMENTS)


@pytest.mark.parametrize(
    "double", [one for one in DOUBLES if one.name in NAMES], ids=lambda double: double.name
)
def test_what_is_seen_at_the_upstream_alone_is_found(double: Double) -> None:
    """A defect that shows at the upstream is found there, also where that is elsewhere."""
    results = _run(double, _of(*double.trips, "GW-001"))

    assert said(results, *BROKEN).keys() == set(double.trips)


def test_a_run_after_another_sees_its_own_requests_only() -> None:
    """An upstream that stays up forgets what the run before has asked."""
    selection = _of("GW-004", "GW-026")
    with serving() as upstream, start(relay_of(None, upstream.url)) as running:
        chosen = _settings(f"{running.url}/v1", f"http://127.0.0.1:{upstream.port}")
        runs = [asyncio.run(Engine(chosen, load_catalogue(), selection).run()) for _ in range(2)]

    assert [said(one, *BROKEN) for one in runs] == [{}, {}]


def _unusable(upstream: str) -> str:
    results = asyncio.run(
        Engine(_settings("http://127.0.0.1:9/v1", upstream), load_catalogue(), _of("GW-001")).run()
    )
    assert results.unusable is not None
    assert results.cost.requests == 0
    return results.unusable


def test_an_upstream_that_is_not_up_is_told() -> None:
    """The run ends with where it looked, and with what to start."""
    port = free_port()
    message = _unusable(f"http://127.0.0.1:{port}")

    assert f"http://127.0.0.1:{port} (--gateway-upstream-url) can't be reached" in message
    assert f"completions-conformance upstream --port={port}" in message


def test_another_server_is_told() -> None:
    """The run ends where something else listens."""
    with start(Reference(MODEL)) as running:
        message = _unusable(running.url)

    assert "is not the scripted upstream of this suite" in message


def test_another_version_is_told() -> None:
    """The run ends where the upstream is of another version of the suite."""
    with serving(version="9.9.9") as upstream:
        message = _unusable(f"http://127.0.0.1:{upstream.port}")

    assert '"9.9.9"' in message
    assert "End it, and start" in message


def test_the_options_exclude_one_another() -> None:
    """A run has one upstream, on this machine."""
    given = {"gateway-upstream-url": "http://127.0.0.1:9000/v1", "target-url": "http://127.0.0.1:4000/v1"}

    assert settings(given.get, {}).gateway_upstream_url == "http://127.0.0.1:9000"
    with pytest.raises(OptionError, match="leave one out"):
        settings({**given, "gateway-upstream-port": "9000"}.get, {})
    for url in ("http://10.0.0.1:9000", "https://127.0.0.1:9000", "http://127.0.0.1", "127.0.0.1:9000"):
        with pytest.raises(OptionError, match="on this machine"):
            settings({**given, "gateway-upstream-url": url}.get, {})


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """Before anything is sent it is said that the port is taken, and how to use the upstream that may be there."""
    with serving() as upstream:
        run = Run(_settings("http://127.0.0.1:9/v1", None, upstream.port), tmp_path)
        with pytest.raises(OptionError, match=f"--gateway-upstream-url=http://127.0.0.1:{upstream.port}"):
            run.prepare()


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["of the run", "elsewhere"])
@pytest.mark.parametrize("name", ["the_key_stands_in_a_header", "an_error_quotes_the_key"])
def test_a_key_that_leaks_is_in_no_report(tmp_path: Path, name: str, *, is_elsewhere: bool) -> None:
    """What a gateway lets out of the key for its upstream is found, and stands in no file and no message."""
    double = next(one for one in DOUBLES if one.name == name)
    with serving() as upstream, start(relay_of(double, upstream.url)) as running:
        url = f"{running.url}/v1"
        if is_elsewhere:
            chosen = _settings(url, f"http://127.0.0.1:{upstream.port}")
            written = _written(chosen, tmp_path)
        else:
            port = free_port()
            with start(relay_of(double, f"http://127.0.0.1:{port}/v1")) as own:
                written = _written(_settings(f"{own.url}/v1", None, port), tmp_path)

    assert {"results.json", "index.html", "record.jsonl"} <= written.keys()
    assert b"[key of the gateway]" in written["results.json"]
    assert [file for file, data in written.items() if UPSTREAMS_KEY.encode() in data] == []
    assert [file for file, data in written.items() if UPSTREAMS_KEY[-10:].encode() in data] == []


def _written(chosen: Settings, folder: Path) -> dict[str, bytes]:
    """The files of a run."""
    run = Run(chosen, report=folder / "report", record=folder / "record.jsonl")
    selection = _of("GW-028")
    run.prepare()
    run.start(selection)
    for check in selection:
        run.verdict(check, lambda _: None)
    run.finish()
    run.write()
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
