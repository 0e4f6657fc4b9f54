"""The published truth of runs is valid, all of it holds, and it is what `benchmarks/truth.py` shows."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fixtures.shaper import Later
from fixtures.truth.ends import bounded
from fixtures.truth.limits import throttled
from fixtures.truth.proof import proof
from fixtures.truth.runs import FAULTY, Run, free_run, shape

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TRUTH: dict[str, Any] = json.loads((BENCHMARKS / "truth.json").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((BENCHMARKS / "truth.schema.json").read_text(encoding="utf-8"))


def of_the_benchmark(name: str) -> Any:
    """What the program calls so."""
    return runpy.run_path(str(BENCHMARKS / "truth.py"), run_name="loaded")[name]


def test_the_figures_fit_their_schema() -> None:
    """Each table of the program is there, with the figures that the schema explains."""
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(TRUTH)

    assert list(TRUTH["tables"]) == list(of_the_benchmark("TABLES"))


def test_all_of_it_holds() -> None:
    """What does not hold is mended, or not published."""
    assert [row for table in TRUTH["tables"].values() for row in table["rows"] if row["wrong"]] == []


def test_the_tables_show_the_figures() -> None:
    """Nobody edits them by hand."""
    markdown: Callable[[str, Any], Iterator[str]] = of_the_benchmark("markdown")
    begin, end = of_the_benchmark("BEGIN"), of_the_benchmark("END")
    shown = (BENCHMARKS / "README.md").read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]

    assert (
        shown.strip()
        == "\n".join(
            line for name, table in TRUTH["tables"].items() for line in markdown(name, table)
        ).strip()
    )


def test_a_row_says_what_is_wrong() -> None:
    """A row that is measured anew holds as the published ones do, and one that can not hold says so."""
    assert throttled("20/min, not a word", shape(rate=20, later=Later.NOTHING)).wrong == []
    assert bounded("free", shape(), "max_requests", 1000).wrong == ["not enough"]


def test_what_proves_something_proves_it() -> None:
    """Cross-talk, first answers that can't be read, and deaths, each as one cause with the right suspect."""
    assert [(row.target, row.wrong) for row in proof() if row.wrong] == []


def test_what_is_measured_is_the_same_each_time() -> None:
    """No clock but the virtual one, and no chance without a seed."""
    first, second = (Run(shape(failures=0.1), max_requests=100).judge() for _ in range(2))

    assert first.said == second.said
    assert first.seconds == second.seconds
    assert first.server.tokens == second.server.tokens


@pytest.mark.parametrize("moment", [0.1, 20.0])
def test_an_interrupted_run_ends_at_its_moment(moment: float) -> None:
    """As a front end ends it."""
    run, calm = Run(shape(), target=FAULTY).interrupt(moment), free_run(FAULTY)

    assert run.shaper.counters.received < calm.shaper.counters.received
    assert run.shaper.counters.arrivals[-1] <= moment
    assert run.others(calm) == ()
    assert run.results.outcome == ("breaks" if moment > 1 else "not_enough")
