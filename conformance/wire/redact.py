"""Secrets stay out of everything: exchanges as they are made, and results, reports, terminal and curl lines as they are written.

They are removed by their value, however an answer spells it: as it is, escaped, backwards, in Base64, with anything between its letters; and so
is each fragment of them of eight characters. An exchange is redacted where it is made, so that nobody who cuts, joins or compares what a target
said ever holds a secret; what is written is redacted again, for what was torn over the events of a stream is put together by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from conformance.wire.exchange import Exchange, Fault, Piece, Request, Response
from conformance.wire.search import Search, Span, merged
from conformance.wire.secret_values import CREDENTIAL_HEADERS, FRAGMENT, REMOVED, is_secret
from conformance.wire.spellings import fold

_CLEAN = "_clean"
_STRUCTURE = re.compile(rb"""((?:\\{0,8}["'\n\r{}\[\]<>,:][ \t]*)+)""")
"""What stands between the values of a text and is left in its place: what was JSON stays JSON."""
_HELD = 1 << 20
_SEEN_TWICE = 1 << 12
"""Bytes of a stream that are looked at at a time, and of them so many again with what follows."""
_SHORT_TEXT, _MOST_KNOWN = 200, 4096
"""Characters of a text that is remembered, and how many are."""
_MANY_HEADERS = 64
_BY_CHANCE = 2
"""So many letters before a border, or after one, which would go on with a secret, do so by chance."""

_BACKSLASHES = rb"\\\\{0,7}"
"""JSON within JSON within JSON: each nesting doubles them."""


@dataclass(frozen=True)
class Redactor:
    """Takes secrets out of everything that is written: by their value, and credential headers by their name."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    key_header: str | None = None
    """The header that takes the key, where it is not `Authorization`: what is in it is removed, too."""
    instead: str = REMOVED
    """What stands for a secret that was there as a whole."""
    takes_fragments: bool = True
    """Fragments of a secret count as the secret; not so where they are words that are said anyway."""

    @cached_property
    def _kept_secret(self) -> tuple[str, ...]:
        """Those of the secrets that protect anything, the longest first so that none shields another."""
        return tuple(sorted(filter(is_secret, set(self.secrets)), key=len, reverse=True))

    @cached_property
    def _search(self) -> Search:
        return Search(self._kept_secret)

    @cached_property
    def _short(self) -> tuple[re.Pattern[bytes], ...]:
        """A pattern for each secret that has too few letters to be searched for by its fragments."""
        return tuple(_pattern(secret) for secret in self._kept_secret if _is_short(secret))

    @cached_property
    def _long(self) -> tuple[re.Pattern[bytes], ...]:
        """A pattern for each other secret, which shows where exactly it begins and ends."""
        return tuple(_pattern(secret) for secret in self._kept_secret if not _is_short(secret))

    def _spans(self, data: bytes) -> list[Span]:
        """Where in `data` secrets stand."""
        if not self._kept_secret:
            return []
        found = [_trimmed(data, span) for span in self._search.spans(data)] if self.takes_fragments else []
        patterns = (*self._long, *self._short) if found or not self.takes_fragments else self._short
        found += (match.span() for pattern in patterns for match in pattern.finditer(data))
        return merged(found)

    @cached_property
    def _known(self) -> dict[str, str]:
        """Short texts and what is left of them: names and values of headers come again with each answer."""
        return {}

    def text(self, text: str) -> str:
        """`text` without the secrets."""
        if not self._kept_secret:
            return text
        if len(text) > _SHORT_TEXT:
            return self._without_secrets(text)
        if (clean := self._known.get(text)) is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            clean = self._known[text] = self._without_secrets(text)
        return clean

    def _without_secrets(self, text: str) -> str:
        # Lone surrogates survive this: JSON's escapes can bring them into a text.
        data = text.encode("utf-8", "surrogatepass")
        clean = self.data(data)
        return text if clean is data else clean.decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """`data` without the secrets, which may also be cut out of bytes that are not UTF-8."""
        spans = self._spans(data)
        if not spans:
            return data
        (clean,) = self._cut((Piece(0.0, data),), spans)
        return clean.data

    def stream(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """What comes in parts, without the secrets, in parts: of any size, in little memory."""
        held = b""
        for part in parts:
            held += part
            if len(held) >= _HELD:
                clean, held = self._begun(held)
                yield clean
        yield self.data(held)

    def _begun(self, data: bytes) -> tuple[bytes, bytes]:
        """`data` without the secrets as far as nothing that follows can change it, and the rest as it is."""
        spans = self._spans(data)
        end = min(
            (start for start, stop in spans if stop > len(data) - _SEEN_TWICE),
            default=len(data) - _SEEN_TWICE,
        )
        end = min(end, len(data) - _SEEN_TWICE)
        before = [span for span in spans if span[1] <= end]
        (clean,) = self._cut((Piece(0.0, data[:end]),), before)
        return clean.data, data[end:]

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The headers, credentials replaced."""
        credentials = {*CREDENTIAL_HEADERS, (self.key_header or "").lower()}
        return self._values(
            (name, REMOVED if name.lower() in credentials else value) for name, value in headers
        )

    def received(self, exchange: Exchange) -> Exchange:
        """An exchange as it may be looked at: no secret is in what came back."""
        response, fault = exchange.response, exchange.fault
        if not self._kept_secret:
            return exchange
        return replace(
            exchange,
            response=response and self._response(response, self._values(response.headers)),
            fault=fault and Fault(fault.kind, self.text(fault.message)),
        )

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange as it may be written down."""
        response, fault = exchange.response, exchange.fault
        return replace(
            exchange,
            request=self.request(exchange.request),
            response=response and self._response(response, self.headers(response.headers)),
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

    def _response(self, response: Response, headers: tuple[tuple[str, str], ...]) -> Response:
        """The response without secrets, also where the network tore one apart; pieces and their times stay.

        One that this redactor has been over is known by a note that is kept with it: to look again is dear, and finds nothing.
        """
        pieces = response.pieces
        if vars(response).get(_CLEAN) is not self and (spans := self._spans(response.body)):
            pieces = self._cut(pieces, spans)
        clean = response
        if headers != response.headers or pieces is not response.pieces:
            clean = replace(response, headers=headers, pieces=pieces)
        vars(clean)[_CLEAN] = self
        return clean

    def _cut(self, pieces: tuple[Piece, ...], spans: list[Span]) -> tuple[Piece, ...]:
        """The pieces with each of `spans` (offsets into all of their bytes, in order) replaced where it begins."""
        body = b"".join(piece.data for piece in pieces)
        kept: list[Piece] = []
        base, next_span = 0, 0
        for piece in pieces:
            end, position, parts = base + len(piece.data), base, []
            while next_span < len(spans) and spans[next_span][0] < end:
                start, stop = spans[next_span]
                if start >= base:
                    parts += [piece.data[position - base : start - base], self._instead(body[start:stop])]
                position = min(stop, end)
                if stop > end:  # the span goes on in the next piece
                    break
                next_span += 1
            kept.append(Piece(piece.seconds, b"".join((*parts, piece.data[position - base :]))))
            base = end
        return tuple(kept)

    def _instead(self, found: bytes) -> bytes:
        """What stands for a secret that was found as `found`: one word, or, where values were taken apart, what keeps their form."""
        if any(pattern.fullmatch(found) for pattern in (*self._long, *self._short)):
            return self.instead.encode()
        return _in_form(found)

    def _values(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The headers, without the secrets that are in them."""
        headers = tuple(headers)
        # Of very many it is first seen whether there is anything at all.
        if len(headers) > _MANY_HEADERS and not self._spans(_joined(headers)):
            return headers
        return tuple((self.text(name), self.text(value)) for name, value in headers)


def _joined(headers: Iterable[tuple[str, str]]) -> bytes:
    return "\n".join(f"{name}\n{value}" for name, value in headers).encode("utf-8", "surrogatepass")


def _is_short(secret: str) -> bool:
    return len(fold(secret.encode())) < FRAGMENT


def _pattern(secret: str) -> re.Pattern[bytes]:
    """A pattern for a secret; one of few letters is not found within other words."""
    whole = b"".join(map(_spellings, secret))
    if secret.isascii() and secret.isalnum() and _is_short(secret):
        return re.compile(rb"(?<![A-Za-z0-9])" + whole + rb"(?![A-Za-z0-9])")
    return re.compile(whole)


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


def _trimmed(data: bytes, span: Span) -> Span:
    """The span without what is of another value, and would go on with a secret by chance."""
    start, end = span
    parts = _STRUCTURE.split(data[start:end])
    if len(parts) > 1 and len(fold(parts[0])) <= _BY_CHANCE and len(fold(b"".join(parts[1:]))) >= FRAGMENT:
        start += len(parts[0]) + len(parts[1])
        parts = parts[2:]
    if len(parts) > 1 and len(fold(parts[-1])) <= _BY_CHANCE and len(fold(b"".join(parts[:-1]))) >= FRAGMENT:
        end -= len(parts[-1]) + len(parts[-2])
    return start, end


def _in_form(found: bytes) -> bytes:
    """What stands for a secret that may lie across several values."""
    first, *others = _STRUCTURE.split(found)
    if others and all(part.strip().isdigit() for part in (first, *others[1::2])):
        return b"".join((b"0", *(other if number % 2 == 0 else b"0" for number, other in enumerate(others))))
    removed = REMOVED.encode()
    if b"\0" in first:  # UTF-16, in which the other half of the last character follows
        removed = b"\0".join(bytes([byte]) for byte in removed)
    return removed + b"".join(others[::2])
