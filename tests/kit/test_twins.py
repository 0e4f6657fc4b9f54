"""Under which circumstances a target is asked plain and as a stream."""

from __future__ import annotations

import pytest

from conformance.reference import Params, Reference
from conformance.run.engine import Engine
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Seeded


class FillsTheContext(Seeded):
    """A server that generates as much as the context holds where no limit is given, as llama.cpp does."""

    def validate(self, fields: dict[str, object]) -> Params:
        """Take a large limit where there is none."""
        return super().validate({"max_tokens": 1000, **fields})


def asked(server: Reference) -> list[Exchange]:
    """The exchanges of a run of STREAM-014 alone."""
    selection = [check for check in checks() if check.requirement_id == "STREAM-014"]
    transport = InProcess(server, KEY, 60.0).send
    engine = Engine(
        Settings(BASE_URL, MODEL, KEY, profile=PLAIN, examples=0), catalogue(), selection, transport
    )
    return list(virtual_time.run(engine.run()).exchanges)


def test_all_circumstances_are_asked_for_both_ways() -> None:
    """Each request with log probabilities comes plain and as a stream, long prompts and long answers among them."""
    requests = [exchange.request.params for exchange in asked(Seeded(MODEL, KEY))]
    told = [one for one in requests if one.get("logprobs") == 2]
    plain = [one for one in told if not one.get("stream")]
    streams = [
        {name: value for name, value in one.items() if name not in {"stream", "stream_options"}}
        for one in told
        if one.get("stream")
    ]

    assert len(plain) == len(streams)
    assert all(one in plain for one in streams)
    assert any(one.get("max_tokens") == 64 for one in plain)
    assert any("max_tokens" not in one for one in plain)
    assert max(len(str(one["prompt"])) for one in plain) > 2000


@pytest.mark.parametrize("server", [FillsTheContext(MODEL, KEY)])
def test_where_no_limit_means_no_end_it_is_not_left_out(server: Reference) -> None:
    """A target that goes on until its context is full gets one request without a limit, a stream that the suite leaves."""
    unlimited = [one for one in asked(server) if "max_tokens" not in one.request.params]

    assert [one.closed_by_us for one in unlimited] == [True]
