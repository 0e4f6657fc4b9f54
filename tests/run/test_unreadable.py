"""A first answer that can't be read is evidence, too: a rule says what is wrong with it, and nothing else is blamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.contract.verdict import Verdict
from conformance.run.engine import Engine
from conformance.run.results import Results, RunOutcome
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Piece, Request
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped


def results(old: bytes, new: bytes) -> Results:
    """What a run says of a sound server in each of whose bodies `old` has become `new`."""
    served = InProcess(shaped(Shape()), KEY).send

    async def send(request: Request) -> Exchange:
        exchange = await served(request)
        assert exchange.response is not None
        body = exchange.response.body.replace(old, new)
        pieces = (Piece(0.0, body),)
        return replace(exchange, response=replace(exchange.response, pieces=pieces, wire_bytes=len(body)))

    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN, examples=0, recovery=1.0)
    return virtual_time.run(Engine(settings, catalogue(), checks(), send).run())


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"logprobs":null', b'"logprobs":NaN'), (b"}]", b'}],,"x":['), (b'"index":0', b'"index":')],
)
def test_an_unreadable_first_answer_fails_what_it_breaks(old: bytes, new: bytes) -> None:
    """HTTP-002 fails with the exchange that shows it, the run breaks, and whatever else is inconclusive says why."""
    found = results(old, new)
    failed = {one.requirement.id: one for one in found.results if one.verdict is Verdict.FAIL}

    assert [*failed] == ["HTTP-002"]
    assert failed["HTTP-002"].exchanges[0] == "x1"
    assert found.outcome is RunOutcome.BREAKS
    assert found.unusable is None
    assert len(found.exchanges) < 5
    assert all("can't be read" in one.message for one in found.results if one.verdict is Verdict.INCONCLUSIVE)
