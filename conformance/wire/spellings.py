"""What a secret looks like, in all the spellings in which a target may repeat it.

A spelling is cut into *windows*: each shows eight characters of the secret in a row, which count as the secret. They are folded: letters and
digits alone are left, in lower case, so that it does not matter what stands between them. Escapes (percent, JSON, HTML, full-width) are not
spelled here, since `search.py` undoes them in the text.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator

from conformance.wire.secret_values import FRAGMENT, is_common, words_of

_LOWER = bytes(range(256)).lower()
_DROPPED = bytes(byte for byte in range(256) if not (byte < 0x80 and chr(byte).isalnum()))  # noqa: PLR2004 - the end of ASCII
_LETTERS = bytes(range(ord("a"), ord("z") + 1))
_ATBASH = bytes.maketrans(_LETTERS, _LETTERS[::-1])

_DIGITS = (
    "{:02x}",
    "0x{:02x}",
    "{:02x}00",
    "00{:02x}",
    "{:03o}",
    "{:o}",
    "0o{:o}",
    "{:d}",
    "{:03d}",
    "{:08b}",
)
"""How bytes are written as numbers; the third and fourth are what hexadecimal makes of UTF-16."""
_OF_BASE64, _OF_BASE32 = 10, 12
"""Characters that eight bytes determine, whatever stands before and after them, but for the borders."""


def fold(data: bytes) -> bytes:
    """The letters and digits of a text, in lower case."""
    return data.translate(_LOWER, _DROPPED)


_ROW = re.compile(b"|".join(b"0123456789"[start : start + 5] for start in range(6)))
"""Numbers that follow one another, which many answers have, with anything between them."""


def windows_of(secret: str) -> frozenset[bytes]:
    """What shows that a secret is there; nothing for one that has too few letters and digits."""
    if len(fold(secret.encode())) < FRAGMENT:
        return frozenset()
    return frozenset((*_in_letters(secret), *_in_digits(secret), *_in_base64(secret), *_in_base32(secret)))


def literals_of(secret: str) -> frozenset[bytes]:
    """The fragments of a secret that are made of so many other characters that what is left of them when they are folded tells nothing."""
    fragments = (secret[start : start + FRAGMENT].encode() for start in range(len(secret) - FRAGMENT + 1))
    return frozenset(
        fragment
        for fragment in fragments
        if len(left := fold(fragment)) < FRAGMENT and not (left and is_common(left.decode()))
    )


def _in_letters(secret: str) -> Iterator[bytes]:
    """Each fragment as it is, in ROT13, in the alphabet from its end, and all of that backwards; but for those that are words."""
    folded = fold(secret.encode())
    before = [len(fold(secret[:place].encode())) for place in range(len(secret) + 1)]
    words = [(before[start], before[end]) for start, end in words_of(secret)]
    for start in range(len(folded) - FRAGMENT + 1):
        end = start + FRAGMENT
        fragment = folded[start:end]
        if is_common(fragment.decode()) or any(first <= start and end <= last for first, last in words):
            continue
        if _ROW.search(fragment):
            continue  # `text_offset`: [0, 1, 2, 3, 4, 5, 6] is no key that ends with t0123456
        rotated = codecs.encode(fragment.decode(), "rot13").encode()
        for spelled in (fragment, rotated, fragment.translate(_ATBASH)):
            yield from (spelled, spelled[::-1])


def _in_digits(secret: str) -> Iterator[bytes]:
    """The bytes of each fragment as numbers."""
    raw = secret.encode()
    for spelling in _DIGITS:
        numbers = [spelling.format(byte).encode() for byte in raw]
        for start in range(len(raw) - FRAGMENT + 1):
            yield b"".join(numbers[start : start + FRAGMENT])


def _in_base64(secret: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        raw = secret.encode(encoding)
        for before in range(3):
            coded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
            yield from _cut(coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6], _OF_BASE64)


def _in_base32(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    for before in range(5):
        coded = base64.b32encode(bytes(before) + raw).rstrip(b"=")
        yield from _cut(coded[-(-before * 8 // 5) : (before + len(raw)) * 8 // 5], _OF_BASE32)


def _cut(coded: bytes, length: int) -> Iterator[bytes]:
    folded = fold(coded)
    for start in range(len(folded) - length + 1):
        yield folded[start : start + length]
