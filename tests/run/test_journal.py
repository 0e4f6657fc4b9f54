"""What a run has found is not lost with the process that found it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.known_failures import KnownFailure, KnownFailures
from conformance.contract.verdict import Reason, Verdict
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.journal import Journal, restore
from conformance.run.results import Result, Results, RunOutcome
from conformance.run.results_document import result_to_json, to_document
from conformance.run.settings import Settings
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL, Double
from fixtures.in_process import BASE_URL, InProcess
from fixtures.mutants import stop

RULE, SCENARIO = "STOP-001", "STOP-002"
"""What a server that keeps stop sequences in its texts breaks."""
_SELECTED = (RULE, SCENARIO, "STOP-003", "MAXTOK-002", "USAGE-001", "GW-001")
_WHY = "worker gw0 was lost"

SETTINGS = Settings(BASE_URL, MODEL, KEY, profile=load_profile("reference"), recovery=0.1, examples=0)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, bytes]:
    """A run whose process is lost, as it would have been told to its end, and its journal."""
    double: Double = stop.the_sequence_stays_in_the_text.__double__  # type: ignore[attr-defined]  # the decorator has put it there
    checks = [check for check in all_checks() if check.requirement_id in _SELECTED]
    engine = Engine(SETTINGS, load_catalogue(), checks, InProcess(double.build(), KEY, 60.0).send)
    path = tmp_path_factory.mktemp("run") / "journal"
    journal = Journal(path, engine)
    engine.ledger.on_result = lambda _, result: journal.note(result)
    return virtual_time.run(engine.run()), path.read_bytes()


def restored(tmp_path: Path, journal: bytes, settings: Settings = SETTINGS) -> Results:
    """What is restored from a journal."""
    path = tmp_path / "journal"
    path.write_bytes(journal)
    found = restore(path, settings, _WHY)
    assert found is not None
    return found


def by_id(results: Results) -> dict[str, Result]:
    """Each result by its requirement."""
    return {result.requirement.id: result for result in results.results}


def test_a_whole_journal_has_all_that_was_found(tmp_path: Path, lost: tuple[Results, bytes]) -> None:
    """Verdicts, exchanges, cost and what is known of the target are those of the run; only that it was cut off is new."""
    told, journal = lost
    found = restored(tmp_path, journal)
    ours, theirs = to_document(told), to_document(found)
    changed = {name for name in ours if ours[name] != theirs[name]}

    assert changed <= {"complete", "ended", "finished", "cost"}
    assert {**ours["cost"], "seconds": 0} == {**theirs["cost"], "seconds": 0}
    assert found.ended is not None
    assert (found.ended.reason, found.ended.message) == (Reason.INTERRUPTED, _WHY)
    assert not found.complete


def test_wherever_a_journal_is_cut_off_what_failed_stays_failed(
    tmp_path: Path, lost: tuple[Results, bytes]
) -> None:
    """Every verdict that was noted is kept, rules judge the exchanges that are there, and the rest is lost to the interruption."""
    told, journal = lost
    lines = journal.splitlines(keepends=True)
    for number in range(1, len(lines)):
        # Cut in the middle of a line, as a process that is killed while it writes leaves it.
        cut = b"".join(lines[:number]) + lines[number][: len(lines[number]) // 2]
        found = by_id(restored(tmp_path, cut))
        for name, result in by_id(told).items():
            noted = result_to_json(result, SETTINGS.redactor)
            if any(f'"id": "{name}"'.encode() in line and b'"result"' in line for line in lines[:number]):
                assert result_to_json(found[name], SETTINGS.redactor) == noted
            elif found[name].verdict is Verdict.INCONCLUSIVE:
                assert found[name].reason is Reason.INTERRUPTED


def test_rules_judge_the_exchanges_of_a_run_that_never_got_to_them(
    tmp_path: Path, lost: tuple[Results, bytes]
) -> None:
    """The rules come last in a run, and what they object to was seen all the same."""
    lines = lost[1].splitlines(keepends=True)
    without = [line for line in lines if not line.startswith(b'{"result"')]
    results = restored(tmp_path, b"".join(without))
    found = by_id(results)

    assert found[RULE].verdict is Verdict.FAIL
    assert (found[SCENARIO].verdict, found[SCENARIO].message) == (Verdict.INCONCLUSIVE, _WHY)
    assert results.outcome is RunOutcome.BREAKS


def test_a_run_that_had_only_begun_has_judged_nothing(tmp_path: Path, lost: tuple[Results, bytes]) -> None:
    """Its report says what was selected, and that all of it was lost."""
    results = restored(tmp_path, lost[1].splitlines(keepends=True)[0])

    assert {one.requirement.id for one in results.results} == {*_SELECTED}
    assert {(one.verdict, one.reason) for one in results.results} == {
        (Verdict.INCONCLUSIVE, Reason.INTERRUPTED)
    }
    assert results.outcome is RunOutcome.NOT_ENOUGH


def test_known_failures_hold(tmp_path: Path, lost: tuple[Results, bytes]) -> None:
    """What is restored is held against the list of the process that restores it."""
    known = KnownFailures({name: KnownFailure(name, "we know") for name in (RULE, SCENARIO)})
    found = restored(tmp_path, lost[1], replace(SETTINGS, known=known))

    assert {name for name, result in by_id(found).items() if result.is_excused} == {RULE, SCENARIO}


@pytest.mark.parametrize("journal", [None, b"", b'{"checks": ["STOP-0'])
def test_without_a_journal_nothing_is_restored(tmp_path: Path, journal: bytes | None) -> None:
    """Neither from a file that is not there nor from one in which nothing is whole."""
    path = tmp_path / "journal"
    if journal is not None:
        path.write_bytes(journal)

    assert restore(path, SETTINGS, _WHY) is None


def test_a_journal_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    """The run goes on without."""
    engine = Engine(SETTINGS, load_catalogue(), [all_checks()[0]])
    journal = Journal(tmp_path / "no such folder" / "journal", engine)
    journal.note(engine.snapshot(complete=False).results[0])

    assert not [*tmp_path.iterdir()]


def test_the_key_is_not_in_it(lost: tuple[Results, bytes]) -> None:
    """A journal is redacted as a report is."""
    assert KEY.encode() not in lost[1]
