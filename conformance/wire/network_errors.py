"""What an exception of the network says, in words for a person who never saw Python."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Protocol

_LONGEST = 200
_DEEPEST = 8


class _Url(Protocol):
    """The part of httpx's URL that is needed here."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def scheme(self) -> str: ...


def host_and_port(url: _Url) -> str:
    """The host and port that a URL leads to, as `host:port`."""
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"[{url.host}]:{port}" if ":" in url.host else f"{url.host}:{port}"


def explain(error: BaseException, host: str) -> str:
    """Why the connection to `host` failed; the cause that says most, as one sentence."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            reason = (
                getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "no handshake"
            )
            return f"TLS with {host} failed: {reason[:_LONGEST]}."
        if isinstance(cause, socket.gaierror):
            return f"The name of {host} cannot be resolved."
        if isinstance(cause, ConnectionRefusedError):
            return f"{host} refuses connections."
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return f"{host} closed the connection."
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return f"{host} cannot be reached: {cause.strerror[:_LONGEST]}."
    return f"{host} cannot be reached ({type(error).__name__})."


def _causes(error: BaseException, depth: int = 0) -> Iterator[BaseException]:
    """The exception and what led to it, groups taken apart."""
    if depth > _DEEPEST:
        return
    yield error
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    for cause in (error.__cause__, error.__context__, *inner):
        if cause is not None:
            yield from _causes(cause, depth + 1)
