"""Writes the report of a run: `results.json` first, every other form from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

RESULTS = "results.json"


def write_report(document: dict[str, Any], folder: Path) -> None:
    """Write all forms of the report to `folder`, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    # Lone surrogates, which a target may send as JSON escapes, exist in no encoding; they stay the escapes that they were.
    _replace(folder / RESULTS, text.encode("utf-8", "backslashreplace"))


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)  # noqa: PTH105 - atomic also where the file exists
