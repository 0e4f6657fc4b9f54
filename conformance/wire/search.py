"""Finds secrets, and fragments of them, in a text of any size and spelling.

Escapes are undone step by step, since they can stand within one another, and every step is folded and looked at. A place that is found is
followed back to the bytes of the text as it came.

Nearly always nothing is found, and so that is what is fast. Wherever a window lies in a folded text, it covers a whole block of four letters
(of eight, if it is long) that begins at a multiple of four (eight). One look at each such block, in a table of the windows' blocks, tells that
there is nothing, however many windows there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count, islice
from typing import Literal

from conformance.wire.escapes import origins, unescaped
from conformance.wire.spellings import fold, literals_of, windows_of

Span = tuple[int, int]

_CHUNK = 1 << 18
_OVERLAP = 1 << 12
"""Bytes that are looked at twice: what lies on the border of two chunks is seen whole."""
_DEEPEST = 3
"""How often escapes of several kinds, one within the other, are undone."""
_MOST = 10_000
"""Windows in a chunk; one that has more of them is removed as a whole."""
_BLOCKS: tuple[tuple[int, Literal["Q", "I"]], ...] = ((8, "Q"), (4, "I"))
"""Sizes of blocks, the larger first, and what `memoryview` calls them. A window of twice a size, less one, covers a whole block."""

_KEPT = frozenset(byte for byte in range(256) if fold(bytes([byte])))


class Search:
    """Looks for some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Spell the secrets."""
        secrets = tuple(secrets)
        self._literals = frozenset[bytes]().union(*map(literals_of, secrets))
        self._tables: dict[int, dict[int, list[tuple[bytes, int]]]] = {size: {} for size, _ in _BLOCKS}
        for window in frozenset[bytes]().union(*map(windows_of, secrets)):
            size, kind = next(block for block in _BLOCKS if len(window) >= 2 * block[0] - 1)
            table = self._tables[size]
            for start in range(len(window) - size + 1):
                block = memoryview(window[start : start + size]).cast(kind)[0]
                table.setdefault(block, []).append((window, start))

    def spans(self, data: bytes) -> list[Span]:
        """Where secrets or fragments of them stand, in order and apart from one another."""
        found = [span for literal in self._literals for span in islice(_places_of(literal, data), _MOST)]
        if not any(self._tables.values()):
            return merged(found)
        for start in range(0, max(len(data) - _OVERLAP, 1), _CHUNK):
            chunk = data[start : start + _CHUNK + _OVERLAP]
            found += ((start + first, start + last) for first, last in self._in_chunk(chunk))
        return merged(found)

    def _in_chunk(self, chunk: bytes) -> list[Span]:
        views, found = [chunk], list[Span]()
        for _ in range(_DEEPEST + 1):
            occurrences = list(islice(self._occurrences(fold(views[-1])), _MOST))
            if len(occurrences) == _MOST:
                return [(0, len(chunk))]
            if occurrences:
                found += _followed_back(views, _in_view(views[-1], merged(occurrences)))
            further = unescaped(views[-1])
            if further == views[-1]:
                break
            views.append(further)
        return found

    def _occurrences(self, folded: bytes) -> Iterator[Span]:
        """Where in a folded text windows are."""
        for size, kind in _BLOCKS:
            table = self._tables[size]
            blocks = memoryview(folded[: len(folded) // size * size]).cast(kind)
            for number in compress(count(), map(table.__contains__, blocks)):
                for window, before in table[blocks[number]]:
                    at = number * size - before
                    if at >= 0 and folded.startswith(window, at):
                        yield at, at + len(window)


def _places_of(literal: bytes, data: bytes) -> Iterator[Span]:
    at = data.find(literal)
    while at >= 0:
        yield at, at + len(literal)
        at = data.find(literal, at + 1)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _in_view(view: bytes, spans: list[Span]) -> list[Span]:
    """Spans of a folded view as spans of the view."""
    kept = [place for place, byte in enumerate(view) if byte in _KEPT]
    return [(kept[first], kept[last - 1] + 1) for first, last in spans]


def _followed_back(views: Sequence[bytes], spans: list[Span]) -> list[Span]:
    """The spans of the last of the views, in each of which the escapes of the one before are undone, as spans of the first."""
    for view in reversed(views[:-1]):
        starts, ends = origins(view)
        spans = [(starts[first], ends[last - 1]) for first, last in spans]
    return spans
