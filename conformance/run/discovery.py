"""Finds every check of the suite. What implements a requirement is looked up here, from the code: a check carries the requirement's id."""

from __future__ import annotations

import conformance.rules
import conformance.scenarios
from conformance.contract.check import Check, checks_of


def all_checks() -> tuple[Check, ...]:
    """Every check of the suite: the scenarios by file, then the rules by file."""
    return (*checks_of(conformance.scenarios), *checks_of(conformance.rules))
