"""What a target does not serve now and then is told as such, and blamed on nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from conformance.contract.verdict import Inconclusive, Reason, Verdict
from conformance.run.engine import Engine
from conformance.run.reliability import Failure, Reliability, is_unserved
from conformance.run.results import Results
from conformance.run.session import Session
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Fault, FaultKind, Intent, Request, Response
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped
from tests.builders import answer, plain, refusal

PLAINLY = Request.of({"model": "m", "prompt": "p", "max_tokens": 4})
ODDLY = Request.of({"model": "m", "prompt": "p", "max_tokens": 4, "n": 2})
DROPPED = Exchange(PLAINLY, fault=Fault(FaultKind.DROPPED, "The connection broke."))


def session(*answers: Exchange) -> Session:
    """A session with a target that gives the answers in turn, the last one for ever."""
    coming = itertools.chain(answers, itertools.repeat(answers[-1]))

    async def wire(request: Request) -> Exchange:
        await asyncio.sleep(0)
        return replace(next(coming), request=request)

    return Session(wire, "m", recovery=0.1)


@pytest.mark.parametrize(
    ("failed", "tries", "enough"), [(0, 300, 2), (3, 300, 3), (30, 300, 6), (60, 300, 7), (1, 1, 5)]
)
def test_how_often_is_enough_depends_on_the_weather(failed: int, tries: int, enough: int) -> None:
    """The share of the unserved, to the power of the times in a row, over 300 checks, is below 1 in 1,000."""
    weather = Reliability(300, tries, Counter({Failure.CONNECTION: failed}))

    assert weather.enough([DROPPED]) == enough


def test_each_kind_of_failure_has_its_own_rate() -> None:
    """Where connections break, a 500 is still soon proved; a request that met both was met by either."""
    weather = Reliability(300, 300, Counter({Failure.CONNECTION: 30}))

    assert weather.enough([refusal(500)]) == 2
    assert weather.enough([refusal(500), DROPPED]) == weather.enough([DROPPED])
    assert not weather.may_try_again([replace(refusal(500), request=ODDLY)])
    assert weather.may_try_again([replace(DROPPED, request=ODDLY)])


@pytest.mark.parametrize(
    ("exchange", "unserved"),
    [
        (DROPPED, True),
        (replace(DROPPED, fault=Fault(FaultKind.TIMEOUT, "")), True),
        (replace(DROPPED, fault=Fault(FaultKind.PROTOCOL, "")), False),
        (refusal(500), True),
        (refusal(502), True),
        (refusal(503), True),
        (refusal(408), True),
        (refusal(429), False),
        (refusal(400), False),
        (plain(answer()), False),
        (Exchange(replace(PLAINLY, takes_any_answer=True), Response(502)), False),
        (Exchange(replace(PLAINLY, close_after=0)), False),
    ],
)
def test_what_may_be_the_weather(exchange: Exchange, *, unserved: bool) -> None:
    """Broken connections, silence, and what a server or a gateway says of itself; not what is malformed, and not what a script wants."""
    assert is_unserved(exchange) == unserved


@pytest.mark.parametrize("first", [DROPPED, refusal(500), refusal(502)])
def test_what_everybody_sends_is_sent_again(first: Exchange) -> None:
    """Both tries are kept, and the first is marked: it says nothing about the request."""
    target = session(first, plain(answer()))

    found = virtual_time.run(target.send(PLAINLY))

    assert found.served
    assert [exchange.transient for exchange in target.exchanges] == [True, False]
    assert target.reliability.rate > 0


def test_what_the_target_may_die_of_is_not_sent_again_at_once() -> None:
    """As long as failures are rare here, an odd request that fails is left to the confirmation, at the end."""
    target = session(refusal(500), plain(answer()))

    first = virtual_time.run(target.send(ODDLY))
    assert (first.status, first.unserved) == (500, 1)

    again = virtual_time.run(target.send(ODDLY, attempt=1))
    assert again.served
    assert [exchange.transient for exchange in target.exchanges] == [True, False]


def test_what_was_lost_early_and_is_served_late_is_the_weather() -> None:
    """The run learns of what is harmless alone; whether a failure of it was chance may turn out after that."""
    target = session(refusal(500), plain(answer()))
    virtual_time.run(target.send(ODDLY))
    assert target.reliability.rate == 0

    target.reliability.may_learn = False
    virtual_time.run(target.send(ODDLY, attempt=1))

    assert target.reliability.failed == {Failure.SERVER: 1}


def test_what_was_lost_by_chance_is_known_in_the_end() -> None:
    """In bad weather: what another exchange served, and what was lost too seldom. Where nothing else fails, nothing is chance."""
    lost = [refusal(500), replace(refusal(500), request=ODDLY)]
    exchanges = [*lost, replace(plain(answer()), request=lost[0].request)]

    assert Reliability(300, 300).lost_by_chance(exchanges) == []
    assert Reliability(300, 300, Counter({Failure.SERVER: 30})).lost_by_chance(exchanges) == lost
    often = [*exchanges, *([lost[1]] * 5)]
    assert Reliability(300, 300, Counter({Failure.SERVER: 30})).lost_by_chance(often) == lost[:1]


def test_what_never_comes_is_the_requests_own() -> None:
    """Where others are served, a few times in a row are enough."""
    target = session(refusal(500))

    found = virtual_time.run(target.send(PLAINLY))

    assert (found.status, found.unserved) == (500, 2)
    assert not any(exchange.transient for exchange in target.exchanges)


def test_a_target_that_serves_little_can_not_be_blamed() -> None:
    """Six times in a row are no proof where every third request fails."""
    target = session(refusal(500))
    target.reliability = Reliability(300, 90, Counter({Failure.SERVER: 30}))

    with pytest.raises(Inconclusive, match=r"6 times in a row.*33% of all requests") as found:
        virtual_time.run(target.send(PLAINLY))

    assert found.value.reason is Reason.TRANSIENT


def judged(shape: Shape) -> Results:
    """A whole run before a shaped server."""
    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN)
    transport = InProcess(shaped(shape), KEY, settings.request_timeout).send
    return virtual_time.run(Engine(settings, catalogue(), checks(), transport).run())


WEATHER: dict[str, Callable[[int], Shape]] = {
    "drops": lambda seed: Shape(seed=seed, latency=0.3, drops_before=0.07, drops_within=0.03),
    "500": lambda seed: Shape(seed=seed, latency=0.3, failures=0.1, failure_statuses=(500,)),
    "502": lambda seed: Shape(seed=seed, latency=0.3, failures=0.1, failure_statuses=(502,)),
    "503": lambda seed: Shape(seed=seed, latency=0.3, failures=0.1, failure_statuses=(503,)),
    "near-ties": lambda seed: Shape(seed=seed, latency=0.3, near_ties=0.03),
    "both": lambda seed: Shape(seed=seed, latency=0.3, near_ties=0.03, drops_before=0.1),
}


@pytest.mark.whole_run
@pytest.mark.parametrize(
    ("weather", "seed"),
    [
        *itertools.product(WEATHER, range(3)),
        ("both", 9),  # no plain request is lost while the run learns
        ("502", 4),  # canaries are lost, one by one
    ],
)
def test_weather_is_blamed_on_nothing_else(weather: str, seed: int) -> None:
    """One in ten is lost, or 3 % of the positions are near ties: one requirement says so, and nine in ten are judged all the same."""
    results = judged(WEATHER[weather](seed)).results

    broken = {one.requirement.id for one in results if one.verdict in {Verdict.FAIL, Verdict.WARN}}
    sure = [one for one in results if one.verdict in {Verdict.PASS, Verdict.UNSUPPORTED}]
    assert broken <= {"HTTP-020"}
    assert ("HTTP-020" in broken) == (weather not in {"near-ties", "503"})
    assert len(sure) >= 240


def test_an_invalid_request_is_sent_again_in_bad_weather() -> None:
    """A 5xx to it may be chance, too."""
    target = session(refusal(500), refusal(400))
    target.reliability = Reliability(300, 100, Counter({Failure.SERVER: 10}))

    found = virtual_time.run(target.send(replace(ODDLY, intent=Intent.INVALID)))

    assert found.status == 400
