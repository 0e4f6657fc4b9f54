"""Runs are compared where that is fair, and refused with the reason where it is not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.report.load import RefusedError, load
from conformance.report.matrix import ABSENT, matrix, names
from conformance.report.run_diff import as_html, as_markdown, as_text, run_diff, sentence

from . import documents
from .browser import Browser
from .documents import document, requirement, small
from .test_browser import axe


@pytest.fixture
def save(tmp_path: Path) -> Any:
    """Writes a document to a file."""

    def save(name: str, found: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(json.dumps(found).encode())
        return path

    return save


def run(**verdicts: str) -> dict[str, Any]:
    """A document with these verdicts on STOP-001, STOP-002 and so on."""
    return document([requirement(name.replace("_", "-"), verdict) for name, verdict in verdicts.items()])


def test_a_document_is_loaded_from_its_folder(tmp_path: Path) -> None:
    """The folder that a run wrote stands for its results.json; exchanges are not kept."""
    (tmp_path / "results.json").write_text(json.dumps(small()))

    assert load(tmp_path)["requirements"] == small()["requirements"]
    assert load(tmp_path)["exchanges"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"complete": False}, "is incomplete: the run was cut off"),
        ({"format": "completions-conformance/9"}, "its format is completions-conformance/9"),
        ({"unusable": "The key is wrong."}, "nothing could be judged in this run. The key is wrong."),
        ({"summary": {}}, r"is not a valid results document: \$.summary"),
        ({"requirements": [{"id": 1}]}, "is not a valid results document"),
    ],
)
def test_unfit_documents_are_refused(save: Any, change: dict[str, Any], message: str) -> None:
    """The refusal names the file and the reason."""
    path = save("run.json", {**small(), **change})

    with pytest.raises(RefusedError, match=message) as refusal:
        load(path)
    assert "run.json" in str(refusal.value)


@pytest.mark.parametrize("content", ["", "[]", "null", '{"format": "completions-conf', "[" * 100_000, "\x00"])
def test_half_a_document_is_refused(tmp_path: Path, content: str) -> None:
    """What is not JSON, or no object, is refused."""
    path = tmp_path / "run.json"
    path.write_text(content)

    with pytest.raises(RefusedError, match=r"cut off while it was written|not a results document"):
        load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The reason is that of the system."""
    with pytest.raises(RefusedError, match="No such file"):
        load(tmp_path / "missing.json")


def test_editions_are_not_mixed() -> None:
    """Documents of different editions are neither merged nor compared."""
    other = {**small(), "suite": {"version": "0.2.0", "edition": "2027-05", "commit": None}}

    with pytest.raises(
        RefusedError,
        match=r"server-a tiny .1. is of edition 2026-11, server-a tiny .2. is of edition 2027-05",
    ):
        matrix([("", small()), ("", other)])
    with pytest.raises(RefusedError, match="different editions"):
        run_diff(small(), other)


def test_what_differs_comes_first() -> None:
    """The matrix lists requirements with different verdicts before those with the same."""
    page = matrix(
        [("a", run(STOP_001="pass", STOP_002="pass")), ("b", run(STOP_001="pass", STOP_002="fail"))]
    )

    assert page.index('<tr id="STOP-002">') < page.index('<tr id="STOP-001">')


def test_every_column_has_its_outcome() -> None:
    """What has not judged enough is not green, nor is a list of known failures that is stale; a part says that it is one."""
    part = {"core": {"selected": 1, "total": 180}, "extended": {"selected": 0, "total": 115}}
    stale = requirement("STOP-001", known=documents.known("stale"))
    page = matrix(
        [
            ("sound", document([requirement("STOP-001")], outcome="conforms")),
            ("cut", cut_short(STOP_001="time")),
            ("part", document([requirement("STOP-001")], outcome="conforms", selection=part)),
            ("stale", document([stale], outcome="breaks", failed=True)),
        ]
    )
    heads = page.partition("<thead>")[2].partition("</thead>")[0].split("<th ")[2:]
    cards = page.partition('<ul class="targets">')[2].split('<li class="')[1:]

    assert [head.partition('"outcome ')[2].partition('"')[0] for head in heads] == [
        "v-pass",
        "v-inconclusive",
        "v-pass",
        "v-fail",
    ]
    assert [card.partition('"')[0] for card in cards] == ["v-pass", "v-inconclusive", "v-pass", "v-fail"]
    assert [head.partition("</span>")[2].partition("<")[0] for head in heads] == [
        "conforms",
        "not enough judged",
        "partial: conforms",
        "breaks",
    ]
    assert "Not enough was judged, which lost 1 requirement to the time of the run" in cards[1]


def test_a_requirement_that_one_run_left_out_is_no_pass() -> None:
    """A run that did not select it has its own word."""
    page = matrix([("a", run(STOP_001="pass")), ("b", run(STOP_002="pass"))])

    assert page.count("not selected") == 2
    assert ABSENT not in {"pass", "fail"}


def test_targets_have_different_names() -> None:
    """Two runs of the same server are told apart by model, else by number."""
    other = copy.deepcopy(small())
    other["target"]["model"] = "big"

    assert names([("", small()), ("", other)]) == ["server-a tiny", "server-a big"]
    assert names([("", small()), ("", small())]) == ["server-a tiny (1)", "server-a tiny (2)"]
    assert names([("mine", small()), ("", small())]) == ["mine", "server-a"]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "fail", "lost"),
        ("pass", "warn", "lost"),
        ("pass", "unsupported", "lost"),
        ("unsupported", "fail", "lost"),
        ("fail", "unsupported", "gained"),
        ("fail", "pass", "gained"),
        ("pass", "inconclusive", "unclear"),
        ("fail", "not_run", "unclear"),
        ("error", "fail", "judged"),
        ("error", "not_run", ""),
    ],
)
def test_a_change_is_a_gain_or_a_loss(before: str, after: str, kind: str) -> None:
    """An honest refusal is worth more than a defect; what was not judged is neither gained nor lost."""
    (change,) = run_diff(run(STOP_001=before), run(STOP_001=after)).changes

    assert change.kind == kind


def test_a_loss_is_status_1(save: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`diff` ends with 1 where something was lost, and with 0 where something was gained."""
    good, bad = save("good.json", run(STOP_001="pass")), save("bad.json", run(STOP_001="fail"))

    assert main(["diff", str(good), str(bad)]) == 1
    assert "1 lost, 0 gained" in capsys.readouterr().out
    assert main(["diff", str(bad), str(good)]) == 0
    assert main(["diff", str(good), str(good)]) == 0
    assert "nothing changed" in capsys.readouterr().out


def cut_short(**reasons: str) -> dict[str, Any]:
    """A document of a run that has not judged enough: these requirements were lost for these reasons."""
    found = [
        requirement(name.replace("_", "-"), "inconclusive", reason=reason) for name, reason in reasons.items()
    ]
    return document([*found, requirement("STOP-009")], outcome="not_enough", failed=True)


def test_what_a_run_did_not_get_to_is_status_6(save: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was cut off does not pass for one in which nothing got worse; each form names what kept it from judging."""
    old = save("old.json", run(STOP_001="pass", STOP_002="fail", STOP_003="pass", STOP_009="pass"))
    new = save("new.json", cut_short(STOP_001="time", STOP_002="time", STOP_003="quota"))

    for form in ("text", "markdown", "html"):
        assert main(["diff", str(old), str(new), "--format", form]) == 6
        said = capsys.readouterr().out
        assert (
            "0 lost, 0 gained, 3 no longer judged (2 owing to the time of the run, 1 owing to a quota that was used up);"
            " the later run has not judged enough"
        ) in said
        assert form == "html" or said.count("owing to the time of the run") == 3
        assert form != "html" or '<div class="sentence v-inconclusive">' in said


def test_what_got_worse_comes_before_what_is_not_known(save: Any) -> None:
    """A loss is status 1, whatever else was not judged."""
    lost = requirement("STOP-002", "fail")
    new = document([requirement("STOP-001", "inconclusive", reason="time"), lost], outcome="breaks")

    assert main(
        ["diff", str(save("old.json", run(STOP_001="pass", STOP_002="pass"))), str(save("new.json", new))]
    ) == 1  # fmt: skip


@pytest.mark.parametrize(
    ("new", "status"),
    [
        (document([requirement("STOP-001", "inconclusive", reason="noise")], outcome="conforms"), 0),
        (document([requirement("STOP-001", "inconclusive", reason="noise")], outcome="not_enough"), 6),
        (document([requirement("STOP-001", "inconclusive", reason="precondition")], outcome="conforms"), 0),
        (
            document(
                [requirement("STOP-001", "inconclusive", reason="time", known=documents.known())],
                outcome="conforms",
            ),
            0,
        ),
        (run(STOP_001="not_run"), 0),
        (run(STOP_002="pass"), 0),
    ],
    ids=[
        "a little noise",
        "too much noise",
        "no precondition",
        "known to be inconclusive",
        "not run",
        "not selected",
    ],
)
def test_what_is_hidden_counts_where_too_much_is(save: Any, new: dict[str, Any], status: int) -> None:
    """What a run that judged enough can't tell is told, and is no reason to stop."""
    old = save("old.json", run(STOP_001="pass"))

    assert main(["diff", str(old), str(save("new.json", new))]) == status


def test_two_runs_that_were_cut_off_alike_do_not_differ(
    save: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new one did not lose what the old one had not either; that it proves little is said."""
    short = save("short.json", cut_short(STOP_001="time"))

    assert main(["diff", str(short), str(short)]) == 0
    assert "nothing changed; the later run has not judged enough" in capsys.readouterr().out
    assert '<div class="sentence v-inconclusive">' in as_html(run_diff(load(short), load(short)))


def test_a_refusal_is_status_2(save: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Where runs can't be compared, one line on stderr says why."""
    cut = save("cut.json", {**small(), "complete": False})

    assert main(["diff", str(cut), str(cut)]) == 2
    assert main(["merge", str(cut), str(cut), "-o", "never"]) == 2
    assert capsys.readouterr().err.count("cut.json is incomplete") == 2


def test_merge_writes_a_page(save: Any, tmp_path: Path) -> None:
    """`merge` takes names for its targets and writes index.html."""
    save("a.json", run(STOP_001="pass"))
    save("b.json", run(STOP_001="fail"))

    assert (
        main(["merge", f"first={tmp_path / 'a.json'}", str(tmp_path / "b.json"), "-o", str(tmp_path / "out")])
        == 0
    )
    assert "<bdi>first</bdi>" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_one_document_is_no_matrix() -> None:
    """A single target has a page of its own."""
    with pytest.raises(RefusedError, match="two results documents or more"):
        matrix([("", small())])


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_diff_has_three_forms(save: Any, tmp_path: Path, form: str) -> None:
    """Each form goes to a file with -o and names what was lost."""
    good, bad = save("good.json", run(STOP_001="pass")), save("bad.json", run(STOP_001="fail"))
    main(["diff", str(good), str(bad), "--format", form, "-o", str(tmp_path / "out")])

    assert "STOP-001" in (tmp_path / "out").read_text("utf-8")


def test_hostile_runs_are_compared_without_harm() -> None:
    """No form of a difference has anything of a target's in it that acts."""
    found = run_diff(run(STOP_001="pass"), documents.hostile())

    text, markdown, html = as_text(found), as_markdown(found), as_html(found)
    assert text.replace("\n", "").isprintable()
    assert "<script" not in html
    assert "<img" not in html
    assert max(map(len, (text, markdown, html))) < 500_000


@pytest.mark.whole_run
@pytest.mark.parametrize("width", [1200, 360])
def test_the_matrix_opens_in_a_browser(chromium: Browser, tmp_path: Path, width: int) -> None:
    """A row opens to what each target did; hostile names do no harm, axe finds nothing, nothing is loaded."""
    path = tmp_path / "index.html"
    path.write_bytes(
        matrix([("", small()), ("", documents.hostile()), ("third", run(STOP_001="fail"))]).encode()
    )
    with chromium.page(viewport={"width": width, "height": 800}, bypass_csp=True) as watched:
        page = watched.open(path, "STOP-002")
        opened = page.locator(".detail").inner_text()
        page.fill("input[type=search]", "STOP-003")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")

        assert "the check of STOP-002 found something" in opened
        assert page.locator(".matrix tbody tr:not([hidden])").count() == 1
        assert page.evaluate("window.harmed") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert axe(page) == []
        assert watched.complaints == []
        assert watched.requests == []


def test_what_was_lost_is_counted_by_its_causes() -> None:
    """Three requirements that one thing breaks are one cause."""
    names = ("ERR-004", "REQ-007", "REQ-014")
    cause = {"requirements": [*names], "verdict": "fail", "symptoms": [{"what": "server_error", "where": []}]}
    old = document([requirement(name) for name in names])
    new = {**document([requirement(name, "fail") for name in names]), "causes": [cause]}

    assert sentence(run_diff(old, new)).startswith("3 lost to 1 cause, 0 gained")
