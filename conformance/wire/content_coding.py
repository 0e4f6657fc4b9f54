"""Content codings undone piece by piece, with a bound on what comes out: a kilobyte of gzip can stand for a megabyte of zeros."""

from __future__ import annotations

import zlib

ACCEPT_ENCODING = "gzip, deflate"
"""What the suite says that it reads, as common clients do."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 100


class CodingError(Exception):
    """The body is not in the content coding that its headers name; the message says why."""


class TooLargeError(Exception):
    """More came than is read; the message says what the bound is."""


class Decoder:
    """Undoes the content coding of one body."""

    def __init__(self, coding: str, limit: int) -> None:
        """`coding` is the value of `Content-Encoding`; at most `limit` bytes come out in all.

        Raises `CodingError` for a coding that was not asked for.
        """
        self._coding = coding.strip().lower() or "identity"
        self._left = limit
        self._limit = limit
        self._first = True
        self._members = 1
        self._inflate: zlib._Decompress | None = None
        if self._coding in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(_GZIP)
        elif self._coding == "deflate":
            self._inflate = zlib.decompressobj(_ZLIB)
        elif self._coding != "identity":
            raise CodingError(f"The body has the content coding {coding[:40]!r}, which was not asked for.")

    def feed(self, data: bytes) -> bytes:
        """What `data` stands for; raises `CodingError` or `TooLargeError`."""
        if self._inflate is None:
            return self._bounded(data)
        out = b""
        while data:
            if self._inflate.eof:
                self._next_member(data)
            out += self._bounded(self._decompress(data))
            data = self._inflate.unused_data
        return out

    def close(self) -> None:
        """The body is at its end; raises `CodingError` where the coding is not."""
        # A body of no bytes is no broken gzip: answers to HEAD have none.
        if self._inflate is not None and not self._first and not self._inflate.eof:
            raise CodingError(f"The body ends before its {self._coding} data does.")

    def _bounded(self, out: bytes) -> bytes:
        self._left -= len(out)
        if self._left < 0:
            raise TooLargeError(f"The body is larger than {self._limit} bytes.")
        return out

    def _decompress(self, data: bytes) -> bytes:
        assert self._inflate is not None  # noqa: S101 - `feed` looked
        first, self._first = self._first, False
        most = (
            self._left + 1
        )  # one byte more than there is room for tells that there is more; 0 would mean "no bound"
        try:
            return self._inflate.decompress(data, most)
        except zlib.error as error:
            if first and self._coding == "deflate":
                # > Note: Some non-conformant implementations send the "deflate" compressed data without the zlib wrapper.
                # (RFC 9110, 8.4.1.2.) Clients read it.
                self._inflate = zlib.decompressobj(_RAW)
                return self._decompress(data)
            raise CodingError(f"The body is not {self._coding}: {error}.") from error

    def _next_member(self, data: bytes) -> None:
        """Begin a further gzip member: RFC 1952, 2.2, allows several in a row."""
        if self._coding == "deflate" or not _GZIP_MAGIC.startswith(data[: len(_GZIP_MAGIC)]):
            raise CodingError(f"Bytes follow the end of the {self._coding} data.")
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise CodingError(f"The body has more than {_MOST_MEMBERS} gzip members.")
        self._inflate = zlib.decompressobj(_GZIP)
