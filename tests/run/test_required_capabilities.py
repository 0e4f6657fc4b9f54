"""A profile can require what is optional: a feature that is refused then fails once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.catalogue import Catalogue, Profile, load_catalogue, load_profile
from conformance.contract.known_failures import KnownFailure, KnownFailures, KnownFailureState
from conformance.contract.verdict import Kind, Reason, Verdict
from conformance.kit.facts import Capability, Facts, Support
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.preconditions import missing, speakers
from conformance.run.results import Result, Results, RunOutcome
from conformance.run.results_document import to_document
from conformance.run.settings import Settings
from fixtures import virtual_time
from fixtures.controls import refusals
from fixtures.doubles import KEY, MODEL, Double
from fixtures.in_process import BASE_URL, InProcess
from tests.run.runs_in_process import judged, read_back

ECHO, NEXT = "REQ-027", "MAXTOK-006"
"""The first requirement that needs `echo`, and the next."""


@cache
def catalogue() -> Catalogue:
    """What is required of anybody."""
    return load_catalogue()


def profile(*required: str) -> Profile:
    """The default profile, requiring these capabilities."""
    return replace(load_profile("reference"), requires=required)


def run(profile: Profile, *selected: str, **settings: Any) -> Results:
    """The results of a run against a server that refuses `echo`, of all checks or of those that are selected."""
    double: Double = refusals.echo_is_refused.__double__  # type: ignore[attr-defined]  # the decorator has put it there
    checks = [check for check in all_checks() if not selected or check.requirement_id in selected]
    chosen = Settings(BASE_URL, MODEL, KEY, profile=profile, recovery=0.1, examples=0, **settings)
    return virtual_time.run(
        Engine(chosen, catalogue(), checks, InProcess(double.build(), KEY, 60.0).send).run()
    )


def by_id(results: Results) -> dict[str, Result]:
    """Each result by its requirement."""
    return {result.requirement.id: result for result in results.results}


def test_a_required_feature_that_is_refused_fails_once() -> None:
    """The first requirement that needs it fails, with the target's own words; every other verdict is as without the profile."""
    with_it, without = by_id(run(profile("echo", "n"))), by_id(run(profile()))
    failed = with_it[ECHO]

    assert [name for name in with_it if with_it[name].verdict is not without[name].verdict] == [ECHO]
    assert without[ECHO].verdict is Verdict.UNSUPPORTED
    assert (failed.verdict, failed.kind) == (Verdict.FAIL, Kind.WRONG)
    assert failed.message.startswith(
        "the profile requires `echo`, which is missing: refused with status 400:"
    )
    assert "'echo' is not supported by this server." in failed.message
    assert failed.exchanges
    assert Counter(one.verdict for one in with_it.values())[Verdict.UNSUPPORTED] > 1


def test_in_a_selection_the_first_that_was_selected_speaks() -> None:
    """A run of a part does not overlook what is missing."""
    results = run(profile("echo"), NEXT, "ECHO-002", "MAXTOK-002")
    found = by_id(results)

    assert found[NEXT].verdict is Verdict.FAIL
    assert found["ECHO-002"].verdict is Verdict.UNSUPPORTED
    assert results.outcome is RunOutcome.BREAKS


def test_it_can_be_known() -> None:
    """An ordinary entry of the list of known failures excuses it."""
    known = KnownFailures({ECHO: KnownFailure(ECHO, "it comes back with the next release")})
    results = run(profile("echo"), ECHO, NEXT, "MAXTOK-002", known=known)
    listed = by_id(results)[ECHO].known

    assert listed is not None
    assert listed.standing is KnownFailureState.KNOWN
    assert results.outcome is RunOutcome.CONFORMS


def test_a_recording_shows_what_is_missing(tmp_path: Path) -> None:
    """Recorded traffic is judged like any other, so that a profile can be tried on it."""
    document = to_document(run(profile(), ECHO, NEXT, "MAXTOK-002"))

    again = judged(read_back(document, tmp_path), profile("echo"))
    found = {one["id"]: one["verdict"] for one in again["requirements"]}

    assert found[ECHO] == "fail"
    assert found[NEXT] == "unsupported"


def test_what_is_not_selected_is_not_asked_for() -> None:
    """Where nothing that was selected needs the capability, nothing is known of it, and nothing fails."""
    results = run(profile("echo"), "MAXTOK-002")

    assert "echo" not in results.facts.capabilities
    assert results.outcome is RunOutcome.CONFORMS


def test_every_capability_has_a_speaker_of_its_own() -> None:
    """No requirement speaks for two of the capabilities that can be required, so that each is a finding by itself."""
    requirements = [one for one in catalogue() if not one.excluded and not one.planned]
    found = speakers(requirements, sorted(catalogue().capabilities), expensive=False)

    assert {len(names) for names in found.values()} == {1}
    assert {name for names in found.values() for name in names} == catalogue().capabilities


@pytest.mark.parametrize("support", [one for one in Support if one not in {Support.REFUSED, Support.ABSENT}])
def test_only_a_refusal_is_missing(support: Support) -> None:
    """What is ignored or broken fails the requirement that judges it; what could not be found out proves nothing."""
    facts = Facts("m", capabilities={"echo": Capability(support, "it may be", reason=Reason.TRANSIENT)})

    assert missing(["echo", "n"], facts) is None
