"""Options in a file: `conformance.toml`, or the table `[tool.completions-conformance]` of a `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from conformance.contract.read_file import read_file
from conformance.contract.yaml_files import DocumentError, check_document, load_schema, spec_root
from conformance.options import OptionError

OWN_FILE = "conformance.toml"
SHARED_FILE = "pyproject.toml"
TABLE = "completions-conformance"
_LARGEST = 1_000_000
"""Bytes of a file that is read."""


def load_config(folder: Path) -> Mapping[str, Any]:
    """The options that a file in `folder` gives, by name; the file of our own comes before the shared one. Raises `OptionError`."""
    own, shared = folder / OWN_FILE, folder / SHARED_FILE
    if own.is_file():
        return _checked(OWN_FILE, _read(own))
    if shared.is_file():
        table = _read(shared).get("tool", {}).get(TABLE, {})
        return _checked(f"{SHARED_FILE}, [tool.{TABLE}]", table)
    return MappingProxyType({})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_file(path, _LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path.name} cannot be read: {error}") from error


def _checked(name: str, document: Any) -> Mapping[str, Any]:
    if not document:
        return MappingProxyType({})
    try:
        check_document(document, load_schema(spec_root(), "config"), name)
    except DocumentError as error:
        raise OptionError(str(error)) from error
    found: Mapping[str, Any] = document
    return found
