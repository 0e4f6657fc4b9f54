"""What several failed runs of one scenario prove together."""

from __future__ import annotations

from dataclasses import replace

from conformance.contract.symptom import accepted, not_served, server_error
from conformance.contract.verdict import Broken, NotServed
from conformance.run.attempt import Attempt
from conformance.run.confirmation import times_lost, why_flaky
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


def unserved(*prompts: str, of: str = "abc") -> Attempt:
    """An attempt that sent several prompts, and got no answer to some."""
    sent = (exchange(prompt, "text") for prompt in of)
    used = (replace(one, unserved=one.request.params["prompt"] in prompts) for one in sent)
    return Attempt(Broken("not served", not_served()), tuple(used), 0.0)


def test_the_same_request_must_be_lost_again() -> None:
    """Of several requests one is lost now and then; that proves nothing, as long as it is another one each time."""
    assert times_lost([unserved("a"), unserved("b")]) == 1
    assert times_lost([unserved("a"), unserved("b"), unserved("b", "c")]) == 2


def test_what_asks_anew_is_counted_by_attempts() -> None:
    """A check that sends something else each time can't lose the same twice."""
    assert times_lost([unserved("a"), unserved("d", of="def")]) == 2


def test_what_blames_not_serving() -> None:
    """A failure for nothing else than that something was not served; what was served in spite of being invalid is no chance."""
    lost = unserved("a")

    assert lost.blames_not_serving
    assert replace(lost, outcome=NotServed("a status of 500")).blames_not_serving
    assert not replace(lost, outcome=Broken("", server_error(), accepted("n"))).blames_not_serving
    assert not replace(lost, outcome=Broken("something else")).blames_not_serving
    assert not unserved().blames_not_serving
