"""What scenarios make of the answers to invalid and odd requests."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import Broken, Inconclusive
from conformance.kit.invalid_requests import all_refused, completes, survived
from conformance.wire.exchange import Exchange, Fault, FaultKind, Request, Response
from tests.builders import answer, choice, plain
from tests.scripted_target import refuses, scripted, serves

DROPPED = Exchange(Request(), fault=Fault(FaultKind.DROPPED, "The server closed the connection."))
UNREACHED = Exchange(Request(), fault=Fault(FaultKind.CONNECT, "refused"))
CLOSED_BY_US = Exchange(Request(close_after=1), Response(200, complete=False, closed_by_us=True))
CUT = Exchange(Request(), Response(200, complete=False), Fault(FaultKind.DROPPED, "It broke off."))


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refusal_of_the_request_proves_validation(status: int) -> None:
    """4xx statuses that are about the request are refusals."""
    all_refused(scripted(lambda _: serves()), [("this", refuses(status))])


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429])
def test_other_refusals_prove_nothing(status: int) -> None:
    """For want of a key, a route or patience anything is refused."""
    with pytest.raises(Inconclusive):
        all_refused(scripted(lambda _: serves()), [("this", refuses(status))])


def test_one_message_names_all_that_were_not_refused() -> None:
    """What was served, what failed and what got no answer stand in one message; what is unclear does not hide it."""
    sent = [("one", serves()), ("two", refuses(500)), ("three", DROPPED), ("four", refuses(404))]

    with pytest.raises(
        Broken, match=r"one was served with status 200; two .* 500.*; three got no answer.*closed"
    ) as found:
        all_refused(scripted(lambda _: serves()), sent)

    assert "four" not in str(found.value)


@pytest.mark.parametrize("exchange", [serves(), refuses(400), refuses(404), CLOSED_BY_US])
def test_serving_and_refusing_both_survive(exchange: Exchange) -> None:
    """Where the authorities disagree any answer below 500 is fine."""
    survived(exchange, "this")


@pytest.mark.parametrize("exchange", [refuses(500), refuses(503), DROPPED, CUT])
def test_a_failing_server_does_not_survive(exchange: Exchange) -> None:
    """A 5xx, a dropped connection and half an answer are failures."""
    with pytest.raises(Broken, match="this"):
        survived(exchange, "this")


def test_no_connection_is_weather() -> None:
    """Where no connection comes about nothing is said of the request."""
    with pytest.raises(Inconclusive):
        survived(UNREACHED, "this")


def test_what_is_served_must_be_a_completion() -> None:
    """A 2xx without choices is no completion; a refusal need not be one."""
    target = scripted(lambda _: serves())
    completes(target, serves(), "this")
    completes(target, refuses(), "this")
    with pytest.raises(Broken, match="not with a completion"):
        completes(target, plain({"hello": "world"}), "this")
    with pytest.raises(Broken, match=r'and nothing: the text is empty, and finish_reason is "load"'):
        completes(target, plain(answer(choices=[choice(text="", finish_reason="load")])), "this")
    completes(target, plain(answer(choices=[choice(text="", finish_reason="stop")])), "this")
