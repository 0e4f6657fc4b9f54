"""Findings with one cause are told as one: the requirement that says it best speaks, and nothing is lost."""

from __future__ import annotations

import pytest

from conformance.contract import symptom
from conformance.contract.catalogue import load_catalogue
from conformance.contract.symptom import Symptom
from conformance.contract.verdict import Verdict
from conformance.run.causes import causes
from conformance.run.results import Result
from fixtures.recordings import NAMES, judged

CATALOGUE = load_catalogue()
FIGURES = {"new-api": 2, "one-api": 1, "bifrost": 7, "ollama": 7}
"""How many causes the failures of a recorded gateway have, as somebody found who read its source."""


def result(identifier: str, *symptoms: Symptom, verdict: Verdict = Verdict.FAIL) -> Result:
    """A finding."""
    requirement = CATALOGUE.requirement(identifier)
    return Result(requirement, requirement.level, is_rule=False, verdict=verdict, symptoms=symptoms)


def grouped(*results: Result) -> list[tuple[str, ...]]:
    """The requirements by their causes."""
    return [cause.requirements for cause in causes(results)]


def test_what_states_no_symptom_stands_alone() -> None:
    """Two findings of which nothing is known have two causes."""
    assert grouped(result("HTTP-001"), result("HTTP-002")) == [("HTTP-001",), ("HTTP-002",)]


def test_server_errors_are_one_cause_wherever_they_show() -> None:
    """The requirement that is about them speaks, although it is not the first."""
    found = grouped(
        result("HTTP-005", symptom.server_error()),
        result("ERR-004", symptom.server_error()),
        result("REQ-014", symptom.server_error()),
    )

    assert found == [("ERR-004", "HTTP-005", "REQ-014")]


def test_each_ignored_parameter_is_a_cause_and_who_sums_up_is_none() -> None:
    """`echo` and `n` have their own requirements; the one about all parameters adds nothing to them."""
    found = grouped(
        result("REQ-031", symptom.ignored("echo"), symptom.ignored("n")),
        result("ECHO-001", symptom.ignored("echo")),
        result("N-001", symptom.ignored("n")),
    )

    assert found == [("ECHO-001", "REQ-031"), ("N-001",)]


def test_a_finding_with_something_of_its_own_speaks() -> None:
    """What only a part of a finding is explained by does not explain it."""
    found = grouped(
        result("RESP-001", symptom.missing("created")),
        result("STREAM-005", symptom.missing("created"), symptom.missing("model")),
    )

    assert found == [("RESP-001",), ("STREAM-005",)]


def test_one_of_several_parameters_may_be_the_reason() -> None:
    """A request with `stop` and `stream` is refused for its `stop`, where one with `stop` alone is, too."""
    found = grouped(
        result("STREAM-014", symptom.refused("stop", "stream")), result("STOP-004", symptom.refused("stop"))
    )

    assert found == [("STOP-004", "STREAM-014")]


def test_a_warning_follows_from_a_failure_and_never_the_other_way_round() -> None:
    """The worst speaks."""
    found = causes(
        [
            result("HTTP-016", symptom.server_error(), verdict=Verdict.WARN),
            result("REQ-014", symptom.server_error()),
            result("REQ-005", symptom.server_error(), verdict=Verdict.PASS),
        ]
    )

    assert [(cause.verdict, cause.requirements) for cause in found] == [
        (Verdict.FAIL, ("REQ-014", "HTTP-016"))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_on_real_servers(name: str) -> None:
    """Each failure and warning is listed once, and those of the gateways whose source was read are as many as was found there."""
    results = judged(name).results
    found = causes(results)

    listed = [identifier for cause in found for identifier in cause.requirements]
    broken = [one.requirement.id for one in results if one.verdict in {Verdict.FAIL, Verdict.WARN}]
    assert sorted(listed) == sorted(broken)
    if name in FIGURES:
        assert sum(cause.verdict is Verdict.FAIL for cause in found) == FIGURES[name]
