"""Which headers a request goes out with."""

from __future__ import annotations

from conformance.wire.content_coding import ACCEPT_ENCODING
from conformance.wire.exchange import Auth, Request
from conformance.wire.secret_values import is_secret_header

USER_AGENT = "completions-conformance"

BEHIND_THE_KEY = "-1"
"""What makes a wrong key of the right one; some gateways read the number of a provider there."""

_ALWAYS = (("Accept", "*/*"), ("Accept-Encoding", ACCEPT_ENCODING), ("User-Agent", USER_AGENT))
_MARKS = frozenset("!#$%&'*+-.^_`|~")


def merge_headers(
    request: Request,
    key: str | None,
    extra: tuple[tuple[str, str], ...],
    key_header: str | None = None,
    public: tuple[tuple[str, str], ...] = (),
) -> list[tuple[str, str]]:
    """The client's headers, the key, the user's `extra` and `public` headers, the request's own; the later replace the earlier by name.

    The key, and what is secret among the extra headers, do not go out with `Auth.NONE`.
    """
    with_key = request.auth is not Auth.NONE
    longer = (credentials(key + BEHIND_THE_KEY, key_header),) if request.auth is Auth.LONGER and key else ()
    known_to_all = [
        pair
        for pair in extra
        if not is_secret_header(*pair) and pair[0].lower() != (key_header or "").lower()
    ]
    layers = (
        _ALWAYS,
        (credentials(key, key_header),) if with_key and key is not None else (),
        extra if with_key else known_to_all,
        longer,
        public,
        request.headers,
    )
    merged: list[tuple[str, str]] = []
    for layer in layers:
        names = {name.lower() for name, _ in layer}
        merged = [pair for pair in merged if pair[0].lower() not in names] + list(layer)
    return merged


def credentials(key: str, key_header: str | None = None) -> tuple[str, str]:
    """The header that carries a key: the key as it is where a server takes it in a header of its own."""
    return (key_header, key) if key_header else ("Authorization", f"Bearer {key}")


def check_headers(extra: tuple[tuple[str, str], ...], key: str | None, key_header: str | None = None) -> None:
    """Raise `ValueError` for what could be sent with no request; its message never repeats a value, which may be secret."""
    for name, value in (*extra, *([(key_header, "")] if key_header else ())):
        if not _is_token(name):
            raise ValueError(f"A header cannot have the name {name[:40]!r}.")
        if value != value.strip() or any(char < " " or char == "\x7f" for char in value):
            raise ValueError(
                f"The header {name} has a value with control characters or white space around it."
            )
    if key is not None and (not key or not all("!" <= char <= "~" for char in key)):
        raise ValueError(
            "The key is empty or has characters that no key has (white space, control, not ASCII)."
        )


def _is_token(name: str) -> bool:
    """Whether `name` can be the name of a header (RFC 9110, 5.6.2)."""
    return bool(name) and all(char.isascii() and (char.isalnum() or char in _MARKS) for char in name)
