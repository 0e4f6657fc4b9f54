"""How long a run will take, and what it costs, is said beforehand, on the way, and at the end."""

from __future__ import annotations

import asyncio

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.report.labels import duration
from conformance.run.engine import Engine
from conformance.run.forecast import Forecast, forecast, seconds_each
from conformance.run.plan import plan
from conformance.run.rate import Rate
from conformance.run.settings import Settings
from conformance.run.worth import load_worth
from conformance.wire.exchange import Exchange, Request, Response
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped


def test_what_stands_alone_is_not_done_side_by_side() -> None:
    """Eight at a time helps only those that share the target."""
    assert Forecast(80, 20).seconds(2.0, at_once=8) == 60.0


def test_the_speed_is_that_of_late() -> None:
    """The median of answers that came whole; nothing where none did."""
    slow = [
        Exchange(Request(), Response(200), seconds=seconds) for seconds in (9.0, *[1.0] * 30, *[3.0] * 31)
    ]

    assert seconds_each(slow) == 3.0
    assert seconds_each([Exchange(Request())]) == 0.0


@pytest.mark.parametrize(
    "shape", [Shape(latency=1.0), Shape(latency=0.5, rate=20)], ids=["as-fast-as-it-answers", "20-a-minute"]
)
def test_the_forecast_after_the_preflight_comes_true(shape: Shape) -> None:
    """Once the speed was seen, what is said is right by a third; in the end nothing is left."""
    settings = Settings(
        BASE_URL, MODEL, KEY, profile=PLAIN, rate=Rate.parse("20/min") if shape.rate else None
    )
    engine = Engine(settings, catalogue(), checks(), InProcess(shaped(shape), KEY, 60.0).send)
    said: list[tuple[float, float]] = []

    async def watch() -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(1.0)
            if (left := engine.seconds_left(clock())) is not None:
                said.append((clock(), left))

    async def main() -> float:
        watching = asyncio.create_task(watch())
        await engine.run()
        watching.cancel()
        return asyncio.get_running_loop().time()

    end = virtual_time.run(main())
    at, left = said[0]

    assert at + left == pytest.approx(end, rel=0.34)
    assert engine.seconds_left(end) == 0.0


def test_a_plan_says_what_it_takes() -> None:
    """Requests, tokens of prompts and answers, time at the rate that was given, and money."""
    settings = Settings(
        "http://127.0.0.1:9/v1", MODEL, profile=PLAIN, rate=Rate.parse("60/min"), price=(1.0, 2.0)
    )
    selected = [check for check in checks() if check.requirement_id.startswith("MAXTOK")]

    found = plan(settings, load_catalogue(), selected)
    text = "\n".join(found.lines())

    assert found.total.tokens.prompt > found.total.requests
    assert f"At 60/min: {duration(found.total.requests * 1.02)}"[:12] in text
    assert "Money: at most 0.00" in text
    assert forecast(selected, load_worth()).requests <= found.total.requests


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.34, "340 ms"), (8.54, "8.5 s"), (119.9, "119.9 s"), (1144.0, "19 min 4 s"), (7500.0, "2 h 5 min")],
)
def test_time_is_told_as_people_do(seconds: float, said: str) -> None:
    """In the unit that suits."""
    assert duration(seconds) == said


def test_the_end_says_what_it_was() -> None:
    """What held requests back, and what the tokens cost by the prices that were given."""
    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN, price=(1.0, 2.0))
    shaper = shaped(Shape(rate=60, latency=0.1))

    results = virtual_time.run(
        Engine(settings, catalogue(), checks(), InProcess(shaper, KEY, 60.0).send).run()
    )
    cost = results.cost

    assert cost.pace == "60 a minute, as the target asked"
    assert cost.money == pytest.approx((cost.prompt_tokens + 2 * cost.generated_tokens) / 1e6)
    assert cost.charged is None
