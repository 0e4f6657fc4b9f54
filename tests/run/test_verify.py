"""A report whose verdicts do not follow from its own evidence is found out; one whose verdicts do is left in peace."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.contract.yaml_files import DocumentError
from conformance.run.recording import to_lines
from conformance.run.verify import Verification, told, verify
from fixtures.mutants import usage
from fixtures.shaper import Shape
from tests.run.runs_in_process import Document, judged, read_back, run, shaped_run

pytestmark = pytest.mark.whole_run

BROKEN, HOLDS, COMPARED = "USAGE-002", "STOP-002", "STREAM-014"


@cache
def honest() -> Document:
    """The report of a run against a server that counts wrongly."""
    double = usage.the_total_forgets_the_prompt.__double__  # type: ignore[attr-defined]  # the decorator has put it there
    return run(double.build())


def entry(document: Document, requirement_id: str) -> Document:
    """What a document says of a requirement."""
    return next(one for one in document["requirements"] if one["id"] == requirement_id)


def verified(document: Document, folder: Path, profile: str | None = None) -> Verification:
    """What becomes of a document."""
    (folder / "results.json").write_text(json.dumps(document))
    return verify(folder, profile)


def doctored(change: Callable[[Document], object]) -> Document:
    """The honest report after a change."""
    document = copy.deepcopy(honest())
    change(document)
    return document


def recount(document: Document) -> None:
    """Make summary and outcome agree with the verdicts again, as a careful hand would."""
    summary: dict[str, Any] = {
        tier: {level: {} for level in levels} for tier, levels in document["summary"].items()
    }
    for one in document["requirements"]:
        counts = summary[one["tier"]][one["level"]]
        counts[one["verdict"]] = counts.get(one["verdict"], 0) + 1
    fails = any(one["verdict"] == "fail" for one in document["requirements"])
    document.update(summary=summary, outcome="breaks" if fails else "conforms", failed=fails)


# -- honest reports --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        honest,
        lambda: shaped_run(Shape(quota=100, latency=0.01)),
        lambda: shaped_run(Shape(failures=0.1, near_ties=0.03, seed=9, latency=0.01)),
        lambda: shaped_run(Shape(dies_after=200, latency=0.01)),
        lambda: shaped_run(Shape(latency=0.3), run_timeout=10.0),
    ],
)
def test_an_honest_report_is_left_in_peace(make: Callable[[], Document], tmp_path: Path) -> None:
    """Whatever the target did, and however the run ended."""
    found = verified(make(), tmp_path)

    assert found.contradictions == ()
    assert found.verified > 250


def test_so_are_a_report_of_recorded_traffic_and_one_in_two_parts(tmp_path: Path) -> None:
    """What was made of others' evidence holds it."""
    again = judged(read_back(honest(), tmp_path))
    ended = shaped_run(Shape(quota=150, latency=0.01))
    completed = shaped_run(Shape(latency=0.01), read_back(ended, tmp_path, goes_on=True))

    assert verified(again, tmp_path).holds
    assert verified(completed, tmp_path).holds


# -- doctored ones ---------------------------------------------------------------------------------------------------------------------


def pass_what_fails(document: Document) -> None:
    """A failure becomes a pass."""
    entry(document, BROKEN).update(verdict="pass", kind=None, message="holds on 200 exchanges")


def fail_what_passes(document: Document) -> None:
    """A pass becomes a failure."""
    entry(document, HOLDS).update(verdict="fail", kind="wrong", message="the text goes on")


def hide_what_fails(document: Document) -> None:
    """A failure is said to be the target's noise."""
    entry(document, BROKEN).update(verdict="inconclusive", kind=None, reason="noise", message="it varies")


def lose_what_fails(document: Document) -> None:
    """A failure is said to be lost to the time of a run that went to its end."""
    entry(document, BROKEN).update(
        verdict="inconclusive", kind=None, reason="time", message="no time was left"
    )


def lower_a_level(document: Document) -> None:
    """A MUST becomes a MAY."""
    entry(document, BROKEN).update(level="MAY", verdict="pass", kind=None)


def soften_a_message(document: Document) -> None:
    """The words of a failure are other ones."""
    entry(document, BROKEN).update(message="the total is a little off")


@pytest.mark.parametrize("is_careful", [False, True])
@pytest.mark.parametrize(
    ("change", "about"),
    [
        (pass_what_fails, BROKEN),
        (fail_what_passes, HOLDS),
        (hide_what_fails, BROKEN),
        (lose_what_fails, BROKEN),
        (lower_a_level, BROKEN),
        (soften_a_message, BROKEN),
    ],
)
def test_a_doctored_verdict_is_found(
    change: Callable[[Document], None], about: str, *, is_careful: bool, tmp_path: Path
) -> None:
    """Also where the counts were made to fit."""
    document = doctored(change)
    if is_careful:
        recount(document)
    found = verified(document, tmp_path)

    assert not found.holds
    assert about in [one.what for one in found.contradictions]


def replace_in_body(document: Document, requirement_id: str, old: str, new: str) -> None:
    """Change the last exchange that shows a requirement."""
    shown = set(entry(document, requirement_id)["exchanges"])
    pieces = [
        piece
        for exchange in document["exchanges"]
        if exchange["id"] in shown and exchange["response"]
        for piece in exchange["response"]["pieces"]
        if old in piece.get("body", "")
    ]
    pieces[-1]["body"] = pieces[-1]["body"].replace(old, new, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: replace_in_body(document, HOLDS, '"text":"', '"text":"zebra '),
        lambda document: replace_in_body(document, COMPARED, '"text":"', '"text":"zebra '),
        lambda document: replace_in_body(document, BROKEN, '"prompt_tokens":', '"prompt_tokens":1'),
        lambda document: replace_in_body(document, BROKEN, '"completion_tokens":', '"completion_tokens":1'),
        lambda document: document["exchanges"].pop(100),
        lambda document: document["exchanges"].pop(),
        lambda document: document["summary"]["core"]["MUST"].update({"pass": 180}),
        lambda document: document.update(outcome="conforms", failed=False),
        lambda document: document.update(failed=False),
        lambda document: document["cost"].update(generated_tokens=12),
        lambda document: document["cost"].update(requests=12),
        lambda document: document["background"].update(server=12),
        lambda document: document["background"].update(tries=12_000),
        lambda document: document["determinism"].update(repeats=False),
        lambda document: document["capabilities"]["echo"].update(support="refused"),
        lambda document: document.update(unusable="no key"),
        lambda document: entry(document, HOLDS)["exchanges"].append("x9999"),
    ],
)
def test_doctored_evidence_is_found(change: Callable[[Document], object], tmp_path: Path) -> None:
    """A text, a count, an exchange that is not there any more, and sums that do not add up."""
    assert not verified(doctored(change), tmp_path).holds


# -- what can't be told ----------------------------------------------------------------------------------------------------------------


def test_what_a_gateways_upstream_saw_is_not_there(tmp_path: Path) -> None:
    """A verdict on a relay can't be verified, and is no contradiction."""
    document = doctored(lambda document: entry(document, "GW-001").update(verdict="pass"))
    recount(document)
    found = verified(document, tmp_path)

    assert found.holds
    assert [(one.what, one.why) for one in found.unverified] == [
        ("GW-001", "what the upstream of a gateway saw is not in the document")
    ]


def test_another_suite_is_said_to_be_one(tmp_path: Path) -> None:
    """The verdicts are compared all the same."""
    document = doctored(lambda document: document["suite"].update(edition="2020-01", commit=None))
    lines = [*told(verified(document, tmp_path))]

    assert "It was made by version 0.1.0 of the suite, edition 2020-01, commit None; this is" in lines[1]
    assert lines[2].endswith("verdicts follow from the evidence.")


def test_a_requirement_that_nobody_checks_is_not_verified(tmp_path: Path) -> None:
    """A newer suite may have more."""
    document = doctored(lambda document: entry(document, HOLDS).update(id="STOP-999"))

    assert ("STOP-999", "this suite has no check for it") in [
        (one.what, one.why) for one in verified(document, tmp_path).unverified
    ]


@pytest.mark.parametrize("profile", ["/etc/passwd", "ours"])
def test_a_document_names_no_file_of_this_machine(profile: str, tmp_path: Path) -> None:
    """A profile of its owner's is to be given; one that is given is taken."""
    document = doctored(lambda document: document.update(profile=profile))

    with pytest.raises(DocumentError, match=r"--profile=FILE gives it"):
        verified(document, tmp_path)
    assert verified(document, tmp_path, "reference").holds


# -- the command -----------------------------------------------------------------------------------------------------------------------


def test_verify_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with 0, or with 1 where there are contradictions, which it lists; and with 4 for what is no report."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(honest()))
    assert main(["verify", str(tmp_path)]) == 0
    assert f"{len(honest()['requirements'])} verdicts follow from the evidence." in capsys.readouterr().out

    path.write_text(json.dumps(doctored(pass_what_fails)))
    assert main(["verify", str(path)]) == 1
    assert (
        f"  {BROKEN}   the document says pass at level MUST, its exchanges show fail"
        in capsys.readouterr().out
    )

    path.write_bytes(b"".join(to_lines(honest())))
    assert main(["verify", str(path)]) == 4
    assert "is a recording, which holds no verdicts" in capsys.readouterr().err


def test_a_hostile_document_does_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its strings hold is shown as an escape."""

    def hostile(document: Document) -> None:
        document["target"]["name"] = "\x1b[31m"
        entry(document, BROKEN)["message"] = "\x1b]0;\x07\u202e"

    (tmp_path / "results.json").write_text(json.dumps(doctored(hostile)))

    assert main(["verify", str(tmp_path)]) == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(capsys.readouterr().out)
