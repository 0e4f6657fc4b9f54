"""The files of a report, as they are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, overload

import pytest

from conformance.report.files import json_parts


class Lazily(Sequence[dict[str, Any]]):
    """Exchanges that are made when they are looked at, as those of a run are: no list."""

    def __init__(self, count: int) -> None:
        """So many."""
        self._count = count

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> Any:
        """One exchange, or several."""
        places = range(self._count)[place]
        return {"id": places} if isinstance(places, int) else [{"id": one} for one in places]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_exchanges_that_are_no_list_are_written_as_one_is(count: int) -> None:
    """Also where there are none: a run that ended before the first exchange has a report, too."""
    document = {"format": "x", "exchanges": Lazily(count), "causes": []}

    written = b"".join(json_parts(document))

    assert written.decode() == json.dumps({**document, "exchanges": list(document["exchanges"])}, indent=1)
