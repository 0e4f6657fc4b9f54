"""What `spec/openapi.yaml` says about a request: its parameters, their ranges and defaults, and what the authorities leave open.

The schema is the source of what is generated. Schemathesis makes a strategy of it, after it has been narrowed to what a run may cost and
to what the target can do.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from conformance.contract.yaml_files import spec_root

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one generated request may ask for: tokens of a choice, `n` and `best_of`, prompts, characters of a prompt, tokens in all."""

    tokens: int = 8
    choices: int = 2
    prompts: int = 3
    characters: int = 200
    product: int = 16
    """The most of tokens times choices times prompts."""


CHEAP = Bounds()
EXPENSIVE = Bounds(tokens=48, choices=4, prompts=8, characters=4000, product=384)

FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "best_of": "best_of",
        "echo": "echo",
        "logit_bias": "logit_bias",
        "logprobs": "logprobs",
        "n": "n",
        "seed": "seed",
        "stream": "stream",
        "stream_options": "stream_usage",
    }
)
"""The capability without which a parameter is not sent."""

CAPABILITIES = frozenset({*FEATURES.values(), "multi_prompt"})
"""Everything that decides what is drawn."""


@lru_cache(maxsize=1)
def document() -> Mapping[str, Any]:
    """The OpenAPI document."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (spec_root() / "openapi.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.load(text, loader)  # noqa: S506 - one of the two safe loaders
    return found


def properties() -> Mapping[str, Any]:
    """The schema of each parameter, in the order of the document."""
    found: Mapping[str, Any] = _schemas()["CreateCompletionRequest"]["properties"]
    return found


def default(name: str) -> Any:
    """What a parameter is without being sent; `...` where the document gives no default."""
    return properties()[name].get("default", ...)


def nullable(name: str) -> bool:
    """Whether null may be sent for a parameter."""
    schema = properties()[name]
    return "null" in _types(schema) or any("null" in _types(one) for one in schema.get("anyOf", ()))


def numeric(name: str) -> bool:
    """Whether a parameter is a number."""
    return bool({"integer", "number"} & _types(properties()[name]))


def whole(name: str) -> bool:
    """Whether a parameter is an integer."""
    return "integer" in _types(properties()[name])


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest value of a number."""
    schema = properties()[name]
    return schema["minimum"], schema.get("maximum", 2**31 - 1)


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _schemas() -> Mapping[str, Any]:
    found: Mapping[str, Any] = document()["components"]["schemas"]
    return found


# -- what is left open -----------------------------------------------------------------------------------------------------------------


def fits(params: Params) -> bool:
    """Whether a request is one that the document calls valid."""
    return _is_valid("CreateCompletionRequest", params)


def open_value(name: str, value: Any) -> bool:
    """Whether a value may be refused for its own sake, whatever it stands beside."""
    alone = {"model": "m", "prompt": "a", "max_tokens": 1, "echo": name == "max_tokens", name: value}
    if name == "stream_options":
        alone["stream"] = True
    return value is None or odd(alone) or _is_valid("UndecidedRequest", alone)


def odd(params: Params) -> bool:
    """Whether a request is well-formed in a way that some readers of JSON take otherwise.

    Integers that are written as 5.0, texts that are blank or have characters that are none, negative seeds, a suffix.
    """
    seed = params.get("seed")
    return (
        any(isinstance(params.get(name), float) for name in properties() if whole(name))
        or any(_is_odd(text) for text in texts(params))
        or (isinstance(seed, int) and seed < 0)
        or params.get("suffix") is not None
    )


def texts(params: Params) -> Sequence[str]:
    """Every text in a request that a model or a stop sequence sees."""
    found: list[str] = []
    for name in ("prompt", "stop", "suffix"):
        value = params.get(name)
        found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return found


def _is_odd(text: str) -> bool:
    """Blank, or with characters that JSON can spell and some servers refuse."""
    return not text.strip() or any(
        (character < " " and character not in "\t\n\r") or "\ud800" <= character <= "\udfff"
        for character in text
    )


def _is_valid(name: str, params: Params) -> bool:
    return bool(_validator(name).is_valid(dict(params)))


@lru_cache(maxsize=2)
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - costs more than everything else here

    return Draft202012Validator({**_schemas()[name], "components": {"schemas": _schemas()}})


# -- strategies ------------------------------------------------------------------------------------------------------------------------


def bodies(capabilities: Collection[str], bounds: Bounds = CHEAP) -> SearchStrategy[Any]:
    """Whole requests as Schemathesis draws them from the document, within `bounds` and what the target can do; `model` is left to the caller."""
    return _bodies(frozenset(capabilities), bounds)


@lru_cache(maxsize=16)
def _bodies(capabilities: frozenset[str], bounds: Bounds) -> SearchStrategy[Any]:
    import schemathesis  # noqa: PLC0415 - takes half a second, which only a run that generates needs

    narrowed = {
        "openapi": "3.1.0",
        "info": {"title": "requests within bounds", "version": "1"},
        "paths": {"/completions": {"post": _operation(capabilities, bounds)}},
        "components": {"schemas": {name: _schemas()[name] for name in ("TokenId", "StreamOptions")}},
    }
    # Drawing from schemas is what Schemathesis is taken for. Its checks are not: that of streams breaks on `[DONE]`, its reports filter
    # `max_tokens` out as a secret, and its coverage phase sends methods that are not documented.
    operation = schemathesis.openapi.from_dict(narrowed)["/completions"]["POST"]
    return operation.as_strategy().map(lambda case: case.body)


def _operation(capabilities: frozenset[str], bounds: Bounds) -> dict[str, Any]:
    request = copy.deepcopy(dict(_schemas()["CreateCompletionRequest"]))
    found = request["properties"]
    for name, capability in FEATURES.items():
        if capability not in capabilities:
            del found[name]
    text = {"type": "string", "minLength": 1, "maxLength": bounds.characters}
    several = {"type": "array", "minItems": 1, "maxItems": bounds.prompts, "items": text}
    found["model"] = {"const": "model"}
    found["prompt"] = {"anyOf": [text, several]} if "multi_prompt" in capabilities else text
    for name, most in (("max_tokens", bounds.tokens), ("n", bounds.choices), ("best_of", bounds.choices)):
        if name in found:
            found[name]["maximum"] = most
    for name in ("suffix", "user"):
        found[name]["maxLength"] = bounds.characters
    for rule in request[
        "allOf"
    ]:  # the ladder that holds `n` below `best_of` need not be higher than both may be
        rule["then"] = (
            {**rule["then"], "anyOf": rule["then"]["anyOf"][: bounds.choices]}
            if "anyOf" in rule["then"]
            else rule["then"]
        )
    for schema in found.values():
        schema.pop("description", None)
    content = {"application/json": {"schema": request}}
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "served"}},
    }
