"""How long to wait before a request is sent again that was turned away for its rate, or lost between a gateway and its upstream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from conformance.wire.exchange import Exchange, Response

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
"""RFC 9110 has whole seconds only; fractions are seen, and their meaning is plain."""

_TRIES: Mapping[int, int] = {
    HTTPStatus.TOO_MANY_REQUESTS: 2,
    HTTPStatus.BAD_GATEWAY: 1,
    HTTPStatus.SERVICE_UNAVAILABLE: 1,
    HTTPStatus.GATEWAY_TIMEOUT: 1,
}
"""How often what names no time is tried again. The last three need not speak of the request: "received an invalid response from an inbound
server" (RFC 9110, 15.6.3), "temporary overload or scheduled maintenance" (15.6.4), "did not receive a timely response" (15.6.5). Once it
may be chance; what comes again stands."""

_NAMES_A_TIME = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


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


def retry_delay(response: Response, *, tries: int, backoff: float) -> float | None:
    """The seconds to wait before sending once more what got `response`, or `None` where the answer stands.

    `tries` counts how often it was sent again before. A 429 and a 503 are asked again when they say; without that a 429 twice, after
    `backoff` seconds and after twice that, and a 502, 503 or 504 once, after `backoff` seconds.
    """
    if response.status in _NAMES_A_TIME:
        named = retry_after(response.header("retry-after") or "", datetime.now(UTC).timestamp())
        if named is not None:
            return named
    return float(backoff * 2**tries) if tries < _TRIES.get(response.status, 0) else None


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request that was turned away is sent again."""

    most: int = 3
    max_wait: float = 30.0
    """Seconds in all that one request waits because it was turned away."""
    backoff: float = 0.5
    """Seconds before the first new try where a 429 does not say when; the second waits twice that."""


async def with_retries(send_once: Callable[[], Awaitable[Exchange]], retries: Retries) -> Exchange:
    """The exchange of a request that is sent again while it is turned away; its last answer counts."""
    waited, tries = 0.0, 0
    while True:
        exchange = replace(await send_once(), retries=tries)
        if exchange.response is None or tries >= retries.most:
            return exchange
        seconds = retry_delay(exchange.response, tries=tries, backoff=retries.backoff)
        if seconds is None or waited + seconds > retries.max_wait:
            return exchange
        await asyncio.sleep(seconds)
        waited, tries = waited + seconds, tries + 1
