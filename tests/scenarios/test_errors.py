"""The scenarios of errors: what is tolerated, and what is compared with its plain twin."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import Broken, BrokenShould, NotRun
from conformance.scenarios import errors
from conformance.wire.exchange import Exchange, Intent, Request
from tests.builders import refusal, stream
from tests.scripted_target import Answer, outcome, refuses, scripted, serves

NAMED = refusal(404, {"error": {"message": "no model", "code": "model_not_found"}})


def sound(request: Request) -> Exchange:
    """Valid requests are served, others refused; an unknown model is not found."""
    if request.intent is Intent.VALID:
        return serves()
    return (
        NAMED if isinstance(request.params.get("model"), str) and request.parameter == "model" else refuses()
    )


@pytest.mark.parametrize(
    ("say", "found"),
    [
        (sound, type(None)),
        (lambda request: refuses(404) if request.intent is Intent.INVALID else serves(), type(None)),
        (lambda _: serves(), BrokenShould),  # any name is served: `model` is not read
        (lambda request: serves() if request.params.get("model") == 1 else sound(request), Broken),
        (lambda request: refuses(500) if request.params.get("model") == {} else sound(request), Broken),
    ],
)
def test_a_model_that_is_never_read_is_tolerated(say: Answer, found: type) -> None:
    """A server that serves any name may serve any type; one that reads names may not."""
    assert type(outcome(errors.a_model_of_wrong_type_is_refused, scripted(say))) is found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (NAMED, type(None)),
        (refusal(400, {"error": {"message": "The model 'no-such-model-7f3a' is unknown."}}), type(None)),
        (refusal(404, {"detail": "not here"}), Broken),
        (refuses(503), Broken),
        (serves(), Broken),
    ],
)
def test_an_unknown_model_is_told_by_code_or_name(answer: Exchange, found: type) -> None:
    """Either the code or the name is enough, in any shape of an error."""
    target = scripted(lambda _: answer)

    assert type(outcome(errors.an_unknown_model_is_not_found, target)) is found


def test_a_fault_inside_a_stream_is_found_by_its_plain_twin() -> None:
    """What is refused without `stream` must be refused with it; what is served without it is another requirement's business."""

    def inside(request: Request) -> Exchange:
        return stream(['{"error": {"message": "no"}}']) if request.streamed else sound(request)

    scenario = errors.known_faults_are_reported_before_the_stream
    assert outcome(scenario, scripted(sound)) is None
    assert isinstance(outcome(scenario, scripted(inside)), Broken)
    assert isinstance(outcome(scenario, scripted(lambda _: serves())), NotRun)
