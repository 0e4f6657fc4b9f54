"""What a worker of pytest-xdist had found is reported, however it ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.plugin import ROOMS
from conformance.reference.serve import start
from conformance.workers import pytest_xdist_make_scheduler
from fixtures.doubles import KEY
from fixtures.gate import MUTANTS

BROKEN = "the_sequence_stays_in_the_text"
"""A double that breaks STOP-002, a scenario, and STOP-001, a rule: rules are judged when all else is."""
_LONG = 180.0
"""Seconds after which a session that hangs is ended."""

# A plugin that ends the worker which runs the suite, without a word, when it has told the verdict on a check or begins with it.
_KILLER = """
import os, signal

def pytest_configure(config):
    if hasattr(config, "workerinput"):  # the environment does not tell: these tests may run in a worker themselves
        config.pluginmanager.register(Killer())

class Killer:
    def pytest_runtest_logstart(self, nodeid):
        self._end("begins", nodeid)

    def pytest_runtest_logfinish(self, nodeid):
        self._end("told", nodeid)

    def _end(self, where, nodeid):
        if (where, nodeid.rpartition("::")[2]) == {when!r}:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """The base URL of a server that keeps stop sequences in its texts."""
    [double] = [double for double in MUTANTS if double.name == BROKEN]
    with start(double.build(key=None)) as running:
        yield f"{running.url}/v1"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs pytest with two workers, of which the one that runs the suite is killed."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)

    def run(url: str, when: tuple[str, str], *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(killer=_KILLER.format(when=when))
        return pytester.runpytest_subprocess(
            *("-p", "killer", "-n", "2", f"--target-url={url}", "--model=reference-1", "--report=out"),
            *("-k", "STOP-00 or MAXTOK-002", *arguments),
            timeout=_LONG,
        )

    return run


def results(pytester: pytest.Pytester) -> dict[str, Any]:
    """The results document that the session wrote."""
    found: dict[str, Any] = json.loads((pytester.path / "out" / "results.json").read_text())
    return found


@pytest.mark.whole_run
def test_what_a_lost_worker_had_seen_fail_stays_a_failure(
    run: Any, pytester: pytest.Pytester, broken: str
) -> None:
    """Its verdicts are in the report, the rules are judged over its exchanges, and no other worker asks the target again."""
    result = run(broken, ("told", "STOP-002"))
    document = results(pytester)
    found = {one["id"]: one for one in document["requirements"]}

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (document["outcome"], document["complete"]) == ("breaks", False)
    assert document["ended"]["reason"] == "interrupted"
    assert found["STOP-002"]["verdict"] == "fail"
    assert found["STOP-001"]["verdict"] == "fail"
    assert {one["id"] for one in document["exchanges"]} >= {*found["STOP-002"]["exchanges"]}
    # Of what the worker had left, only the check at which it was lost is told of, as xdist does.
    assert result.stdout.str().count("replacing crashed worker") == 1
    assert result.parseoutcomes()["failed"] <= 2
    result.stdout.fnmatch_lines(
        ["*The run ended early: worker gw? of pytest-xdist was lost (*", "Report: *index.html"]
    )
    assert not [path.name for path in (pytester.path / "out").iterdir() if "journal" in path.name]


@pytest.mark.whole_run
def test_a_lost_worker_conforms_to_nothing(run: Any, pytester: pytest.Pytester, server: str) -> None:
    """Where nothing had failed, not enough was judged, and the status is not 0."""
    result = run(server, ("told", "MAXTOK-002"), "--junitxml=junit.xml")
    document = results(pytester)
    root = ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 - this process has just written it
    properties = {one.get("name"): one.get("value") for one in root.iter("property")}

    assert result.ret != 0
    assert document["outcome"] == "not_enough"
    assert document["cost"]["requests"] >= len(document["exchanges"]) > 0
    assert (properties["outcome"], properties["ended"]) == ("not_enough", "interrupted")
    assert "not enough was judged" in str([*root.iter("error")][-1].get("message"))


@pytest.mark.whole_run
def test_a_worker_that_is_lost_with_everything_is_told(
    run: Any, pytester: pytest.Pytester, server: str
) -> None:
    """Where it had not even begun there is nothing to report, which is said, and the status is not 0."""
    result = run(server, ("begins", "MAXTOK-002"))

    assert result.ret != 0
    assert not (pytester.path / "out" / "results.json").exists()
    result.stdout.fnmatch_lines(
        ["No report was written: worker gw? of pytest-xdist was lost (*, and what it had found with it."]
    )


@pytest.mark.whole_run
def test_a_controller_that_is_ended_reports_what_its_worker_had_found(
    pytester: pytest.Pytester, broken: str
) -> None:
    """SIGTERM to the session alone ends it with a report, though its worker can't tell it any more."""
    heeding = "import pytest; raise SystemExit(pytest.main())"
    command = [
        *(sys.executable, "-c", heeding, "-n", "2", "-v", f"--target-url={broken}", "--model=reference-1"),
        *("--report=out", *map(str, ROOMS)),
    ]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 - our own command
        assert running.stdout is not None
        assert any(" PASS " in line for line in running.stdout)
        running.send_signal(signal.SIGTERM)
        rest, _ = running.communicate(timeout=_LONG)
    document = results(pytester)

    assert running.returncode != 0
    assert "Traceback" not in rest
    assert document["complete"] is False
    assert {one["verdict"] for one in document["requirements"]} >= {"pass", "inconclusive"}


# -- who gets what a lost worker has left ------------------------------------------------------------------------------------------------


class Worker:
    """A worker as its scheduler sees it; it remembers what it was told to run."""

    def __init__(self, name: str) -> None:
        """Nothing was asked of it yet."""
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.ran: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        """It is told to run these."""
        self.ran += indices

    def shutdown(self) -> None:
        """Nothing more comes for it."""
        self.shutting_down = True


SUITE = ["conformance/scenarios/stop.py::STOP-002", "conformance/scenarios/stop.py::STOP-003"]
OTHERS = [f"test_own.py::test_{number}" for number in range(4)]


def scheduled(pytester: pytest.Pytester, nodes: list[str]) -> tuple[Any, list[Worker]]:
    """The scheduler of two workers, and these, after it has given them the first of these nodes."""
    workers = [Worker("gw0"), Worker("gw1")]
    scheduler = pytest_xdist_make_scheduler(
        pytester.parseconfig("--dist=load", "--tx=2*popen", "--no-loadscope-reorder"), log=None
    )
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, nodes)
    scheduler.schedule()
    return scheduler, workers


def test_the_suite_is_not_begun_anew(pytester: pytest.Pytester) -> None:
    """What is left of the suite goes to no other worker, and the check that was being run is named; other tests go on elsewhere."""
    scheduler, [lost, other] = scheduled(pytester, [*SUITE, *OTHERS])
    scheduler.mark_test_complete(lost, 0)
    crashed = scheduler.remove_node(lost)
    given = {scope for work in scheduler.assigned_work.values() for scope in work} | {*scheduler.workqueue}

    assert lost.ran[:2] == [0, 1]
    assert crashed == SUITE[1]
    assert given == {*OTHERS}
    assert not {0, 1} & {*other.ran}


def test_the_suite_is_given_to_another_where_it_was_not_begun(pytester: pytest.Pytester) -> None:
    """A worker that is lost in another test had asked the target nothing."""
    scheduler, [lost, _] = scheduled(pytester, [OTHERS[0], OTHERS[1], *SUITE])
    assert [*scheduler.assigned_work[lost]] == [OTHERS[0], "conformance"]

    assert scheduler.remove_node(lost) == OTHERS[0]
    assert "conformance" in {
        *scheduler.workqueue,
        *(scope for work in scheduler.assigned_work.values() for scope in work),
    }
