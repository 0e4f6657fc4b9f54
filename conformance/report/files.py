"""Writes the report of a run: `results.json` first, every other form from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from conformance.report import badge, markdown
from conformance.report.atomic import write_atomically
from conformance.report.outcome import is_partial
from conformance.report.page import page
from conformance.report.rerun import RESULTS

PAGE = "index.html"
PARTIAL = "partial"
"""The folder for a run of a part, where the report of a whole run stands."""
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def place_for(document: dict[str, Any], folder: Path) -> Path:
    """Where the report belongs: `folder`, but for a run of a part of the requirements beside the report of a whole run, not over it."""
    if not is_partial(document):
        return folder
    try:
        before = json.loads((folder / RESULTS).read_bytes())
        whole = not is_partial(before)
    except (OSError, ValueError, AttributeError):
        return folder  # there is none, or nothing that could be read
    return folder / PARTIAL if whole else folder


Clean = Callable[[Iterable[bytes]], Iterable[bytes]]
"""Takes out of a file that comes in parts what must not be in it."""


def _as_it_is(parts: Iterable[bytes]) -> Iterable[bytes]:
    return parts


def write_report(document: dict[str, Any], folder: Path, clean: Clean = _as_it_is) -> None:
    """Write all forms of the report to `folder`, which is made where it does not exist.

    `results.json`, `index.html` (the compliance page), `summary.md`, `badge.json` and `badge.svg`. In a job of GitHub Actions the summary
    is also added to the page of the job. Each goes through `clean` before it is put in its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RESULTS, clean(json_parts(document)))
    write_atomically(folder / PAGE, clean([page(document).encode()]))
    summary = b"".join(clean([markdown.summary(document).encode()]))
    write_atomically(folder / "summary.md", summary)
    write_atomically(folder / "badge.json", clean([badge.endpoint(document).encode()]))
    write_atomically(folder / "badge.svg", clean([badge.svg(document).encode()]))
    if step_summary := os.environ.get(_STEP_SUMMARY):
        with Path(step_summary).open("ab") as file:
            file.write(summary)


def json_parts(document: dict[str, Any]) -> Iterator[bytes]:
    """A results document as JSON, in parts: one for each exchange, so that never all of them are there at a time."""
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else '{'}\n {json.dumps(name)}: ".encode()
        if name == "exchanges":
            for place, exchange in enumerate(value):
                yield (b"[\n  " if place == 0 else b",\n  ") + _json(exchange, 2)
            yield b"\n ]" if len(value) else b"[]"
        else:
            yield _json(value, 1)
    yield b"\n}"


def _json(value: Any, depth: int) -> bytes:
    """A value as JSON, as it stands so deep in a document."""
    text = json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\n" + depth * " ")
    # Lone surrogates, which a target may send as JSON escapes, exist in no encoding; they stay the escapes that they were.
    return text.encode("utf-8", "backslashreplace")
