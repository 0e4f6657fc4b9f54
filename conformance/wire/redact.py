"""Secrets stay out of everything that is written: results, reports, terminal, curl lines.

They are removed by their value, however an answer spells it: as it is, percent-encoded, or with the escapes of JSON or HTML. A server
that goes out of its way to hide a secret it was given, in Base64 or torn over the words of several events, is beyond this: it has
the secret anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from conformance.wire.exchange import Exchange, Fault, Piece, Request, Response

CREDENTIAL_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"}
)
"""Names (lower case) of headers whose value is a credential, whoever sends it."""

_CREDENTIAL_WORDS = ("auth", "key", "secret", "token")

_REMOVED = "[removed]"
_SHORTEST_SECRET = 4
"""Removing a shorter "secret" would tear unrelated text apart, and a key of three characters protects nothing."""

_LONGEST_WORD = 12
"""Letters of a key that may be a word: local servers are called with such keys, since clients insist on one."""

_BACKSLASHES = rb"\\\\{0,7}"
"""JSON within JSON within JSON: each nesting doubles them."""


def is_credential(name: str) -> bool:
    """Whether a header that a user adds looks like a credential by its name."""
    name = name.lower()
    return name in CREDENTIAL_HEADERS or any(word in name for word in _CREDENTIAL_WORDS)


@dataclass(frozen=True)
class Redactor:
    """Takes secrets out of everything that is written: by their value, and credential headers by their name."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    key_header: str | None = None
    """The header that takes the key, where it is not `Authorization`: what is in it is removed, too."""

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[bytes], ...]:
        """One pattern a secret, in bytes as bodies need not be text; the longest first so that none shields another."""
        secrets = sorted({secret for secret in self.secrets if len(secret) >= _SHORTEST_SECRET}, key=len)
        return tuple(map(_pattern, reversed(secrets)))

    def text(self, text: str) -> str:
        """`text` without the secrets."""
        if not self._patterns:
            return text
        # Lone surrogates survive this: JSON's escapes can bring them into a text.
        return self.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """`data` without the secrets, which may also be cut out of bytes that are not UTF-8."""
        for pattern in self._patterns:
            data = pattern.sub(_REMOVED.encode(), data)
        return data

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The headers, credentials replaced."""
        credentials = {*CREDENTIAL_HEADERS, (self.key_header or "").lower()}
        return tuple(
            (self.text(name), _REMOVED if name.lower() in credentials else self.text(value))
            for name, value in headers
        )

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange as it may be written down."""
        response, fault = exchange.response, exchange.fault
        return replace(
            exchange,
            request=self.request(exchange.request),
            response=response and self._response(response),
            fault=fault and Fault(fault.kind, self.text(fault.message)),
            url=self.text(exchange.url),
        )

    def request(self, request: Request) -> Request:
        """The request as it may be written down."""
        return replace(
            request,
            path=self.text(request.path),
            headers=self.headers(request.headers),
            body=self.data(request.body),
        )

    def _response(self, response: Response) -> Response:
        """The response without secrets, also where the network tore one apart; pieces and their times stay."""
        pieces = response.pieces
        for pattern in self._patterns:
            if spans := [match.span() for match in pattern.finditer(_joined(pieces))]:
                pieces = _cut(pieces, spans)
        return replace(response, headers=self.headers(response.headers), pieces=pieces)


def _pattern(secret: str) -> re.Pattern[bytes]:
    """A pattern for a secret. One that is a word, as `ollama` and `dummy` are, is left in a name such as `fp_ollama`, which others have made."""
    whole = b"".join(map(_spellings, secret))
    is_word = secret.isascii() and secret.isalpha() and len(secret) <= _LONGEST_WORD
    return re.compile((rb"(?<![A-Za-z0-9]_)" if is_word else b"") + whole)


def _spellings(char: str) -> bytes:
    """A pattern for one character of a secret, as it stands and as answers escape it.

    Repetitions are bounded and alternatives begin with a literal, so that a search takes time proportional to the data.
    """
    code = ord(char)
    raw = char.encode("utf-8")
    units = char.encode("utf-16-be").hex()
    escaped = b"".join(_BACKSLASHES + b"u" + _any_case(units[at : at + 4]) for at in range(0, len(units), 4))
    percent = b"".join(b"%" + _any_case(f"{byte:02x}") for byte in raw)
    entity = b"&#(?:0{0,8}%d|[xX]0{0,8}%s);" % (code, _any_case(f"{code:x}"))
    spellings = [re.escape(raw), escaped, percent, entity]
    if char in '/"\\':
        spellings.insert(0, _BACKSLASHES + re.escape(raw))
    if name := {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot"}.get(char):
        spellings.insert(0, b"&" + name + b";")
    return b"(?:" + b"|".join(spellings) + b")"


def _any_case(digits: str) -> bytes:
    """A pattern for hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits).encode()


def _joined(pieces: Iterable[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def _cut(pieces: tuple[Piece, ...], spans: list[tuple[int, int]]) -> tuple[Piece, ...]:
    """The pieces with each of `spans` (offsets into all of their bytes, in order) replaced where it begins."""
    kept: list[Piece] = []
    base, next_span = 0, 0
    for piece in pieces:
        end, position, parts = base + len(piece.data), base, []
        while next_span < len(spans) and spans[next_span][0] < end:
            start, stop = spans[next_span]
            if start >= base:
                parts += [piece.data[position - base : start - base], _REMOVED.encode()]
            position = min(stop, end)
            if stop > end:  # the span goes on in the next piece
                break
            next_span += 1
        kept.append(Piece(piece.seconds, b"".join((*parts, piece.data[position - base :]))))
        base = end
    return tuple(kept)
