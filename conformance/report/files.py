"""Writes the report of a run: `results.json` first, every other form from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from conformance.report import badge, markdown
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


def write_report(document: dict[str, Any], folder: Path) -> None:
    """Write all forms of the report to `folder`, which is made where it does not exist.

    `results.json`, `index.html` (the compliance page), `summary.md`, `badge.json` and `badge.svg`. In a job of GitHub Actions the summary
    is also added to the page of the job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    # Lone surrogates, which a target may send as JSON escapes, exist in no encoding; they stay the escapes that they were.
    write_atomically(folder / RESULTS, text.encode("utf-8", "backslashreplace"))
    write_atomically(folder / PAGE, page(document).encode())
    summary = markdown.summary(document)
    write_atomically(folder / "summary.md", summary.encode())
    write_atomically(folder / "badge.json", badge.endpoint(document).encode())
    write_atomically(folder / "badge.svg", badge.svg(document).encode())
    if step_summary := os.environ.get(_STEP_SUMMARY):
        with Path(step_summary).open("a", encoding="utf-8") as file:
            file.write(summary)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)  # noqa: PTH105 - atomic also where the file exists
