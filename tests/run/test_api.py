"""The suite as a Python program uses it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import conformance
from conformance.contract.verdict import Verdict
from fixtures.doubles import KEY


def test_a_program_judges_a_server(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`judge` gives the results of the requirements that were asked for."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    results = conformance.judge(server, ids=["MAXTOK-002", "MAXTOK-001"], model="reference-1", examples=0)

    assert isinstance(results, conformance.Results)
    assert {one.requirement.id: one.verdict for one in results.results} == {
        "MAXTOK-001": Verdict.PASS,
        "MAXTOK-002": Verdict.PASS,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modell": "m"}, "there is no option 'modell'; there is: .*model"),
        ({"ids": ["STOP-0002"]}, "no check has the id 'STOP-0002'"),
        ({"max_requests": -1}, "--max-requests takes a whole number"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(options: dict[str, Any], message: str) -> None:
    """A bad option is a `ValueError` that says what there is."""
    with pytest.raises(ValueError, match=message):
        conformance.judge("http://127.0.0.1:9/v1", **options)


def test_importing_the_package_imports_nothing_else() -> None:
    """What is public is loaded when it is asked for."""
    program = (
        "import conformance, sys; print(*(name for name in sys.modules if name.startswith('conformance')))"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["conformance"]
    assert all(hasattr(conformance, name) for name in conformance.__all__)
