"""A list of known failures makes a run fail of what is new, and of what is no longer true."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.contract.known_failures import KnownFailures, KnownFailureState, load_known_failures
from conformance.contract.verdict import Verdict
from conformance.contract.yaml_files import DocumentError, load_schema, spec_root
from conformance.report import markdown
from conformance.report.page import page
from conformance.report.text import failure_block, summary_lines, verdict_in_words
from fixtures.doubles import KEY, Double, Host
from fixtures.mutants import max_tokens
from tests.report.documents import HOSTILE, STANDINGS, Document, document, requirement
from tests.report.documents import known as entry

BROKEN, SOUND = "MAXTOK-007", "MAXTOK-002"
"""What the mutant `zero_tokens_mean_the_default` breaks, and what it leaves alone."""

pytestmark = pytest.mark.whole_run

SHOULD = "MAXTOK-005"
"""What `null_is_a_server_error` breaks."""

ENTRY = f"- id: {BROKEN}\n  reason: our engine takes 0 for a missing value\n"
ISSUE = "  issue: https://tracker.example/7\n"


def double(function: Callable[..., Any]) -> Double:
    """The double that a decorated function is."""
    found: Double = function.__double__  # type: ignore[attr-defined]  # the decorator has put it there
    return found


DOUBLES = [
    double(max_tokens.zero_tokens_mean_the_default),
    double(max_tokens.null_is_a_server_error),
    Double("sound", "It is the reference server.", {}),
]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The address below which the doubles are served."""
    with Host(DOUBLES).start() as running:
        yield running.url


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, host: str) -> Any:
    """Runs pytest in an empty folder against a double, with a list of known failures."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(known: str, *arguments: str, double: str = "zero_tokens_mean_the_default") -> pytest.RunResult:
        (pytester.path / "known.yaml").write_text(known)
        return pytester.runpytest_inprocess(
            f"--target-url={host}/{double}/v1",
            "--model=reference-1",
            "--report=out",
            "--known-failures=known.yaml",
            *arguments,
        )

    return run


def listed(pytester: pytest.Pytester) -> dict[str, Any]:
    """The member `known` of each requirement in the results document that the run wrote."""
    results = json.loads((pytester.path / "out" / "results.json").read_text())
    return {found["id"]: found["known"] for found in results["requirements"]}


# -- a run -----------------------------------------------------------------------------------------------------------------------------


def test_a_known_failure_does_not_fail_the_run(run: Any, pytester: pytest.Pytester) -> None:
    """What is listed and fails is run and shown under a word of its own, and the status is 0."""
    result = run(ENTRY + ISSUE, "-v", "-k", f"{SOUND} or {BROKEN}", "--junitxml=junit.xml")

    assert result.ret == 0
    assert result.parseoutcomes() | {"deselected": 0} == {"passed": 1, "known": 1, "deselected": 0}
    result.stdout.fnmatch_lines(
        [
            f"*::{BROKEN} KNOWN*",
            "*1 core requirement fails (known)*",
            "Known failures, which do not fail the run:",
            f"*{BROKEN}*: our engine takes 0 for a missing value (https://tracker.example/7)",
        ]
    )
    assert listed(pytester)[SOUND] is None
    assert listed(pytester)[BROKEN] == {
        "standing": "known",
        "verdict": "broken",
        "reason": "our engine takes 0 for a missing value",
        "issue": "https://tracker.example/7",
        "expires": None,
        "file": "known.yaml",
    }


def test_a_known_failure_is_none_in_junit(run: Any, pytester: pytest.Pytester) -> None:
    """The JUnit report has it as skipped, with the reason and as what it stands in the list."""
    run(ENTRY, "-k", BROKEN, "--junitxml=junit.xml")

    [suite] = ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 - this process has just written it
    properties = {found.get("name"): found.get("value") for found in suite.iter("property")}
    [skipped] = suite.iter("skipped")
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "1")
    assert "our engine takes 0" in str(skipped.get("message"))
    assert (properties["verdict"], properties["listed"]) == ("fail", "known")


def test_a_known_failure_alone_is_a_judgement(run: Any) -> None:
    """A run that finds nothing but what is known does not end as if nothing could be judged."""
    assert run(ENTRY, "-k", BROKEN).ret == 0


def test_what_is_new_fails(run: Any) -> None:
    """A failure that is not listed fails the run, whatever else is."""
    result = run(ENTRY.replace(BROKEN, SOUND.replace("002", "001")), "-k", BROKEN)

    assert result.ret == 1
    result.stdout.fnmatch_lines(["Failed:", f"*{BROKEN}*"])


def test_what_passes_is_stale(run: Any, pytester: pytest.Pytester) -> None:
    """A listed requirement that passes fails the run, and the message says to remove the entry."""
    result = run(ENTRY, "-v", "-k", BROKEN, "--junitxml=junit.xml", double="sound")

    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1
    assert listed(pytester)[BROKEN]["standing"] == "stale"
    result.stdout.fnmatch_lines(
        [
            f"*::{BROKEN} STALE*",
            "listed*known.yaml lists it as a known failure*",
            "*1 known failure passes, so the list is stale*",
            "Stale known failures, which fail the run:",
            f"*{BROKEN}*: it passes; remove the entry from known.yaml (our engine*",
        ]
    )


def test_an_entry_that_is_not_judged_is_neither(run: Any, pytester: pytest.Pytester) -> None:
    """Listed and not judged is neither excused nor stale; listed and not selected is not spoken of."""
    expensive = "MAXTOK-009"
    known = ENTRY + ENTRY.replace(BROKEN, expensive) + ENTRY.replace(BROKEN, "STOP-001")
    result = run(known, "-k", f"{BROKEN} or {expensive}", "--max-requests=12")

    assert {one["standing"] for one in listed(pytester).values()} <= {"unjudged", "known"}
    assert listed(pytester)[expensive]["standing"] == "unjudged"
    assert "STOP-001" not in result.stdout.str()


def test_what_could_not_be_judged_can_be_known(run: Any, pytester: pytest.Pytester) -> None:
    """What was lost to a bound and is listed for it lets the run conform, is skipped as known, and is named; without the list it does not."""
    bounded = ("-k", f"{SOUND} or STOP-002", "--max-requests=9", "-v", "--junitxml=junit.xml")
    assert run("[]", *bounded, double="sound").ret == 6
    results = json.loads((pytester.path / "out" / "results.json").read_text())
    lost = [found["id"] for found in results["requirements"] if found["verdict"] == "inconclusive"]
    entry = "- id: {}\n  reason: we have no money for it\n  verdict: inconclusive\n"
    result = run("".join(map(entry.format, lost)), *bounded, "--runxfail", double="sound")

    assert lost
    assert result.ret == 0
    assert result.parseoutcomes()["known"] == len(lost)
    assert {listed(pytester)[identifier]["standing"] for identifier in lost} == {"known"}
    result.stdout.fnmatch_lines(
        [
            f"*::{lost[0]} KNOWN*",
            f"*, {len(lost)} known to be inconclusive)*",
            "Known to be inconclusive or unsupported, which does not count against the run:",
            f"*{lost[0]}*: inconclusive: we have no money for it",
        ]
    )
    skipped = (pytester.path / "junit.xml").read_text()
    assert "known to be inconclusive: we have no money for it" in skipped


def test_a_warning_is_known_where_a_strict_run_fails_it(run: Any, pytester: pytest.Pytester) -> None:
    """A broken SHOULD that is listed is known in both kinds of run, and fails neither."""
    entry = ENTRY.replace(BROKEN, SHOULD)

    assert run(entry, "-k", SHOULD, "--strict", double="null_is_a_server_error").ret == 0
    assert listed(pytester)[SHOULD]["standing"] == "known"
    assert run(entry, "-k", SHOULD, double="null_is_a_server_error").parseoutcomes()["known"] == 1
    assert run("[]", "-k", SHOULD, "--strict", double="null_is_a_server_error").ret == 1


def test_an_expired_entry_excuses_nothing(run: Any, pytester: pytest.Pytester) -> None:
    """After its last day an entry is explained, and the run fails."""
    result = run(ENTRY + "  expires: 2020-02-29\n", "-k", BROKEN)

    assert result.ret == 1
    assert listed(pytester)[BROKEN]["standing"] == "expired"
    result.stdout.fnmatch_lines(["*excused it until 2020-02-29 only: fix it*"])


def test_the_list_can_stand_in_the_ini_file(run: Any, pytester: pytest.Pytester) -> None:
    """`conformance_known_failures` names the list as `--known-failures` does."""
    run("", "-k", SOUND)
    (pytester.path / "mine.yaml").write_text(ENTRY)
    pytester.makeini("[pytest]\nconformance_known_failures = mine.yaml\n")
    host = json.loads((pytester.path / "out" / "results.json").read_text())["target"]["url"]
    result = pytester.runpytest_inprocess(
        f"--target-url={host}", "--model=reference-1", "--report=out", "-k", BROKEN
    )

    assert result.ret == 0
    assert listed(pytester)[BROKEN]["file"] == "mine.yaml"


def test_pytest_can_be_told_to_fail_what_is_known(run: Any) -> None:
    """`--runxfail` shows what would fail without the list."""
    assert run(ENTRY, "-k", BROKEN, "--runxfail").ret == 1


def test_the_page_of_pytest_html_explains_what_is_known(run: Any, pytester: pytest.Pytester) -> None:
    """Its row is an expected failure, and its log says what was found and why it is listed, without a traceback."""
    run(ENTRY, "-k", BROKEN, "--html=page.html", "--self-contained-html")
    made = (pytester.path / "page.html").read_text()

    assert "XFailed" in made
    assert "fail, known" in made
    assert "known.yaml lists it as a known failure" in made
    assert "from_call" not in made


# -- the file --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY + "  ticket: 7\n", "known.yaml, MAXTOK-007: *'ticket' was unexpected*id, reason, issue, expires*"),
        (f"- id: {BROKEN}\n", "known.yaml, MAXTOK-007: 'reason' is a required property. Why it fails*"),
        (f"- id: {BROKEN}\n  reason: ' '\n", "known.yaml, MAXTOK-007, reason: ' ' does not fit: Why it fails*"),
        (f"- {BROKEN}\n", "known.yaml, entry 1: 'MAXTOK-007' is not of type 'object'*`- id: STOP-002`*"),
        (f"{BROKEN}: it fails\n", "known.yaml: *is not of type 'array'*`- id: STOP-002`*"),
        (ENTRY.replace("007", "099"), "known.yaml: there is no requirement 'MAXTOK-099'; did you mean*"),
        (ENTRY.replace(BROKEN, "maxtok-7"), "known.yaml, maxtok-7, id: *The id of a requirement, such as STOP-002*"),
        (ENTRY + ENTRY, "known.yaml, MAXTOK-007: it is listed twice*"),
        (ENTRY + "  reason: another\n", "known.yaml, line 3: the key 'reason' is given twice*"),
        (ENTRY + "  issue: javascript:alert(1)\n", "known.yaml, MAXTOK-007, issue: *a URL that begins with https*"),
        (ENTRY + "  expires: soon\n", "known.yaml, MAXTOK-007, expires: 'soon' does not fit: The last day*"),
        (ENTRY + "  expires: 2027-02-30\n", "known.yaml*"),
        (ENTRY + "  expires: '2027-02-30'\n", "known.yaml, MAXTOK-007, expires: 2027-02-30 is not a day*"),
        ("- id: [", "known.yaml cannot be read*"),
        (ENTRY + "  verdict: flaky\n", "known.yaml, MAXTOK-007, verdict: 'flaky' is none of broken, inconclusive, unsupported"),
    ],
)  # fmt: skip
def test_a_wrong_file_ends_before_anything_is_sent(
    run: Any, pytester: pytest.Pytester, text: str, message: str
) -> None:
    """A file that is not what it has to be ends in status 4 and a message that says what to write."""
    result = run(text)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--known-failures: {message}"])
    assert not (pytester.path / "out").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file is no empty list."""
    with pytest.raises(DocumentError, match=r"nowhere.yaml cannot be read: .*No such file"):
        load_known_failures(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", ["", "[]", "# Nothing is known.\n"])
def test_an_empty_file_lists_nothing(tmp_path: Path, text: str) -> None:
    """Whoever removes the last entry need not remove the file."""
    path = tmp_path / "known.yaml"
    path.write_text(text)

    assert load_known_failures(path).failures == {}


def test_the_schema_is_one() -> None:
    """The schema of the list is a valid JSON Schema."""
    Draft202012Validator.check_schema(load_schema(spec_root(), "known-failures"))


@pytest.mark.parametrize(
    ("verdict", "today", "standing"),
    [
        (Verdict.FAIL, "2027-01-31", KnownFailureState.KNOWN),
        (Verdict.WARN, "2027-01-31", KnownFailureState.KNOWN),
        (Verdict.FAIL, "2027-02-01", KnownFailureState.EXPIRED),
        (Verdict.PASS, "2027-01-01", KnownFailureState.STALE),
        (Verdict.PASS, "2027-02-01", KnownFailureState.STALE),
        (Verdict.INCONCLUSIVE, "2027-01-01", KnownFailureState.UNJUDGED),
        (Verdict.UNSUPPORTED, "2027-01-01", KnownFailureState.MISMATCHED),
        (Verdict.NOT_RUN, "2027-01-01", KnownFailureState.UNJUDGED),
        (Verdict.ERROR, "2027-01-01", KnownFailureState.UNJUDGED),
    ],
)
def test_the_verdict_and_the_day_decide(
    tmp_path: Path, verdict: Verdict, today: str, standing: KnownFailureState
) -> None:
    """An entry excuses what is broken to the end of its last day, and what passes makes it stale."""
    path = tmp_path / "known.yaml"
    path.write_text(ENTRY + "  expires: 2027-01-31\n")
    found = load_known_failures(path, today=date.fromisoformat(today)).listed(BROKEN, verdict)

    assert found is not None
    assert found.standing is standing
    assert KnownFailures().listed(BROKEN, verdict) is None


# -- reports ---------------------------------------------------------------------------------------------------------------------------


def report(*found: Document) -> Document:
    """A results document of these requirements."""
    return document(list(found))


def test_the_page_shows_reason_and_link() -> None:
    """A known failure has a badge, its reason and a link to where it is tracked; its verdict stays."""
    made = page(report(requirement("STOP-001", "fail", known=entry("known", expires="2027-01-31"))))

    assert '<span class="tag">known</span>' in made
    assert "we know" in made
    assert 'href="https://tracker.example/7?a=1&amp;b=2"' in made
    assert "It does not fail the run until 2027-01-31." in made
    assert 'data-verdict="fail"' in made


def test_the_page_says_which_entries_are_stale() -> None:
    """A stale entry stands at the top, with the file that it is to be removed from."""
    made = page(report(requirement("STOP-001", known=entry("stale")), requirement("STOP-002", "fail")))

    assert "The list of known failures is stale" in made
    assert 'Remove from known.yaml:\n<a href="#STOP-001">STOP-001</a>' in made


def test_what_is_new_comes_first() -> None:
    """The problems at the top of the page begin with what is not known."""
    found = [requirement("STOP-001", "fail", known=entry("known")), requirement("STOP-002", "warn")]
    top = page(report(*found)).partition('<ul class="problems">')[2].partition("</ul>")[0]

    assert top.index("STOP-002") < top.index("STOP-001")


@pytest.mark.parametrize("text", [*HOSTILE, "javascript:alert(1)"])
@pytest.mark.parametrize("standing", STANDINGS)
def test_an_entry_harms_no_report(text: str, standing: str) -> None:
    """Whatever a reason, a link or a file name holds, no form of the report acts on it."""
    listed = entry(standing, reason=text, issue=text, file=text, expires="2027-01-31")
    found = requirement("STOP-001", "pass" if standing == "stale" else "fail", known=listed)
    made = report(found)
    lines = [*summary_lines(made), *failure_block(found, {}, "pytest -k STOP-001").split("\n")]

    assert not re.search(r'<script>window|<img src=x|"><svg|href="javascript|\x1b|\u202e', page(made))
    assert all(line.isprintable() for line in lines)
    assert markdown.summary(made).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([("fail", "known")], "1 core requirement fails (known)"),
        ([("fail", "known"), ("fail", "known")], "2 core requirements fail (all known)"),
        ([("fail", "known"), ("fail", None)], "2 core requirements fail (1 known)"),
        ([("fail", "expired")], "1 core requirement fails"),
        ([("pass", "stale")], "conforms to core; 1 known failure passes, so the list is stale"),
        ([("pass", "stale")] * 2, "conforms to core; 2 known failures pass, so the list is stale"),
    ],
)
def test_the_verdict_in_words_counts_what_is_known(found: list[tuple[str, str | None]], said: str) -> None:
    """The sentence does not hide what is known."""
    made = report(
        *(
            requirement(f"STOP-{n:03}", verdict, known=standing and entry(standing))
            for n, (verdict, standing) in enumerate(found, 1)
        )
    )

    assert verdict_in_words(made) == said


def test_the_markdown_tells_known_from_new() -> None:
    """Known failures have a list of their own, with their reason."""
    text = markdown.summary(
        report(
            requirement("STOP-001", "fail", known=entry("known")),
            requirement("STOP-002", "fail"),
            requirement("STOP-003", known=entry("stale")),
        )
    )
    new, known, stale = (
        text.index("**Fail** (1)"),
        text.index("**Known failures** (1)"),
        text.index("**Stale known failures** (1)"),
    )

    assert new < text.index(r"STOP\-002") < known < text.index(r"STOP\-001") < stale
    assert "we know" in text
    assert "-k STOP-002`" in text
