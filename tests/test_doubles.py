"""The gate of the suite: every check can fail, and none cries wolf.

Each mutant is judged in a whole run of its own. It must trip the requirements that it lists, and nothing that it does not list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import fixtures.controls
import fixtures.mutants
from conformance.catalogue import load_catalogue, load_profile
from conformance.checks import all_checks
from conformance.engine import Engine
from conformance.results import Results
from conformance.settings import Settings
from conformance.verdict import Verdict
from fixtures.doubles import KEY, MODEL, Double, Host, doubles_in

MUTANTS = doubles_in(fixtures.mutants)
CONTROLS = doubles_in(fixtures.controls)
CATALOGUE = load_catalogue()
CHECKS = all_checks()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The address below which every double is served."""
    with Host([*MUTANTS, *CONTROLS]).start() as running:
        yield running.url


def judge(double: Double, host: str) -> Results:
    """The results of a whole run against a double."""
    settings = Settings(
        url=f"{host}/{double.name}/v1",
        profile=load_profile("openai"),
        model=MODEL,
        key=KEY,
        request_timeout=2.0,
        recovery=0.2,
    )
    return asyncio.run(Engine(settings, CATALOGUE, CHECKS).run())


def tripped(results: Results) -> dict[str, str]:
    """The requirements that were found broken, with what was said."""
    return {
        result.requirement.id: result.message
        for result in results.results
        if result.verdict in {Verdict.FAIL, Verdict.WARN}
    }


def errors(results: Results) -> list[str]:
    """What went wrong in the suite itself."""
    return [result.message for result in results.results if result.verdict is Verdict.ERROR]


@pytest.mark.parametrize("double", MUTANTS, ids=lambda double: double.name)
def test_a_mutant_trips_what_it_lists_and_nothing_else(double: Double, host: str) -> None:
    """A run against a mutant finds each requirement that it lists broken, and no requirement that it does not list."""
    results = judge(double, host)
    found = tripped(results)

    assert errors(results) == []
    assert set(double.trips) - set(found) == set(), "the mutant survives"
    assert {name: said for name, said in found.items() if name not in {*double.trips, *double.may_trip}} == {}


@pytest.mark.parametrize("double", CONTROLS, ids=lambda double: double.name)
def test_a_control_fails_nothing(double: Double, host: str) -> None:
    """A run against a legal oddity fails nothing, and warns only of what the control lists."""
    results = judge(double, host)

    assert errors(results) == []
    assert {name: said for name, said in tripped(results).items() if name not in double.may_trip} == {}


def test_every_checked_requirement_is_killed_by_a_mutant() -> None:
    """Each requirement that has a check stands in the list of some mutant."""
    killed = {name for double in MUTANTS for name in double.trips}

    assert sorted({check.requirement for check in CHECKS} - killed) == []


def test_names_are_unique() -> None:
    """No two doubles share a name."""
    names = [double.name for double in [*MUTANTS, *CONTROLS]]

    assert sorted(names) == sorted(set(names))
