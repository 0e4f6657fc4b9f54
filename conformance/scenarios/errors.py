"""What a client can read from a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, BrokenShould, NotRecorded, NotRun
from conformance.kit import symptoms
from conformance.kit.capabilities import NO_SUCH_MODEL, no_such_model
from conformance.kit.invalid_requests import all_refused, invalid_requests, survived
from conformance.kit.target import Target
from conformance.wire.error_text import error_text
from conformance.wire.exchange import NOT_JSON, Exchange, Intent, Request
from conformance.wire.shown import shown

_FAULTS: Mapping[str, Any] = {"prompt": {"a": 1}, "max_tokens": "abc", "n": 0}
"""Values that a server can refuse by looking at the request alone: of a wrong type, and out of range; besides them a model that it does not have."""

_REFUSED_MODEL = {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


@scenario("ERR-005", phase=Phase.MALFORMED)
async def known_faults_are_reported_before_the_stream(target: Target) -> None:
    """What is refused without `stream` is refused with it too, by the status and with a JSON body."""
    if target.profile.errors_in_200.value:
        raise NotRun("the profile says that errors come inside answers with status 200")
    await target.valid_twin_is_served()
    compared = 0
    for parameter, value in {**_FAULTS, "model": no_such_model(target)}.items():
        # A recorded run may have tried other values.
        with suppress(NotRecorded):
            plain = await _faulty(target, parameter, value)
            if plain.refused or plain.status == HTTPStatus.NOT_FOUND:
                streamed = await _faulty(target, parameter, value, stream=True)
                compared += 1
                _refused_before_the_stream(plain, streamed, f"`{parameter}` {shown(value)}")
    if not compared:
        raise NotRun("the target refuses none of the faults without `stream` either")


async def _faulty(target: Target, parameter: str, value: Any, **changes: Any) -> Exchange:
    changes = {"max_tokens": 1, parameter: value, **changes}
    return await target.post(intent=Intent.INVALID, parameter=parameter, **changes)


def _refused_before_the_stream(plain: Exchange, streamed: Exchange, what: str) -> None:
    survived(streamed, f"{what} with `stream: true`")
    if streamed.response is None or streamed.served:
        raise Broken(
            f"{what} is refused with status {plain.status}, but with `stream: true` answered with status {streamed.status}"
        )
    if streamed.response.json is NOT_JSON:
        raise Broken(f"the refusal of {what} with `stream: true` is not JSON: {error_text(streamed)}")


@scenario("ERR-009", phase=Phase.MALFORMED)
async def the_same_fault_gets_the_same_answer(target: Target) -> None:
    """The same invalid request is answered with the same status and `error.type` twice."""
    request = Request.of(target.params(max_tokens="abc"), intent=Intent.INVALID, parameter="max_tokens")
    first, second = await target.send(request), await target.send(request, fresh=True)
    if _answer(first) != _answer(second):
        raise Broken(
            f"the same invalid request was answered with {_answer(first)}, then with {_answer(second)}"
        )


def _answer(exchange: Exchange) -> str:
    document = exchange.response.json if exchange.response is not None else None
    error = document.get("error") if isinstance(document, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    return f"status {exchange.status or 'none'} and type {shown(kind)}"


@scenario("ERR-012", phase=Phase.MALFORMED)
async def an_unknown_model_is_not_found(target: Target) -> None:
    """An unknown `model` is refused with 404 or 400, and the code or the message says what is wrong."""
    model = no_such_model(target)
    exchange = await _faulty(target, "model", model)
    if exchange.response is None or exchange.status not in _REFUSED_MODEL:
        raise Broken(
            f"the unknown model {model!r} was answered with status {exchange.status}: {error_text(exchange)}",
            symptoms.of_invalid(exchange),
        )
    # Only the two words that a client can go by are looked for, wherever the server's own shape has them.
    body = exchange.response.body
    if NO_SUCH_MODEL.encode() not in body and b'"model_not_found"' not in body:
        raise Broken(
            f"the refusal of the unknown model {model!r} has no code `model_not_found` and names no model:"
            f" {error_text(exchange)}"
        )


@scenario("ERR-013", phase=Phase.MALFORMED)
async def a_model_of_wrong_type_is_refused(target: Target) -> None:
    """A `model` that is an object or a number is refused with a 4xx."""
    requests = [
        (what, exchange)
        for what, exchange in await invalid_requests(target, "model", {}, 1)
        # "There is no model 1" is a refusal of the value: the path exists, as the valid twin has shown.
        if exchange.status != HTTPStatus.NOT_FOUND
    ]
    served = [what for what, exchange in requests if exchange.served]
    if len(served) == len(requests) > 0 and (await _faulty(target, "model", no_such_model(target))).served:
        raise BrokenShould(f"the target never reads `model`: {', '.join(served)} was served, like any name")
    all_refused(target, requests)
