"""Which of the values that a user gives are secrets, and in which parts.

A word protects nothing, and local servers are called with keys such as `ollama` since clients insist on one: to take every `ollama` out of a
report would tear it apart. So words, version numbers and small numbers are no secrets, whatever header they stand in.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import unquote

CREDENTIAL_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"}
)
"""Names (lower case) of headers whose value is a credential, whoever sends it."""

REMOVED = "[removed]"
"""What stands for a secret."""
FRAGMENT = 8
"""So many characters of a secret in a row count as the secret."""
_SHORTEST = 4
"""A shorter value is left in: its removal would tear unrelated text apart, and it protects nothing."""
_LONGEST_WORD = 12
_SURELY_A_WORD = 6
"""Letters in a row that are taken for a word or an abbreviation without a closer look."""
_SHORT_NUMBER = 12
_SHORT_PART = 3
"""Characters of a part such as `v1`, `4o`, `7b`."""
_DEEPEST = 2
"""How often what is found in a value is decoded and taken apart again."""

_CREDENTIAL_WORDS = frozenset(
    {"auth", "authentication", "authorization", "bearer", "cookie", "cred", "credential", "credentials", "jwt", "key", "pass", "passphrase",
     "passwd", "password", "private", "pwd", "secret", "session", "sessionid", "sid", "sig", "sign", "signature", "token"}
)  # fmt: skip
_CREDENTIAL_ENDINGS = (
    "accesskey",
    "apikey",
    "authkey",
    "cookie",
    "password",
    "secret",
    "secretkey",
    "signature",
    "token",
)

_VOWELS = frozenset("aeiouy")
_CONSONANTS = re.compile(r"[^aeiouy]{5}")
_BORDERS = re.compile(r"[\s;,=&:|\"'()<>\[\]{}]+")
_RUNS = re.compile(r"[^\W_]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


def is_credential(name: str) -> bool:
    """Whether a header is named like one that carries a credential."""
    name = name.lower()
    words = re.split(r"[^a-z0-9]+", name)
    return name in CREDENTIAL_HEADERS or any(
        word in _CREDENTIAL_WORDS or word.endswith(_CREDENTIAL_ENDINGS) for word in words
    )


def is_secret(value: str) -> bool:
    """Whether a value that was given as a credential protects anything."""
    return len(value) >= _SHORTEST and not is_word(value) and not _is_short_number(value)


def secrets_of_header(name: str, value: str) -> tuple[str, ...]:
    """What of a header is secret: its value, and each part of it that a target could repeat by itself."""
    protects = is_secret if is_credential(name) else _stands_out
    return tuple(dict.fromkeys(part for part in _parts(value, _DEEPEST) if protects(part)))


def is_secret_header(name: str, value: str) -> bool:
    """Whether a header is to be kept from those who need not have it."""
    return is_credential(name) or bool(secrets_of_header(name, value))


def is_word(text: str) -> bool:
    """Whether a text looks like a word: letters of one case, in the order of consonants and vowels that languages have."""
    if not (text.isascii() and text.isalpha() and len(text) <= _LONGEST_WORD):
        return False
    lower = text.lower()
    if text not in {lower, text.upper(), text.capitalize()}:
        return len(text) <= _SURELY_A_WORD
    if len(text) <= _SURELY_A_WORD:
        return True
    vowels = sum(letter in _VOWELS for letter in lower)
    return not _CONSONANTS.search(lower) and len(text) <= 5 * vowels <= 4 * len(text)


def is_common(text: str) -> bool:
    """Whether a part of a secret is a row such as `12345678` or `00000000`, which others have, too."""
    steps = {(ord(after) - ord(before)) % 10 for before, after in pairwise(text.lower())}
    return steps <= {0, 1} or steps <= {0, 9}


def words_of(secret: str) -> Iterator[tuple[int, int]]:
    """The places of a secret at which a word stands by itself, as (start, end)."""
    for run in _RUNS.finditer(secret):
        if is_word(run[0]):
            yield run.span()


def _stands_out(value: str) -> bool:
    """Whether a value of a header that is not named like a credential is more than words, versions and small numbers."""
    return is_secret(value) and not all(
        is_word(run) or len(run) <= _SHORT_PART or _is_short_number(run) for run in _RUNS.findall(value)
    )


def _is_short_number(text: str) -> bool:
    digits = [character for character in text if character.isalnum()]
    return len(digits) < _SHORT_NUMBER and all(digit.isdecimal() for digit in digits)


def _parts(value: str, depth: int) -> Iterator[str]:
    """A value, what stands in it between borders, and what it says percent-decoded or in Base64."""
    yield value.strip()
    parts = [part for part in _BORDERS.split(value) if part]
    yield from parts
    if not depth:
        return
    # `=` is a border and an end of Base64.
    for part in dict.fromkeys((*parts, *_BASE64.findall(value))):
        for decoded in _decoded(part):
            yield from _parts(decoded, depth - 1)


def _decoded(part: str) -> Iterable[str]:
    if (plain := unquote(part)) != part:
        yield plain
    body = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return
    if len(text) >= _SHORTEST and text.isprintable():
        yield text
