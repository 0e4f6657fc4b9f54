"""Values from a target, made fit to be read: on one line, bounded, and with nothing invisible in them."""

from __future__ import annotations

import json
from typing import Any

_SHOWN = 160


def shown(value: Any, limit: int = _SHOWN) -> str:
    """A JSON value on one short line, invisible characters escaped. Never raises, whatever the value is."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "(a value that is nested too deep to be shown)"
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return "(a number that is too long to be shown)"
    return _bounded(text, limit)


def legible(text: str, limit: int = _SHOWN) -> str:
    """A text of a target as one short line: white space is one blank, other invisible characters are escaped."""
    return _bounded(" ".join(text[: 4 * limit].split()), limit)


def _bounded(text: str, limit: int) -> str:
    text = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
