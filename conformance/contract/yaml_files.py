"""Documents that people write: YAML files, read, held against a JSON Schema of `spec/`, and refused with a message that teaches."""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from conformance.contract.read_file import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.resources.abc import Traversable

_SHOWN = 80
_LARGEST = 4_000_000
"""Bytes of a file that is read."""
_DEEPEST = 30


class DocumentError(Exception):
    """A file below `spec/`, or one that a user wrote, is not what it has to be. The message is for people."""


def spec_root() -> Traversable:
    """Return the folder `spec/`: inside the package in an installed wheel, beside the package in a checkout."""
    packaged = files("conformance") / "spec"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "spec"


def load_schema(root: Traversable, name: str) -> Any:
    """Return the JSON Schema `<root>/<name>.schema.json`."""
    return json.loads((root / f"{name}.schema.json").read_text(encoding="utf-8"))


def read_yaml(entry: Traversable, *, strictly: bool = True) -> Any:
    """Parse one YAML file; strictly, a key that is given twice is refused."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = read_file(entry, _LARGEST) if isinstance(entry, Path) else entry.read_bytes()
        text = data.decode("utf-8")
        if strictly:
            _refuse_what_grows(text, loader, entry.name)
        document = yaml.load(text, loader)  # noqa: S506 - one of the two safe loaders
        if strictly:
            _refuse_repeated_keys(yaml.compose(text, loader), entry.name)
    # ValueError: no UTF-8, or a date that no calendar has.
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DocumentError(
            f"{entry.name} cannot be read: {_short(str(error) or 'it is nested too deep')}"
        ) from error
    return document


def _refuse_what_grows(text: str, loader: Any, name: str) -> None:
    """Refuse what makes a document larger than its file: a few lines of aliases can stand for more than fits into a computer."""
    depth = 0
    for event in yaml.parse(text, loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise DocumentError(
                f"{name}, line {line}: anchors and aliases (& and *) are not taken; write it out"
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise DocumentError(f"{name}, line {line}: it is nested too deep")


def _refuse_repeated_keys(node: yaml.Node | None, name: str) -> None:
    # YAML forbids it, PyYAML silently keeps the last one: a pasted entry would win over the one above it.
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise DocumentError(f"{name}, line {line}: the key {key.value!r} is given twice")
            seen.add(key.value)
            _refuse_repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_repeated_keys(child, name)


def check_document(document: object, schema: Mapping[str, Any], name: str) -> None:
    """Hold one document against its schema; the `DocumentError` names file, entry, key and what is wrong."""
    # Imported here: it costs more than the whole catalogue, and a run over our own files never needs it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        place = ", ".join(_steps(document, error.absolute_path))
        raise DocumentError(f"{name}{', ' if place else ''}{place}: {_in_words(error)}")


def _in_words(error: Any) -> str:
    if error.validator == "enum":
        return f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}"
    if error.validator == "oneOf":
        return f"{error.instance!r} is none of {', '.join(one['const'] for one in error.validator_value)}"
    if error.validator == "not":
        return f"it takes at most one of the keys {', '.join(error.validator_value['required'])}"
    if error.validator == "pattern" and "description" in error.schema:
        return f"{error.instance!r} does not fit: {error.schema['description']}"
    said = str(error.message)
    if error.validator == "type":
        said = f"{_short(repr(error.instance))} is not of type {error.validator_value!r}"
    return said + _advice(error)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _advice(error: Any) -> str:
    """What to write instead, where the schema says it."""
    schema, properties = error.schema, error.schema.get("properties", {})
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        schema = properties.get(missing, {})
    elif error.validator == "additionalProperties" and properties:
        return f". There is: {', '.join(properties)}"
    return f". {schema['description']}" if "description" in schema else ""


def _steps(document: Any, path: Iterable[str | int]) -> Iterator[str]:
    """Name the way to an error as a reader of the file does: entries by their id, not by their number."""
    for step in path:
        document = document[step]
        if isinstance(step, str):
            if step != "requirements":
                yield step
        elif isinstance(document, dict) and isinstance(document.get("id"), str):
            yield document["id"]
        else:
            yield f"entry {step + 1}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that says that there is no `word`: with the nearest one there is, if one is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else "."
