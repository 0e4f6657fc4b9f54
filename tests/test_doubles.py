"""The gate of the suite: every check can fail, and none cries wolf.

Each mutant is judged in a whole run of its own. It must trip the requirements that it lists, and nothing that it does not list. Each
control is judged in the same way, and must trip nothing, but for the SHOULD-level findings that it lists.

The whole gate takes minutes: `pytest tests -m gate -n 2`. `pytest tests -m gate -k STOP-002` judges the doubles that a requirement lists,
`-k NAME` one double; `python -m fixtures STOP-002` tries one check against all of them in seconds.
"""

from __future__ import annotations

import re

import pytest

from conformance.contract.verdict import Verdict
from conformance.reference import Reference
from fixtures.doubles import Double
from fixtures.gate import (
    CONTROLS,
    MUTANTS,
    catalogue,
    checks,
    dangling,
    empty_passes,
    judge,
    missed,
    said,
    unlisted,
)

ELSEWHERE = ("GEN-", "GW-")
"""Requirements whose mutants need more than a server of their own: generated requests, or an upstream behind a gateway."""


def named(double: Double) -> str:
    """The name of a double and the requirements that it lists, so that `-k` finds it by either."""
    return "-".join((double.name, *double.trips))


@pytest.mark.gate
@pytest.mark.parametrize("double", MUTANTS, ids=named)
def test_a_mutant_trips_what_it_lists_and_nothing_else(double: Double) -> None:
    """A run against a mutant finds each requirement that it lists broken, and no requirement that it does not list."""
    results = judge(double)
    if results.unusable or missed(results, double):
        # Defects that show as slowness, or by chance, can hide on a machine that is busy; a check that is blind stays blind.
        results = judge(double)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert missed(results, double) == {}, "the mutant survives"
    assert dangling(results) == {}
    assert empty_passes(results) == []
    assert unlisted(results, double) == {}


@pytest.mark.gate
@pytest.mark.parametrize("double", CONTROLS, ids=named)
def test_a_control_fails_nothing(double: Double) -> None:
    """A run against a legal oddity fails nothing, and warns only of what the control lists."""
    results = judge(double)
    warned = said(results, Verdict.WARN)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert said(results, Verdict.FAIL) == {}
    assert dangling(results) == {}
    assert empty_passes(results) == []
    assert {name: text for name, text in warned.items() if name not in double.may_trip} == {}


def test_every_checked_requirement_is_killed_by_a_mutant() -> None:
    """Each requirement that has a check stands in the list of some mutant."""
    killed = {name for double in MUTANTS for name in double.trips}
    checked = {check.requirement_id for check in checks() if not check.requirement_id.startswith(ELSEWHERE)}

    assert sorted(checked - killed) == []


def test_names_are_unique() -> None:
    """No two doubles share a name."""
    names = [double.name for double in [*MUTANTS, *CONTROLS]]

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("double", [*MUTANTS, *CONTROLS], ids=lambda double: double.name)
def test_a_double_is_well_made(double: Double) -> None:
    """A double replaces a method that there is, lists requirements that there are, and says in a sentence what it does."""
    for name, function in double.replaced.items():
        assert vars_of(function) == vars_of(getattr(Reference, name))
    for name in (*double.trips, *double.may_trip):
        catalogue().requirement(name)
    assert double.what.endswith(".")
    assert double.thread is None or re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", double.thread)
    assert bool(double.trips) != bool(double.why)


def vars_of(function: object) -> tuple[str, ...]:
    """The names of a function's parameters."""
    code = getattr(function, "__code__")  # noqa: B009 - any function has one, which the type of a value does not say
    return tuple(code.co_varnames[: code.co_argcount])
