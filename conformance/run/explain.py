"""What the suite knows of a requirement: what it says and who says so, who is hurt, how it is checked, and which doubles prove the check."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import Catalogue, Requirement, load_catalogue
from conformance.contract.check import Check
from conformance.run.discovery import all_checks

_THREADS = "https://github.com/{}/issues/{}"


def explain(requirement_id: str) -> Iterator[str]:
    """The lines that explain a requirement. Raises `DocumentError`, which names the nearest id, where there is none."""
    catalogue = load_catalogue()
    requirement = catalogue.requirement(requirement_id.upper())
    check = next((one for one in all_checks() if one.requirement_id == requirement.id), None)
    yield f"{requirement.id} · {requirement.level} · {requirement.tier} · {requirement.title}"
    yield ""
    yield f"says      {requirement.statement}"
    for source in requirement.sources:
        said = f": “{source.says}”" if source.says else ""
        yield f"source    {catalogue.authorities.get(source.authority, source.authority)}, {source.place}{said}"
    yield f"hurts     {requirement.hurts}"
    yield from _needs(requirement)
    if check is None:
        yield f"checked   not: {requirement.excluded or 'no check yet'}"
        return
    yield f"checked   {check.fact}"
    yield f"          {_place(check)}, a {'rule' if check.is_rule else f'scenario ({check.phase})'}"
    yield from _doubles(requirement.id)
    yield f"run it    completions-conformance --target-url=… --model=… -k {requirement.id}"


def explain_all() -> Iterator[str]:
    """A line for each requirement, by area."""
    catalogue: Catalogue = load_catalogue()
    for area in catalogue.areas:
        yield f"{area.title} ({area.name})"
        for one in area.requirements:
            yield f"  {one.id:<11} {one.level:<7} {one.tier:<9} {one.title}"
        yield ""


def _needs(requirement: Requirement) -> Iterator[str]:
    needs = requirement.needs
    wanted = [
        *needs.capabilities,
        *(["greedy answers that repeat"] if needs.det else []),
        *(["--expensive"] if needs.expensive else []),
    ]
    if wanted:
        yield f"needs     {', '.join(wanted)}"


def _place(check: Check) -> str:
    """The file and line of a check, as an editor takes it."""
    function: Any = check.function
    path = Path(inspect.getsourcefile(function) or "")
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{path}:{function.__code__.co_firstlineno}"


def _doubles(requirement_id: str) -> Iterator[str]:
    """The doubles that prove the check; they come with a checkout only, so that a wheel says nothing of them."""
    if find_spec("fixtures") is None:
        return
    gate = importlib.import_module("fixtures.gate")  # by name: nothing in the wheel depends on it
    for double in (*gate.MUTANTS, *gate.FUZZ_MUTANTS):
        if requirement_id in double.trips:
            repository, _, number = (double.thread or "").partition("#")
            seen = f" (seen: {_THREADS.format(repository, number)})" if number else ""
            yield f"mutant    {double.name}: {double.what}{seen}"
