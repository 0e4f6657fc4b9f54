"""One pace for all requests: given, asked for, or learned from refusals. In virtual time, before servers of many kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from conformance.run.pace import Pace
from conformance.run.rate import Rate
from fixtures.virtual_time import run
from tests.run.throttled_servers import (
    AtATime,
    Both,
    Bucket,
    Latency,
    Moody,
    Server,
    Sliding,
    Starting,
    Window,
    now,
    send,
)

FAST = Latency()
REFUSES_SLOWLY = Latency(refusal=0.4, jitter=0.0)
"""The worst case: all that is in flight has been turned away before the first refusal is heard."""
LONG = Latency(service=5.0, refusal=0.2, jitter=0.3)
FAR = Latency(refusal=0.05, network=0.05)

MINUTE_SERVERS: dict[str, Callable[[int], Server]] = {
    "window": Window,
    "window-named": lambda count: Window(count, named=True),
    "window-half-over": lambda count: Window(count, late=30),
    "window-nearly-over": lambda count: Window(count, late=55),
    "sliding": Sliding,
    "sliding-named": lambda count: Sliding(count, named=True),
    "burst": lambda count: Bucket(count / 60, count),
}


@pytest.mark.parametrize(
    "latency", [FAST, REFUSES_SLOWLY, LONG, FAR], ids=["fast", "refuses-slowly", "long", "far"]
)
@pytest.mark.parametrize("per_minute", [60, 20])
@pytest.mark.parametrize("kind", MINUTE_SERVERS)
def test_a_limit_by_the_minute_is_found(kind: str, per_minute: int, latency: Latency) -> None:
    """At most 3 % of 400 requests are turned away (5 % in the worst case), in at most a tenth more time than the limit asks for."""
    crowd = send(MINUTE_SERVERS[kind](per_minute), 400, Pace(8), latency)

    assert crowd.share_refused <= (0.05 if latency is REFUSES_SLOWLY else 0.03)
    assert crowd.seconds <= 1.1 * 400 / per_minute * 60


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("size", [1, 10])
def test_a_bucket_of_any_size_is_found(size: int, *, named: bool) -> None:
    """Where hardly a burst is let through, the limit is found by trying, which costs a little more."""
    crowd = send(Bucket(1.0, size, named=named), 400, Pace(8))

    assert crowd.share_refused <= 0.035
    assert crowd.seconds <= 1.1 * 400


@pytest.mark.parametrize("per_minute", [60, 30])
@pytest.mark.parametrize(("seconds", "size"), [(1.0, 1), (1.0, 5), (1.0, 20), (3.0, 5), (3.0, 20)])
def test_a_bucket_is_no_limit_at_a_time(seconds: float, size: int, per_minute: int) -> None:
    """Where answers take as long as a bucket takes to fill, it turns away what comes beside others, as a limit at a time does."""
    latency = Latency(seconds, seconds, 0.1)
    crowd = send(Bucket(per_minute / 60, size), 400, Pace(8), latency)

    assert (
        crowd.share_refused <= 0.05
    )  # all that is in flight has been turned away before the first refusal is heard
    assert crowd.seconds <= 1.1 * 400 / per_minute * 60


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_a_rate_and_a_limit_at_a_time_are_both_found(limit: int) -> None:
    """Neither hides the other."""
    crowd = send(Both(limit, Bucket(2.0, 5)), 400, Pace(8))

    assert crowd.share_refused <= 0.03
    assert crowd.seconds <= 1.1 * 400 * max(1 / 2.0, Latency().service / limit)


@pytest.mark.parametrize("kind", ["window", "window-named", "sliding", "sliding-named"])
def test_three_a_minute_ends(kind: str) -> None:
    """Fifty requests are served, and none is given up."""
    crowd = send(MINUTE_SERVERS[kind](3), 50, Pace(8))

    assert crowd.served == 50
    assert len(crowd.refused) <= 8
    assert crowd.seconds <= 1.1 * 50 * 20


@pytest.mark.parametrize("latency", [FAST, LONG, FAR], ids=["fast", "long", "far"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_limit_at_a_time_is_told_from_a_rate(limit: int, latency: Latency) -> None:
    """The number in flight settles at the limit, at most 3 % is turned away, and no time is lost."""
    pace = Pace(8)
    crowd = send(AtATime(limit), 400, pace, latency)

    assert pace.describe() == f"{limit} at a time"
    assert crowd.share_refused <= 0.03
    assert crowd.seconds <= 1.1 * 400 / limit * (latency.service + 2 * latency.network)
    later = [number for moment, number in crowd.most_in_flight if moment > crowd.seconds / 2]
    assert max(later) <= limit + 1
    assert sorted(later)[len(later) // 2] == limit


def test_a_limit_at_a_time_is_found_however_late_it_is_told() -> None:
    """Refusals that take as long as answers are no hindrance."""
    pace = Pace(8)

    assert send(AtATime(2), 400, pace, REFUSES_SLOWLY).share_refused <= 0.03
    assert pace.describe() == "2 at a time"


def test_a_limit_at_a_time_may_name_a_time() -> None:
    """Moonshot: "request reached max organization concurrency: 1, please try again after 1 seconds"."""
    pace = Pace(8)

    assert send(AtATime(2, named=1.0), 400, pace).share_refused <= 0.03
    assert pace.describe() == "2 at a time"


@pytest.mark.parametrize("named", [None, 1.0])
@pytest.mark.parametrize("limit", [1, 2])
def test_who_leaves_keeps_a_place(limit: int, named: float | None) -> None:
    """Many servers go on with what nobody waits for any more: where they serve so many at a time, one in its place is one too many."""
    pace = Pace(8)
    crowd = send(AtATime(limit, named=named), 400, pace, leaving=25)

    assert pace.describe() == f"{limit} at a time"
    assert crowd.share_refused <= 0.03
    assert crowd.seconds <= 1.12 * 400 / limit * Latency().service


def test_a_target_that_starts_is_waited_for() -> None:
    """503 without a time to the first requests: tried again ever more seldom, and nothing is learned from it."""
    pace = Pace(8)
    crowd = send(Starting(10.0), 100, pace)

    assert len(crowd.refused) <= 12
    assert crowd.seconds < 10 + 10 + 100 / 8
    assert pace.describe() == ""


def test_refusals_by_chance_do_not_stop_a_run() -> None:
    """One 503 in ten at random has no pace that would help: a run gets slower, not stuck."""
    crowd = send(Moody(10), 400, Pace(8))

    assert crowd.served == 400
    assert (
        crowd.seconds < 300
    )  # 20 s at full speed, half an hour without a guard against going slower and slower


def test_a_target_without_limits_is_not_slowed() -> None:
    """All places are used all the time."""
    crowd = send(Server(), 400, Pace(8), Latency(jitter=0.0))

    assert crowd.seconds == pytest.approx(400 / 8 * 0.4)
    assert max(number for _, number in crowd.most_in_flight) == 8


@pytest.mark.parametrize(
    ("text", "server"),
    [("60/min", Sliding(60)), ("20/min", Sliding(20)), ("2/s", Sliding(2, 1.0)), ("60/min", Bucket(1, 1))],
)
def test_a_given_rate_is_never_turned_away(text: str, server: Server) -> None:
    """Not even at the edges of a window, and with requests that overtake each other."""
    crowd = send(server, 150, Pace(8, Rate.parse(text)), Latency(network=0.005))
    [limit] = Rate.parse(text).limits

    assert crowd.refused == []
    assert crowd.seconds <= 1.05 * 150 * limit.interval


# -- turns -----------------------------------------------------------------------------------------------------------------------------


async def take(pace: Pace, log: list[str], name: str, priority: int = 0, seconds: float = 1.0) -> None:
    """Take a turn of a second."""
    async with pace.turn(priority) as turn:
        log.append(f"{now():g} {name}")
        await asyncio.sleep(seconds)
        turn.served()


def log_of(scenario: Callable[[Pace, list[str]], Awaitable[None]], pace: Pace) -> list[str]:
    """What a scenario wrote down."""
    log: list[str] = []

    async def main() -> None:
        await scenario(pace, log)

    run(main())
    return log


def test_who_waits_is_served_by_priority_then_in_the_order_of_coming() -> None:
    """A lower number comes first."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        await asyncio.gather(
            *(
                take(pace, log, name, priority)
                for name, priority in [("a", 0), ("b", 0), ("c", -1), ("d", 1), ("e", 0)]
            )
        )

    assert log_of(scenario, Pace(1)) == ["0 a", "1 c", "2 b", "3 e", "4 d"]


def test_a_request_that_waits_holds_no_place() -> None:
    """While a rate makes others wait, what is in flight is what was sent."""
    crowd = send(Server(), 10, Pace(1, Rate.parse("60/min")), Latency(service=0.1, jitter=0.0))

    assert crowd.sent == pytest.approx([1.02 * number for number in range(10)])
    assert max(number for _, number in crowd.most_in_flight) == 1


def test_all_wait_when_one_is_turned_away() -> None:
    """A wait that is named holds for everybody, and then one goes first."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        async with pace.turn() as turn:
            turn.turned_away(30.0)
        await asyncio.gather(*(take(pace, log, name) for name in "abc"))

    assert log_of(scenario, Pace(8)) == ["30 a", "31 b", "31 c"]


def test_a_wait_is_bounded() -> None:
    """However long a target asks for."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        async with pace.turn() as turn:
            turn.turned_away(1e9)
        await take(pace, log, "a")

    assert log_of(scenario, Pace(8, longest_wait=100.0)) == ["100 a"]


def test_a_time_that_is_named_in_vain_is_not_believed_for_ever() -> None:
    """A target that says 0 and turns away all the same is asked ever more seldom: 1, 2, 4, … seconds."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        for _ in range(6):
            async with pace.turn() as turn:
                log.append(f"{now():g}")
                turn.turned_away(0.0)

    assert log_of(scenario, Pace(8)) == ["0", "0", "2", "6", "14", "30"]


def test_nothing_else_is_in_flight_beside_what_is_alone() -> None:
    """It waits for what is in flight; within, turns come one at a time, and whoever else is in line has to wait for those before it."""

    async def alone(pace: Pace, log: list[str]) -> None:
        await asyncio.sleep(0.5)
        async with pace.alone():
            log.append(f"{now():g} alone")
            await asyncio.gather(take(pace, log, "x", -1), take(pace, log, "y", -1))
        log.append(f"{now():g} no longer")

    async def scenario(pace: Pace, log: list[str]) -> None:
        async def late() -> None:
            await asyncio.sleep(0.6)
            await asyncio.gather(*(take(pace, log, name) for name in "de"))

        await asyncio.gather(
            take(pace, log, "a"), take(pace, log, "b", seconds=2.0), alone(pace, log), late()
        )

    assert log_of(scenario, Pace(8)) == ["0 a", "0 b", "2 alone", "2 x", "3 y", "4 d", "4 no longer", "4 e"]


def test_one_is_alone_after_the_other() -> None:
    """Two that want to be alone do not wait for each other."""

    async def alone(pace: Pace, log: list[str], name: str) -> None:
        async with pace.alone():
            await take(pace, log, name)

    async def scenario(pace: Pace, log: list[str]) -> None:
        await asyncio.gather(take(pace, log, "x"), *(alone(pace, log, name) for name in "ab"))

    assert log_of(scenario, Pace(8)) == ["0 x", "1 a", "2 b"]


def test_who_gives_up_in_line_holds_nobody_up() -> None:
    """Neither who waits, nor who has just been admitted and does not know it yet."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        async with pace.turn() as turn:
            waits, admitted, last = (asyncio.create_task(take(pace, log, name)) for name in "abc")
            await asyncio.sleep(1.0)
            waits.cancel()
            await asyncio.sleep(1.0)
            turn.served()
            admitted.cancel()
        await last

    assert log_of(scenario, Pace(1)) == ["2 c"]


def test_who_gives_up_waiting_to_be_alone_holds_nobody_up() -> None:
    """The others go on."""

    async def alone(pace: Pace, log: list[str]) -> None:
        async with pace.alone():
            log.append("never")

    async def scenario(pace: Pace, log: list[str]) -> None:
        first = asyncio.create_task(take(pace, log, "a", seconds=9.0))
        await asyncio.sleep(1.0)
        wants_to_be_alone = asyncio.create_task(alone(pace, log))
        await asyncio.sleep(1.0)
        second = asyncio.create_task(take(pace, log, "b"))
        await asyncio.sleep(1.0)
        wants_to_be_alone.cancel()
        await asyncio.gather(first, second)

    assert log_of(scenario, Pace(8)) == ["0 a", "3 b"]


def test_a_turn_that_says_nothing_teaches_nothing() -> None:
    """A request that was cancelled, or broke off: the next one is the one that shows whether the target serves again."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        async with pace.turn() as turn:
            turn.turned_away(5.0)
        async with pace.turn():
            log.append(f"{now():g} said nothing")
        await asyncio.gather(*(take(pace, log, name) for name in "ab"))

    assert log_of(scenario, Pace(8)) == ["5 said nothing", "5 a", "6 b"]


def test_only_the_first_word_about_a_request_counts() -> None:
    """What is said twice, or after the turn, changes nothing."""

    async def scenario(pace: Pace, log: list[str]) -> None:
        async with pace.turn() as turn:
            turn.served()
            turn.turned_away(99.0)
        turn.turned_away(99.0)
        await take(pace, log, "a")

    pace = Pace(8)

    assert log_of(scenario, pace) == ["0 a"]
    assert pace.turned_away == 0


@pytest.mark.parametrize("server", [AtATime(2), Window(20)], ids=["two at a time", "20 a minute"])
def test_who_asks_how_many_go_at_once_is_not_held_back(server: Server) -> None:
    """Neither a number at a time nor a pace that was learned holds back requests whose question it is; the number that the user gave does."""
    pace, in_flight = Pace(8), 0
    send(server, 100, pace)

    async def one(*, at_once: bool) -> int:
        nonlocal in_flight
        async with pace.turn(at_once=at_once):
            in_flight += 1
            most = in_flight
            await asyncio.sleep(1)
            in_flight -= 1
        return most

    async def many(*, at_once: bool) -> int:
        await asyncio.sleep(1000)
        return max(await asyncio.gather(*(one(at_once=at_once) for _ in range(12))))

    assert run(many(at_once=False)) < 8
    assert run(many(at_once=True)) == 8


# -- for a human being -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "server", "said"),
    [
        (Pace(8), Server(), ""),
        (Pace(8), Window(20, named=True), "20 a minute, as the target asked"),
        (Pace(8), Window(20), "20 a minute, learned from 6 refusals"),
        (Pace(8, Rate.parse("60/min,1000/day")), Server(), "60/min,1000/day, as given"),
    ],
)
def test_what_was_learned_is_said(pace: Pace, server: Server, said: str) -> None:
    """In a few words."""
    send(server, 50, pace)

    assert pace.describe() == said


def test_how_long_more_requests_will_take() -> None:
    """By the number in flight, the rate that was given, the rate that was learned, and the pause that is on."""

    async def ask(pace: Pace, wait: float | None = None) -> float:
        if wait is not None:
            async with pace.turn() as turn:
                turn.turned_away(wait)
        return pace.estimate(80, 2.0, now())

    learned, at_a_time = Pace(8), Pace(8)
    send(Window(20, named=True), 50, learned)
    send(AtATime(2), 100, at_a_time)

    assert run(ask(Pace(8))) == pytest.approx(20)
    assert run(ask(Pace(8), 30.0)) == pytest.approx(50)
    assert run(ask(Pace(8, Rate.parse("20/min")))) == pytest.approx(79 * 3.06 + 2)
    assert 240 < later_estimate(learned) < 260
    assert later_estimate(at_a_time) == pytest.approx(80)
    assert run(nothing(Pace(8))) == 0


def later_estimate(pace: Pace) -> float:
    """The estimate when no pause is on any more."""

    async def ask() -> float:
        await asyncio.sleep(1000)
        return pace.estimate(80, 2.0, now())

    return run(ask())


async def nothing(pace: Pace) -> float:
    """No requests take no time."""
    return pace.estimate(0, 2.0, now())
