"""What several failed runs of one scenario prove together."""

from __future__ import annotations

from conformance.contract.verdict import Broken
from conformance.run.attempt import Attempt
from conformance.run.confirmation import why_flaky
from conformance.wire.exchange import Exchange, Piece, Request, Response


def exchange(prompt: str, text: str, temperature: int = 0) -> Exchange:
    """An answered request."""
    body = f'{{"choices": [{{"index": 0, "text": "{text}", "finish_reason": "stop"}}]}}'
    response = Response(200, (("Content-Type", "application/json"),), (Piece(0.0, body.encode()),))
    return Exchange(Request.of({"prompt": prompt, "temperature": temperature}), response)


def attempts(*texts: dict[str, str]) -> list[Attempt]:
    """Failed attempts, each with the answers to its prompts."""
    return [
        Attempt(Broken("wrong"), tuple(exchange(*pair) for pair in found.items()), 0.0) for found in texts
    ]


def test_equal_answers_prove_a_failure() -> None:
    """Attempts that saw the same answers and failed stand."""
    assert why_flaky(attempts({"a": "1", "b": "2"}, {"a": "1", "b": "2"})) is None


def test_a_flip_in_each_attempt_proves_nothing() -> None:
    """Where in every attempt some answer was not the usual one, that answer may have made it fail."""
    found = attempts(
        {"a": "x", "b": "2", "c": "3"}, {"a": "1", "b": "x", "c": "3"}, {"a": "1", "b": "2", "c": "x"}
    )

    assert why_flaky(found) is not None


def test_a_failure_with_the_usual_answers_stands() -> None:
    """One failed attempt in which every answer was the usual one needs no flip to be explained."""
    found = attempts({"a": "x", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"})

    assert why_flaky(found) is None


def test_answers_that_are_always_different_are_no_near_tie() -> None:
    """A greedy request that is answered differently every time is sampled."""
    found = attempts(*({"a": "1", "b": str(number)} for number in range(5)))

    assert why_flaky(found) is None


def test_sampled_requests_may_differ() -> None:
    """Only greedy requests are expected to repeat."""
    found = [
        Attempt(Broken("wrong"), (exchange("a", str(number), temperature=1),), 0.0) for number in range(2)
    ]

    assert why_flaky(found) is None


def test_a_check_that_asks_twice_judges_just_that() -> None:
    """An attempt that asks the same twice is not kept from its verdict."""
    found = [
        Attempt(Broken("wrong"), (exchange("a", "1"), exchange("a", f"2{number}")), 0.0)
        for number in range(2)
    ]

    assert why_flaky(found) is None
