"""What `spec/openapi.yaml` says about the parameters of a request: their ranges, their defaults, what a run may draw of them.

The schema is the source of what is generated. Schemathesis makes a strategy of it, after it has been narrowed to what a run may cost and
to what the target can do.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from conformance.contract.openapi import properties, schemas, types

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


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


def default(name: str) -> Any:
    """What a parameter is without being sent; `...` where the document gives no default."""
    return properties()[name].get("default", ...)


def nullable(name: str) -> bool:
    """Whether null may be sent for a parameter."""
    schema = properties()[name]
    return "null" in types(schema) or any("null" in types(one) for one in schema.get("anyOf", ()))


def numeric(name: str) -> bool:
    """Whether a parameter is a number."""
    return bool({"integer", "number"} & types(properties()[name]))


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest value of a number."""
    schema = properties()[name]
    return schema["minimum"], schema.get("maximum", 2**31 - 1)


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
        "components": {"schemas": {name: schemas()[name] for name in ("TokenId", "StreamOptions")}},
    }
    # Drawing from schemas is what Schemathesis is taken for. Its checks are not: that of streams breaks on `[DONE]`, its reports filter
    # `max_tokens` out as a secret, and its coverage phase sends methods that are not documented.
    operation = schemathesis.openapi.from_dict(narrowed)["/completions"]["POST"]
    return operation.as_strategy().map(lambda case: case.body)


def _operation(capabilities: frozenset[str], bounds: Bounds) -> dict[str, Any]:
    request = copy.deepcopy(dict(schemas()["CreateCompletionRequest"]))
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
