"""The session sends each request once, keeps to its budget, and notices noise and death."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.verdict import Inconclusive, Reason
from conformance.run.budget import Budget
from conformance.run.liveness import suspects_in
from conformance.run.reliability import Reliability
from conformance.run.results import Background
from conformance.run.session import Session
from conformance.wire.exchange import Exchange, Fault, FaultKind, Intent, Piece, Request, Response
from fixtures import virtual_time

Answer = Callable[[Request, int], Exchange]


def completion(request: Request, text: str = "hi", tokens: int = 2) -> Exchange:
    """An exchange in which `request` is served."""
    body = json.dumps(
        {
            "choices": [{"index": 0, "text": text, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens},
        }
    )
    return Exchange(
        request, Response(200, (("Content-Type", "application/json"),), (Piece(0.1, body.encode()),))
    )


def dropped(request: Request) -> Exchange:
    """An exchange in which the connection broke."""
    return Exchange(request, fault=Fault(FaultKind.DROPPED, "The server closed the connection."))


class Wire:
    """A transport that answers as `answer` says, and counts."""

    def __init__(self, answer: Answer = lambda request, _: completion(request)) -> None:
        """Answer by `answer`, which is told how many requests there were."""
        self.answer = answer
        self.sent: list[Request] = []
        self.at_a_time = self.most_at_a_time = 0

    async def __call__(self, request: Request) -> Exchange:
        """Answer one request, and let others run in between."""
        self.sent.append(request)
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        await asyncio.sleep(0)
        self.at_a_time -= 1
        return self.answer(request, len(self.sent))


def request(**params: Any) -> Request:
    """A greedy request."""
    return Request.of({"model": "m", "prompt": "p", "temperature": 0, "max_tokens": 4, **params})


def run(scenario: Callable[[Session], Awaitable[None]], wire: Wire, **settings: Any) -> Session:
    """The session after `scenario`."""

    async def main() -> Session:
        session = Session(wire, "m", recovery=0.0, **settings)
        await scenario(session)
        return session

    return virtual_time.run(main())


def test_the_same_request_is_sent_once() -> None:
    """Equal requests share one exchange, those in flight included."""
    wire = Wire()

    async def scenario(session: Session) -> None:
        first, second = await asyncio.gather(session.send(request()), session.send(request()))
        third = await session.send(request())

        assert first is second is third

    session = run(scenario, wire)

    assert len(wire.sent) == 1
    assert [exchange.id for exchange in session.exchanges] == ["x1"]


def test_attempts_and_samples_are_exchanges_of_their_own() -> None:
    """A confirmation and a further sample of the same request are sent again."""
    wire = Wire()

    async def scenario(session: Session) -> None:
        await session.send(request())
        await session.send(request(), attempt=1)
        await session.send(request(), sample=1)

    run(scenario, wire)

    assert len(wire.sent) == 3


def test_no_more_requests_at_a_time_than_allowed() -> None:
    """The concurrency of a session bounds the requests in flight."""
    wire = Wire()

    async def scenario(session: Session) -> None:
        await asyncio.gather(*(session.send(request(seed=seed)) for seed in range(20)))

    session = run(scenario, wire, concurrency=3)

    assert wire.most_at_a_time == 3
    assert session.cost.most_in_flight == 3


def test_what_wants_to_be_alone_is_not_waited_for_by_who_is() -> None:
    """A request that an attempt has left behind may ask for the target alone; the next attempt, which is alone, may wait for its answer."""
    is_to_decide = asyncio.Event()

    async def answer(sent: Request) -> Exchange:
        if sent.params["prompt"] == "slow":
            await asyncio.sleep(5)
            return completion(sent)
        wire.sent.append(sent)
        if len(wire.sent) == weather.enough([refused(sent, 502)]) - 1:
            is_to_decide.set()  # by the next try, beside which nothing is to be sent
        return refused(sent, 502)

    async def scenario(session: Session) -> None:
        left_behind = asyncio.ensure_future(session.send(request(), attempt=1))
        beside = asyncio.ensure_future(session.send(request(prompt="slow"), attempt=1))
        await is_to_decide.wait()
        async with session.one_at_a_time():
            await session.send(request(), attempt=1)
        await asyncio.gather(left_behind, beside)

    async def main() -> None:
        session = Session(answer, "m", recovery=0.0)
        session.reliability = weather
        await scenario(session)

    wire, weather = Wire(), Reliability.known(Background(100, gateway=5))
    virtual_time.run(main())

    assert len(wire.sent) == weather.enough([refused(request(), 502)])


def test_the_budget_of_requests_is_kept() -> None:
    """The request that would exceed the budget is not sent."""
    wire = Wire()

    async def scenario(session: Session) -> None:
        await session.send(request(seed=1))
        await session.send(request(seed=2))
        with pytest.raises(Inconclusive, match="budget of 2 requests"):
            await session.send(request(seed=3))

    run(scenario, wire, budget=Budget(requests=2))

    assert len(wire.sent) == 2


def test_the_budget_of_tokens_is_kept() -> None:
    """A request that could generate more than what is left is not sent."""

    async def scenario(session: Session) -> None:
        await session.send(request(seed=1))
        with pytest.raises(Inconclusive, match="budget of 5 generated tokens"):
            await session.send(request(seed=2))

    session = run(scenario, Wire(), budget=Budget(tokens=5))

    assert session.cost.generated_tokens == 2


def test_a_contradiction_is_noticed() -> None:
    """Two different answers to the same greedy request are the target's own noise."""

    async def scenario(session: Session) -> None:
        await session.send(request())
        await session.send(request(), sample=1)

    assert run(scenario, Wire(lambda sent, _: completion(sent))).determinism.contradictions == []
    [found] = run(
        scenario, Wire(lambda sent, count: completion(sent, f"text {count}"))
    ).determinism.contradictions
    assert (found.first.id, found.second.id) == ("x1", "x2")


def test_sampled_answers_never_contradict_each_other() -> None:
    """At temperature 1 different answers are expected."""

    async def scenario(session: Session) -> None:
        await session.send(request(temperature=1))
        await session.send(request(temperature=1), sample=1)

    assert (
        run(scenario, Wire(lambda sent, count: completion(sent, f"text {count}"))).determinism.contradictions
        == []
    )


def test_a_dead_target_is_noticed_and_left_alone() -> None:
    """After several faults in a row and a canary that fails too, nothing more is sent."""
    wire = Wire(lambda sent, _: dropped(sent))

    async def scenario(session: Session) -> None:
        for seed in range(4):
            await session.send(request(seed=seed))
        with pytest.raises(Inconclusive, match="stopped answering"):
            await session.send(request(seed=99))

    session = run(scenario, wire)

    assert session.ended is not None
    assert session.ended.reason is Reason.TARGET_GONE
    assert [incident.recovered for incident in session.incidents] == [False]
    assert len(wire.sent) == 5


def test_the_suspect_is_named() -> None:
    """The incident says after which malformed request the target died."""

    async def scenario(session: Session) -> None:
        bad = await session.send(Request(body=b"{", intent=Intent.INVALID))

        assert not await session.still_serves((bad,))

    session = run(scenario, Wire(lambda sent, _: dropped(sent)))

    assert session.ended is not None
    assert "after x1" in session.ended.message


def test_what_was_sent_after_the_last_good_answer_is_suspected() -> None:
    """A target that still served after a malformed request is not said to have died of that one, but of what came later."""

    async def scenario(session: Session) -> None:
        bad = await session.send(Request(body=b"{", intent=Intent.INVALID))
        await session.send(request())
        await session.send(request(prompt=["a", "b"]))

        assert not await session.still_serves((bad,))

    wire = Wire(lambda sent, count: completion(sent) if count <= 2 else dropped(sent))
    session = run(scenario, wire)

    assert [found.id for incident in session.incidents for found in incident.suspects] == ["x3"]


def sent_at(started: float, number: int, answer: Exchange) -> Exchange:
    """An exchange of a request of its own, which took a second."""
    return replace(answer, id=f"x{number}", request=request(seed=number), started=started, seconds=1.0)


def test_what_got_no_answer_is_suspected_first() -> None:
    """Not what was refused before it, nor what was sent when it was over; but what was in flight beside it."""
    silent = replace(dropped(request()), fault=Fault(FaultKind.TIMEOUT, "Nothing came."))
    exchanges = [
        sent_at(0.0, 1, completion(request())),
        sent_at(1.0, 2, refused(request())),
        sent_at(2.0, 3, silent),
        sent_at(2.5, 4, silent),
        sent_at(4.0, 5, silent),
    ]

    assert [one.id for one in suspects_in(exchanges)] == ["x3", "x4"]


def test_what_is_known_to_be_served_is_not_suspected() -> None:
    """Where only that got no answer, it is what came before."""
    served = sent_at(0.0, 1, completion(request()))
    silent = replace(dropped(request()), id="x3", request=served.request, started=2.0)
    exchanges = [served, sent_at(1.0, 2, refused(request())), silent]

    assert [one.id for one in suspects_in(exchanges)] == ["x2", "x3"]


def test_a_single_fault_is_weather() -> None:
    """One broken connection among good ones is no incident."""

    async def scenario(session: Session) -> None:
        for seed in range(9):
            await session.send(request(seed=seed))

    session = run(scenario, Wire(lambda sent, count: dropped(sent) if count % 3 == 0 else completion(sent)))

    assert session.incidents == []
    assert session.ended is None


def refused(sent: Request, status: int = 403) -> Exchange:
    """An exchange in which a request was refused."""
    return Exchange(sent, Response(status, (), (Piece(0.1, b'{"error": {"message": "No access"}}'),)))


def test_a_row_of_equal_refusals_is_noticed() -> None:
    """A target that refuses six valid requests alike is asked a small one; refuses it that too, nothing more is sent."""
    wire = Wire(lambda sent, count: completion(sent) if count == 1 else refused(sent))

    async def scenario(session: Session) -> None:
        for seed in range(7):
            await session.send(request(seed=seed))
        with pytest.raises(Inconclusive, match=r"serves nothing any more, after x2.*status 403.*No access"):
            await session.send(request(seed=99))

    session = run(scenario, wire)

    assert len(wire.sent) == 8
    assert session.incidents[0].suspects[0].id == "x2"


def test_refusals_of_several_features_are_no_end() -> None:
    """A target may refuse one feature after the other, as long as it serves a plain request."""
    wire = Wire(
        lambda sent, _: completion(sent) if sent.params.get("max_tokens") == 1 else refused(sent, 400)
    )

    async def scenario(session: Session) -> None:
        for seed in range(20):
            await session.send(request(seed=seed))

    session = run(scenario, wire)

    assert session.ended is None
    assert session.incidents == []
    assert len(wire.sent) == 23


def test_a_silent_target_is_asked_after_two_timeouts() -> None:
    """Each costs a minute, so nobody waits for a third; meanwhile nothing else is sent."""

    def silent(sent: Request) -> Exchange:
        return Exchange(sent, fault=Fault(FaultKind.TIMEOUT, "Nothing came for 60 s."))

    wire = Wire(lambda sent, count: completion(sent) if count == 1 else silent(sent))

    async def scenario(session: Session) -> None:
        await session.send(request(seed=0))
        found = await asyncio.gather(
            *(session.send(request(seed=seed)) for seed in range(1, 20)), return_exceptions=True
        )
        assert sum(isinstance(one, Inconclusive) for one in found) >= 15

    session = run(scenario, wire, concurrency=2)

    assert session.ended is not None
    assert session.ended.reason is Reason.TARGET_GONE
    assert len(wire.sent) <= 6
