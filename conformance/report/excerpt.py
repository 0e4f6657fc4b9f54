"""What a page shows of an exchange: bounded, whatever its size. `results.json` has the whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from conformance.report.escaping import escape_line, shorten
from conformance.report.labels import duration
from conformance.report.timeline import decode, timeline
from conformance.wire.completion import Completion, is_stream
from conformance.wire.exchange import Exchange, Response
from conformance.wire.record import from_json

_SHOWN_HEADERS = 40
_HEADER_LENGTH = 300
_SHOWN_CHOICES = 4
_TEXT_LENGTH = 600
_BEFORE_MARK = 200
_SUMMARISED = 200_000
"""Bytes of a body that is read for a summary: there may be hundreds of them, and what an honest target says is shorter."""
_CURL_LENGTH = 6_000
"""Of a longer line only a part could be shown, and a part of it does not run."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes of each body are shown, and whether the timeline of a stream is."""

    body: int
    timeline: bool


WHOLE = Bounds(4_000, timeline=True)
BRIEF = Bounds(600, timeline=False)


def excerpt(data: Mapping[str, Any], marks: Collection[int], bounds: Bounds) -> dict[str, Any]:
    """The exchange of a results document in short, for the script of the page; all its strings are bounded."""
    exchange = from_json(data)
    request, response = exchange.request, exchange.response
    streamed = response is not None and is_stream(exchange)
    return {
        "url": shorten(exchange.url, _HEADER_LENGTH),
        "method": shorten(request.method, _HEADER_LENGTH),
        "sent_headers": _headers(request.headers),
        "sent": _body(request.body, (), bounds.body),
        "seconds": round(exchange.seconds, 4),
        "retries": exchange.retries,
        "fault": exchange.fault
        and {"kind": exchange.fault.kind, "message": shorten(exchange.fault.message, _TEXT_LENGTH)},
        "closed_by_us": exchange.closed_by_us,
        "curl": curl_line(data),
        "answer": response
        and {
            "status": response.status,
            "headers": _headers(response.headers),
            "complete": response.complete,
            "size": len(response.body),
            "read": _reading(exchange),
            "body": None if streamed and bounds.timeline else _body(response.body, marks, bounds.body),
            "timeline": timeline(response, marks) if streamed and bounds.timeline else None,
        },
    }


def curl_line(data: Mapping[str, Any]) -> str | None:
    """The line that sends the request again, or None where it is too long to be shown."""
    line = str(data["curl"])
    return (
        "\n".join(escape_line(part, _CURL_LENGTH) for part in line.split("\n"))
        if len(line) <= _CURL_LENGTH
        else None
    )


def heading(data: Mapping[str, Any]) -> str:
    """One exchange in a few words: what was special about the request, and what came."""
    request, response, fault = data["request"], data["response"], data["fault"]
    parts = (
        []
        if request["path"] == "/completions" and request["method"] == "POST"
        else [f"{request['method']} {request['path']}"]
    )
    if request["parameter"]:
        parts.append(
            f"{request['parameter']} made invalid" if request["intent"] == "invalid" else request["parameter"]
        )
    elif request["intent"] == "invalid":
        parts.append("invalid on purpose")
    if response is not None:
        parts.append(f"status {response['status']} after {duration(data['seconds'])}")
    if fault is not None:
        parts.append(f"{fault['kind'].replace('_', ' ')} after {duration(data['seconds'])}")
    return escape_line(" · ".join(parts) or "no answer", 200)


def _headers(headers: Collection[tuple[str, str]]) -> list[list[str]]:
    shown = list(headers)[:_SHOWN_HEADERS]
    return [[shorten(name, _HEADER_LENGTH), shorten(value, _HEADER_LENGTH)] for name, value in shown]


def _body(body: bytes, marks: Collection[int], limit: int) -> dict[str, Any]:
    """The part of a body around the first mark, else its beginning: `{before, parts: [[offset, text]…], after}`, cut at the marks."""
    inside = sorted({mark for mark in marks if mark < len(body)})
    start = max(0, inside[0] - _BEFORE_MARK) if inside and inside[0] > limit // 2 else 0
    end = min(len(body), start + limit)
    while start > 0 and body[start] & 0xC0 == 0x80:  # noqa: PLR2004 - inside a character of UTF-8
        start -= 1
    while end < len(body) and end < start + limit + 3 and body[end] & 0xC0 == 0x80:  # noqa: PLR2004
        end += 1
    borders = [start, *(mark for mark in inside if start < mark < end), end]
    parts = [[left, decode(body[left:right])] for left, right in pairwise(borders)]
    return {"before": start, "parts": parts, "after": len(body) - end}


def _reading(exchange: Exchange) -> dict[str, Any] | None:
    """What a client reads in the answer: texts, finish reasons and usage, or the message of an error."""
    response = exchange.response
    if response is None or len(response.body) > _SUMMARISED:
        return None
    completion = Completion.read(exchange)
    if completion.choices:
        choices = list(completion.choices.values())
        return {
            "choices": [
                {
                    "index": choice.index,
                    "text": shorten(choice.text, _TEXT_LENGTH),
                    "finish": brief(choice.finish_reasons[-1] if choice.finish_reasons else None),
                }
                for choice in choices[:_SHOWN_CHOICES]
            ],
            "more": max(0, len(choices) - _SHOWN_CHOICES),
            "usage": completion.usage and _usage(completion.usage.raw),
        }
    message = _error_message(response)
    return None if message is None else {"error": shorten(message, _TEXT_LENGTH)}


def _usage(raw: Mapping[str, Any]) -> str:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return ", ".join(f"{name.removesuffix('_tokens')} {brief(raw.get(name))}" for name in names)


def _error_message(response: Response) -> str | None:
    document = response.json
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else None


def brief(value: object) -> str:
    """A JSON value in a few characters."""
    return "null" if value is None else shorten(str(value), 60)
