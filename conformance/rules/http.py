"""Below the level of completions: status, content type, JSON, and that there is an answer at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.contract.symptom import not_served
from conformance.rules.headers import falls_short
from conformance.wire.completion import Completion
from conformance.wire.exchange import NOT_JSON, Exchange, FaultKind, Intent
from conformance.wire.shown import shown

_OK = 200
_ENOUGH = 40
"""A share of fewer requests says nothing."""
_ONE_IN = 20
_ON_THE_CONNECTION = frozenset({FaultKind.DROPPED, FaultKind.PROTOCOL})


@rule("HTTP-001", Scope.PLAIN)
def a_valid_request_gets_200_and_json(completion: Completion) -> Judgement:
    """A served request without a stream has status 200 and the content type `application/json`."""
    exchange = completion.exchange
    accepted = [value for name, value in exchange.request.headers if name.lower() == "accept"]
    # What a request with `Accept: text/event-stream` may be answered with is a SHOULD of its own (HTTP-017).
    if exchange.request.intent is not Intent.VALID or any("event-stream" in value for value in accepted):
        return NOT_APPLICABLE
    assert exchange.response is not None  # noqa: S101 - a completion has one
    if exchange.status != _OK:
        return broken(f"a valid request was answered with status {exchange.status} where 200 means success")
    if exchange.response.media_type != "application/json":
        named = exchange.response.header("content-type")
        what = "without a Content-Type" if named is None else f"with Content-Type {shown(named)}"
        return broken(f"a request without `stream` was answered {what}, not with application/json")
    return None


@rule("HTTP-002", Scope.PLAIN)
def the_body_is_one_json_object(completion: Completion) -> Judgement:
    """The body of a JSON answer is exactly one object in UTF-8, without NaN or Infinity."""
    response = completion.exchange.response
    assert response is not None  # noqa: S101 - a completion has one
    if completion.streamed or response.media_type != "application/json":
        return NOT_APPLICABLE
    if response.json is NOT_JSON:
        reason, at = _why_no_json(response.body)
        return broken(f"the body is not JSON: {reason}", at=at)
    return (
        None
        if isinstance(response.json, dict)
        else broken(f"the body is {shown(response.json)}, not an object")
    )


@rule("HTTP-011", Scope.EXCHANGE, shows=not_served())
def every_request_gets_a_response(exchange: Exchange) -> Judgement:
    """A complete request gets a complete HTTP response."""
    fault = exchange.fault
    if fault is None and exchange.response is not None:
        return None
    # Connections that never were, and limits of our own, are no answers cut short; what a Content-Length promised, HDR-003 judges. That a
    # request of which nobody knows whether it is valid is survived is judged by whoever sent it.
    open_ = exchange.request.intent is Intent.OPEN
    if fault is None or fault.kind not in _ON_THE_CONNECTION or falls_short(exchange) or open_:
        return NOT_APPLICABLE
    return broken(f"instead of a complete response: {fault.message}")


@rule("HTTP-020", Scope.TRIES, shows=not_served("now and then"))
def service_is_reliable(exchanges: Sequence[Exchange]) -> Judgement:
    """Of all requests no more than one in twenty is not served at first, and is when it is sent again."""
    sent = [exchange for exchange in exchanges if not exchange.closed_by_us]
    lost = [exchange for exchange in sent if exchange.transient]
    if len(sent) < _ENOUGH:
        return NOT_APPLICABLE
    if len(lost) <= len(sent) / _ONE_IN:
        return None
    kinds = Counter(
        f"status {exchange.status}"
        if exchange.fault is None
        else "a broken connection"
        if exchange.fault.kind is not FaultKind.TIMEOUT
        else "no answer in time"
        for exchange in lost
    )
    what = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
    return broken(
        f"{len(lost)} of {len(sent)} requests were not served, and were when they were sent again, or others like them were: {what}",
        evidence=lost,
    )


def _why_no_json(body: bytes) -> tuple[str, int | None]:
    """What is wrong with a body that is no strict JSON, and the offset of the byte where it begins."""
    try:
        text = body.decode("utf-8")
        json.loads(text)
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8", error.start
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        return (f"{error.msg} at byte {at}" if body.strip() else "it is empty"), at
    except (ValueError, RecursionError):
        return "it is nested too deeply, or has a number that is too long", None
    return "it has NaN, Infinity, or a number beyond a double", None
