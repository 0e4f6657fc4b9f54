"""What was recorded of a run is judged as the run judged it: the same verdicts, for the same reasons, and none other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.contract.verdict import LOST
from fixtures.doubles import Double
from fixtures.gate import FUZZ_MUTANTS, MUTANTS, checks, profile_for
from fixtures.shaper import Death, Quota, Shape
from tests.run.runs_in_process import judged, read_back, run, shaped_run, verdicts

pytestmark = pytest.mark.gate

IN_PROCESS = [double for double in MUTANTS if not double.on_the_wire]
SOME = [*IN_PROCESS[:: len(IN_PROCESS) // 28], *FUZZ_MUTANTS[:2]]


@pytest.mark.parametrize("double", SOME, ids=lambda double: double.name)
def test_a_mutant_is_judged_as_it_was(double: Double, tmp_path: Path) -> None:
    """Verdicts, reasons and words; the evidence is the same, too, in whatever order it was looked at."""
    profile = profile_for(double)
    examples = 30 if double in FUZZ_MUTANTS else 0
    live = run(double.build(), profile=profile, examples=examples)
    again = judged(read_back(live, tmp_path), profile)

    assert verdicts(again) == verdicts(live)
    assert _told(again) == _told(live)
    for name in ("outcome", "capabilities", "determinism", "incidents", "ended", "exchanges", "inputs"):
        assert again[name] == live[name]
    assert again["cost"]["requests"] == 0


def _told(document: dict[str, Any]) -> dict[str, Any]:
    """What is said of each failure and warning, and what shows it."""
    return {
        one["id"]: (one["message"], one["kind"], sorted(one["exchanges"]))
        for one in document["requirements"]
        if one["verdict"] in {"fail", "warn"} and one["check"] == "scenario"
    }


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(near_ties=0.03, seed=3, latency=0.01),
        Shape(drops_before=0.1, seed=2, latency=0.01),
        Shape(failures=0.1, seed=2, latency=0.01),
        Shape(failures=0.1, near_ties=0.03, seed=9, latency=0.01),
        Shape(rate=60, latency=0.01),
        Shape(dies_after=200, death=Death.DROPPED, latency=0.01),
        Shape(dies_after=300, revives_after=3, death=Death.DROPPED, latency=0.01),
        Shape(quota=150, latency=0.01),
        Shape(quota=280, quota_words=Quota.SILICONFLOW, latency=0.01),
        Shape(loading=1e9, latency=0.01),
    ],
)
def test_a_bad_day_is_judged_as_it_was(shape: Shape, tmp_path: Path) -> None:
    """Noise, weather, limits, deaths, and an empty purse: nothing waits, and what was lost is lost to the same."""
    live = shaped_run(shape)
    again = judged(read_back(live, tmp_path))

    assert verdicts(again) == verdicts(live)
    for name in ("outcome", "ended", "incidents", "unusable"):
        assert again[name] == live[name]


@pytest.mark.parametrize("bounds", [{"max_requests": 120}, {"run_timeout": 10.0}])
def test_a_run_that_ended_early_ends_early_again(bounds: dict[str, Any], tmp_path: Path) -> None:
    """What was judged is judged alike. More may be: the clock may stop a run that has all the answers to a check."""
    live = shaped_run(Shape(latency=0.3), **bounds)
    again = judged(read_back(live, tmp_path))
    said = verdicts(again)

    assert again["outcome"] == live["outcome"] == "not_enough"
    assert again["ended"] == live["ended"]
    assert len(said) == len(checks())
    assert {
        one
        for one, (_, reason) in verdicts(live).items()
        if reason not in LOST and said[one] != verdicts(live)[one]
    } == set()
