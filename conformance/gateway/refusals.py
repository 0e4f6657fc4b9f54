"""Scripts by which the upstream refuses: with errors of every shape that servers give them, and with what belongs to it alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from conformance.gateway.answers import (
    KEY_PLACE,
    Body,
    Reply,
    json_reply,
    no_usage,
    plain_reply,
)

RETRY_AFTER = "3600"
"""Long enough that no client waits for it by itself."""

RETRY_DATE = "Wed, 21 Oct 2099 07:28:00 GMT"

REFUSAL = MappingProxyType(
    {
        "message": "The scripted upstream refuses this prompt.",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": None,
    }
)
LIMIT = MappingProxyType(
    {
        "message": "Too many requests for the scripted upstream.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
)
AWAY = MappingProxyType(
    {**LIMIT, "message": "The scripted upstream is being mended.", "type": "server_error"}
)
WORDS_OF_REFUSAL = "the lantern is out, see https://example.com/lanterns"
"""What an error says that has another shape than OpenAI's; with an address, since some gateways mask those."""

SHAPES: Mapping[str, Any] = MappingProxyType(
    {
        "object": {"error": {**REFUSAL, "message": WORDS_OF_REFUSAL}},
        "string": {"error": WORDS_OF_REFUSAL},
        "flat": {"object": "error", "message": WORDS_OF_REFUSAL, "type": "BadRequestError", "code": 400},
        "detail": {"detail": WORDS_OF_REFUSAL},
        "details": {
            "detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": WORDS_OF_REFUSAL, "input": {}}]
        },
        "text": WORDS_OF_REFUSAL,
        "empty": "",
    }
)
"""The bodies of errors, by their shape; a text is the body itself."""

SECRET_HEADERS = (
    ("Set-Cookie", "upstream_session=scripted; Path=/; HttpOnly"),
    ("Proxy-Authenticate", 'Basic realm="scripted upstream"'),
    ("OpenAI-Organization", "org-scripted-upstream"),
)
"""What an upstream says to the gateway alone."""

REPEATED_HEADER = ("Warning", ('199 scripted "one"', '199 scripted "two"'))
"""A header that comes twice: its name, and both of its values."""


def _error(status: int, error: Mapping[str, Any], *headers: tuple[str, str]) -> Reply:
    return json_reply({"error": dict(error)}, status=status, headers=headers)


def refused(_: Body) -> Reply:
    """A refusal with status 400."""
    return _error(400, REFUSAL)


def unauthorized(_: Body) -> Reply:
    """A refusal with status 401: the key of the gateway is wrong, and is quoted, as by OpenAI's own in part."""
    error = {**REFUSAL, "message": f"Incorrect API key provided: {KEY_PLACE}.", "param": None}
    return replace(_error(401, error), mentions_key=True)


def forbidden(_: Body) -> Reply:
    """A refusal with status 403."""
    return _error(403, {**REFUSAL, "message": "The scripted upstream does not permit this.", "param": None})


def rate_limited(_: Body, retry_after: str = RETRY_AFTER) -> Reply:
    """A refusal with status 429, which says when to come again."""
    return _error(429, LIMIT, ("Retry-After", retry_after))


def unavailable(_: Body, retry_after: str = RETRY_AFTER) -> Reply:
    """An answer with status 503, which says when to come again."""
    return _error(503, AWAY, ("Retry-After", retry_after))


def shaped(_: Body, shape: str) -> Reply:
    """A refusal with status 400 whose body has one of `SHAPES`."""
    found = SHAPES[shape]
    if isinstance(found, str):
        return plain_reply(found.encode(), status=400, content_type="text/plain; charset=utf-8")
    return json_reply(found, status=400)


def redirect(_: Body) -> Reply:
    """A redirect to a path that there is not."""
    return plain_reply(b"", status=307, headers=(("Location", "/elsewhere/v1/completions"),))


def confidential(body: Body) -> Reply:
    """An ordinary answer with headers that are meant for the gateway, and one that comes twice."""
    name, values = REPEATED_HEADER
    repeated = tuple((name, value) for value in values)
    return replace(no_usage(body), headers=(*SECRET_HEADERS, *repeated))


REFUSALS: Mapping[str, Callable[[Body], Reply]] = MappingProxyType(
    {
        "refused": refused,
        "unauthorized": unauthorized,
        "forbidden": forbidden,
        "rate-limited": rate_limited,
        "rate-limited-until": partial(rate_limited, retry_after=RETRY_DATE),
        "unavailable": unavailable,
        "unavailable-until": partial(unavailable, retry_after=RETRY_DATE),
        **{f"error-{shape}": partial(shaped, shape=shape) for shape in SHAPES},
        "redirect": redirect,
        "confidential": confidential,
    }
)
