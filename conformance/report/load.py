"""Results documents from files: checked, because they may come from anywhere, and refused where they can't be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from conformance.contract.yaml_files import spec_root
from conformance.report.escaping import plain

FORMAT = "completions-conformance/1"
_LARGEST = 500_000_000
"""Bytes of a file that is read."""

Document = dict[str, Any]


class RefusedError(Exception):
    """A document can't be used; the message names the file, the reason, and what to do."""


def load(path: Path) -> Document:
    """The whole results document of a file, or of a folder that a run wrote. Its exchanges are left out: no comparison needs them."""
    if path.is_dir():
        path /= "results.json"
    name = plain(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise RefusedError(f"{name} is too large for a results document.")
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{name} can't be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            f"{name} is not JSON, or was cut off while it was written ({plain(error, 200)}). Run the suite again."
        ) from error
    _check(name, data)
    return data  # type: ignore[no-any-return]  # the schema says that it is an object


def _check(name: str, data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format", "none") if isinstance(data, dict) else "none"
        raise RefusedError(
            f"{name} is not a results document: its format is {plain(found, 100)}, not {FORMAT}."
        )
    if data.get("complete") is not True:
        raise RefusedError(
            f"{name} is incomplete: the run was cut off, and what it did not judge would look as if it were not there. "
            "Run it again to the end."
        )
    if data.get("unusable"):
        raise RefusedError(f"{name}: nothing could be judged in this run. {plain(data['unusable'], 400)}")
    data["exchanges"] = []
    for error in _schema().iter_errors(data):
        raise RefusedError(
            f"{name} is not a valid results document: {plain(error.json_path, 100)}: {plain(error.message, 300)}"
        )


def same_edition(named: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise where the documents were scored by different editions: their requirements are not the same ones."""
    editions = [(name, document["suite"]["edition"]) for name, document in named]
    if len({edition for _, edition in editions}) > 1:
        listed = ", ".join(f"{plain(name)} is of edition {plain(edition, 100)}" for name, edition in editions)
        raise RefusedError(
            f"Documents of different editions can't be compared: {listed}. Run the older ones again."
        )


def _schema() -> Draft202012Validator:
    schema = json.loads((spec_root() / "results.schema.json").read_text("utf-8"))
    # Exchanges are not looked at, so that their schema need not be found.
    schema["properties"]["exchanges"] = {"type": "array"}
    return Draft202012Validator(schema)
