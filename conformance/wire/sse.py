"""A parser of event streams that does no I/O: bytes go in by `feed`, events come out.

It does what a browser does, after the WHATWG text (HTML Living Standard, "Server-sent events", 9.2.5 "Parsing an event stream" and
9.2.6 "Interpreting an event stream", https://html.spec.whatwg.org/multipage/server-sent-events.html). Quotations below are from there.

A browser is silent about what it drops: a line that is no field, an event that the end of the stream cut short. Those are what breaks
clients, so the parser also keeps a list of `problems`, each with the offset of its byte in the stream. A problem is an observation;
whether it breaks a requirement is for a rule to say.

How it works: bytes are collected into lines, a whole line is decoded and changes the event that is being put together, and a blank line
dispatches it. CR and LF never occur inside a UTF-8 sequence, so decoding line by line gives what decoding the whole stream gives. Nothing
here raises on any input, and nothing grows without a bound: not a line, not an event, not the number of lines or problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 8 * 1024 * 1024
"""Bytes of a line and characters of an event's data that are kept; `echo` with `logprobs` makes single events of megabytes."""

MAX_LINES = 250_000
"""Lines that are read; a stream of 100,000 tokens has 200,000."""

MAX_PROBLEMS = 100
"""Problems that are noted."""

_SNIPPET = 40
_LINE_END = re.compile(rb"[\r\n]")
_BLANK_LINES = re.compile(rb"[\r\n]+")
_BOM = b"\xef\xbb\xbf"
_CR, _LF = b"\r", b"\n"


@dataclass(frozen=True, slots=True)
class Event:
    """A dispatched event. `start` is the offset of the first byte of its first field, `end` is just after its blank line.

    An event is not kept waiting for the LF of a blank line that ends in CRLF: where a feed ends between the two, so does the event.
    """

    data: str
    name: str
    """The value of the `event` field, or `message`."""
    id: str
    """The last event id, which stays what it was until another event changes it."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that begins with a colon, as servers send to keep a connection alive; `text` is what follows the colon."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something invalid or suspicious, and the offset of its byte in the stream."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class EventStream:
    """A whole stream, read."""

    events: tuple[Event, ...]
    comments: tuple[Comment, ...]
    problems: tuple[Problem, ...]
    unfinished: Event | None
    """What came after the last blank line. The standard discards it, so it is none of the `events`."""


def parse(data: bytes) -> EventStream:
    """All of a stream at once."""
    parser = Parser()
    events = parser.feed(data)
    parser.close()
    return EventStream(tuple(events), tuple(parser.comments), tuple(parser.problems), parser.unfinished)


class Parser:
    """One stream. `comments`, `problems` and (after `close`) `unfinished` tell what is no event."""

    def __init__(self, *, max_length: int = MAX_LENGTH, max_lines: int = MAX_LINES) -> None:
        """Keep at most `max_length` of a line and of an event's data, and read at most `max_lines` lines."""
        self.comments: list[Comment] = []
        self.problems: list[Problem] = []
        self.unfinished: Event | None = None
        self._max_length = max_length
        self._lines_left = max_lines

        self._offset = 0  # of the next byte to read
        self._after_cr = False  # the last byte was a CR: an LF now belongs to it
        self._line = bytearray()
        self._line_start = 0
        self._line_too_long = False

        self._data: list[str] = []  # the lines of the "data buffer"
        self._data_length = 0
        self._data_too_long = False
        self._name = ""  # the "event type buffer"
        self._id = ""  # the "last event ID buffer"
        self._start: int | None = None  # of the first field since the last blank line

    def feed(self, data: bytes) -> list[Event]:
        """Read on; the events that `data` completes."""
        events: list[Event] = []
        position = 0
        base = self._offset  # of data[0]
        # > Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a single U+000A LINE
        # > FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character.
        if self._after_cr and data[:1] == _LF:
            position = 1
            self._line_start = base + 1
        while self._lines_left:
            if self._start is None and not self._line:
                position = self._skip_blank_lines(data, position)
                self._line_start = base + position
            if not (found := _LINE_END.search(data, position)):
                break
            at, end = found.start(), found.end()
            self._collect(data, position, at)
            if data[at:end] == _CR and data[end : end + 1] == _LF:
                end += 1
            self._lines_left -= 1
            if event := self._take_line(base + end):
                events.append(event)
            position = end
            self._line_start = base + end
        if self._lines_left:
            self._collect(data, position, len(data))
        elif self._offset <= self._line_start < base + len(data):
            self._note(self._line_start, "The stream has too many lines; the rest is not read.")
        self._offset = base + len(data)
        if data:
            self._after_cr = data[-1:] == _CR
        return events

    def close(self) -> None:
        """The stream is at its end.

        > Once the end of the file is reached, any pending data must be discarded. (If the file ends in the middle of an event, before
        > the final empty line, the incomplete event is not dispatched.)
        """
        if self._line:
            self._take_line(self._offset)
        if self._start is not None:
            self._note(
                self._start, "The stream ends without a blank line after its last event: clients discard it."
            )
            self.unfinished = self._event(self._start, self._offset)
            self._start = None

    def _skip_blank_lines(self, data: bytes, position: int) -> int:
        """Where the blank lines from `position` end, of which there may be millions: between events they do nothing."""
        # One less than may be read, so that it is seen below where there are more.
        found = _BLANK_LINES.match(data, position, position + self._lines_left - 1)
        if not found:
            return position
        end = found.end()
        if data[end - 1 : end + 1] == _CR + _LF:
            end += 1
        ends = data[position:end]
        self._lines_left -= len(ends) - ends.count(_CR + _LF)
        return end

    def _note(self, offset: int, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(offset, message))
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(Problem(offset, "There are more problems, which are not listed."))

    def _collect(self, data: bytes, start: int, end: int) -> None:
        """Add `data[start:end]` to the line as far as it may grow."""
        room = self._max_length - len(self._line)
        if end - start > room and not self._line_too_long:
            self._line_too_long = True
            self._note(
                self._line_start, f"A line is longer than {self._max_length} bytes; its rest is not read."
            )
        self._line += data[start : min(end, start + room)]

    def _take_line(self, end: int) -> Event | None:
        """Interpret the collected line, which ends before the offset `end`; the event if it dispatches one."""
        start, raw = self._line_start, bytes(self._line)
        self._line.clear()
        self._line_too_long = False
        # > The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any.
        if start == 0 and raw.startswith(_BOM):
            start, raw = len(_BOM), raw[len(_BOM) :]
        if not raw:
            # > If the line is empty (a blank line): Dispatch the event
            return self._dispatch(end)
        line = self._decode(raw, start)
        if line.startswith(":"):
            self.comments.append(Comment(line[1:], start))
            return None
        # > Otherwise, the string is not empty but does not contain a U+003A COLON character (:): Process the field […] using the whole
        # > line as the field name, and the empty string as the field value.
        name, _, value = line.partition(":")
        # > If value starts with a U+0020 SPACE character, remove it from value.
        self._process_field(name, value.removeprefix(" "), line, start)
        return None

    def _decode(self, raw: bytes, start: int) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self._note(start + error.start, "Bytes that are not UTF-8 become U+FFFD in a client.")
            return raw.decode("utf-8", "replace")

    def _process_field(self, name: str, value: str, line: str, start: int) -> None:
        if self._start is None:
            self._start = start
        if name == "data":
            self._append_data(value, start)
        elif name == "event":
            self._name = value
        elif name == "id":
            # > If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value. Otherwise, ignore
            # > the field.
            if "\0" in value:
                self._note(start, "An id with a NUL in it is ignored.")
            else:
                self._id = value
        elif name == "retry":
            # > If the field value consists of only ASCII digits, then […] set the event stream's reconnection time to that integer.
            # > Otherwise, ignore the field.
            if not (value.isascii() and value.isdigit()):
                self._note(start, f"{_snippet(value)} is not a reconnection time: only ASCII digits are.")
        else:
            # > Otherwise: The field is ignored.
            self._note(
                start, f"The line {_snippet(line)} is ignored: it begins with no known field.{_hint(name)}"
            )

    def _append_data(self, value: str, start: int) -> None:
        room = self._max_length - self._data_length
        if len(value) > room and not self._data_too_long:
            self._data_too_long = True
            self._note(
                start, f"An event has more than {self._max_length} characters of data; the rest is not read."
            )
        self._data.append(value[:room])
        self._data_length += min(len(value), room)

    def _dispatch(self, end: int) -> Event | None:
        """The event that a blank line ends, if it has data.

        > If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return.

        Each `data` line appends its value and an LF, and only the last LF is taken off again. So a `data` line without a value does
        make an event, whose data is empty, and only an event without any `data` line is dropped.
        """
        event = None if self._start is None or not self._data else self._event(self._start, end)
        self._data.clear()
        self._data_length = 0
        self._data_too_long = False
        self._name = ""
        self._start = None
        return event

    def _event(self, start: int, end: int) -> Event:
        return Event("\n".join(self._data), self._name or "message", self._id, start, end)


def _hint(name: str) -> str:
    """What the author of a line may have meant, where that is plain."""
    if name.startswith(("{", "[")):
        return " JSON goes after 'data: '."
    if name.startswith("\ufeff"):
        return " A byte order mark is one at the start of the stream only."
    if name.strip().lower() in {"data", "event", "id", "retry"}:
        return " Field names are lower-case and begin their line."
    return ""


def _snippet(text: str) -> str:
    return repr(text if len(text) <= _SNIPPET else text[:_SNIPPET] + "…")
