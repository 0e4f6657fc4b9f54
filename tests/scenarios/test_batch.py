"""What scenarios about several prompts make of refusals."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import NotRun, Unsupported
from conformance.kit.facts import Support
from conformance.scenarios import batch
from conformance.wire.exchange import Exchange, Request
from tests.scripted_target import outcome, refuses, scripted, serves

_WITHOUT_ECHO = {"echo": Support.REFUSED, "multi_prompt": Support.YES, "n": Support.YES}


@pytest.mark.parametrize(("refused_at", "found"), [((0,), NotRun), ((0, 1), Unsupported)])
def test_a_reason_is_named_when_the_other_cause_is_gone(
    refused_at: tuple[int, ...], found: type[Exception]
) -> None:
    """A server that refuses several choices of a greedy answer need not refuse them for several prompts."""

    def say(request: Request) -> Exchange:
        several = request.params.get("n") == 2 and isinstance(request.params["prompt"], list)
        return refuses() if several and (request.params["temperature"] in refused_at) else serves()

    target = scripted(say, capabilities=_WITHOUT_ECHO)
    assert type(outcome(batch.several_choices_are_numbered_by_prompt, target)) is found
