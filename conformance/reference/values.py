"""Strict reading of JSON and of single values, and the refusal of all else.

Each function takes the name of the parameter, for the message, and the value that was sent; it gives the value to use or raises
`Refusal`. Nothing is coerced: "16" is no integer, 1 is no boolean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

Fields = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of this server
    """The request is answered with an error: status, and the four members of OpenAI's `Error` object."""

    def __init__(  # noqa: PLR0913 - an error object has that many members
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        *,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the answer needs; ``kind`` is the `type` of the error object."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.kind = kind
        self.headers = dict(headers or {})


def read_object(body: bytes) -> Fields:
    """Read exactly one JSON object: UTF-8, no NaN, no infinite number, no name twice. Raises Refusal."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else f"{error}"[:200]
        message = (
            f"We could not parse the JSON body of your request: {reason}. The body is a JSON object in UTF-8."
        )
        raise Refusal(400, message) from None
    if not isinstance(value, dict):
        raise Refusal(400, f"The body of the request is a JSON object, not {kind_of(value)}.")
    return value


def string(name: str, value: object) -> str:
    """Accept a string of whole characters."""
    if not isinstance(value, str):
        raise wrong(name, value, "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can spell half of a surrogate pair, but no text contains one (RFC 8259, section 8.2).
        raise Refusal(400, f"'{name}' contains a lone surrogate, which is no character.", name) from None
    return value


def boolean(name: str, value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise wrong(name, value, "a boolean")
    return value


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """Accept an integer; 4.0 is one (JSON Schema: any number with a zero fractional part), `true` and "4" are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(name, value, "an integer")
    _between(name, value, low, high)
    return value


def number(name: str, value: object, low: float, high: float) -> float:
    """Accept a number within the bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name, value, "a number")
    _between(name, value, low, high)
    return float(value)


def _between(name: str, value: float, low: float, high: float | None) -> None:
    if value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise Refusal(400, f"{str(value)[:30]} is out of range for '{name}', which is {bounds}.", name)


def wrong(name: str, value: object, wanted: str) -> Refusal:
    """Make the refusal of a value of the wrong type."""
    message = f"'{name}' is of the wrong type: {wanted} is needed, not {kind_of(value)}."
    return Refusal(400, message, name.partition(".")[0])


def kind_of(value: object) -> str:
    """Name the JSON type of a value, with its article."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:30]} is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return fields
