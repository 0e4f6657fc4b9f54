"""How a scenario sends invalid or odd requests, and what it makes of the answers.

Two questions are asked here. Was a request that the contract calls invalid refused (`all_refused`)? And where the authorities disagree,
so that serving and refusing are both fine: did the server get through it at all (`survives`)?
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.contract.symptom import malformed
from conformance.contract.verdict import Broken, Inconclusive, Reason
from conformance.kit import symptoms
from conformance.kit.target import Target
from conformance.wire.completion import Completion, reason_is_documented
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind, Intent
from conformance.wire.shown import shown

_SERVER_ERROR = 500

InvalidRequest = tuple[str, Exchange]
"""What was wrong with a request, in words that begin a sentence, and its exchange."""


async def invalid_requests(
    target: Target, parameter: str, *values: Any, intent: Intent = Intent.INVALID
) -> list[InvalidRequest]:
    """An ordinary short request with each of `values` for `parameter`, sent one after the other."""
    exchanges = await target.with_invalid(parameter, *values, intent=intent)
    return [
        (f"a request without `{parameter}`" if value is ... else f"`{parameter}` {shown(value)}", exchange)
        for value, exchange in zip(values, exchanges, strict=True)
    ]


def all_refused(target: Target, requests: Iterable[InvalidRequest]) -> None:
    """Every one of these invalid requests was refused with a 4xx that is about the request. One message names all that were not."""
    broken: list[Broken] = []
    unclear: list[Inconclusive] = []
    for what, exchange in requests:
        try:
            target.expect_refused(exchange, what)
        except Broken as outcome:
            broken.append(outcome)
        except Inconclusive as outcome:
            unclear.append(outcome)
    if broken:
        shown_by = dict.fromkeys(symptom for one in broken for symptom in one.symptoms)
        raise Broken("; ".join(map(str, broken)), *shown_by)
    if unclear:
        raise Inconclusive("; ".join(map(str, unclear)), unclear[0].reason)


def all_served(requests: Iterable[InvalidRequest]) -> None:
    """Every one of these valid requests was served. One message names all that were not."""
    unserved = [(what, exchange) for what, exchange in requests if not exchange.served]
    if unserved:
        said = [
            f"{what} was answered with status {exchange.status}: {error_text(exchange)}"
            for what, exchange in unserved
        ]
        raise Broken("; ".join(said), *dict.fromkeys(symptoms.of_valid(exchange) for _, exchange in unserved))


async def refuses(target: Target, parameter: str, *values: Any) -> None:
    """`parameter` is refused with each of `values`."""
    all_refused(target, await invalid_requests(target, parameter, *values))


def survived(exchange: Exchange, what: str) -> None:
    """The request was answered, and not with a 5xx: whether it was served or refused is left open."""
    if exchange.response is None:
        message = exchange.fault.message if exchange.fault else "the answer never came"
        if exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT:
            raise Inconclusive(f"no connection to the target: {message}", Reason.TRANSIENT)
        raise Broken(f"{what} got no answer at all: {message}", symptoms.of_valid(exchange))
    if exchange.response.status >= _SERVER_ERROR:
        raise Broken(
            f"{what} was answered with status {exchange.status}, which says that the server failed: {error_text(exchange)}",
            symptoms.of_valid(exchange),
        )
    if not exchange.response.complete and not exchange.closed_by_us:
        message = exchange.fault.message if exchange.fault else "it broke off"
        raise Broken(f"{what} got no complete answer: {message}", symptoms.of_valid(exchange))


async def survives(target: Target, parameter: str, *values: Any) -> list[Exchange]:
    """The exchanges of `parameter` with each of `values`, which may be served or refused but bring nothing down."""
    requests = await invalid_requests(target, parameter, *values, intent=Intent.OPEN)
    for what, exchange in requests:
        survived(exchange, what)
    return [exchange for _, exchange in requests]


def completes(target: Target, exchange: Exchange, what: str) -> None:
    """Where the request was served, the answer is a completion: it has a choice, and a text or a reason for having none."""
    if not exchange.served:
        return
    completion = Completion.read(exchange)
    if not completion.choices:
        raise Broken(
            f"{what} was served with status {exchange.status}, but not with a completion: {error_text(exchange)}"
        )
    for choice in completion.choices.values():
        if not choice.text and not reason_is_documented(
            choice.finish_reason, target.profile.extra_finish_reasons
        ):
            raise Broken(
                f"{what} was served with status {exchange.status} and nothing: the text is empty, and finish_reason is"
                f" {shown(choice.finish_reason)}",
                malformed("finish_reason"),
            )


async def repeats(target: Target) -> bool:
    """Whether greedy answers repeat, so that texts may be compared."""
    if target.facts.repeats is not None:
        return target.facts.repeats
    first, second = await target.complete(), await target.complete(fresh=True)
    return first.text == second.text
