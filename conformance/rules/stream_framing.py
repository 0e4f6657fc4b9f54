"""The event stream of a request with `stream` true: its name, its bytes, its events, and its end.

A stream that reports an error has failed, and is judged for that (STREAM-023) and not for what it lacks.
"""

from __future__ import annotations

import re

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, broken_should, rule
from conformance.contract.symptom import missing
from conformance.rules._shapes import events_of, has_failed, is_done, is_framed, plain
from conformance.wire.completion import DONE, Completion, is_stream
from conformance.wire.exchange import NOT_JSON, Exchange, FaultKind, Intent, parse_json
from conformance.wire.shown import shown

_OK = 200
_UNFINISHED, _UNKNOWN = "The stream ends without a blank line", "begins with no known field"
"""How the parser words the two of its problems that may be harmless."""

_FIELD = re.compile(rb"([A-Za-z][\w-]*)(?:[:\r\n]|\Z)")
_FIELDS = frozenset({b"data", b"event", b"id", b"retry"})
_PATIENCE = 5.0


@rule("STREAM-001", Scope.STREAM)
def a_stream_is_an_event_stream(completion: Completion) -> Judgement:
    """A served request for a stream has status 200 and the content type `text/event-stream`."""
    exchange, response = completion.exchange, completion.exchange.response
    if response is None or exchange.request.intent is not Intent.VALID:
        return NOT_APPLICABLE
    if not completion.streamed and completion.documents and plain(completion) is None:
        return NOT_APPLICABLE  # an error with status 200: ERR-006
    if response.status != _OK:
        return broken(f"a valid request was answered with status {response.status} where 200 means success")
    named = response.header("content-type")
    if named is not None and named.count("/") > 1:
        return broken(f"a stream was answered with two media types in one Content-Type, {shown(named)}")
    if response.is_event_stream:
        return None
    what = "without a Content-Type" if named is None else f"with Content-Type {shown(named)}"
    return broken(f"a request with `stream: true` was answered {what}, not with text/event-stream")


@rule("STREAM-002", Scope.STREAM)
def the_bytes_form_a_valid_event_stream(completion: Completion) -> Judgement:
    """The body of a stream consists of fields, comments and blank lines in UTF-8."""
    if not is_framed(completion) or completion.events is None:
        return NOT_APPLICABLE
    assert completion.exchange.response is not None  # noqa: S101 - a completion has one
    problems, body = completion.events.problems, completion.exchange.response.body
    for problem in problems:
        # "Otherwise: The field is ignored", so that `trace: 9f2c` is harmless; a bare line of JSON, or `Data:`, is data that gets lost.
        unknown = _FIELD.match(body, problem.offset)
        harmless = unknown and unknown[1].lower() not in _FIELDS and _UNKNOWN in problem.message
        if not harmless and not problem.message.startswith(_UNFINISHED):
            return broken(problem.message, at=problem.offset)
    # "The last event SHOULD be closed": clients stop at the end of the stream anyway. One that was cut off is STREAM-004's.
    last = completion.events.unfinished
    if last is None or not is_done(completion):
        return None
    return broken_should("the stream ends without a blank line after its last event", at=last.start)


@rule("STREAM-003", Scope.STREAM)
def every_event_carries_json_or_done(completion: Completion) -> Judgement:
    """The data of every event is one JSON object or `[DONE]`."""
    events = events_of(completion) if is_framed(completion) else ()
    for event in events:
        data = parse_json(event.data)
        if isinstance(data, dict) or event.data.strip() == DONE:
            continue
        name = "" if event.name == "message" else f" named {shown(event.name)}"
        what = "not JSON" if data is NOT_JSON else "not an object"
        return broken(f"an event{name} has the data {shown(event.data)}, which is {what}", at=event.start)
    return None if events else NOT_APPLICABLE


@rule("STREAM-004", Scope.STREAM, shows=missing("[DONE]"))
def the_stream_ends_with_one_done(completion: Completion) -> Judgement:
    """The last event has the data `[DONE]`: exactly once, and with nothing after it."""
    if not is_framed(completion) or has_failed(completion):
        return NOT_APPLICABLE
    events = events_of(completion)
    ends = [number for number, event in enumerate(events) if event.data == DONE]
    if not events:
        return broken("the stream has no events")
    if not ends:
        return broken(
            f"the stream ends without [DONE]; its last event is {shown(events[-1].data)}", at=events[-1].start
        )
    if len(ends) > 1:
        return broken(f"[DONE] came {len(ends)} times", at=events[ends[1]].start)
    if events[-1].data != DONE:
        after = events[ends[0] + 1]
        return broken(f"after [DONE] came {shown(after.data)}", at=after.start)
    return None


@rule("STREAM-024", Scope.EXCHANGE)
def the_response_ends_soon_after_done(exchange: Exchange) -> Judgement:
    """After `[DONE]` the response ends within 5 seconds."""
    response, fault = exchange.response, exchange.fault
    # On every exchange, as a response that never ends is not complete.
    if response is None or not exchange.request.streamed or not is_stream(exchange) or response.closed_by_us:
        return NOT_APPLICABLE
    if fault is not None and fault.kind is not FaultKind.TIMEOUT:
        return NOT_APPLICABLE
    end = next(
        (event.end for event in events_of(Completion.read(exchange)) if event.data.strip() == DONE), None
    )
    if end is None:
        return NOT_APPLICABLE
    waited = exchange.seconds - _arrival(exchange, end)
    if waited <= _PATIENCE:
        return None if fault is None else NOT_APPLICABLE  # the run has less patience than that
    return broken(
        f"{waited:.1f} s after [DONE] the response had {'not ended' if fault else 'only just ended'}", at=end
    )


def _arrival(exchange: Exchange, offset: int) -> float:
    """When the byte before `offset` of the body had arrived, in seconds after the request was sent."""
    end = 0
    for piece in exchange.response.pieces if exchange.response else ():
        end += len(piece.data)
        if end >= offset:
            return piece.seconds
    return exchange.seconds
