"""The event-stream parser reads what a browser reads, however the network cuts the stream up, and says what a browser drops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.sse import MAX_PROBLEMS, Event, EventStream, Parser, parse

BOM = "\ufeff"


def read(pieces: Iterable[bytes]) -> EventStream:
    """The stream that arrives in `pieces`."""
    parser = Parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    parser.close()
    return EventStream(tuple(events), tuple(parser.comments), tuple(parser.problems), parser.unfinished)


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The stream byte by byte, in two pieces at every place, and with empty pieces in between."""
    yield [stream[at : at + 1] for at in range(len(stream))]
    yield [piece for at in range(len(stream)) for piece in (b"", stream[at : at + 1], b"")]
    for at in range(len(stream) + 1):
        yield [stream[:at], stream[at:]]


def settled(stream: EventStream, data: bytes) -> EventStream:
    """`stream` with the one legal difference taken out: an event may end before the LF of its CRLF, when a piece ends there."""

    def settle(event: Event) -> Event:
        split = data[event.end - 1 : event.end + 1] == b"\r\n"
        return replace(event, end=event.end + 1) if split else event

    return replace(stream, events=tuple(settle(event) for event in stream.events))


# The stream, and the (name, data, id) of the events that a browser dispatches.
DISPATCHED = [
    # Nothing and next to nothing.
    pytest.param("", [], id="nothing"),
    pytest.param("\n", [], id="one-blank-line"),
    pytest.param("\r\n\r\n\r\n", [], id="blank-lines"),
    pytest.param(BOM, [], id="only-a-bom"),
    # Line ends.
    pytest.param("data: a\n\ndata: b\n\n", [("message", "a", ""), ("message", "b", "")], id="lf"),
    pytest.param("data: a\r\rdata: b\r\r", [("message", "a", ""), ("message", "b", "")], id="cr"),
    pytest.param("data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a", ""), ("message", "b", "")], id="crlf"),
    pytest.param("data:1\rdata:2\ndata:3\r\n\rdata:4\n\r\n", [("message", "1\n2\n3", ""), ("message", "4", "")], id="mixed"),
    pytest.param("data: a\n\r", [("message", "a", "")], id="lf-then-cr-are-two-ends"),
    pytest.param("data: a\r\ndata: b\n\n", [("message", "a\nb", "")], id="crlf-is-one-end"),
    pytest.param("data: a\u2028b\x0bc\x0cd\x85e\n\n", [("message", "a\u2028b\x0bc\x0cd\x85e", "")], id="other-separators-are-text"),
    # The byte order mark.
    pytest.param(BOM + "data: a\n\n", [("message", "a", "")], id="bom"),
    pytest.param(BOM + "\ndata: a\n\n", [("message", "a", "")], id="bom-on-a-blank-line"),
    pytest.param(BOM + BOM + "data: a\n\ndata: b\n\n", [("message", "b", "")], id="second-bom-spoils-the-field"),
    pytest.param("data: a\n\n" + BOM + "data: b\n\n", [("message", "a", "")], id="bom-in-mid-stream-spoils-the-field"),
    pytest.param(f"data: {BOM}a\n\n", [("message", BOM + "a", "")], id="bom-in-the-data-is-data"),
    # Comments.
    pytest.param(": hello\n\n", [], id="comment-makes-no-event"),
    pytest.param("data: a\n: hello\ndata: b\n:\n\n", [("message", "a\nb", "")], id="comment-within-an-event"),
    pytest.param(":data: a\n\n", [], id="field-behind-a-colon-is-a-comment"),
    # The colon and the space.
    pytest.param("data:a\n\ndata: a\n\ndata:  a\n\n", [("message", "a", "")] * 2 + [("message", " a", "")], id="one-space-goes"),
    pytest.param("data:\ta\n\n", [("message", "\ta", "")], id="a-tab-stays"),
    pytest.param("data: a:b: c\n\n", [("message", "a:b: c", "")], id="only-the-first-colon-parts"),
    pytest.param("data\n\n", [("message", "", "")], id="data-without-a-colon"),
    pytest.param("data:\n\n", [("message", "", "")], id="data-without-a-value"),
    pytest.param("data\ndata\n\n", [("message", "\n", "")], id="two-empty-data-lines"),
    pytest.param("data: \n\n", [("message", "", "")], id="data-of-one-space"),
    pytest.param("data: a \n\n", [("message", "a ", "")], id="space-at-the-end-stays"),
    # Several lines of data.
    pytest.param("data: {\ndata: }\n\n", [("message", "{\n}", "")], id="two-lines"),
    pytest.param("data:\ndata: a\ndata:\n\n", [("message", "\na\n", "")], id="empty-lines-count"),
    # Event names.
    pytest.param("event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("message", "b", "")], id="name-holds-for-one-event"),
    pytest.param("event: x\n\ndata: b\n\n", [("message", "b", "")], id="name-without-data-is-forgotten"),
    pytest.param("event: x\nevent: y\ndata: a\n\n", [("y", "a", "")], id="last-name-wins"),
    pytest.param("event: x\nevent\ndata: a\n\n", [("message", "a", "")], id="empty-name-is-message"),
    pytest.param("data: a\nevent: x\n\n", [("x", "a", "")], id="name-after-data"),
    # Ids.
    pytest.param("id: 1\ndata: a\n\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "1")], id="id-stays"),
    pytest.param("id: 1\n\ndata: b\n\n", [("message", "b", "1")], id="id-without-data-counts"),
    pytest.param("id: 1\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "")], id="id-is-cleared"),
    pytest.param("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "1")], id="id-with-nul"),
    # What is no field.
    pytest.param("retry: 1000\ndata: a\n\n", [("message", "a", "")], id="retry"),
    pytest.param("retry: 1e3\ndata: a\n\n", [("message", "a", "")], id="retry-of-other-than-digits"),
    pytest.param("Data: a\n\n", [], id="names-are-case-sensitive"),
    pytest.param(" data: a\n\n", [], id="space-before-a-name"),
    pytest.param("data : a\n\n", [], id="space-after-a-name"),
    pytest.param("dat: a\ndatas: b\n\n", [], id="nearly-data"),
    pytest.param('{"response": "a", "done": false}\n', [], id="bare-json"),
    pytest.param("data: a\0b\n\n", [("message", "a\0b", "")], id="nul-in-data-is-data"),
    pytest.param("data: ä€🙂\n\n", [("message", "ä€🙂", "")], id="utf-8"),
    # The end.
    pytest.param("data: a\n\ndata: b\n", [("message", "a", "")], id="no-blank-line-at-the-end"),
    pytest.param("data: a\n\ndata: b", [("message", "a", "")], id="no-line-end-at-the-end"),
    pytest.param("data: a\n\ndata: [DONE]\n\n", [("message", "a", ""), ("message", "[DONE]", "")], id="done"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), DISPATCHED)
def test_events_are_what_a_browser_dispatches(text: str, expected: list[tuple[str, str, str]]) -> None:
    """The events of a stream have the names, data and ids of the standard."""
    events = parse(text.encode()).events

    assert expected == [(event.name, event.data, event.id) for event in events]


@pytest.mark.parametrize(("text", "_expected"), DISPATCHED)
def test_the_network_cuts_nothing(text: str, _expected: object) -> None:
    """A stream means the same however it is cut up."""
    data = text.encode()
    whole = parse(data)

    for pieces in cuts(data):
        assert whole == settled(read(pieces), data), pieces


# The stream, and the offsets and first words of its problems.
PROBLEMS = [
    pytest.param(b"data: a\n\n: c\n\nid: 1\nretry: 5\nevent: x\ndata\n\n", [], id="none"),
    pytest.param(b"data: \xff\n\n", [(6, "Bytes that are not UTF-8")], id="not-utf-8"),
    pytest.param(b"data: \xe2\x82\n\n", [(6, "Bytes that are not UTF-8")], id="half-a-character"),
    pytest.param(b"data: \xe2\ndata: \x82\xac\n\n", [(6, "Bytes"), (14, "Bytes")], id="character-torn-by-a-line-end"),
    pytest.param(b"data: a\n\n:\xed\xa0\x80\n", [(10, "Bytes that are not UTF-8")], id="surrogate-in-a-comment"),
    pytest.param(b"id: a\0\n\n", [(0, "An id with a NUL")], id="nul-in-id"),
    pytest.param(b"data: a\nretry: -1\n\n", [(8, "'-1' is not a reconnection time")], id="negative-retry"),
    pytest.param("retry: ٣\n\n".encode(), [(0, "'٣' is not a reconnection time")], id="retry-of-other-digits"),
    pytest.param(b"retry\n\n", [(0, "'' is not a reconnection time")], id="empty-retry"),
    pytest.param(b'{"a": 1}\n', [(0, "The line '{\"a\": 1}' is ignored"), (0, "The stream ends")], id="bare-json"),
    pytest.param(b"data: a\n\nData: b\n\n", [(9, "The line 'Data: b' is ignored")], id="wrong-case"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [(12, "The line '\\ufeffdata: b'")], id="bom-in-mid-stream"),
    pytest.param(b"data: a\n\ndata: b\n", [(9, "The stream ends without a blank line")], id="unfinished"),
    pytest.param(b"x" * 100 + b"\n\n", [(0, "The line '" + "x" * 40 + "…' is ignored")], id="long-line-is-cut-in-the-message"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), PROBLEMS)
def test_problems_have_their_place_and_words(data: bytes, expected: list[tuple[int, str]]) -> None:
    """What a browser drops or mends is noted with its offset, wherever the stream is cut."""
    whole = parse(data)

    assert len(expected) == len(whole.problems), whole.problems
    for (offset, words), problem in zip(expected, whole.problems, strict=True):
        assert offset == problem.offset
        assert problem.message.startswith(words)
    for pieces in cuts(data):
        assert whole == settled(read(pieces), data), pieces


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('{"choices": []}', "JSON goes after 'data: '."),
        ("Data: x", "Field names are lower-case and begin their line."),
        (" data: x", "Field names are lower-case and begin their line."),
        (BOM + "data: x", "A byte order mark is one at the start of the stream only."),
    ],
)
def test_an_ignored_line_comes_with_a_hint(line: str, hint: str) -> None:
    """The message on an ignored line says what its author may have meant."""
    (problem,) = parse(f":\n{line}\n\n".encode()).problems

    assert problem.message.endswith(hint)


def test_invalid_utf8_becomes_replacement_characters() -> None:
    """Each maximal part of an invalid sequence becomes one U+FFFD, as the UTF-8 decoder of the web does it."""
    (event,) = parse(b"data: a\xff\xe2\x82b\xf0\x9f\n\n").events

    assert event.data == "a\ufffd\ufffdb\ufffd"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_offsets_cut_the_stream_into_its_events(end: bytes) -> None:
    """`start` and `end` frame the bytes of an event, from its first field to its blank line, comments before it left out."""
    first = end.join((b"data: a", b"data: b", b"", b""))
    second = end.join((b"event: x", b"data: c", b"", b""))
    stream = b"\xef\xbb\xbf" + first + b": comment" + end + second

    framed = [stream[event.start : event.end] for event in parse(stream).events]

    assert framed == [first, second]


def test_comments_are_kept() -> None:
    """A comment is what follows its colon, as it stands, with its offset."""
    comments = parse(b": OPENROUTER PROCESSING\n\n:\ndata: a\n:b").comments

    assert [(comment.start, comment.text) for comment in comments] == [
        (0, " OPENROUTER PROCESSING"),
        (25, ""),
        (35, "b"),
    ]


def test_an_event_cut_short_is_kept_apart() -> None:
    """What follows the last blank line is `unfinished`: no event, but there to be looked at."""
    stream = parse(b"data: a\n\nid: 7\nevent: x\ndata: b\ndata: c")

    assert len(stream.events) == 1
    assert stream.unfinished == Event("b\nc", "x", "7", 9, 39)


def test_a_blank_line_of_cr_dispatches_at_once() -> None:
    """An event that ends with CR is not kept waiting for an LF that may never come."""
    parser = Parser()

    assert parser.feed(b"data: a\r\r") == [Event("a", "message", "", 0, 9)]
    assert parser.feed(b"\ndata: b\n\n") == [Event("b", "message", "", 10, 19)]


def test_a_line_without_an_end_is_bounded() -> None:
    """A line is kept up to its limit, noted once, and the next line is read as if nothing had been."""
    parser = Parser(max_length=10)
    events = parser.feed(b"data: 0123")
    for _ in range(3):
        events += parser.feed(b"456789")
    events += parser.feed(b"\n\ndata: b\n\n")

    assert [event.data for event in events] == ["0123", "b"]
    assert [problem.message for problem in parser.problems] == [
        "A line is longer than 10 bytes; its rest is not read."
    ]


def test_an_event_without_an_end_is_bounded() -> None:
    """The data of an event is kept up to its limit, noted once, and the next event starts afresh."""
    parser = Parser(max_length=10)
    events = parser.feed(b"data:12345\n" * 4 + b"\ndata:1\n\n")

    assert [event.data for event in events] == ["12345\n12345\n\n", "1"]
    assert [problem.offset for problem in parser.problems] == [22]


def test_a_stream_without_an_end_is_bounded() -> None:
    """After the last line that may be read the rest is noted once and dropped."""
    parser = Parser(max_lines=4)
    events = [event for _ in range(9) for event in parser.feed(b"data: a\n\n")]
    parser.close()

    assert len(events) == 2
    assert [problem.message for problem in parser.problems] == [
        "The stream has too many lines; the rest is not read."
    ]


def test_a_stream_that_ends_with_the_last_readable_line_is_whole() -> None:
    """Nothing is noted where nothing is dropped."""
    parser = Parser(max_lines=4)

    assert len(parser.feed(b"data: a\n\ndata: b\n\n")) == 2
    assert parser.problems == []


def test_problems_are_bounded() -> None:
    """After a hundred problems one more says that there are more."""
    problems = parse(b"?\n" * 1000).problems

    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1].message == "There are more problems, which are not listed."


lines = st.lists(
    st.sampled_from(
        [b"data: a", b"data", b":c", b"id: 1", b"event: x", b"x", b"\xff", b"\xef\xbb\xbf", b"", b"retry: 1"]
    ),
    max_size=12,
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(st.data(), lines)
def test_any_cut_of_any_stream_reads_the_same(data: st.DataObject, parts: list[bytes]) -> None:
    """However a stream of fields, comments and rubbish is cut, it reads the same; nothing raises."""
    stream = b"".join(part + data.draw(ends) for part in parts) + data.draw(
        st.sampled_from([b"", b"data: z"])
    )
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]

    assert settled(parse(stream), stream) == settled(read(pieces), stream)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    """Whatever arrives, nothing raises, and every offset lies within the stream and in order."""
    stream = parse(data)

    edges = [edge for event in stream.events for edge in (event.start, event.end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(data) for edge in edges)
    assert all(0 <= problem.offset < len(data) for problem in stream.problems)


# What a server may put into an event and get out again: no line ends within a line, no NUL in an id.
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=5), ends)
def test_what_a_server_writes_is_what_comes_out(events: list[list[str]], end: bytes) -> None:
    """Data that is written line by line comes back joined by LF, whatever the line ends."""
    stream = b"".join(
        b"".join(b"data: " + line.encode() + end for line in event_lines) + end for event_lines in events
    )

    assert ["\n".join(event_lines) for event_lines in events] == [
        event.data for event in parse(stream).events
    ]
