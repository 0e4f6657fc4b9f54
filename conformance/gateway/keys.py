"""Keys as the upstream sees them: that of the client, which it knows by a digest alone, and that of the gateway."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

GATEWAY_KEY: Final = "[key of the gateway]"
"""What stands in the place of a key of the gateway's own: it is taken out of every answer before anybody looks at it."""
LONG_ENOUGH: Final = 8
"""Characters of a key that are not found in an answer by chance."""
REMOVED: Final = "[removed]"
"""What stands where a secret of the run's was: whatever the run has received comes here without them."""
_SHOWN: Final = 4
_GONE: Final = REMOVED.encode()


@dataclass(frozen=True, slots=True)
class KeyMark:
    """What a key is known by to whoever sees it, and says it to nobody else: its length, and a digest with salt."""

    length: int
    salt: str
    digest: str

    @classmethod
    def of(cls, key: str | None) -> KeyMark | None:
        """The mark of a key; None where that is too short to be looked for."""
        if key is None or len(key) < LONG_ENOUGH:
            return None
        salt = secrets.token_hex(16)
        return cls(len(key), salt, _digest(key, salt))

    def is_of(self, text: str) -> bool:
        """Whether this is the mark of `text`."""
        return len(text) == self.length and _digest(text, self.salt) == self.digest

    def stands_in(self, text: str) -> bool:
        """Whether the key stands in `text`, as a word of its own: who knows a part of it does not learn the rest by asking for more and more."""
        ends = range(self.length, len(text) + 1)
        return any(
            self.is_of(text[end - self.length : end])
            for end in ends
            if not _goes_on(text[end - self.length - 1 : end - self.length])
            and not _goes_on(text[end : end + 1])
        )


def _goes_on(char: str) -> bool:
    """Whether a key may go on with this character, which is none at the end of a text."""
    return char.isalnum() or char in {"-", "_"}


def _digest(text: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{text}".encode(errors="surrogatepass")).hexdigest()


def is_own(key: str, client: KeyMark | None) -> bool:
    """Whether a key with which the upstream was asked is the gateway's own."""
    return len(key) >= LONG_ENOUGH and not (client is not None and client.is_of(key))


def spans_of(keys: Iterable[str], data: bytes) -> list[tuple[int, int]]:
    """Where in `data` one of `keys` stands: as it is, or torn by what was taken out of it."""
    spans = []
    for key in map(str.encode, keys):
        spans += [(at, at + len(key)) for at in _places(key, data)]
        spans += _torn(key, data)
    return sorted(spans)


def torn_in(keys: Iterable[str], data: bytes) -> frozenset[str]:
    """What is left in `data` of those of `keys` that share a fragment with a secret of the run, which is taken out before anybody looks."""
    spans = [span for key in map(str.encode, keys) for span in _torn(key, data)]
    return frozenset(data[start:end].decode(errors="replace") for start, end in spans)


def _torn(key: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    for at in _places(_GONE, data):
        end = at + len(_GONE)
        left = next((size for size in range(len(key), 0, -1) if data.endswith(key[:size], 0, at)), 0)
        right = next((size for size in range(len(key), 0, -1) if data.startswith(key[-size:], end)), 0)
        if LONG_ENOUGH <= left + right <= len(key) - LONG_ENOUGH:
            yield at - left, end + right


def _places(sought: bytes, data: bytes) -> Iterator[int]:
    at = data.find(sought)
    while at >= 0:
        yield at
        at = data.find(sought, at + len(sought))


def without(text: str, key: str) -> str:
    """A text with nothing but the beginning of `key` in it."""
    return text.replace(key, shortened(key)) if key else text


def shortened(value: str) -> str:
    """The beginning of what may be secret."""
    return f"{value[:_SHOWN]}…"
