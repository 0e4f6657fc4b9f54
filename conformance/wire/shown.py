"""Values from a target, made fit to be read: on one line, bounded, and with nothing invisible in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Odd:
    """A value where another type belongs, kept aside: it can be compared, hashed and shown, and is equal to none that belongs there."""

    text: str
    """What it is, as JSON."""
    is_empty: bool = field(compare=False)

    @classmethod
    def of(cls, value: Any) -> Odd:
        """Keep a value of JSON aside."""
        return cls(shown(value), not value)

    def __bool__(self) -> bool:
        """Whether it is more than an empty array, 0 or the like."""
        return not self.is_empty


def shown(value: Any, limit: int = _SHOWN) -> str:
    """A JSON value on one short line, invisible characters escaped. Never raises, whatever the value is, and takes no longer for a larger one."""
    if isinstance(value, Odd):
        return _bounded(value.text, limit)
    try:
        text = json.dumps(_beginning(value, limit), ensure_ascii=False, default=str)
    except RecursionError:
        return "(a value that is nested too deep to be shown)"
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return "(a number that is too long to be shown)"
    return _bounded(text, limit)


def legible(text: str, limit: int = _SHOWN) -> str:
    """A text of a target as one short line: white space is one blank, other invisible characters are escaped."""
    return _bounded(" ".join(text[: 4 * limit].split()), limit)


def _beginning(value: Any, limit: int, depth: int = 0) -> Any:
    """As much of a value as `limit` characters can show: each member takes one at least, and so does each level."""
    if isinstance(value, str):
        return value[: limit + 1]
    if depth > limit or not isinstance(value, list | tuple | dict):
        return value if not isinstance(value, list | tuple | dict) else []
    if isinstance(value, dict):
        names = [name for name, _ in zip(value, range(limit + 1), strict=False)]
        return {
            name[: limit + 1] if isinstance(name, str) else name: _beginning(value[name], limit, depth + 1)
            for name in names
        }
    return [_beginning(item, limit, depth + 1) for item in value[: limit + 1]]


def _bounded(text: str, limit: int) -> str:
    begun = text[: limit + 1]
    begun = "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in begun
    )
    return begun if len(begun) <= limit else f"{begun[: limit - 1]}…"
