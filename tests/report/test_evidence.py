"""Evidence is bounded and tells what happened."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.report.excerpt import BRIEF, WHOLE, curl_line, excerpt, heading
from conformance.report.exchange_diff import changes, exchange_diff
from conformance.report.timeline import timeline
from conformance.wire.exchange import Piece, Response
from conformance.wire.record import from_json

from .documents import answer, event, exchange, stream


def line(*pieces: tuple[float, bytes], marks: tuple[int, ...] = ()) -> dict[str, Any]:
    """The timeline of a stream that came in these pieces."""
    return timeline(Response(200, pieces=tuple(Piece(*piece) for piece in pieces)), marks)


def test_the_parts_of_a_timeline_are_the_whole_stream() -> None:
    """Comments, broken lines and what follows the last event are all in some part."""
    data = b": hello\n\n" + event("a") + b"nonsense\n\n" + event("b") + b"data: half"
    shown = line(*((0.01 * at, data[at : at + 7]) for at in range(0, len(data), 7)))

    assert "".join(part[2] for found in shown["events"] for part in found["parts"]) == data.decode()
    assert [found["n"] for found in shown["events"]] == [1, 2, 0]


def test_a_timeline_says_when_the_last_byte_of_an_event_came() -> None:
    """An event that came in two pieces is as late as the second, and is cut where the pieces meet."""
    data = event("a")
    (found,) = line((0.1, data[:9]), (0.9, data[9:]))["events"]

    assert found["seconds"] == 0.9
    assert [(at, seconds, cut) for at, seconds, _, cut in found["parts"]] == [(0, 0.1, False), (9, 0.9, True)]


def test_a_mark_cuts_the_text_where_it_stands() -> None:
    """What is objected to begins a part of its own."""
    (found,) = line((0.1, event("a")), marks=(6,))["events"]

    assert [part[0] for part in found["parts"]] == [0, 6]


def test_bytes_that_are_not_utf8_stay_bytes() -> None:
    """An invalid byte becomes the surrogate that a page shows as that byte."""
    (found,) = line((0.1, b"data: \xff\n\n"))["events"]

    assert "\udcff" in found["parts"][0][2]


def test_a_long_stream_shows_its_ends_its_marks_and_its_longest_silence() -> None:
    """Of 1,000 events few are shown, and those that tell something are among them."""
    pieces = [(0.001 * at + (5 if at >= 700 else 0), event(f"{at:04}")) for at in range(1000)]
    size = len(pieces[0][1])
    shown = [found.get("n") for found in line(*pieces, marks=(300 * size + 3,))["events"]]

    assert {1, 301, 701, 1000} <= set(shown)
    assert len(shown) < 50
    assert None in shown


def test_a_stream_without_a_byte_has_a_timeline() -> None:
    """An empty body is no error."""
    assert line() == {"arrivals": [], "pieces": 0, "events": []}


def test_an_excerpt_is_bounded() -> None:
    """Ten megabytes of anything become a few kilobytes."""
    big = "x" * 10_000_000
    data = exchange("x1", text=big)
    data["response"]["headers"] = [[big, big]] * 100
    data["fault"] = {"kind": "dropped", "message": big}
    data["curl"] = big

    assert len(str(excerpt(data, (), WHOLE))) < 50_000
    assert curl_line(data) is None


def test_a_body_is_shown_around_its_mark() -> None:
    """Where the mark lies far inside, the excerpt begins shortly before it."""
    data = exchange("x1", response=answer([(0.1, b"a" * 50_000 + b"!" + b"b" * 50_000)]))
    body = excerpt(data, (50_000,), WHOLE)["answer"]["body"]

    assert body["before"] == 49_800
    assert body["parts"][1] == [50_000, "!" + "b" * 3_799]
    assert body["after"] == 100_001 - 53_800


def test_a_character_is_not_cut() -> None:
    """An excerpt ends between two characters."""
    data = exchange("x1", response=answer([(0.1, "€".encode() * 1_000)]))

    assert set(excerpt(data, (), BRIEF)["answer"]["body"]["parts"][0][1]) == {"€"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (exchange("x1"), "status 200 after 21 ms"),
        (exchange("x1", response=None, fault={"kind": "too_large", "message": "m"}), "too large after 21 ms"),
        (exchange("x1", response=None), "no answer"),
    ],
)
def test_an_exchange_has_a_heading(data: dict[str, Any], said: str) -> None:
    """What came is said in a few words."""
    assert heading(data) == said


def test_a_difference_names_what_was_asked_and_what_came() -> None:
    """Only parameters that differ are listed; answers are compared field by field."""
    plain, cut = exchange("x1", text="one two three"), exchange("x2", {"stop": "two"}, text="one ")
    found = exchange_diff(from_json(plain), from_json(cut))

    assert found is not None
    assert found["asked"] == [{"name": "stop", "changes": [["+", '"two"']]}]
    assert {"name": "text", "changes": [["=", "one "], ["-", "two three"]]} in found["came"]
    assert {"name": "status", "same": "200"} in found["came"]


def test_a_stream_is_compared_with_its_plain_twin() -> None:
    """The text of a stream is put together before it is compared."""
    twin = stream("x2", [(0.1, event("one ")), (0.2, event("two", "stop") + b"data: [DONE]\n\n")])
    found = exchange_diff(from_json(exchange("x1", text="one two")), from_json(twin))

    assert found is not None
    assert {"name": "text", "same": "one two"} in found["came"]


def test_what_is_no_completion_is_not_compared() -> None:
    """Without two answers there is no difference."""
    assert exchange_diff(from_json(exchange("x1")), from_json(exchange("x2", response=None))) is None


def test_texts_are_compared_word_by_word() -> None:
    """Both texts can be read out of their difference."""
    left, right = "the cat sat on the mat", "the dog sat on a mat"
    found = changes(left, right)

    assert "".join(text for sign, text in found if sign != "+") == left
    assert "".join(text for sign, text in found if sign != "-") == right
    assert ["=", " sat on "] in found


def test_long_texts_are_not_compared_word_by_word() -> None:
    """Of two long texts with little in common one is deleted and the other inserted, as far as they are shown."""
    found = changes("a b " * 100_000, "b a " * 100_000)

    assert [sign for sign, text in found if text.strip()] == ["-", "+"]
    assert max(len(text) for _, text in found) < 10_000
