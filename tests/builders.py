"""Exchanges made by hand, and what a rule makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from conformance.contract.apply_rule import apply_rule
from conformance.contract.catalogue import Profile
from conformance.contract.check import check_of
from conformance.wire.exchange import Exchange, Intent, Piece, Request, Response

PROFILE = Profile("test", "Test", "The defaults of the schema.")

PROMPT = "Hello, world"

ASKED: Mapping[str, Any] = MappingProxyType(
    {"model": "m", "prompt": PROMPT, "max_tokens": 4, "temperature": 0}
)

JSON = (("Content-Type", "application/json"),)
EVENTS = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))

ABSENT = object()
"""Leaves a member out."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """`base` with `changes`, where `ABSENT` takes a member away."""
    return {name: value for name, value in {**base, **(changes or {})}.items() if value is not ABSENT}


def choice(**changes: Any) -> dict[str, Any]:
    """A sound choice with changes."""
    return merged({"text": " and so on", "index": 0, "logprobs": None, "finish_reason": "length"}, changes)


def usage(**changes: Any) -> dict[str, Any]:
    """A sound usage with changes."""
    return merged({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, changes)


def answer(**changes: Any) -> dict[str, Any]:
    """The body of a sound plain answer with changes."""
    base = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_750_000_000,
        "model": "m",
        "choices": [choice()],
        "usage": usage(),
    }
    return merged(base, changes)


def chunk(text: str = " so", reason: str | None = None, **changes: Any) -> dict[str, Any]:
    """A sound chunk of a stream with changes; `index` goes into its one choice."""
    index = changes.pop("index", 0)
    base = answer(usage=ABSENT, choices=[choice(text=text, finish_reason=reason, index=index)])
    return merged(base, changes)


def asked(changes: Mapping[str, Any] | None = None, **fields: Any) -> Request:
    """An ordinary request with changes of its body, and fields of `Request`."""
    return Request.of(merged(ASKED, changes), **fields)


def plain(
    body: Any = None,
    request: Mapping[str, Any] | Request | None = None,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = JSON,
    **fields: Any,
) -> Exchange:
    """A plain answer; `body` is JSON-ready, or bytes."""
    data = body if isinstance(body, bytes) else json.dumps(answer() if body is None else body).encode()
    sent = request if isinstance(request, Request) else asked(request)
    response = Response(status, tuple(headers), (Piece(0.1, data),), wire_bytes=len(data))
    return Exchange(sent, response, **{"id": "x1", "seconds": 0.1, **fields})


def stream(
    events: Iterable[Any] | bytes | None = None,
    request: Mapping[str, Any] | Request | None = None,
    *,
    done: bool = True,
    headers: Iterable[tuple[str, str]] = EVENTS,
    **fields: Any,
) -> Exchange:
    """A streamed answer of chunks (dicts) and of texts that are data as they stand; bytes are the body."""
    sent = request if isinstance(request, Request) else asked({"stream": True, **(request or {})})
    if events is None:
        events = [chunk(), chunk(" on", "length")]
    if isinstance(events, bytes):
        data = events
    else:
        lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
        text = "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])])
        data = text.encode("utf-8", "surrogatepass")  # a target may send what is no UTF-8
    response = Response(200, tuple(headers), (Piece(0.1, data),), wire_bytes=len(data))
    return Exchange(sent, response, **{"id": "x1", "seconds": 0.1, **fields})


def refusal(
    status: int = 400,
    body: Any = None,
    request: Request | None = None,
    *,
    headers: Iterable[tuple[str, str]] = JSON,
) -> Exchange:
    """A refusal of a request that was bent in `max_tokens`, with a sound body where none is given."""
    error = {
        "message": "max_tokens is no number",
        "type": "invalid_request_error",
        "param": "max_tokens",
        "code": None,
    }
    sent = request or asked({"max_tokens": "abc"}, intent=Intent.INVALID, parameter="max_tokens")
    return plain({"error": error} if body is None else body, sent, status=status, headers=headers)


def says(rule: Callable[..., Any], *exchanges: Exchange, profile: Profile = PROFILE) -> str | None:
    """What a rule makes of exchanges: its objection, "" where it agrees, None where they are not its business.

    An objection that only breaks a SHOULD, the SHOULD part of a MUST, begins with "should: ".
    """
    check = check_of(rule)
    assert check is not None
    judged = apply_rule(check, exchanges, profile)
    if judged.objections:
        finding = judged.objections[0].finding
        return f"should: {finding.message}" if finding.only_should else finding.message
    return "" if judged.looked_at else None
