"""Whether the official Python client can read a stream.

It takes streams in its own way, which is not quite the standard's, so a stream that a browser reads may still make it raise. What is said
here of openai-python was read in `src/openai/_streaming.py`. It

* ends an event at a blank line when there was data, but also when only a name, a retry time or any earlier id was there: the data is
  empty then, and the standard would have dropped the event;
* stops at the first event whose data begins with `[DONE]`;
* parses the data of every other event as JSON, and raises where that fails;
* raises where the JSON is an object with an `error` that is neither null nor empty;
* decodes each line as UTF-8, and raises where that fails;
* drops what stands behind the last blank line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.rules._shapes import has_failed
from conformance.wire.completion import DONE, Completion
from conformance.wire.exchange import Intent
from conformance.wire.sse import MAX_LINES

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)(?P<blank>[\r\n]*)")
"""A line with its end, and the blank lines behind it, of which there may be millions."""


@rule("STREAM-026", Scope.STREAM)
def the_official_client_reads_it(completion: Completion) -> Judgement:
    """openai-python reads the stream to its end without an exception."""
    response = completion.exchange.response
    # An error in the answer to an odd request is what the client is meant to raise.
    if response is None or not completion.streamed or completion.exchange.request.intent is not Intent.VALID:
        return NOT_APPLICABLE
    if has_failed(completion):
        return NOT_APPLICABLE  # STREAM-023
    try:
        for event in _events(response.body):
            if event.data.startswith(DONE):
                break
            event.expect_json()
    except ClientRaisesError as error:
        return broken(f"openai-python raises {error.message}", at=error.at)
    return None


@dataclass(frozen=True)
class ClientRaisesError(Exception):
    """The client would raise: what, and at which byte of the body the event or line begins."""

    message: str
    at: int


@dataclass
class _Event:
    start: int
    lines: list[str] = field(default_factory=list)
    name: str = ""
    retry: bool = False

    @property
    def data(self) -> str:
        return "\n".join(self.lines)

    def expect_json(self) -> None:
        try:
            # Not the strict reading of the suite: the client takes NaN and repeated names.
            found = json.loads(self.data)
        except (ValueError, RecursionError):
            what = f"the event's data {self.data[:60]!r}" if self.data else "an event without data"
            raise ClientRaisesError(f"JSONDecodeError: it parses {what}", self.start) from None
        if isinstance(found, dict) and found.get("error"):
            raise ClientRaisesError("APIError: the event has an `error`", self.start)


def _events(body: bytes) -> Iterator[_Event]:
    """The events that the client sees."""
    event, has_id = _Event(0), False
    for start, line in islice(_lines(body), MAX_LINES):
        if not line:
            if event.lines or event.name or event.retry or has_id:
                yield event
            event = _Event(start)
            continue
        if not (event.lines or event.name or event.retry):
            event.start = start
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            event.lines.append(value)
        elif name == "event":
            event.name = value
        elif name == "retry":
            event.retry = event.retry or value.strip().isdecimal()
        elif name == "id" and "\0" not in value:
            has_id = bool(value)


def _lines(body: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a body with the offset of each, ended by LF, CR or both. Of several blank lines in a row only the first does anything."""
    for found in _LINE.finditer(body):
        if not found[0]:
            return
        try:
            yield found.start(), found[1].decode()
        except UnicodeDecodeError as error:
            raise ClientRaisesError(
                "UnicodeDecodeError: the line is not UTF-8", found.start() + error.start
            ) from None
        if found["blank"]:
            yield found.start("blank"), ""
