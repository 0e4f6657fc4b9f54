"""The smaller forms of a report: summary, badge, columns of pytest-html, and the files of a run."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import escape

from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdict import Verdict
from conformance.report import badge, labels, markdown
from conformance.report.files import write_report
from conformance.report.matrix import matrix
from conformance.report.page import page
from conformance.report.pytest_html import Columns
from conformance.report.rerun import pytest_line
from conformance.report.run_diff import as_html, run_diff
from conformance.report.text import summary_lines, verdict_in_words

from .documents import document, exchange, hostile, known, large, requirement, small


def test_every_form_is_written(reports: Callable[[str], Path]) -> None:
    """A report is the document and what is made from it."""
    assert {path.name for path in reports("small").iterdir()} == {
        "results.json",
        "index.html",
        "summary.md",
        "badge.json",
        "badge.svg",
    }


def test_a_job_shows_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In GitHub Actions the summary is added to what other steps wrote."""
    step = tmp_path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    write_report(small(), tmp_path / "out")

    assert step.read_text("utf-8") == "before\n" + (tmp_path / "out" / "summary.md").read_text("utf-8")


def test_pages_are_bounded(reports: Callable[[str], Path]) -> None:
    """Neither 1,000 exchanges nor texts of 10 MB make a page that a browser does not like."""
    assert len(page(large(300, 1000))) < 8_000_000
    assert (reports("hostile") / "index.html").stat().st_size < 8_000_000


def test_a_page_names_what_was_left_out() -> None:
    """Evidence beyond the bound is named with the place where it is."""
    found = [requirement(f"STOP-{n:03}", "fail", exchanges=[f"x{n}"]) for n in range(1, 900)]
    made = page(document(found, [exchange(f"x{n}", text="y" * 9_000) for n in range(1, 900)]))

    assert "left out to keep this page small" in made
    assert len(made) < 8_000_000


@pytest.mark.parametrize("older", [False, True], ids=["now", "before `check` was written"])
def test_only_scenarios_compare_what_they_got(older: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """The evidence of a scenario is compared, that of a rule is not; in an older document the module tells which is which."""
    [compared, judged] = [
        requirement("STOP-002", "fail", exchanges=["x2", "x1"]),
        requirement(
            "STREAM-002",
            "fail",
            exchanges=["x2", "x1"],
            check="rule",
            test="conformance.rules.stream:it_is_one",
        ),
    ]
    if older:
        del compared["check"], judged["check"]
    made = page(document([compared, judged], [exchange("x1"), exchange("x2", {"stop": "a"}, text=" w")]))
    embedded = json.loads(made.partition('id="data">')[2].partition("</script>")[0])

    assert list(embedded["differences"]) == ["STOP-002"]


def test_an_unusable_run_has_a_page() -> None:
    """Where nothing could be judged, the page says why."""
    made = page(document(unusable="The key is wrong: 401.", complete=True))

    assert "Nothing could be judged" in made
    assert "The key is wrong: 401." in made


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((("core", "pass"), ("extended", "fail")), "conforms to core; 1 extended requirement fails"),
        ((("core", "fail"), ("extended", "pass")), "1 core requirement fails; no extended requirement fails"),
        ((("core", "pass"), ("core", "inconclusive")), "conforms to core (1 of 2 requirements judged)"),
        ((("core", "pass"), ("core", "unsupported")), "conforms to core"),
        ((("core", "error"),), "1 check of the suite broke"),
        ((), "nothing could be judged"),
    ],
)
def test_the_verdict_in_words(verdicts: tuple[tuple[str, str], ...], said: str) -> None:
    """The sentence says what fails, and claims no more than was judged."""
    found = [requirement(f"STOP-{n:03}", verdict, tier=tier) for n, (tier, verdict) in enumerate(verdicts, 1)]

    assert verdict_in_words(document(found)) == said


def test_every_form_tells_causes_first() -> None:
    """Three failures with one cause are said to have one, the one that speaks comes with the others under it, and a known one speaks for none."""
    excused = requirement("REQ-021", "fail", known=known())
    found = [requirement(name, "fail") for name in ("ERR-004", "REQ-007", "ECHO-001")]
    behind = [["ERR-004", "REQ-007", "REQ-021"], ["ECHO-001"]]
    made = {
        **document([*found, excused]),
        "causes": [{"requirements": names, "verdict": "fail", "symptoms": []} for names in behind],
    }

    lines = list(summary_lines(made))
    failed = lines[lines.index("Failed:") : lines.index("Known failures, which do not fail the run:")]
    assert [line.split()[0] for line in failed[1:] if line] == ["ERR-004", "so", "ECHO-001"]
    assert "so also REQ-007" in failed[2]
    assert "3 causes: 4 core requirements fail (1 known)" in verdict_in_words(made)
    assert "so also REQ\\-007" in markdown.summary(made)
    assert badge.message(made).startswith("3 causes · core 4 fail")
    assert page(made).count('class="also"') == 1


def test_a_run_without_a_target_is_a_self_test() -> None:
    """What judged only the suite's own server conforms to nothing, and says so in every form."""
    found = document([requirement("STOP-001", "pass")])
    found["target"]["embedded"] = True

    for text in ("\n".join(summary_lines(found)), markdown.summary(found), page(found), badge.svg(found)):
        assert "self-test" in text
        assert "conforms to" not in text
    assert badge.color(found) == "lightgrey"


def test_the_summary_of_a_job_says_the_outcome_and_that_it_is_partial() -> None:
    """The heading of the Markdown is the sentence of the report; a run of a part says how large that is."""
    part = {"core": {"selected": 2, "total": 180}, "extended": {"selected": 0, "total": 115}}
    found = [requirement("STOP-001"), requirement("STOP-002", "inconclusive", reason="time")]
    text = markdown.summary(document(found, outcome="not_enough", selection=part))

    assert "not enough was judged, which lost 1 requirement to the time of the run" in text.partition("\n")[0]
    assert "A partial run: 2 of 180 core and 0 of 115 extended requirements were selected." in text
    assert "partial" not in markdown.summary(document(found[:1]))


def test_the_summary_of_a_hostile_run_is_harmless() -> None:
    """In Markdown everything from a target is a code span on one line, and the whole fits into a comment."""
    text = markdown.summary(hostile())
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)

    assert not re.search(r"<|\]\(|@|https?:", outside)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 60_000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a`", "`` `a` ``"),
        ("a``b`c", "```a``b`c```"),
        ("", "` `"),
        ("a\nb", r"`a\nb`"),
    ],
)
def test_code_spans_end_where_they_shall(text: str, span: str) -> None:
    """Backticks inside a span are outnumbered by those around it."""
    assert markdown.code(text) == span


def test_the_terminal_of_a_hostile_run_is_harmless() -> None:
    """No line of the terminal summary has a character that a terminal acts on."""
    lines = list(summary_lines(hostile()))

    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 20_000


def test_a_badge_has_counts() -> None:
    """The badge counts by tier, in both forms, and has no percentage."""
    data = json.loads(badge.endpoint(small()))
    picture = ET.fromstring(badge.svg(small()))  # noqa: S314 - reads what this project has just written

    assert data == {
        "schemaVersion": 1,
        "label": "/v1/completions",
        "message": "core 1 fail, 1 warn, 1 pass · extended 1 fail",
        "color": "red",
    }
    assert picture.findtext("{http://www.w3.org/2000/svg}title") == f"/v1/completions: {data['message']}"
    assert "%" not in data["message"]


@pytest.mark.parametrize(
    ("tier", "verdict", "color"),
    [
        ("core", "pass", "green"),
        ("core", "fail", "red"),
        ("extended", "fail", "yellow"),
        ("core", "not_run", "lightgrey"),
    ],
)
def test_the_colour_of_a_badge(tier: str, verdict: str, color: str) -> None:
    """Red is for core, yellow for extended, grey where nothing can be said."""
    assert badge.color(document([requirement("STOP-001", verdict, tier=tier)])) == color


def test_pytest_lines_are_quoted() -> None:
    """What a target calls its model is one word of the shell, without line breaks."""
    found = document(
        target={"url": "http://h/v1", "model": "a; rm\n-rf '$HOME'", "server": "", "name": ""},
        profile="vllm",
        strict=True,
    )

    assert pytest_line(found, "STOP-001") == (
        """pytest --target-url=http://h/v1 '--model=a; rm\\n-rf '"'"'$HOME'"'"'' --profile=vllm --strict -k STOP-001"""
    )


def test_columns_are_escaped() -> None:
    """pytest-html puts cells into the page as they are, so nothing in them is markup."""
    columns, head, cells = Columns(), ["result", "test"], ["result", "test"]
    columns.pytest_html_results_table_header(head)
    report = SimpleNamespace(
        user_properties=[("verdict", "fail"), ("message", '"><script>'), ("requirement", "<b>")]
    )
    columns.pytest_html_results_table_row(report, cells)

    assert len(head) == len(cells) == 5
    assert "<script>" not in "".join(cells)
    assert "<b>" not in "".join(cells)


def test_columns_appear_in_the_page_of_pytest_html(pytester: pytest.Pytester) -> None:
    """A run of the suite has the columns; other tests have none."""
    pytester.makepyfile("def test_one(): pass")
    pytester.runpytest_inprocess("--html=page.html", "--self-contained-html")

    assert "col-requirement" not in (pytester.path / "page.html").read_text("utf-8")


def test_every_verdict_can_be_told_from_the_others() -> None:
    """Each verdict has a label, a sign and a meaning of its own, and a colour on every page; worst comes first."""
    colours = (files("conformance.report") / "templates" / "base.css").read_text("utf-8")

    assert list(labels.VERDICTS) == [verdict.value for verdict in Verdict]
    for seen in ("text", "glyph", "meaning"):
        assert len({getattr(known, seen) for known in labels.VERDICTS.values()}) == len(Verdict)
    assert all(f".v-{verdict}" in colours for verdict in Verdict)


def test_headings_are_those_of_the_catalogue() -> None:
    """A document names areas and authorities by codes; a report calls them what the catalogue calls them."""
    catalogue = load_catalogue()
    [stop] = (area for area in catalogue.areas if area.name == "stop")
    made = page(small())

    assert f"{stop.title} <span" in made
    assert escape(catalogue.authorities["OAS"]) in made


def newer() -> dict[str, Any]:
    """The document of a newer suite, whose first requirement has an area, an authority and a verdict that this one does not know."""
    source = {"authority": "ORACLE", "place": "Delphi", "says": None}
    first = requirement("STOP-001", "doubtful", area="weather", sources=[source])
    return document([first, *small()["requirements"][1:]])


@pytest.mark.parametrize(
    "form",
    [
        page,
        markdown.summary,
        lambda found: "\n".join(summary_lines(found)),
        lambda found: matrix([("old", small()), ("new", found)]),
        lambda found: as_html(run_diff(small(), found)),
    ],
    ids=["page", "summary", "terminal", "matrix", "diff"],
)
def test_an_unknown_verdict_is_shown_by_its_own_name(form: Callable[[dict[str, Any]], str]) -> None:
    """A document may come from a newer suite, and no verdict of it is left out."""
    assert "doubtful" in form(newer())


def test_unknown_areas_and_authorities_are_shown_by_their_codes() -> None:
    """What the catalogue does not name keeps the name that the document gives it."""
    made = page(newer())

    assert "weather <span" in made
    assert "ORACLE, <span" in made
