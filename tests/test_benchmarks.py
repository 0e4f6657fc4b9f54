"""Benchmarks are programs that nothing imports: this holds them to the code that they measure."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_can_be_loaded(path: Path) -> None:
    """All that a benchmark names is there, and it has a `main`."""
    assert callable(runpy.run_path(str(path), run_name="loaded")["main"])
