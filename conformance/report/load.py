"""Results documents from files: checked, because they may come from anywhere, and refused where they can't be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from conformance.contract.read_file import read_file
from conformance.contract.yaml_files import load_schema, spec_root
from conformance.report.escaping import escape_line

_LARGEST = 500_000_000
"""Bytes of a file that is read."""

Document = dict[str, Any]


class RefusedError(Exception):
    """A document can't be used; the message names the file, the reason, and what to do."""


def load(path: Path) -> Document:
    """The whole results document of a file, or of a folder that a run wrote. Its exchanges are left out: no comparison needs them."""
    if path.is_dir():
        path /= "results.json"
    name = escape_line(path)
    try:
        data = json.loads(read_file(path, _LARGEST))
    except OSError as error:
        raise RefusedError(f"{name} can't be read: {escape_line(error.strerror or error, 200)}.") from error
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            f"{name} is not JSON, or was cut off while it was written ({escape_line(error, 200)}). Run the suite again."
        ) from error
    _check(name, data)
    return data  # type: ignore[no-any-return]  # the schema says that it is an object


def _check(name: str, data: Any) -> None:
    schema = _schema()
    known = schema["properties"]["format"]["enum"]
    if not isinstance(data, dict) or data.get("format") not in known:
        found = data.get("format", "none") if isinstance(data, dict) else "none"
        raise RefusedError(
            f"{name} is not a results document: its format is {escape_line(found, 100)}, not {known[0]}."
        )
    if data.get("complete") is not True:
        raise RefusedError(
            f"{name} is incomplete: the run was cut off, and what it did not judge would look as if it were not there. "
            "Run it again to the end."
        )
    if data.get("unusable"):
        raise RefusedError(
            f"{name}: nothing could be judged in this run. {escape_line(data['unusable'], 400)}"
        )
    data["exchanges"] = []
    for error in Draft202012Validator(schema).iter_errors(data):
        raise RefusedError(
            f"{name} is not a valid results document: {escape_line(error.json_path, 100)}: {escape_line(error.message, 300)}"
        )


def same_edition(named: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise where the documents were scored by different editions: their requirements are not the same ones."""
    editions = [(name, document["suite"]["edition"]) for name, document in named]
    if len({edition for _, edition in editions}) > 1:
        listed = ", ".join(
            f"{escape_line(name)} is of edition {escape_line(edition, 100)}" for name, edition in editions
        )
        raise RefusedError(
            f"Documents of different editions can't be compared: {listed}. Run the older ones again."
        )


def _schema() -> Any:
    schema = load_schema(spec_root(), "results")
    # Exchanges are not looked at, so that their schema need not be found.
    schema["properties"]["exchanges"] = {"type": "array"}
    return schema
