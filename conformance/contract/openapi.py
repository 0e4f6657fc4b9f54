"""What `spec/openapi.yaml` says of a request: whether it is a valid one, and what of it the authorities leave open.

Checks of fixed requests and of generated ones read this one table (`UndecidedRequest`), so that one fact has one level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from conformance.contract.yaml_files import spec_root

Params = Mapping[str, Any]

_FEATURES = frozenset({"suffix"})
"""Parameters that many servers lack and refuse, whatever their value is."""


@lru_cache(maxsize=1)
def document() -> Mapping[str, Any]:
    """The OpenAPI document."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (spec_root() / "openapi.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.load(text, loader)  # noqa: S506 - one of the two safe loaders
    return found


def schemas() -> Mapping[str, Any]:
    """Its schemas, by name."""
    found: Mapping[str, Any] = document()["components"]["schemas"]
    return found


def properties() -> Mapping[str, Any]:
    """The schema of each parameter of a request, in the order of the document."""
    found: Mapping[str, Any] = schemas()["CreateCompletionRequest"]["properties"]
    return found


def whole(name: str) -> bool:
    """Whether a parameter is an integer."""
    return "integer" in types(properties()[name])


def types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema names."""
    found = schema.get("type", ())
    return {found} if isinstance(found, str) else set(found)


def fits(params: Params) -> bool:
    """Whether a request is one that the document calls valid."""
    return bool(_validator("CreateCompletionRequest").is_valid(dict(params)))


# -- what is left open -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Undecided:
    """One kind of request to which a completion and a refusal are both right."""

    description: str
    requirement_id: str
    """The requirement that speaks of the kind."""
    is_spelling: bool
    """It is well-formed in a way that some readers of JSON and of text take otherwise."""


def undecided(params: Params) -> tuple[Undecided, ...]:
    """The kinds of what is left open that a request is of; none where the authorities decide whether it is served."""
    kinds = _kinds()
    if not any(kind.is_valid(dict(params)) for _, kind in kinds[:1]):
        return _pointed(params)
    return (*(one for one, kind in kinds[1:] if kind.is_valid(dict(params))), *_pointed(params))


def undecided_value(name: str, value: Any) -> tuple[Undecided, ...]:
    """The same for a value that may be refused for its own sake, whatever it stands beside."""
    alone = {"model": "m", "prompt": "a", "max_tokens": 1, "echo": name == "max_tokens", name: value}
    if name == "stream_options":
        alone["stream"] = True
    return undecided(alone)


def odd(params: Params) -> bool:
    """Whether a request is spelled in a way that some readers take otherwise, or asks for what many servers lack and refuse."""
    return any(params.get(name) is not None for name in _FEATURES) or any(
        kind.is_spelling for kind in undecided(params)
    )


_POINTED = Undecided(
    "An integer that is written with a point, as 5.0, which JSON Schema calls an integer.",
    "REQ-029",
    is_spelling=True,
)


def _pointed(params: Params) -> tuple[Undecided, ...]:
    # The schema can't tell 5.0 from 5: to JSON Schema they are the same number.
    pointed = any(isinstance(params.get(name), float) and whole(name) for name in properties())
    return (_POINTED,) if pointed else ()


@lru_cache(maxsize=1)
def _kinds() -> tuple[tuple[Undecided, Any], ...]:
    """The whole table, and then each kind by itself, with what tells whether a request is of it."""
    table = schemas()["UndecidedRequest"]
    kinds = [(kind["description"].strip(), kind) for kind in table["anyOf"]]
    return tuple(
        (Undecided(text, kind.get("x-requirement", ""), kind.get("x-spelling", False)), _compiled(kind))
        for text, kind in [("", table), *kinds]
    )


@lru_cache(maxsize=2)
def _validator(name: str) -> Any:
    return _compiled(schemas()[name])


def _compiled(schema: Mapping[str, Any]) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - costs more than everything else here

    return Draft202012Validator({**schema, "components": {"schemas": schemas()}})
