"""Whether a refusal is a moderator's: of what a prompt says, and not of the request that carries it.

Such an answer says nothing about a parameter, nor about the server's reading of it. Each form below was seen; `tests/wire/test_moderation.py`
says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.wire.exchange import NOT_JSON, Exchange

_CLIENT_ERROR = 4
_DEEPEST = 5
_READ = 4096
"""Characters of a body that are looked at."""

_CODES = re.compile(
    r"content_?filter(ed)?|content_?policy(_?violation)?|data_?inspection_?failed|moderation(_?blocked|_?error)?|"
    r"sensitive_?(words?|content)(_?detected)?|responsible_?ai_?policy_?violation",
    re.IGNORECASE,
)
_SAYINGS = re.compile(
    r"content (management |moderation |usage |safety )?polic(y|ies)|content[ _](filter|moderation)|moderation (block|endpoint|api|system)|"
    r"flagged (by|as|for)|(been|was) flagged|inappropriate content|content exists risk|considered high risk|"
    r"safety (system|filter|polic)|sensitive (words?|content)|敏感",
    re.IGNORECASE,
)


def is_moderated(exchange: Exchange) -> bool:
    """Whether a 4xx says that the content of the prompt is not welcome."""
    response = exchange.response
    if response is None or response.status // 100 != _CLIENT_ERROR:
        return False
    document = response.json
    if document is NOT_JSON:
        return _SAYINGS.search(response.body[:_READ].decode("utf-8", "replace")) is not None
    # Only what the target says by itself: a message may quote the prompt, or the parameter that was sent.
    return any(
        (name in {"code", "type"} and _CODES.fullmatch(text)) or _SAYINGS.search(text[:_READ])
        for name, text in _texts(document)
    )


def _texts(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The texts in a JSON value, each with the name of the member that it is."""
    if isinstance(value, str):
        yield name, value
    elif depth < _DEEPEST and isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, key, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for member in value:
            yield from _texts(member, name, depth + 1)
