"""The scenarios of authentication: one defect, one failure, and the key is never sent in another form."""

from __future__ import annotations

from dataclasses import replace

from conformance.contract.verdict import Broken, BrokenShould, NotRun
from conformance.scenarios import auth
from conformance.wire.exchange import Auth, Exchange, Request
from tests.builders import refusal
from tests.scripted_target import Answer, outcome, scripted, serves

CHALLENGE = (("Content-Type", "application/json"), ("WWW-Authenticate", "Bearer"))
SCENARIOS = {
    "AUTH-001": auth.a_missing_key_is_refused,
    "AUTH-002": auth.a_wrong_key_is_refused,
    "AUTH-003": auth.streams_are_refused_by_status_too,
    "AUTH-004": auth.a_401_body_is_an_error_object,
    "AUTH-006": auth.the_refusal_does_not_repeat_the_key,
    "AUTH-007": auth.malformed_credentials_are_refused,
    "AUTH-008": auth.keys_are_checked_before_bodies,
}


def credentials(request: Request) -> str | None:
    """The `Authorization` that a request brings along."""
    assert request.auth is Auth.NONE
    return next((value for name, value in request.headers if name == "Authorization"), None)


def guarded(request: Request, status: int = 401) -> Exchange:
    """A sound refusal of whatever comes without the key."""
    credentials(request)
    return refusal(status, headers=CHALLENGE)


def broken(say: Answer) -> dict[str, type[Exception]]:
    """What the scenarios find, by id, but for passes."""
    found = {id_: outcome(scenario, scripted(say, has_key=True)) for id_, scenario in SCENARIOS.items()}
    return {id_: type(one) for id_, one in found.items() if one is not None}


def test_a_guarded_target_passes() -> None:
    """All scenarios pass where the refusals are sound."""
    assert broken(guarded) == {}


def test_an_open_door_fails_once() -> None:
    """Where no key is wanted at all AUTH-001 says so, and nothing else."""
    found = broken(lambda _: serves())

    assert found.pop("AUTH-001") is Broken
    assert set(found.values()) == {NotRun}


def test_an_open_door_at_home_is_a_note() -> None:
    """On a machine of one's own a server may want no key, and yet not serve a missing one where it refuses a wrong one."""
    home = "http://127.0.0.1:8000/v1/completions"
    found = broken(lambda _: replace(serves(), url=home))
    assert set(found.values()) == {NotRun}
    assert found.keys() >= {"AUTH-001"}

    def half_open(request: Request) -> Exchange:
        return replace(guarded(request) if credentials(request) else serves(), url=home)

    assert broken(half_open)["AUTH-001"] is Broken


def test_a_word_in_the_place_of_an_object_is_no_worse_in_a_stream() -> None:
    """A 401 that is a JSON string is a warning, in streams as in plain answers."""

    def say(request: Request) -> Exchange:
        body = "Unauthorized" if request.streamed else None
        return refusal(401, body, headers=CHALLENGE)

    assert broken(say) == {"AUTH-003": BrokenShould}
    always = broken(lambda _: refusal(401, "Unauthorized", headers=CHALLENGE))
    assert always == {"AUTH-004": Broken}


def test_any_key_fails_once() -> None:
    """Where any key will do AUTH-002 says so, and nothing else."""
    found = broken(lambda request: serves() if "wrong" in (credentials(request) or "") else guarded(request))

    assert found.pop("AUTH-002") is Broken
    assert "AUTH-001" not in found
    assert set(found.values()) == {NotRun}


def test_403_is_tolerated() -> None:
    """403 for a wrong key is a warning; where the key is missing it is not the right status."""
    found = broken(lambda request: guarded(request, 403 if credentials(request) else 401))

    assert found["AUTH-002"] is BrokenShould
    assert set(found) == {"AUTH-002", "AUTH-004"}
    assert found["AUTH-004"] is NotRun


def test_a_repeated_key_is_found_in_body_and_headers() -> None:
    """The whole wrong key shows wherever it is repeated."""

    def in_body(request: Request) -> Exchange:
        return refusal(401, {"error": {"message": credentials(request)}}, headers=CHALLENGE)

    def in_header(request: Request) -> Exchange:
        return refusal(401, headers=(*CHALLENGE, ("X-Key", credentials(request) or "")))

    assert broken(in_body) == {"AUTH-006": Broken}
    assert broken(in_header) == {"AUTH-006": Broken}
