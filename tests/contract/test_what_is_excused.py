"""An entry of the list of known failures excuses the verdict that it names, and no other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.known_failures import (
    Excused,
    KnownFailure,
    KnownFailures,
    KnownFailureState,
    load_known_failures,
)
from conformance.contract.verdict import Reason, Verdict
from conformance.kit.facts import Facts
from conformance.report import markdown
from conformance.report.known_failures import consequence
from conformance.report.page import page
from conformance.report.text import failure_block, summary_lines, verdict_in_words
from conformance.run.budget import Cost
from conformance.run.results import Result, Results, RunOutcome
from tests.report.documents import document, requirement
from tests.report.documents import known as entry

LISTED, OTHER = "STOP-002", "STOP-003"
"""Two core MUST."""

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    ("excused", "verdict", "standing"),
    [
        (Excused.INCONCLUSIVE, Verdict.INCONCLUSIVE, KnownFailureState.KNOWN),
        (Excused.INCONCLUSIVE, Verdict.PASS, KnownFailureState.UNNEEDED),
        (Excused.INCONCLUSIVE, Verdict.FAIL, KnownFailureState.MISMATCHED),
        (Excused.INCONCLUSIVE, Verdict.WARN, KnownFailureState.MISMATCHED),
        (Excused.INCONCLUSIVE, Verdict.UNSUPPORTED, KnownFailureState.MISMATCHED),
        (Excused.INCONCLUSIVE, Verdict.NOT_RUN, KnownFailureState.UNJUDGED),
        (Excused.INCONCLUSIVE, Verdict.ERROR, KnownFailureState.UNJUDGED),
        (Excused.UNSUPPORTED, Verdict.UNSUPPORTED, KnownFailureState.KNOWN),
        (Excused.UNSUPPORTED, Verdict.PASS, KnownFailureState.STALE),
        (Excused.UNSUPPORTED, Verdict.FAIL, KnownFailureState.MISMATCHED),
        (Excused.UNSUPPORTED, Verdict.WARN, KnownFailureState.MISMATCHED),
        (Excused.UNSUPPORTED, Verdict.INCONCLUSIVE, KnownFailureState.UNJUDGED),
        (Excused.UNSUPPORTED, Verdict.NOT_RUN, KnownFailureState.UNJUDGED),
        (Excused.UNSUPPORTED, Verdict.ERROR, KnownFailureState.UNJUDGED),
        (Excused.BROKEN, Verdict.UNSUPPORTED, KnownFailureState.MISMATCHED),
    ],
)
def test_an_entry_excuses_its_own_verdict(
    excused: Excused, verdict: Verdict, standing: KnownFailureState
) -> None:
    """Any other verdict excuses nothing; a pass makes the entry stale, unless it is chance that decides."""
    listed = KnownFailures({LISTED: KnownFailure(LISTED, "we know", verdict=excused)}).listed(LISTED, verdict)

    assert listed is not None
    assert listed.standing is standing


@pytest.mark.parametrize("excused", list(Excused))
def test_an_entry_of_any_kind_expires(excused: Excused) -> None:
    """After its last day it excuses nothing."""
    until = date(2027, 1, 31)
    failures = {LISTED: KnownFailure(LISTED, "we know", expires=until, verdict=excused)}
    for verdict in excused.verdicts:
        for today, standing in (
            (until, KnownFailureState.KNOWN),
            (date(2027, 2, 1), KnownFailureState.EXPIRED),
        ):
            listed = KnownFailures(failures, today=today).listed(LISTED, verdict)
            assert listed is not None
            assert listed.standing is standing


@pytest.mark.parametrize(
    ("line", "excused"),
    [("", Excused.BROKEN), *((f"  verdict: {one.value}\n", one) for one in Excused)],
)
def test_the_file_names_the_verdict(tmp_path: Path, line: str, excused: Excused) -> None:
    """What is not named is broken."""
    path = tmp_path / "known.yaml"
    path.write_text(f"- id: {LISTED}\n  reason: we know\n{line}")

    assert load_known_failures(path).failures[LISTED].verdict is excused


# -- a run -----------------------------------------------------------------------------------------------------------------------------


def outcome(known: KnownFailures, *found: tuple[str, Verdict, Reason | None]) -> RunOutcome:
    """The outcome of a run with these verdicts and this list."""
    results = [
        Result(
            requirement=CATALOGUE.requirement(identifier),
            level=CATALOGUE.requirement(identifier).level,
            is_rule=False,
            verdict=verdict,
            reason=reason,
            known=known.listed(identifier, verdict),
        )
        for identifier, verdict, reason in found
    ]
    return Results(
        url="http://127.0.0.1:8000/v1",
        profile="reference",
        strict=False,
        facts=Facts("tiny"),
        results=tuple(results),
        exchanges=(),
        cost=Cost(),
        started=0.0,
        finished=1.0,
        complete=True,
        selection={},
    ).outcome


def lists(excused: Excused) -> KnownFailures:
    """A list with one entry."""
    return KnownFailures({LISTED: KnownFailure(LISTED, "we know", verdict=excused)})


@pytest.mark.parametrize(
    "reason", [Reason.NOISE, Reason.TRANSIENT, Reason.BUDGET, Reason.TIME, Reason.QUOTA, Reason.RATE_LIMIT]
)
def test_what_is_known_to_be_inconclusive_does_not_count(reason: Reason) -> None:
    """A run conforms without it, whatever hid it; without the entry it does not."""
    found = [(LISTED, Verdict.INCONCLUSIVE, reason), (OTHER, Verdict.PASS, None)]

    assert outcome(lists(Excused.INCONCLUSIVE), *found) is RunOutcome.CONFORMS
    assert outcome(lists(Excused.BROKEN), *found) is RunOutcome.NOT_ENOUGH
    assert outcome(KnownFailures(), *found) is RunOutcome.NOT_ENOUGH


def test_an_entry_excuses_no_other_requirement() -> None:
    """What was lost besides still makes the run one that has not judged enough."""
    found = [(LISTED, Verdict.INCONCLUSIVE, Reason.TIME), (OTHER, Verdict.INCONCLUSIVE, Reason.TIME)]

    assert outcome(lists(Excused.INCONCLUSIVE), *found, ("STOP-004", Verdict.PASS, None)) is (
        RunOutcome.NOT_ENOUGH
    )


def test_a_run_that_judged_nothing_conforms_to_nothing() -> None:
    """Not even where all that it could not judge is known."""
    assert outcome(lists(Excused.INCONCLUSIVE), (LISTED, Verdict.INCONCLUSIVE, Reason.TIME)) is (
        RunOutcome.NOT_ENOUGH
    )


@pytest.mark.parametrize(
    ("excused", "verdict", "said"),
    [
        (Excused.INCONCLUSIVE, Verdict.FAIL, RunOutcome.BREAKS),
        (Excused.UNSUPPORTED, Verdict.FAIL, RunOutcome.BREAKS),
        (Excused.BROKEN, Verdict.FAIL, RunOutcome.CONFORMS),
        (Excused.INCONCLUSIVE, Verdict.PASS, RunOutcome.CONFORMS),
        (Excused.UNSUPPORTED, Verdict.PASS, RunOutcome.BREAKS),
        (Excused.UNSUPPORTED, Verdict.UNSUPPORTED, RunOutcome.CONFORMS),
    ],
)
def test_what_an_entry_does_to_a_run(excused: Excused, verdict: Verdict, said: RunOutcome) -> None:
    """A failure under an entry for something else fails the run, and so does an entry that is stale."""
    assert outcome(lists(excused), (LISTED, verdict, None), (OTHER, Verdict.PASS, None)) is said


# -- reports ---------------------------------------------------------------------------------------------------------------------------


def noisy(standing: str = "known", **fields: str) -> dict[str, object]:
    """The entry of a requirement that was listed as inconclusive."""
    return entry(standing, verdict="inconclusive", **fields)


def test_every_form_names_what_is_known_to_be_inconclusive() -> None:
    """It has a list of its own, apart from the failures, and the sentence counts it."""
    hidden = requirement("STOP-001", "inconclusive", reason="noise", known=noisy())
    made = document([hidden, requirement("STOP-002")], outcome="conforms")
    text, summary = "\n".join(summary_lines(made)), markdown.summary(made)

    assert verdict_in_words(made) == (
        "conforms to core (1 of 2 requirements judged, 1 known to be inconclusive)"
    )
    assert "which does not count against the run:\n  STOP-001" in text
    assert "inconclusive: we know (https://tracker.example/7?a=1&b=2)" in text
    assert "Known failures" not in text
    assert "**Known to be inconclusive or unsupported** (1)" in summary
    assert '<span class="tag">known</span>' in page(made)
    assert "known.yaml lists it as known to be inconclusive: we know" in failure_block(
        hidden, {}, "pytest -k STOP-001"
    )


def test_what_is_known_is_not_said_to_be_lost() -> None:
    """The sentence of a run that has not judged enough counts what is not known."""
    lost = [requirement(f"STOP-{n:03}", "inconclusive", reason="time") for n in (1, 2)]
    known = requirement("STOP-003", "inconclusive", reason="time", known=noisy())
    made = document([*lost, known, requirement("STOP-004")], outcome="not_enough")

    assert "which lost 2 requirements to the time of the run" in verdict_in_words(made)


@pytest.mark.parametrize(
    ("excused", "only"),
    [("broken", "a failure"), ("inconclusive", "inconclusive"), ("unsupported", "unsupported")],
)
def test_an_entry_that_does_not_match_says_what_it_excuses(excused: str, only: str) -> None:
    """Its reader learns why the entry did not help."""
    listed = entry("mismatched", verdict=excused)

    assert consequence(listed) == f"It excuses {only} only, and so excuses nothing here."
    made = document([requirement("STOP-001", "fail", known=listed)])
    for text in ("\n".join(summary_lines(made)), markdown.summary(made), page(made)):
        assert f"It excuses {only} only" in text


def test_a_document_that_does_not_say_what_is_excused_speaks_of_failures() -> None:
    """So do those of the first version."""
    listed = entry()
    del listed["verdict"]
    made = document([requirement("STOP-001", "fail", known=listed)])

    assert "Known failures, which do not fail the run:" in summary_lines(made)
