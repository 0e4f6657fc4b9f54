"""Which options meet in which request, so that a few requests are enough for every three of them to meet.

Faults of a server rarely need more than three options at once, and chance is a poor way to bring three together: of thirty random requests
one in five lacks some given triple. The rows of a Hadamard matrix of order 12 have every pattern of on and off in any three of its eleven
columns. Each round deals the options to other columns and turns some of them round, so that more rounds bring four and five together.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_FIRST_ROW = (1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0)
"""Whether a number is a square modulo 11 (Paley's construction); the other rows are its rotations, and one that is all off."""

COLUMNS = len(_FIRST_ROW)
ROWS = COLUMNS + 1


def rows(options: Sequence[str], chance: random.Random) -> Iterator[frozenset[str]]:
    """Sets of options, without end: in the first twelve, and in each later twelve, any three options show all eight patterns."""
    if len(options) > COLUMNS:
        raise ValueError(f"there are {len(options)} options and {COLUMNS} columns")
    matrix = [
        tuple(_FIRST_ROW[(column - row) % COLUMNS] for column in range(COLUMNS)) for row in range(COLUMNS)
    ]
    matrix.append((0,) * COLUMNS)
    while True:
        columns = chance.sample(range(COLUMNS), len(options))
        turned = [chance.random() < 0.5 for _ in options]  # noqa: PLR2004 - a coin
        dealt = [
            frozenset(
                option
                for option, column, turn in zip(options, columns, turned, strict=True)
                if bool(row[column]) is not turn
            )
            for row in chance.sample(matrix, ROWS)
        ]
        # Who can't pay for twelve goes without those in which the least meets.
        yield from sorted(dealt, key=len, reverse=True)
