"""The scenario at the end of a run: the target still serves, and never was gone."""

from __future__ import annotations

from conformance.contract.verdict import Broken, Inconclusive, Reason
from conformance.kit.target import Target
from conformance.kit.traffic import Incident
from conformance.run.session import Session
from conformance.scenarios import whole_run
from conformance.wire.exchange import Exchange, Intent, Request
from tests.builders import refusal
from tests.scripted_target import outcome, refuses, scripted, serves

MALFORMED = Request(b"{", intent=Intent.INVALID)


def sound(request: Request) -> Exchange:
    """Valid requests are served, others refused."""
    return serves() if request.intent is Intent.VALID else refuses()


def session(target: Target) -> Session:
    """The session that carries the requests of a scripted target."""
    assert isinstance(target.traffic, Session)
    return target.traffic


def test_a_sound_target_passes() -> None:
    """Every valid request after a malformed one is served, on old and new connections."""
    target = scripted(sound)

    assert outcome(whole_run.service_goes_on_after_a_refusal, target) is None
    assert {exchange.request.new_connection for exchange in target.used} == {False, True}


def test_a_request_that_is_not_served_afterwards_is_named_with_its_cause() -> None:
    """The message says which malformed request came before, and on which connection service failed."""

    def say(request: Request) -> Exchange:
        return refuses(500) if request.new_connection else sound(request)

    found = outcome(whole_run.service_goes_on_after_a_refusal, scripted(say))

    assert isinstance(found, Broken)
    assert "a new connection" in str(found)


def test_a_target_that_is_gone_breaks_the_requirement_without_a_request() -> None:
    """An incident from which the target did not come back needs no further proof; what it died of is the evidence."""
    target, last = scripted(sound), refusal(request=MALFORMED)
    session(target).delivery.end(Reason.TARGET_GONE, "gone")
    session(target).liveness.incidents.append(Incident("no answer", (last,), recovered=False))

    assert isinstance(outcome(whole_run.service_goes_on_after_a_refusal, target), Broken)
    assert target.used == [last]


def test_valid_requests_are_not_blamed() -> None:
    """A target that goes away among valid requests breaks another requirement."""
    target = scripted(sound)
    session(target).liveness.incidents.append(Incident("no answer", (serves(),), recovered=False))

    assert isinstance(outcome(whole_run.service_goes_on_after_a_refusal, target), Inconclusive)


def test_an_incident_that_does_not_come_again_was_chance() -> None:
    """What passed is repeated before it is held against the target."""
    target = scripted(sound)
    session(target).liveness.incidents.append(
        Incident("no answer", (refusal(request=MALFORMED),), recovered=True)
    )

    assert outcome(whole_run.service_goes_on_after_a_refusal, target) is None
