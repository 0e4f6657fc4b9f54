"""The catalogue and the checks name each other, in both directions."""

from __future__ import annotations

import importlib

from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import all_checks, check_of

CATALOGUE = load_catalogue()
CHECKS = all_checks()


def test_every_check_implements_a_requirement_that_names_it() -> None:
    """The catalogue names each check as the one that implements its requirement."""
    named = {check.place: CATALOGUE.requirement(check.requirement).check for check in CHECKS}

    assert named == {place: place for place in named}


def test_every_named_check_exists() -> None:
    """What the catalogue names is a check of that requirement."""
    for requirement in CATALOGUE:
        if requirement.check is not None:
            module, _, name = requirement.check.partition(":")
            check = check_of(getattr(importlib.import_module(module), name))

            assert check is not None, requirement.check
            assert check.requirement == requirement.id


def test_no_requirement_has_two_checks() -> None:
    """One requirement, one check."""
    ids = [check.requirement for check in CHECKS]

    assert sorted(ids) == sorted(set(ids))


def test_every_check_states_a_fact() -> None:
    """A check's docstring opens with a sentence that states what holds."""
    for check in CHECKS:
        assert check.fact.endswith("."), check.place
        assert "should" not in check.fact.lower().split(), check.place
        assert not check.fact.lower().startswith("test"), check.place
