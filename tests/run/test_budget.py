"""A bound is never exceeded: what a request may cost is set aside before it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.check import check_of, scenario
from conformance.contract.verdict import Inconclusive, Reason, Verdict
from conformance.kit.target import Target
from conformance.run.budget import LARGEST_DEFAULT, Budget, Price, Purse, SpentError, Tokens
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.rate import Rate
from conformance.run.results import Results, RunOutcome
from conformance.run.session import Session
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Request
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped
from tests.builders import answer, choice, plain, refusal

_RUNS = 40
"""Each example is a whole run."""


def asked(**params: Any) -> Request:
    """A request for a completion."""
    return Request.of({"model": "m", "prompt": "abc", "max_tokens": 10, **params})


def served(request: Request, tokens: int) -> Exchange:
    """An answer that says how many tokens it has."""
    usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
    return plain(answer(choices=[choice(text="x")], usage=usage), request)


@pytest.mark.parametrize(
    ("params", "tokens"),
    [
        ({}, 10),
        ({"n": 3}, 30),
        ({"best_of": 4, "n": 2}, 40),
        ({"prompt": ["a", "b"], "n": 2}, 40),
        ({"max_tokens": None}, LARGEST_DEFAULT),
        ({"max_tokens": -5}, 0),
        ({"max_tokens": "abc"}, LARGEST_DEFAULT),
        ({"prompt": 5, "suffix": 7}, 10),
        ({"prompt": [{}], "suffix": ["x"], "n": "two"}, 10),
    ],
)
def test_a_request_reserves_the_most_that_it_can_generate(params: dict[str, Any], tokens: int) -> None:
    """Choices, candidates and prompts multiply; without a limit that can be read the target's default counts."""
    assert Purse(Budget()).reserve(asked(**params)).generated == tokens


def test_a_list_of_models_costs_no_tokens() -> None:
    """What generates nothing reserves nothing."""
    assert Purse(Budget(tokens=1)).reserve(Request(method="GET", path="/models", headers=())) == Tokens()


def test_what_was_not_used_is_given_back() -> None:
    """An answer that is shorter than its limit leaves the rest to others; a refusal costs no tokens."""
    purse = Purse(Budget(tokens=20))
    first, second = purse.reserve(asked()), purse.reserve(asked())
    with pytest.raises(SpentError, match="budget of 20 generated tokens"):
        purse.reserve(asked())
    purse.settle(first, served(asked(), 4))
    purse.settle(second, refusal())

    assert purse.spent == Tokens(3, 4)
    assert purse.reserved == Tokens()
    assert purse.reserve(asked(max_tokens=16)).generated == 16


def test_money_is_bounded_by_its_price() -> None:
    """The worst case of a request is priced before it is sent."""
    purse = Purse(Budget(cost=0.0001, price=Price(prompt=1.0, generated=4.0)))
    purse.reserve(asked(max_tokens=20))

    with pytest.raises(SpentError, match="--max-cost"):
        purse.reserve(asked(max_tokens=20))


def test_the_default_of_a_target_is_learned() -> None:
    """A choice that was cut without a limit in its request shows how long others without one get."""
    purse, request = Purse(Budget()), Request.of({"model": "m", "prompt": "abc"})
    exchange = plain(
        answer(
            choices=[choice(text="x", finish_reason="length")],
            usage={"prompt_tokens": 3, "completion_tokens": 16, "total_tokens": 19},
        ),
        request,
    )
    purse.settle(purse.reserve(request), exchange)

    assert purse.reserve(request).generated == 16


def test_retries_count() -> None:
    """A request that is turned away and sent again is two requests, and none is sent beyond the bound."""
    sent: list[Request] = []

    async def busy(request: Request) -> Exchange:
        sent.append(request)
        return refusal(429, headers=[("Retry-After", "0")], request=request)

    async def main() -> None:
        session = Session(busy, "m", budget=Budget(requests=2))
        for seed in (0, 1):
            with pytest.raises(Inconclusive, match="budget of 2 requests"):
                await session.send(asked(seed=seed))
        assert session.cost.requests == len(sent) == 2

    virtual_time.run(main())


def run(shape: Shape, *selected: str, **bounds: Any) -> tuple[Results, int]:
    """The results of a bounded run of all checks, or of those that are selected, and how many requests the server saw."""
    shaper = shaped(shape)
    settings = Settings(BASE_URL, MODEL, KEY, profile=load_profile("reference"), recovery=0.1, **bounds)
    checks = [check for check in all_checks() if not selected or check.requirement_id in selected]
    engine = Engine(settings, load_catalogue(), checks, InProcess(shaper, KEY).send)
    return virtual_time.run(engine.run()), shaper.counters.received


@settings(max_examples=_RUNS)
@given(
    st.integers(1, 120),
    st.sampled_from([Shape(), Shape(failures=0.1, failure_statuses=(503,)), Shape(drops_before=0.1)]),
)
def test_no_run_sends_more_than_its_bound(bound: int, shape: Shape) -> None:
    """Whatever a target does, no more requests reach it than were allowed, and the report counts each of them."""
    results, received = run(shape, max_requests=bound)

    assert received == results.cost.requests <= bound
    assert results.outcome is not RunOutcome.CONFORMS


@settings(max_examples=_RUNS)
@given(st.integers(50, 1500))
def test_no_run_generates_more_than_its_bound(bound: int) -> None:
    """The tokens that were generated stay within what was allowed."""
    results, _ = run(Shape(), max_tokens=bound)

    assert results.cost.generated_tokens <= bound
    assert results.outcome is not RunOutcome.CONFORMS


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"max_requests": 1}, "the budget of 1 requests is spent (--max-requests)"),
        ({"max_requests": 3}, "the budget of 3 requests is spent (--max-requests)"),
        ({"max_tokens": 3}, "the budget of 3 generated tokens is spent (--max-tokens)"),
        (
            {"max_cost": 0.00001, "price": (1.0, 1.0)},
            "the budget of 1e-05 is spent (--max-cost)",
        ),
    ],
)
def test_a_bound_that_ends_a_run_before_it_knows_the_target_is_told(
    bounds: dict[str, Any], said: str
) -> None:
    """Nothing is judged, everything is lost to the bound, and the report says which bound that was."""
    results, _ = run(Shape(), **bounds)

    assert results.unusable is not None
    assert results.unusable.startswith(f"Nothing could be judged: {said}. Before it judges")
    assert results.ended is not None
    assert (results.ended.reason, results.ended.message) == (Reason.BUDGET, said)
    assert {(one.verdict, one.reason) for one in results.results} == {(Verdict.INCONCLUSIVE, Reason.BUDGET)}
    assert results.outcome is RunOutcome.NOT_ENOUGH


@pytest.mark.parametrize("bound", [1, 2, 5])
def test_a_rule_for_which_nothing_could_be_sent_is_lost_to_the_bound(bound: int) -> None:
    """What a rule looks at was not seen since it was not asked for, so a run of rules does not conform by the others that pass."""
    results, _ = run(Shape(), "HTTP-009", "STOP-001", max_requests=bound)
    found = {one.requirement.id: (one.verdict, one.reason) for one in results.results}

    assert found["STOP-001"] == (Verdict.INCONCLUSIVE, Reason.BUDGET)
    assert results.outcome is RunOutcome.NOT_ENOUGH


@pytest.mark.parametrize(("seed", "bound"), [(0, 100), (0, 226), (1, 46), (2, 244)])
def test_what_could_not_be_sent_again_is_no_failure(seed: int, bound: int) -> None:
    """Where the budget ends between a 503 and the next try, that 503 is neither the answer nor an error of the target's."""
    results, _ = run(Shape(latency=0.3, failures=0.1, failure_statuses=(503,), seed=seed), max_requests=bound)

    assert [one.requirement.id for one in results.results if one.verdict is Verdict.FAIL] == []


def test_an_end_in_time_before_the_first_check_is_no_excuse() -> None:
    """What was answered by then is judged by the rules, but for those of which nobody knows yet whether their feature is there."""
    results, _ = run(Shape(latency=0.3), run_timeout=1.0)
    by_verdict = {
        verdict: {one.requirement.id for one in results.results if one.verdict is verdict}
        for verdict in Verdict
    }

    assert results.unusable is None
    assert results.ended is not None
    assert results.ended.reason is Reason.TIME
    assert "RESP-001" in by_verdict[Verdict.PASS]
    assert {"USAGE-001", "MAXTOK-002"} <= by_verdict[Verdict.INCONCLUSIVE]
    assert by_verdict[Verdict.FAIL] == set()
    assert results.outcome is RunOutcome.NOT_ENOUGH


def test_what_is_still_in_line_at_the_end_is_not_counted() -> None:
    """One of two requests is too many; the other waits for its turn when the run is over, and is never sent."""

    @scenario("HTTP-009")
    async def both(target: Target) -> None:
        """It asks for two at once."""
        await asyncio.gather(*(target.complete(prompt=prompt) for prompt in ("one", "two")))

    check = check_of(both)
    assert check is not None
    shaper = shaped(Shape())
    limits = Settings(
        BASE_URL, MODEL, KEY, profile=load_profile("reference"), rate=Rate.parse("1/min"), max_requests=5
    )
    engine = Engine(limits, load_catalogue(), [check], InProcess(shaper, KEY).send)

    async def counted() -> int:
        return (await engine.run()).cost.requests

    assert virtual_time.run(counted()) == shaper.counters.received == 4
