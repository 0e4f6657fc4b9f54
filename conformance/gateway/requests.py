"""Requests as they arrive at the scripted upstream: read byte by byte from the socket, since a library would tidy up what has to be seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HEAD_BYTES: Final = 64 * 1024
_BODY_BYTES: Final = 4 * 1024 * 1024
_SCHEME = "bearer "


class MalformedError(Exception):
    """The request can't be read; nobody else hears of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    """Without its query."""
    headers: tuple[tuple[str, str], ...] = ()
    data: bytes = b""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The data as a JSON object, empty where it is none."""

    def header(self, name: str) -> str:
        """The value of a header, those of several fields of that name in one; empty where there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def key(self) -> str:
        """The key that the request carries, in the header of OpenAI's or of Azure's; empty where it carries none."""
        given = self.header("authorization")
        return given[len(_SCHEME) :].strip() if given.lower().startswith(_SCHEME) else self.header("api-key")

    @property
    def takes_gzip(self) -> bool:
        """Whether the gateway has said that it can read gzip."""
        codings = (one.partition(";") for one in self.header("accept-encoding").lower().split(","))
        return any(
            name.strip() == "gzip" and quality.replace(" ", "") not in {"q=0", "q=0.0"}
            for name, _, quality in codings
        )


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    """One request; raises `MalformedError`, or `IncompleteReadError` where the other side goes."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise MalformedError from error
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    asked = Asked(method, rest.partition(" ")[0].partition("?")[0], headers)
    if asked.header("expect").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    data = await _body(reader, asked)
    return Asked(method, asked.path, headers, data, document_of(data))


def document_of(data: bytes) -> Mapping[str, Any]:
    """A body as a JSON object, empty where it is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _body(reader: asyncio.StreamReader, asked: Asked) -> bytes:
    if asked.header("transfer-encoding").lower() != "chunked":
        return await reader.readexactly(_size(asked.header("content-length") or "0", 10))
    data = b""
    while size := _size((await reader.readline()).partition(b";")[0].decode("latin-1"), 16):
        if len(data) + size > _BODY_BYTES:
            raise MalformedError
        data += (await reader.readexactly(size + 2))[:-2]
    return data


def _size(digits: str, base: int) -> int:
    try:
        size = int(digits, base)
    except ValueError as error:
        raise MalformedError from error
    if not 0 <= size <= _BODY_BYTES:
        raise MalformedError
    return size
