"""The seam to pytest-xdist: the suite runs in one worker, and its controller reports what it found, also where that worker was lost."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from conformance.plugin import JOURNAL, RUN, prepare
from conformance.run.results import RunOutcome

_NODE_OF_A_CHECK = re.compile(r"::[A-Z]+-\d{3}$")
_SUITE = "conformance"
"""The scope that all checks are in."""

_JOURNALS = pytest.StashKey[list[Path]]()
_LOST = pytest.StashKey[list[str]]()
"""The workers that ended without a word, and how."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all checks to one worker: they share exchanges, and a second process would only pay for them again."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; need not be installed

    class OneWorkerForTheSuite(LoadScopeScheduling):  # type: ignore[misc]  # the base has no types
        def _split_scope(self, nodeid: str) -> str:
            return _SUITE if _NODE_OF_A_CHECK.search(nodeid) else nodeid

        def remove_node(self, node: Any) -> Any:
            """What a worker that is lost left undone goes to others, but for the suite: they would ask the target everything again."""
            work = self.assigned_work.get(node, {})
            undone = {
                scope: [one for one, done in tests.items() if not done] for scope, tests in work.items()
            }
            running = next((scope for scope, tests in undone.items() if tests), None)
            if running != _SUITE:
                return super().remove_node(node)
            del work[_SUITE]
            super().remove_node(node)
            return undone[_SUITE][0]

    return OneWorkerForTheSuite(config, log) if config.getoption("dist", "no") == "load" else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker that is about to start where to keep what it finds."""
    run = node.config.stash.get(RUN, None)
    if run is None:
        return
    journal: Path = run.report / f".journal-{node.gateway.id}.jsonl"
    journal.unlink(missing_ok=True)  # of a controller that was killed
    node.config.stash.setdefault(_JOURNALS, []).append(journal)
    node.workerinput[JOURNAL] = str(journal)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over the results of a worker."""
    output = getattr(node, "workeroutput", None)
    if output is None:
        node.config.stash.setdefault(_LOST, []).append(
            f"worker {node.gateway.id} of pytest-xdist was lost ({error})"
        )
        return
    document = json.loads(output.get("conformance", "null"))
    if document is not None:
        prepare(node.config).document = document


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Where no worker gave its results, report what is in the journal of one; that run is one that was interrupted."""
    stash = session.config.stash
    run, journals, lost = stash.get(RUN, None), stash.get(_JOURNALS, []), stash.get(_LOST, [])
    for journal in journals:
        if run is not None and run.document is None:
            run.restore(journal, " and ".join(lost) or "the run was interrupted")
    result = yield
    for journal in journals:
        journal.unlink(missing_ok=True)
    if lost and run is not None and run.document is None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = RunOutcome.NOT_ENOUGH.exit_status
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say that a worker was lost with all that it had found, where that is so."""
    run, lost = config.stash.get(RUN, None), config.stash.get(_LOST, [])
    if lost and run is not None and run.document is None:
        terminalreporter.section("conformance")
        terminalreporter.write_line(
            f"No report was written: {' and '.join(lost)}, and what it had found with it.", red=True
        )
