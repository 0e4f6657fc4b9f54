"""The catalogue and the code name each other: by the id that a check carries, and by the capabilities that requirements need."""

from __future__ import annotations

import json
from collections import Counter

from conformance.contract.catalogue import load_catalogue
from conformance.contract.yaml_files import spec_root
from conformance.kit.capabilities import JUDGED_BY, JUDGED_WHERE_SERVED, PROBES
from conformance.run.discovery import all_checks

CATALOGUE = load_catalogue()
CHECKS = all_checks()


def test_every_requirement_has_one_check() -> None:
    """A requirement that is neither excluded nor planned has one check, and no other requirement has any."""
    checked = Counter(check.requirement_id for check in CHECKS)
    wanted = Counter(one.id for one in CATALOGUE if not one.excluded and not one.planned)

    assert checked == wanted


def test_every_check_states_a_fact() -> None:
    """A check's docstring opens with a sentence that states what holds."""
    for check in CHECKS:
        assert check.fact.endswith("."), check.place
        assert "should" not in check.fact.lower().split(), check.place
        assert not check.fact.lower().startswith("test"), check.place


def test_every_capability_has_a_probe() -> None:
    """Requirements need, and the schema knows, what there is a probe for; and every probe is needed."""
    schema = json.loads((spec_root() / "requirement.schema.json").read_text())
    known = schema["$defs"]["needs"]["properties"]["capabilities"]["items"]["enum"]
    needed = {name for requirement in CATALOGUE for name in requirement.needs.capabilities}

    assert sorted(known) == sorted(PROBES)
    assert needed <= PROBES.keys()


def test_what_judges_a_capability_is_a_check() -> None:
    """The requirement that says whether a capability is honoured exists, and has a check."""
    checked = {check.requirement_id for check in CHECKS}

    assert JUDGED_BY.keys() <= PROBES.keys()
    assert set(JUDGED_BY.values()) <= checked
    rules = {check.requirement_id for check in CHECKS if check.is_rule}
    assert {name for name, judge in JUDGED_BY.items() if judge in rules} == JUDGED_WHERE_SERVED
