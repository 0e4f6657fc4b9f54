"""A run that ended goes on where it did: nothing is asked twice, and what it says in the end is what one run would have said."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.catalogue import load_profile
from conformance.options import OptionError
from conformance.report import markdown
from conformance.report.page import page
from conformance.report.text import summary_lines
from conformance.run.configure import recorded_traffic, settings
from fixtures.doubles import KEY
from fixtures.in_process import BASE_URL
from fixtures.shaper import Death, Quota, Shape
from tests.run.runs_in_process import Document, judged, read_back, shaped_run, verdicts

pytestmark = pytest.mark.whole_run

LATENCY = 0.01


@cache
def whole() -> Document:
    """A run that nothing ended."""
    return shaped_run(Shape(latency=LATENCY))


def resumed(document: Document, folder: Path, **bounds: Any) -> Document:
    """The document of the run that goes on with another, against a target that serves again."""
    return shaped_run(Shape(latency=LATENCY), read_back(document, folder, goes_on=True), **bounds)


@pytest.mark.parametrize("words", [Quota.OPENAI, Quota.DASHSCOPE])
@pytest.mark.parametrize("quota", [50, 150, 300])
def test_a_run_whose_money_ended_is_completed(quota: int, words: Quota, tmp_path: Path) -> None:
    """The verdicts are those of one run, which costs as many requests as both together."""
    ended = shaped_run(Shape(quota=quota, quota_words=words, latency=LATENCY))
    completed = resumed(ended, tmp_path)

    assert ended["outcome"] == "not_enough"
    assert verdicts(completed) == verdicts(whole())
    assert completed["outcome"] == "conforms"
    assert completed["resumed"] == {"from": ended["started"], "requests": quota}
    # A question whether the target still serves is asked once more, or once less, where the run was cut.
    assert abs(quota + completed["cost"]["requests"] - whole()["cost"]["requests"]) <= 1
    assert abs(len(completed["exchanges"]) - len(whole()["exchanges"])) <= 1


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [
        (Shape(latency=LATENCY), {"max_requests": 120}),
        (Shape(latency=0.3), {"run_timeout": 10.0}),
        (Shape(latency=LATENCY, dies_after=200, death=Death.DROPPED), {}),
        (Shape(latency=LATENCY, dies_after=320, death=Death.SILENT), {}),
    ],
)
def test_whatever_ended_it(shape: Shape, bounds: dict[str, Any], tmp_path: Path) -> None:
    """So with a bound, a time limit, a death: what was not answered is asked anew, and nothing else is."""
    ended = shaped_run(shape, **bounds)
    completed = resumed(ended, tmp_path)

    assert verdicts(completed) == verdicts(whole())
    # Nothing is sent twice; a question whether the target still serves may be spared where others are asked in between.
    kept, alone = completed["resumed"]["requests"], whole()["cost"]["requests"]
    assert alone - 3 <= kept + completed["cost"]["requests"] <= alone


def test_a_bound_counts_anew_and_a_run_may_go_on_again(tmp_path: Path) -> None:
    """With so many requests at a time a run is completed in several parts, the last of which tells of the first."""
    document = first = shaped_run(Shape(latency=LATENCY), max_requests=150)
    parts = 1
    while document["ended"]:
        document = resumed(document, tmp_path, max_requests=150)
        parts += 1

    assert verdicts(document) == verdicts(whole())
    assert document["resumed"]["from"] == first["started"]
    assert parts == -(-whole()["cost"]["requests"] // 150)


def test_a_completed_run_can_be_judged_again(tmp_path: Path) -> None:
    """What was pieced together is a recording like any other."""
    ended = shaped_run(Shape(quota=150, latency=LATENCY))
    completed = resumed(ended, tmp_path)

    assert verdicts(judged(read_back(completed, tmp_path))) == verdicts(whole())


def test_every_report_says_how_to_go_on_and_that_a_run_did(tmp_path: Path) -> None:
    """Whoever reads one knows how to complete it, or that it was made in two parts."""
    ended = shaped_run(Shape(quota=150, latency=LATENCY))
    for document, words, others in (
        (ended, "goes on from here", "went on with"),
        (ended, "--model=reference-1 --resume=results.json", "went on with"),
        (resumed(ended, tmp_path), "went on with the 150 answers of a run of", "goes on from here"),
    ):
        for form in ("\n".join(summary_lines(document)), markdown.summary(document), page(document)):
            assert words in form
            assert others not in form


# -- refusals --------------------------------------------------------------------------------------------------------------------------


@cache
def small() -> Document:
    """A run of a few requests."""
    return shaped_run(Shape(quota=5, latency=LATENCY))


def configure(folder: Path, document: Document, **options: str) -> Any:
    """What the options of a command line make of `--resume`."""
    (folder / "results.json").write_text(json.dumps(document))
    given = {"target-url": BASE_URL, "resume": str(folder), "allow-http": "yes", **options}
    given = {name: value for name, value in given.items() if value}
    found = settings(given.get, {"COMPLETIONS_API_KEY": KEY})
    return recorded_traffic(given.get, found)


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    """With the options that it had, those of its inputs included."""
    assert configure(tmp_path, small()).goes_on
    assert configure(tmp_path, small(), model="reference-1", examples="0", profile="reference").goes_on


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target-url": "http://127.0.0.1:1/v1"},
            f"target was '{BASE_URL}', and is 'http://127.0.0.1:1/v1' now",
        ),
        ({"model": "other"}, "its model was 'reference-1', and is 'other' now"),
        ({"profile": "openai"}, "its profile was 'reference', and is 'openai' now"),
        ({"examples": "30"}, "its examples was 0, and is 30 now"),
        ({"hypothesis-seed": "7"}, "its seed was 0, and is 7 now"),
        ({"plan": "yes"}, "leave out --resume"),
        ({"replay": "other.jsonl", "target-url": ""}, "leave one out"),
        ({"target-url": ""}, "name it with --target-url"),
        ({"resume": "nowhere.json"}, "nowhere.json cannot be read"),
    ],
)
def test_another_run_does_not(options: dict[str, str], message: str, tmp_path: Path) -> None:
    """Whatever differs is named, before anything is sent."""
    with pytest.raises(OptionError) as refused:
        configure(tmp_path, small(), **options)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ({"version": "0.0.1"}, "its version of the suite was '0.0.1'"),
        ({"edition": "2020-01"}, "its edition of the requirements was '2020-01'"),
    ],
)
def test_another_suite_does_not(suite: dict[str, str], message: str, tmp_path: Path) -> None:
    """Its answers may be answers to other questions."""
    with pytest.raises(OptionError, match=message):
        configure(tmp_path, {**small(), "suite": small()["suite"] | suite})


def test_a_run_without_its_key_does_not(tmp_path: Path) -> None:
    """It would be refused everything."""
    (tmp_path / "results.json").write_text(json.dumps(small()))
    given = {"target-url": BASE_URL, "resume": str(tmp_path)}

    with pytest.raises(OptionError, match="its key was 'one', and is 'none' now"):
        recorded_traffic(given.get, settings(given.get, {}))


def test_the_profile_of_a_user_is_known_by_its_name(tmp_path: Path) -> None:
    """Two files of one name are not told apart, and two names are."""
    document = {**small(), "profile": load_profile("vllm").name}

    with pytest.raises(OptionError, match="its profile was 'vllm'"):
        configure(tmp_path, document)
