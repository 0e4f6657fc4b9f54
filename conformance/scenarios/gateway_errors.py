"""What a relay makes of the refusals of its upstream.

What refuses runs late, as what a server may die of does: a gateway may keep away from its upstream after that. If one does, GW-027 says so before.
"""

from __future__ import annotations

import json
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import Symptom, missing, server_error
from conformance.contract.verdict import Broken, BrokenShould, NotRun, ProvedBroken
from conformance.gateway.refusals import (
    AWAY,
    LIMIT,
    REFUSAL,
    REPEATED_HEADER,
    RETRY_AFTER,
    RETRY_DATE,
    SHAPES,
    WORDS_OF_REFUSAL,
)
from conformance.kit.gateway_relay import Relayed, expect_arrived, relay, served
from conformance.kit.target import Target
from conformance.wire.completion import DONE, Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import NOT_JSON, Exchange

_FORMS: tuple[dict[str, Any], ...] = ({}, {"stream": True})
_CLIENT_ERRORS = {"refused": (400, REFUSAL), "rate-limited": (429, LIMIT)}
_OF_EACH_STATUS = (
    *((script, changes) for script in _CLIENT_ERRORS for changes in _FORMS),
    ("unavailable", _FORMS[0]),
)
"""Refusals with 400, 429 and 503."""
_TOLD_IN_STREAMS = ("string",)
"""Shapes of errors that are asked for in a request for a stream, too."""
_LATER = {
    "rate-limited": (429, RETRY_AFTER),
    "rate-limited-until": (429, RETRY_DATE),
    "unavailable": (503, RETRY_AFTER),
    "unavailable-until": (503, RETRY_DATE),
}
_ONCE_MORE = 2
"""So often what failed may be asked for: once more may help."""
_BEGUN = ("broken", "cut", "failing")
_OF_ONE_CLIENT = {"refused": 5, "rate-limited": 1, "unauthorized": 1}
"""Refusals that one client may cause, and how often in a row: some gateways count to four."""
_PROOF = 3
"""So many honest prompts are tried before it is said that none is served."""
_LAST_REDIRECT = 399


async def _refusal(target: Target, script: str, **changes: Any) -> Relayed:
    """A request that came to the upstream and was refused there."""
    found = await relay(target, script, **changes)
    await expect_arrived(target, found, "an ordinary request")
    return found


def _symptoms(exchange: Exchange) -> tuple[Symptom, ...]:
    return (server_error(),) if (exchange.status or 0) >= 500 else ()  # noqa: PLR2004 - the 5xx class


@scenario("GW-005", phase=Phase.MALFORMED)
async def client_errors_stay_client_errors(target: Target) -> None:
    """A 4xx of the upstream stays a 4xx with an error object and its message, and a 429 keeps its `Retry-After`."""
    lost = []
    for script, (status, error) in _CLIENT_ERRORS.items():
        for changes in _FORMS:
            exchange = (await _refusal(target, script, **changes)).exchange
            _expect_client_error(exchange, status)
            if status == 429 and _header(exchange, "retry-after") is None:  # noqa: PLR2004 - Too Many Requests
                raise Broken(
                    f"the upstream's 429 had `Retry-After: {RETRY_AFTER}`, but the gateway's has none",
                    missing("retry-after"),
                )
            if str(error["message"]) not in _words(exchange):
                lost.append(
                    f"the message of its {status}, {error['message']!r}, became {error_text(exchange)}"
                )
    if lost:
        raise BrokenShould(f"the upstream said what was wrong, and the client does not hear it: {lost[0]}")


def _expect_client_error(exchange: Exchange, status: int) -> None:
    response = exchange.response
    if response is None:
        raise Broken(
            f"the upstream answered {status}, but the gateway did not answer at all: {exchange.fault and exchange.fault.message}"
        )
    # A gateway that keeps its client's mistakes apart from its own may change 400 to 422; a 429 tells how to go on.
    right = response.status == status if status == 429 else 400 <= response.status < 500  # noqa: PLR2004 - statuses
    if not right:
        raise Broken(
            f"the upstream answered {status}, the gateway {response.status}: {error_text(exchange)}",
            *_symptoms(exchange),
        )
    document = response.json
    if not isinstance(document, dict) or not isinstance(document.get("error"), dict):
        raise Broken(
            f"the upstream answered {status} with an error object, the gateway with {error_text(exchange)}"
        )


def _header(exchange: Exchange, name: str) -> str | None:
    return exchange.response.header(name) if exchange.response else None


def _words(exchange: Exchange) -> str:
    """Every text of an answer that is JSON, or the answer itself."""
    if exchange.response is None:
        return ""
    document = exchange.response.json
    if document is NOT_JSON:
        return exchange.response.body.decode(errors="replace")
    # A gateway may put the upstream's body into a text of its own, escaped as that is.
    return json.dumps(document, ensure_ascii=False).replace('\\"', '"').replace("\\/", "/")


@scenario("GW-023", phase=Phase.MALFORMED)
async def a_json_error_is_labelled_json(target: Target) -> None:
    """An error that is answered as JSON says so, whatever its status, and whether a stream was asked for or not."""
    seen = False
    for script, changes in _OF_EACH_STATUS:
        response = (await _refusal(target, script, **changes)).exchange.response
        if response is None or not isinstance(response.json, dict):
            continue
        seen = True
        label = response.media_type
        if label != "application/json" and not label.endswith("+json"):
            asked = "a stream" if changes else "a plain answer"
            raise Broken(
                f"the request was for {asked}, the upstream refused it with JSON (script {script}), and the gateway's error is JSON with the content type"
                f" {response.header('content-type')!r}"
            )
    if not seen:
        raise NotRun("the gateway's errors are not JSON; see GW-005")


@scenario("GW-024", phase=Phase.MALFORMED)
async def errors_of_any_shape_stay_errors(target: Target) -> None:
    """A 400 of the upstream stays a 4xx, and it and a 503 keep their words, whatever the shape of the body."""
    lost = []
    asked: list[tuple[str, dict[str, Any]]] = [(shape, {}) for shape in SHAPES]
    for shape, changes in [*asked, *((shape, {"stream": True}) for shape in _TOLD_IN_STREAMS)]:
        body = SHAPES[shape]
        exchange = (await _refusal(target, f"error-{shape}", **changes)).exchange
        told = f"{json.dumps(body) if body else 'empty body'} of status 400"
        if not 400 <= (exchange.status or 0) < 500:  # noqa: PLR2004 - the 4xx class
            twin = (await _refusal(target, "refused", **changes)).exchange
            if shape == "object" or not 400 <= (twin.status or 0) < 500:  # noqa: PLR2004 - the same
                raise NotRun("errors of OpenAI's shape do not stay errors either; see GW-005")
            raise Broken(
                f"the upstream's {told} became {exchange.status}: {error_text(exchange)}",
                *_symptoms(exchange),
            )
        if body and WORDS_OF_REFUSAL not in _words(exchange):
            lost.append(f"its {told} became {error_text(exchange)}")
    away = (await _refusal(target, "unavailable")).exchange
    if str(AWAY["message"]) not in _words(away):
        lost.append(f"its {json.dumps(dict(AWAY))} of status 503 became {error_text(away)}")
    if lost:
        raise BrokenShould(
            f"the upstream said what was wrong, and the client does not hear it: {'; '.join(lost)}"
        )


@scenario("GW-025", phase=Phase.MALFORMED)
async def retry_after_keeps_name_and_value(target: Target) -> None:
    """`Retry-After` of a 429 and of a 503 reaches the client as it was, in seconds and as a date."""
    lost = []
    for script, (told, value) in _LATER.items():
        exchange = (await _refusal(target, script)).exchange
        came = _header(exchange, "retry-after")
        if came != value:
            became = "is not there" if came is None else f"became {came!r}"
            lost.append(
                f"`Retry-After: {value}` of the upstream's {told} {became} in the gateway's answer of status {exchange.status}"
            )
    if lost:
        raise Broken("; ".join(lost), missing("retry-after"))


@scenario("GW-026", phase=Phase.MALFORMED)
async def the_upstream_is_asked_once(target: Target) -> None:
    """What the upstream refuses with 400 or 401, and a stream that has begun, is asked for once."""
    for changes in _FORMS:
        _expect_once(await _refusal(target, "refused", **changes), "answered a request with 400")
    _expect_once(await _refusal(target, "unauthorized"), "answered a request with 401")
    for script in _BEGUN:
        _expect_once(await _refusal(target, script, stream=True), f"had begun a stream (script {script})")
    limited = await _refusal(target, "rate-limited")
    if len(limited.arrived) > 1:
        raise BrokenShould(
            f"the upstream answered a request with 429 and asked for {RETRY_AFTER} seconds, and was asked {len(limited.arrived)} times at once"
        )
    away = await _refusal(target, "unavailable")
    if len(away.arrived) > _ONCE_MORE:
        raise BrokenShould(
            f"the upstream answered a request with 503 and asked for {RETRY_AFTER} seconds, and was asked {len(away.arrived)} times"
        )


def _expect_once(found: Relayed, what: str) -> None:
    if len(found.arrived) > 1:
        raise Broken(f"the upstream {what}, and the gateway asked it for the same {len(found.arrived)} times")


@scenario("GW-027", phase=Phase.ALONE)
async def a_refusal_concerns_nobody_else(target: Target) -> None:
    """After refusals of the upstream the next, honest request is served."""
    await served(target, "plain")
    for script, times in _OF_ONE_CLIENT.items():
        # The last one is the request that others send as well.
        for number in reversed(range(times)):
            await relay(target, script, f"number {number} before the last" if number else "")
        await _expect_honest_served(target, script)


async def _expect_honest_served(target: Target, script: str) -> None:
    """An honest prompt comes to the upstream, though its last answer to somebody else was that of `script`."""
    for number in range(_PROOF):
        honest = await relay(
            target, "plain", f"an honest prompt after {script}, {number}", takes_any_answer=True
        )
        if honest.arrived:
            return
    times = f"{_OF_ONE_CLIENT[script]} requests" if _OF_ONE_CLIENT[script] > 1 else "one request"
    raise ProvedBroken(
        f"the upstream refused {times} (script {script}), and the gateway answered the next {_PROOF}, honest ones with"
        f" {honest.exchange.status} without asking its upstream: {error_text(honest.exchange)}",
        *_symptoms(honest.exchange),
    )


@scenario("GW-037", phase=Phase.MALFORMED)
async def the_gateway_speaks_for_itself(target: Target) -> None:
    """What concerns the gateway and its upstream alone does not reach the client as if it were its own affair."""
    notes = []
    refused = (await _refusal(target, "unauthorized")).exchange
    if refused.status in {401, 403}:
        notes.append(
            f"the upstream's 401 to the gateway is answered with {refused.status}, as if the client's key were wrong"
        )
    moved = (await _refusal(target, "redirect")).exchange
    if 300 <= (moved.status or 0) <= _LAST_REDIRECT:  # noqa: PLR2004 - the 3xx class
        notes.append(f"the upstream's redirect is passed on, to {_header(moved, 'location') or 'no address'}")
    for script, told in (("done-twice", "twice"), ("never-done", "not at all")):
        count = _dones((await _refusal(target, script, stream=True)).exchange)
        if count != 1:
            notes.append(f"the upstream sent {DONE} {told}, and the client gets it {count} times")
    name, values = REPEATED_HEADER
    response = (await _refusal(target, "confidential")).exchange.response
    came = [value for key, value in response.headers if key.lower() == name.lower()] if response else []
    if sum(value in ", ".join(came) for value in values) == 1:
        notes.append(f"of the two values of the upstream's header {name} only {came[0]!r} is passed on")
    if notes:
        raise Broken("; ".join(notes))


def _dones(exchange: Exchange) -> int:
    events = Completion.read(exchange).events
    return sum(event.data.strip() == DONE for event in events.events) if events else 0
