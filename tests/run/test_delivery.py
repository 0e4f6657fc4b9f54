"""Requests go out when their turn has come, again while they are turned away, and not at all once the target will not serve any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from conformance.contract.verdict import Inconclusive, Reason
from conformance.run.budget import Budget
from conformance.run.preflight import UnusableTarget
from conformance.run.readiness import until_ready
from conformance.run.session import Session
from conformance.wire.exchange import Auth, Exchange, Fault, FaultKind, Intent, Request
from fixtures import virtual_time
from tests.builders import answer, choice, plain, refusal

T = TypeVar("T")


@dataclass
class Wire:
    """A transport; `say` is given the request and how many came before it with its prompt."""

    say: Callable[[Request, int], Exchange]
    sent: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def __call__(self, request: Request) -> Exchange:
        """Answer at once."""
        before = sum(one.body == request.body for one in self.sent)
        self.sent.append(request)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        return replace(self.say(request, before), request=request)

    def times_of(self, prompt: str) -> list[float]:
        """When the requests with a prompt came."""
        return [
            at for at, sent in zip(self.times, self.sent, strict=True) if sent.params.get("prompt") == prompt
        ]


def asked(prompt: str = "p", **fields: object) -> Request:
    """A small valid request."""
    return Request.of({"model": "m", "prompt": prompt, "max_tokens": 1}, **fields)


def served() -> Exchange:
    """A sound answer."""
    return plain(answer(choices=[choice(text=" hi")]))


def later(status: int = 429, after: str | None = None) -> Exchange:
    """A refusal for the time being."""
    return refusal(status, headers=[("Retry-After", after)] if after is not None else [])


def says(status: int, message: str) -> Exchange:
    """A refusal with a message."""
    return refusal(status, {"error": {"message": message}})


def no_money() -> Exchange:
    """A refusal for good."""
    return says(402, "Insufficient Balance")


def run(
    wire: Wire, scenario: Callable[[Session], Awaitable[T]], **settings: object
) -> tuple[T, float, Session]:
    """What a scenario gives, how long it took in virtual seconds, and the session."""

    async def main() -> tuple[T, float, Session]:
        session = Session(wire, "m", recovery=1.0, **settings)  # type: ignore[arg-type]  # a test knows what it gives
        found = await scenario(session)
        return found, asyncio.get_running_loop().time(), session

    return virtual_time.run(main())


def the_first(count: int, exchange: Exchange) -> Callable[[Request, int], Exchange]:
    """The first requests of each kind get `exchange`, all others are served."""
    return lambda _, before: exchange if before < count else served()


# -- later


@pytest.mark.parametrize(
    ("refused", "seconds"),
    [
        pytest.param(later(after="7"), 7.0, id="429-with-a-time"),
        pytest.param(later(503, after="45"), 45.0, id="503-with-a-time"),
        pytest.param(later(529, after="3"), 3.0, id="529-with-a-time"),
        pytest.param(later(), 1.0, id="429-without"),
        pytest.param(later(503), 1.0, id="503-without"),
        pytest.param(later(429, after="soon"), 1.0, id="unintelligible"),
    ],
)
def test_what_was_put_off_is_sent_again(refused: Exchange, seconds: float) -> None:
    """As soon as the target asked, and without a time soon."""
    wire = Wire(the_first(1, refused))

    exchange, took, _ = run(wire, lambda session: session.send(asked()))

    assert exchange.served
    assert exchange.retries == 1
    assert seconds <= took < seconds + 0.1


def test_a_waiting_request_holds_no_slot_and_all_wait() -> None:
    """One clock for the target: while it asks to wait, nobody sends, and afterwards one request goes first."""
    wire = Wire(lambda *_: later(after="30") if asyncio.get_running_loop().time() < 0.1 else served())

    async def scenario(session: Session) -> list[Exchange]:
        return await asyncio.gather(*(session.send(asked(str(number))) for number in range(20)))

    exchanges, _, session = run(wire, scenario, concurrency=4)

    assert all(exchange.served for exchange in exchanges)
    assert not [at for at in wire.times if 0.1 < at < 30.0]
    assert session.cost.most_in_flight <= 4


def test_what_only_an_error_may_be_holds_up_nobody() -> None:
    """A 503 without a time to an invalid request may be how a server fails at it: the pace is no slower for it."""
    wire = Wire(lambda request, _: later(503) if request.intent is Intent.INVALID else served())

    exchange, took, session = run(
        wire, lambda session: session.send(asked(intent=Intent.INVALID)), concurrency=2
    )

    assert (exchange.status, exchange.unserved) == (503, 2)
    assert took < 2.0
    assert session.pace.turned_away == 0


def test_a_busy_server_is_busy_for_invalid_requests_too() -> None:
    """Where valid requests are told to come later with 503, invalid ones are meant no less."""
    wire = Wire(the_first(1, later(503)))

    async def scenario(session: Session) -> Exchange:
        await session.send(asked("valid"))
        return await session.send(asked("invalid", intent=Intent.INVALID))

    exchange, _, session = run(wire, scenario)

    assert exchange.served
    assert session.pace.turned_away == 2


def test_who_is_refused_while_others_are_served_is_meant() -> None:
    """A target that limits one request for ever, and no other, has answered it; the canary asks where nobody else does."""
    wire = Wire(lambda request, _: later() if request.params["prompt"] == "big" else served())

    exchange, took, session = run(wire, lambda session: session.send(asked("big")))

    assert exchange.status == 429
    assert session.ended is None
    assert len(wire.times_of("big")) < 10
    assert took < 30.0


def test_a_target_that_serves_nothing_any_more_ends_the_run() -> None:
    """After minutes of refusals, and in the words of the last."""

    def say(request: Request, _: int) -> Exchange:
        return served() if request.params["prompt"] == "first" else says(429, "Come back tomorrow")

    async def scenario(session: Session) -> None:
        await session.send(asked("first"))
        with pytest.raises(Inconclusive, match=r"turned every request away for 3\d\d s") as stopped:
            await session.send(asked("second"))
        assert stopped.value.reason is Reason.RATE_LIMIT

    wire = Wire(say)
    _, took, session = run(wire, scenario)

    assert session.ended is not None
    assert "Come back tomorrow" in session.ended.message
    assert 300 <= took < 400
    assert len(wire.sent) < 20


def test_a_target_that_never_served_anything_is_given_a_minute() -> None:
    """A server that is loading says 503 to the very first request."""

    async def scenario(session: Session) -> None:
        with pytest.raises(Inconclusive, match="turned every request away"):
            await session.send(asked())

    _, took, _ = run(Wire(lambda *_: later(503)), scenario)
    loaded, _, _ = run(Wire(the_first(4, later(503))), lambda session: session.send(asked()))

    assert 60 <= took < 130
    assert loaded.served


def test_a_refusal_that_a_script_wants_is_the_answer() -> None:
    """Whoever asks for a refusal gets it, and it says nothing of the target's limits."""
    wire = Wire(lambda *_: later(after="30"))

    exchange, took, session = run(wire, lambda session: session.send(asked(takes_any_answer=True)))

    assert (exchange.status, exchange.retries) == (429, 0)
    assert took < 1.0
    assert session.pace.turned_away == 0


@pytest.mark.parametrize("refused", [later(after="1"), later(503)], ids=["429", "503"])
def test_retries_end_with_the_budget(refused: Exchange) -> None:
    """What can't be sent again was not answered: that it was put off proves nothing about the request, nor is it evidence for a rule."""

    async def scenario(session: Session) -> None:
        await session.send(asked("first"))
        with pytest.raises(Inconclusive, match=f"budget of 2 requests .* status {refused.status} ") as spent:
            await session.send(asked("second"))
        assert spent.value.reason is Reason.BUDGET

    wire = Wire(lambda request, _: served() if request.params["prompt"] == "first" else refused)
    _, _, session = run(wire, scenario, budget=Budget(requests=2))

    assert session.cost.requests == len(wire.sent) == 2
    assert [exchange.status for exchange in session.exchanges] == [200]


def test_what_never_left_costs_nothing() -> None:
    """Without a connection nothing was sent."""
    fault = Exchange(asked(), fault=Fault(FaultKind.CONNECT, "refused"))

    _, _, session = run(Wire(lambda *_: fault), lambda session: session.send(asked()))

    assert session.cost.requests == 0


# -- never


def test_no_money_ends_the_run() -> None:
    """In the vendor's words; at most one request more per slot is sent, and the canary has made sure."""
    wire = Wire(lambda _, __: served() if len(wire.sent) <= 10 else no_money())

    async def scenario(session: Session) -> list[Exchange | BaseException]:
        sending = (session.send(asked(str(number))) for number in range(100))
        return await asyncio.gather(*sending, return_exceptions=True)

    found, _, session = run(wire, scenario, concurrency=4)

    assert session.ended is not None
    assert session.ended.reason is Reason.QUOTA
    assert "Insufficient Balance" in session.ended.message
    assert len(wire.sent) <= 10 + 1 + 4
    lost = [one for one in found if isinstance(one, Inconclusive)]
    assert len(lost) >= 90
    assert {one.reason for one in lost} == {Reason.QUOTA}
    assert any(exchange.id == session.ended.exchange for exchange in session.exchanges)


def test_who_is_only_too_dear_is_told_so_alone() -> None:
    """Where a small request is served, the money is not at its end."""
    wire = Wire(lambda request, _: no_money() if request.params["prompt"] == "dear" else served())

    async def scenario(session: Session) -> Exchange:
        with pytest.raises(Inconclusive, match="Insufficient Balance"):
            await session.send(asked("dear"))
        return await session.send(asked("cheap"))

    exchange, _, session = run(wire, scenario)

    assert exchange.served
    assert session.ended is None


def test_who_has_too_little_for_most_is_at_the_end() -> None:
    """Three that are too dear are enough."""
    wire = Wire(
        lambda request, _: no_money() if str(request.params["prompt"]).startswith("dear") else served()
    )

    async def scenario(session: Session) -> None:
        for number in range(3):
            with pytest.raises(Inconclusive):
                await session.send(asked(f"dear {number}"))

    _, _, session = run(wire, scenario)

    assert session.ended is not None
    assert session.ended.reason is Reason.QUOTA


def test_a_daily_limit_beyond_the_run_is_an_end() -> None:
    """Nobody waits a day; and a wait within the time of the run is waited for."""
    wire = Wire(the_first(1, later(after="5000")))

    async def impatient(session: Session) -> None:
        with pytest.raises(Inconclusive, match="asks to wait 5000 s"):
            await session.send(asked())

    _, _, session = run(wire, impatient)
    assert session.ended is not None
    assert session.ended.reason is Reason.QUOTA

    patient, took, _ = run(
        Wire(the_first(1, later(after="5000"))), lambda session: session.send(asked()), run_timeout=9000.0
    )
    assert patient.served
    assert took >= 5000


def test_a_request_without_the_key_says_nothing_of_its_money() -> None:
    """What a target says to a stranger is no end."""
    exchange, _, session = run(
        Wire(lambda *_: says(403, "Your account balance is insufficient")),
        lambda session: session.send(asked(auth=Auth.NONE)),
    )

    assert exchange.status == 403
    assert session.ended is None


# -- not yet


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(Exchange(asked(), fault=Fault(FaultKind.CONNECT, "refused")), id="nobody-listens"),
        pytest.param(later(503), id="loading"),
        pytest.param(refusal(502), id="proxy"),
    ],
)
def test_a_server_that_is_starting_is_polled(first: Exchange) -> None:
    """It is asked until it gives an answer, and nothing of that is evidence."""
    wire = Wire(the_first(5, first))

    _, took, session = run(wire, lambda session: until_ready(session, 60.0), wait_ready=60.0)

    assert session.exchanges == ()
    assert took < 30.0


def test_a_server_that_does_not_start_is_given_up() -> None:
    """After the time that was given, with what it said last."""
    wire = Wire(lambda *_: says(503, "Loading model"))

    async def scenario(session: Session) -> None:
        with pytest.raises(UnusableTarget, match=r"not ready after 60 s \(--wait-ready\).*Loading model"):
            await until_ready(session, 60.0)

    _, took, _ = run(wire, scenario, wait_ready=60.0)

    assert 50.0 < took <= 60.0


def test_nobody_is_polled_who_was_not_waited_for() -> None:
    """Without the option nothing is sent beforehand."""
    wire = Wire(lambda *_: served())

    run(wire, lambda session: until_ready(session, 0.0))

    assert wire.sent == []
