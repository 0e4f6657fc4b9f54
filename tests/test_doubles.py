"""The gate of the suite: every check can fail, and none cries wolf.

Each mutant is judged in a whole run of its own. It must trip the requirements that it lists, and nothing that it does not list. Each
control is judged in the same way, and must trip nothing, but for the SHOULD-level findings that it lists.

The whole gate takes minutes: `pytest tests/test_doubles.py -n 2`, or `-k NAME` for one double.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

import fixtures.controls
import fixtures.mutants
from conformance.contract.catalogue import Level, Override, Profile, load_catalogue, load_profile
from conformance.contract.verdict import Verdict
from conformance.reference import Reference
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from fixtures.doubles import KEY, MODEL, Double, Host, doubles_in

MUTANTS = doubles_in(fixtures.mutants)
CONTROLS = doubles_in(fixtures.controls)
CATALOGUE = load_catalogue()
CHECKS = all_checks()

PATIENCE = {"STREAM-024": 8.0}
"""Seconds that a request may take where a mutant shows itself by its slowness; 2 elsewhere."""

ELSEWHERE = ("GEN-", "GW-")
"""Requirements whose mutants need more than a server of their own: generated requests, or an upstream behind a gateway."""


def strictest() -> Profile:
    """The profile by which mutants are judged: what is only recorded elsewhere counts as a warning, so that it is seen."""
    profile = load_profile("openai")
    recorded = {
        one.id: Override(Level.SHOULD, "so that the gate sees it")
        for one in CATALOGUE
        if one.level is Level.MAY
    }
    return replace(profile, levels={**recorded, **profile.levels})


STRICTEST = strictest()
PLAIN = Profile("plain", "The catalogue itself", "No level is raised or lowered.")


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The address below which every double is served."""
    with Host([*MUTANTS, *CONTROLS]).start() as running:
        yield running.url


def judge(double: Double, host: str, profile: Profile) -> Results:
    """The results of a whole run against a double."""
    settings = Settings(
        url=f"{host}/{double.name}/v1",
        profile=profile,
        model=MODEL,
        key=KEY,
        request_timeout=max(PATIENCE.get(name, 2.0) for name in ("", *double.trips)),
        recovery=0.2,
        expensive=any(CATALOGUE.requirement(name).needs.expensive for name in double.trips),
    )
    return asyncio.run(Engine(settings, CATALOGUE, CHECKS).run())


def said(results: Results, *verdicts: Verdict) -> dict[str, str]:
    """The requirements that got one of the verdicts, with what was said."""
    return {result.requirement.id: result.message for result in results.results if result.verdict in verdicts}


@pytest.mark.parametrize("double", MUTANTS, ids=lambda double: double.name)
def test_a_mutant_trips_what_it_lists_and_nothing_else(double: Double, host: str) -> None:
    """A run against a mutant finds each requirement that it lists broken, and no requirement that it does not list."""
    results = judge(double, host, STRICTEST)
    found = said(results, Verdict.FAIL, Verdict.WARN)
    if results.unusable or not found.keys() >= set(double.trips):
        # Defects that show as slowness, or by chance, can hide on a machine that is busy; a check that is blind stays blind.
        results = judge(double, host, STRICTEST)
        found = said(results, Verdict.FAIL, Verdict.WARN)
    missed = {
        result.requirement.id: f"{result.verdict}: {result.message}"
        for result in results.results
        if result.requirement.id in double.trips and result.requirement.id not in found
    }
    listed = {*double.trips, *double.may_trip}

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert missed == {}, "the mutant survives"
    assert {name: text for name, text in found.items() if name not in listed} == {}


@pytest.mark.parametrize("double", CONTROLS, ids=lambda double: double.name)
def test_a_control_fails_nothing(double: Double, host: str) -> None:
    """A run against a legal oddity fails nothing, and warns only of what the control lists."""
    results = judge(double, host, PLAIN)
    warned = said(results, Verdict.WARN)

    assert results.unusable is None
    assert said(results, Verdict.ERROR) == {}
    assert said(results, Verdict.FAIL) == {}
    assert {name: text for name, text in warned.items() if name not in double.may_trip} == {}


def test_every_checked_requirement_is_killed_by_a_mutant() -> None:
    """Each requirement that has a check stands in the list of some mutant."""
    killed = {name for double in MUTANTS for name in double.trips}
    checked = {check.requirement_id for check in CHECKS if not check.requirement_id.startswith(ELSEWHERE)}

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
        CATALOGUE.requirement(name)
    assert double.what.endswith(".")
    assert double.thread is None or re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", double.thread)
    assert bool(double.trips) != bool(double.why)


def vars_of(function: object) -> tuple[str, ...]:
    """The names of a function's parameters."""
    code = getattr(function, "__code__")  # noqa: B009 - any function has one, which the type of a value does not say
    return tuple(code.co_varnames[: code.co_argcount])
