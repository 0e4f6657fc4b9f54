"""`--name` says what every form of a report calls the target."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from conformance.report import badge, markdown
from conformance.report.matrix import names
from conformance.report.page import page
from conformance.report.text import name_of, summary_lines
from fixtures.doubles import KEY
from tests.report.documents import HOSTILE, Document, document, requirement

pytestmark = pytest.mark.whole_run


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str) -> Any:
    """Runs one check in an empty folder against the server."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            f"--target-url={server}", "--report=out", "-k", "MAXTOK-002", *arguments
        )

    return run


def named(name: str, server: str = "uvicorn") -> Document:
    """A results document of a target with this name."""
    target = {"name": name, "url": "http://127.0.0.1:8000/v1", "model": "tiny", "server": server}
    return document([requirement("STOP-001")], target=target)


def test_every_form_uses_the_name(run: Any, pytester: pytest.Pytester) -> None:
    """Page, summary, badge, document and terminal call the target by its name."""
    result = run("--name=vLLM 0.32 & co")
    out = pytester.path / "out"
    data = json.loads((out / "results.json").read_text())
    picture = ET.parse(out / "badge.svg").getroot()  # noqa: S314 - this process has just written it

    assert data["target"]["name"] == "vLLM 0.32 & co"
    assert "<bdi>vLLM 0.32 &amp; co</bdi></h1>" in (out / "index.html").read_text()
    assert "<title>vLLM 0.32 &amp; co: " in (out / "index.html").read_text()
    assert "of `vLLM 0.32 & co`:" in (out / "summary.md").read_text()
    assert json.loads((out / "badge.json").read_text())["label"] == "vLLM 0.32 & co /v1/completions"
    assert str(picture.get("aria-label")).startswith("vLLM 0.32 & co /v1/completions:")
    result.stdout.fnmatch_lines(["vLLM 0.32 & co · http*"])


def test_without_a_name_the_target_says_what_it_is(run: Any, pytester: pytest.Pytester) -> None:
    """The Server header is the default, then the host; the document has no name that nobody gave."""
    run()
    data = json.loads((pytester.path / "out" / "results.json").read_text())

    assert data["target"]["name"] == ""
    assert name_of(named("", "uvicorn")) == "uvicorn"
    assert name_of(named("", "")) == "127.0.0.1:8000"


def test_a_matrix_has_the_name_in_its_columns() -> None:
    """A name that is given to `merge` comes first, then that of the run, then what the target says."""
    assert names([("mine", named("vLLM")), ("", named("vLLM")), ("", named(""))]) == [
        "mine",
        "vLLM",
        "uvicorn",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_harms_no_report(name: str) -> None:
    """A document from elsewhere may call its target anything."""
    made = named(name)

    assert markdown.summary(made).replace("\n", "").isprintable()
    assert all(line.isprintable() for line in summary_lines(made))
    assert badge.label(made).isprintable()
    assert len(badge.label(made)) < 400  # each character may be shown as an escape
    assert "<script>window" not in page(made)
    ET.fromstring(badge.svg(made))  # noqa: S314 - reads what this project has just written


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "x" * 81])
def test_a_bad_name_is_a_usage_error(run: Any, pytester: pytest.Pytester, name: str) -> None:
    """What can't stand in a title ends before anything is sent."""
    result = run(f"--name={name}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--name takes a line of at most 80 characters*"])
    assert not Path(pytester.path / "out").exists()
