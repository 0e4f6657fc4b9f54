"""Text from anywhere, made harmless and honest: characters that can't be seen, move others or do not exist are shown by their number.

A page marks them (`escape_html`), so that nobody takes the picture of a line feed for a letter; plain text writes them as escapes (`escape_line`).
`templates/page.js` does in the browser what `escape_html` does here.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from markupsafe import Markup, escape

LONGEST = 4_000
"""Characters of one text that a page shows."""

_CODE = re.compile(r"`([^`\n]+)`")
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_AT_THE_BEGINNING = re.compile(r"^(\s*)::")
_ANYWHERE = re.compile(r"##(\w*\[)")
_SUSPECT = re.compile(r"[^ -~\n]")
"""What needs a closer look; most texts have none of it."""
_BYTES = range(0xDC80, 0xDD00)
"""Where Python's `surrogateescape` puts bytes that are not UTF-8."""
_MOST_MARKS = 2
"""Combining marks that one letter may carry; beyond that they run over their neighbours."""


def is_visible(character: str) -> bool:
    """Whether a character shows itself and leaves its neighbours in their places."""
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def sign_of(character: str) -> str:
    """What stands for an invisible character: the escape that programmers know, the byte, or `U+` and its number."""
    number = ord(character)
    if number in _BYTES:
        return f"{number - 0xDC00:02X}"
    return _ESCAPES.get(character, f"U+{number:04X}")


def shorten(text: str, limit: int = LONGEST) -> str:
    """The first `limit` characters, and how many there are besides."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def escape_line(text: object, limit: int = LONGEST) -> str:
    """One line of text for an attribute, a terminal or a file: all that is invisible is written as an escape."""
    short = shorten(str(text), limit)
    if not _SUSPECT.search(short):
        return short.replace("\n", r"\n")
    return "".join(character if shown else _escaped(character) for character, shown in _marked(short))


def no_command(line: str) -> str:
    """A line that no pipeline takes for a command: several look for them in what a job prints (`::error::`, `##[error]`, `##vso[`)."""
    line = _AT_THE_BEGINNING.sub(r"\1\\u003a:", line)
    return _ANYWHERE.sub(r"#\\u0023\1", line)


def _escaped(character: str) -> str:
    number = ord(character)
    four_digits = 0xFFFF
    return _ESCAPES.get(character, f"\\u{number:04x}" if number <= four_digits else f"\\U{number:08x}")


def escape_html(text: object, limit: int = LONGEST) -> Markup:
    """HTML of a text, in which line feeds break the line and everything else that is invisible is marked."""
    short = shorten(str(text), limit)
    if not _SUSPECT.search(short):
        return escape(short)
    pieces: list[Markup] = []
    for shown, group in groupby(_marked(short), key=lambda pair: pair[1] or pair[0] == "\n"):
        run = "".join(character for character, _ in group)
        if shown:
            pieces.append(escape(run))
        else:
            pieces += [Markup('<span class="i">{}</span>').format(sign_of(character)) for character in run]
    return Markup("").join(pieces)


def prose(text: object, limit: int = LONGEST) -> Markup:
    """`escape_html`, with what stands between backticks set as code."""
    parts = _CODE.split(shorten(str(text), limit))
    return Markup("").join(
        Markup("<code>{}</code>").format(escape_html(part)) if number % 2 else escape_html(part)
        for number, part in enumerate(parts)
    )


def _marked(text: str) -> list[tuple[str, bool]]:
    """Each character, and whether it may be shown."""
    marked, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        marked.append((character, is_visible(character) and marks <= _MOST_MARKS))
    return marked
