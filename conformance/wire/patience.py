"""How long to wait before a request is sent again that was turned away for its rate, or lost between a gateway and its upstream."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from conformance.wire.exchange import Response

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
"""RFC 9110 has whole seconds only; fractions are seen, and their meaning is plain."""

_BACKOFFS = 2
"""How often a 429 that names no time is tried again."""

_GATEWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
"""What speaks of an upstream and not of the request: "received an invalid response from an inbound server" (RFC 9110, 15.6.3), "did not
receive a timely response" (15.6.5). Once it may be chance; what comes again stands."""


def retry_after(value: str, now: float) -> float | None:
    """The seconds that a `Retry-After` of `value` asks for at the Unix time `now`; `None` where it says nothing intelligible.

    > The value of this field can be either an HTTP-date or a number of seconds to delay after receiving the response.
    (RFC 9110, 10.2.3)
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def pause(response: Response, *, tries: int, backoff: float) -> float | None:
    """The seconds to wait before sending once more what got `response`, or `None` where the answer stands.

    `tries` counts how often it was sent again before. A 503 is asked again only when it says when; a 429 also when it does not: after
    `backoff` seconds, and after twice that; a 502 and a 504 once, after `backoff` seconds.
    """
    if response.status in _GATEWAY:
        return None if tries else backoff
    if response.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return None
    named = retry_after(response.header("retry-after") or "", datetime.now(UTC).timestamp())
    if named is not None:
        return named
    if response.status == HTTPStatus.TOO_MANY_REQUESTS and tries < _BACKOFFS:
        return float(backoff * 2**tries)
    return None
