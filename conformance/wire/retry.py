"""What an answer says about "later": whether it speaks of the request at all, and how long it asks to wait.

`is_turned_away`, `is_transient` and `wait_asked_for` are the one place that knows the forms of it; `run/delivery.py` acts on them.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from conformance.wire.exchange import OVERLOADED, Exchange, FaultKind, Response

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
"""RFC 9110 has whole seconds only; fractions are seen, and their meaning is plain."""

_TURNED_AWAY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, OVERLOADED}

_TRANSIENT = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""What happened on the way: 408 (the connection was too slow), 425 (RFC 8470: send it again, not as early data), and 502 and 504 of gateways."""

_BROKEN_CONNECTIONS = {FaultKind.CONNECT, FaultKind.DROPPED}

LONGEST_PLAUSIBLE = 32 * 86_400.0
"""Seconds. No limit is counted over more than a month, so what asks for longer is not meant, or not meant well."""


def is_turned_away(response: Response) -> bool:
    """Whether an answer says "not now", and nothing about the request: 429, 503, 529."""
    return response.status in _TURNED_AWAY


def is_transient(exchange: Exchange) -> bool:
    """Whether an exchange shows what happens on any network now and then: 408, 425, 502, 504, or a connection that broke.

    A time limit of the suite that passed is none of these: the server had the request, and did not answer it.
    """
    if exchange.fault is not None:
        return exchange.fault.kind in _BROKEN_CONNECTIONS
    return exchange.status in _TRANSIENT


def time_of(exchange: Exchange) -> float:
    """The Unix time at which an answer was written, by the clock of whoever wrote it (`Date`); else by ours.

    Dates and times since 1970 in an answer are the server's, whose clock may be minutes off.
    """
    date = (exchange.response.header("date") or "") if exchange.response else ""
    if date and len(date) <= _LONGEST_VALUE:
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return parsedate_to_datetime(date).timestamp()
    return exchange.started + exchange.seconds


def wait_asked_for(response: Response, now: float) -> float | None:
    """The seconds from the Unix time `now` that a target which turns a request away asks to wait; `None` where it names no time.

    The most exact and most binding word counts: `retry-after-ms`, then `Retry-After`, then the resets of limits, then the message.
    """
    exact = _plausible(_milliseconds(response.header("retry-after-ms") or ""))
    if exact is not None:
        return exact
    asked = _until(response.header("retry-after") or "", now)
    if asked is not None:
        return asked
    reset = _reset(response, now)
    return reset if reset is not None else _said_in_the_message(response)


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


# -- the forms of "later" --------------------------------------------------------------------------------------------------------------

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONG_UNITS = {"day": "d", "hour": "h", "hr": "h", "minute": "m", "min": "m", "second": "s", "sec": "s"}
_DURATION = rf"(?:{_NUMBER}\s?(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|ms|[dhms])\s?){{1,5}}"
_ONLY_A_DURATION = re.compile(_DURATION, re.ASCII)
_SAID = re.compile(rf"(?:try again|retry|wait)\s(?:in|after|for)\s({_DURATION})(?![a-z])", re.ASCII)
"""OpenAI and Groq: "Please try again in 9m38.016s"; Gemini: "Please retry in 17.3s"; Moonshot: "please try again after 1 seconds"."""

_EPOCH = 1e9
_EPOCH_IN_MILLISECONDS = 1e11
"""A number so large is a date, not a wait: 2001 in seconds, 1973 in milliseconds; as waits they were 31 and 3,170 years."""

_LONGEST_VALUE = 64
"""Characters of a header that names a time; an HTTP date has 29, and Python's parser of dates shall not be given megabytes."""

_MESSAGE_READ = 4096
"""Bytes of a body in which the time is looked for."""

_RESET = re.compile(r"(?:x-)?ratelimit-reset((?:-[\w-]{1,40})?)", re.ASCII)
"""`x-ratelimit-reset` of OpenRouter, `-requests` and `-tokens` of OpenAI, Groq, Azure; without `x-` in IETF's draft."""


def _until(value: str, now: float) -> float | None:
    """The seconds from `now` that a header means: a number, a duration, a date, or seconds or milliseconds since 1970."""
    value = value.strip()
    if len(value) > _LONGEST_VALUE:
        return None
    if re.fullmatch(_NUMBER, value, re.ASCII):
        return _plausible(_from_a_number(float(value), now))
    if _ONLY_A_DURATION.fullmatch(value):
        return _plausible(_seconds(value))
    return _plausible(_from_a_date(value, now))


def _from_a_number(number: float, now: float) -> float:
    if number >= _EPOCH_IN_MILLISECONDS:
        return max(0.0, number / 1000 - now)
    return max(0.0, number - now) if number >= _EPOCH else number


def _from_a_date(value: str, now: float) -> float | None:
    """The seconds until an HTTP date, or until one of RFC 3339, which some resets have."""
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return retry_after(value, now)
    try:
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _milliseconds(value: str) -> float | None:
    value = value.strip()
    return float(value) / 1000 if re.fullmatch(_NUMBER, value, re.ASCII) else None


def _seconds(duration: str) -> float:
    """The seconds of `1m30s`, `250ms`, `6h0m0s`, `20 seconds`."""
    total = 0.0
    for number, unit in re.findall(rf"({_NUMBER})\s?([a-z]+)", duration):
        total += float(number) * _UNITS[_LONG_UNITS.get(unit.removesuffix("s") or "s", unit)]
    return total


def _plausible(seconds: float | None) -> float | None:
    """`seconds`, where they can be meant."""
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_PLAUSIBLE:
        return None
    return seconds


def _reset(response: Response, now: float) -> float | None:
    """When the limit is lifted that turned a request away: the one of which nothing remains, else the last of all."""
    resets = dict(_resets(response, now))
    spent = [seconds for name, seconds in resets.items() if _nothing_remains(response, name)]
    return max(spent or resets.values(), default=None)


def _resets(response: Response, now: float) -> Iterator[tuple[str, float]]:
    """Each limit that says when it is lifted, by what its headers' names end in, and the seconds until then."""
    for header, value in response.headers:
        found = _RESET.fullmatch(header.lower())
        seconds = _until(value, now) if found else None
        if found and seconds is not None:
            yield found[1], seconds


def _nothing_remains(response: Response, limit: str) -> bool:
    for name in (f"x-ratelimit-remaining{limit}", f"ratelimit-remaining{limit}"):
        if re.fullmatch(r"-?0{1,9}(\.0{1,9})?", (response.header(name) or "").strip(), re.ASCII):
            return True
    return False


def _said_in_the_message(response: Response) -> float | None:
    text = (
        b"".join(piece.data for piece in response.pieces[:8])[:_MESSAGE_READ]
        .decode("utf-8", "replace")
        .lower()
    )
    found = _SAID.search(text)
    return _plausible(_seconds(found[1])) if found else None
