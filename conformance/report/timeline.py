"""What a stream did over time, small enough to look at: its arrivals, and its events with their borders.

The bytes of a stream are cut after each event, so that the parts are the whole stream and nothing hides between two events: comments and
lines that are no field stand in the part of the event that follows them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

from conformance.wire.exchange import Response
from conformance.wire.sse import parse

_SHOWN_EVENTS = 40
_FIRST, _LAST, _AROUND = 12, 8, 2
_SHOWN_MARKS = 5
_SHOWN_BYTES = 600
"""Of one event."""
_READ_BYTES = 1_000_000
_SHOWN_ARRIVALS = 300


def timeline(response: Response, marks: Collection[int]) -> dict[str, Any]:
    """The timeline of a stream.

    `arrivals` are pairs of seconds and bytes; `events` are `{n, start, end, seconds, parts, cut}` or `{"skipped": n}`. `parts` are lists of
    offset, seconds, text, and whether the network cut the stream before it; marks cut it as well. `seconds` is the arrival of the last byte.
    What no client sees, because the stream ended before its blank line, has the number 0.
    """
    body = response.body[:_READ_BYTES]
    cuts = _cuts(body)
    clock = _Clock(response)
    shown = _chosen(cuts, marks, clock)
    events: list[dict[str, Any]] = []
    last = -1
    for at in shown:
        if at > last + 1:
            events.append({"skipped": at - last - 1})
        events.append(_event(body, cuts[at], marks, clock))
        last = at
    if last < len(cuts) - 1:
        events.append({"skipped": len(cuts) - 1 - last})
    return {"arrivals": _arrivals(response), "pieces": len(response.pieces), "events": events}


def _cuts(body: bytes) -> list[tuple[int, int, int]]:
    """Start, end and number of each part; what comes after the last event has the number 0."""
    ends = [0, *(event.end for event in parse(body).events)]
    cuts = [(start, end, number) for number, (start, end) in enumerate(pairwise(ends), 1)]
    if body[ends[-1] :].strip():
        cuts.append((ends[-1], len(body), 0))
    return cuts


def _chosen(cuts: Sequence[tuple[int, int, int]], marks: Collection[int], clock: _Clock) -> list[int]:
    """Which parts to show of a long stream: its ends, what is objected to, and the longest silence."""
    if len(cuts) <= _SHOWN_EVENTS:
        return list(range(len(cuts)))
    ends = [end for _, end, _ in cuts]
    points = [bisect_right(ends, mark) for mark in sorted(marks)[:_SHOWN_MARKS]]
    times = [clock.at(end) for end in ends]
    points.append(max(range(1, len(times)), key=lambda at: times[at] - times[at - 1]))
    chosen = {*range(_FIRST), *range(len(cuts) - _LAST, len(cuts))}
    for point in points:
        chosen.update(range(max(0, point - _AROUND), min(len(cuts), point + _AROUND + 1)))
    return sorted(chosen)


def _event(body: bytes, cut: tuple[int, int, int], marks: Collection[int], clock: _Clock) -> dict[str, Any]:
    start, end, number = cut
    objected = sorted(mark for mark in marks if start < mark < end)
    shown_end = min(end, max(start + _SHOWN_BYTES, *(mark + _SHOWN_BYTES // 2 for mark in objected[:1]), 0))
    parts = []
    for left, right, seconds in clock.split(start, shown_end):
        borders = [left, *(mark for mark in objected if left < mark < right), right]
        for a, b in pairwise(borders):
            parts.append([a, round(seconds, 5), decode(body[a:b]), a == left and left > start])
    return {
        "n": number,
        "start": start,
        "end": end,
        "seconds": round(clock.at(end), 5),
        "parts": parts,
        "cut": end - shown_end,
    }


def decode(data: bytes) -> str:
    """Bytes as text, those that are not UTF-8 as the lone surrogates U+DC80 to U+DCFF, which a page shows as bytes."""
    return data.decode("utf-8", "surrogateescape")


def _arrivals(response: Response) -> list[list[float]]:
    """Seconds and bytes of each piece, neighbours taken together where there are too many."""
    pieces = response.pieces
    step = -(-len(pieces) // _SHOWN_ARRIVALS) or 1
    groups = (pieces[at : at + step] for at in range(0, len(pieces), step))
    return [[round(group[-1].seconds, 5), sum(len(piece.data) for piece in group)] for group in groups]


class _Clock:
    """When each byte of a body arrived."""

    def __init__(self, response: Response) -> None:
        self._ends: list[int] = []
        self._seconds: list[float] = []
        end = 0
        for piece in response.pieces:
            if piece.data:
                end += len(piece.data)
                self._ends.append(end)
                self._seconds.append(piece.seconds)

    def at(self, end: int) -> float:
        """The time at which the byte before the offset `end` was there."""
        return self._seconds[min(bisect_left(self._ends, end), len(self._ends) - 1)] if self._ends else 0.0

    def split(self, start: int, end: int) -> Iterator[tuple[int, int, float]]:
        """The part from `start` to `end`, cut where the network cut it."""
        while start < end:
            at = bisect_right(self._ends, start)
            stop = min(end, self._ends[at]) if at < len(self._ends) else end
            yield start, stop, self.at(stop)
            start = stop
