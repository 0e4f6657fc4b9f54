"""Every form of "later" is understood, and no value makes a client wait for ever, or raise."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from conformance.wire.retry import LONGEST_PLAUSIBLE, is_transient, is_turned_away, wait_asked_for

NOW = 1_750_000_000.0


def busy(*headers: tuple[str, str], body: str = "") -> Response:
    """A 429."""
    return Response(429, headers, (Piece(0.1, body.encode()),))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("6h0m0s", 21_600),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("1d", 86_400),
        ("1.5h", 5400),
        ("20 seconds", 20),
        ("1 hour 5 minutes", 3900),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW - 90, usegmt=True), 0),
        ("2025-06-15T15:07:00Z", 20),
        ("2025-06-15T17:07:00+02:00", 20),
        ("2025-06-15T15:07:00", 20),
        (f"{NOW + 30:.0f}", 30),
        (f"{(NOW + 30) * 1000:.0f}", 30),
        (f"{NOW - 30:.0f}", 0),
        (f"{LONGEST_PLAUSIBLE:.0f}", LONGEST_PLAUSIBLE),
    ],
)
@pytest.mark.parametrize(
    "header",
    [
        "Retry-After",
        "x-ratelimit-reset",
        "X-RateLimit-Reset-Requests",
        "x-ratelimit-reset-tokens",
        "ratelimit-reset",
    ],
)
def test_a_time_is_read_in_all_its_forms(header: str, value: str, seconds: float) -> None:
    """Seconds, durations, dates, and moments since 1970, in every header that has one."""
    assert wait_asked_for(busy((header, value)), NOW) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "-1m30s",
        "soon",
        "NaN",
        "inf",
        "-inf",
        "1e9",
        "0x10",
        "1,2",
        "[1, 2]",
        "1m30",
        "30s;",
        "5 parsecs",
        "٣",
        "9" * 15,
        "9" * 5000,
        "9" * 5000 + "s",
        "1s" * 5000,
        "999999999999d",
        "999999999",
        f"{LONGEST_PLAUSIBLE + 1:.0f}",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "9999-12-31T23:59:59Z",
        "Thu, 99 Foo 0000 99:99:99 GMT",
        "\x00",
        "(" * 10_000,
    ],
)
@pytest.mark.parametrize(
    "header", ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]
)
def test_what_cannot_be_meant_is_not_heard(header: str, value: str) -> None:
    """Huge, negative, not a number, or garbage: no time is named, and nothing raises."""
    found = wait_asked_for(busy((header, value)), NOW)

    assert found is None or (header == "retry-after-ms" and 0 <= found <= LONGEST_PLAUSIBLE)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param([("retry-after-ms", "1500"), ("retry-after", "2")], 1.5, id="exact-first"),
        pytest.param([("retry-after-ms", "x"), ("retry-after", "2"), ("x-ratelimit-reset", "9")], 2, id="named-before-reset"),
        pytest.param([("x-ratelimit-reset-requests", "2m59.56s"), ("x-ratelimit-reset-tokens", "7.66s")], 179.56, id="longest"),
        pytest.param(
            [
                ("x-ratelimit-reset-requests", "2m59.56s"),
                ("x-ratelimit-remaining-requests", "14370"),
                ("x-ratelimit-reset-tokens", "7.66s"),
                ("x-ratelimit-remaining-tokens", "0"),
            ],
            7.66,
            id="the-one-that-is-spent",
        ),
        pytest.param(
            [
                ("X-RateLimit-Reset-Requests", "1s"),
                ("X-RateLimit-Remaining-Requests", "0"),
                ("X-RateLimit-Reset-Tokens", "9s"),
                ("X-RateLimit-Remaining-Tokens", "-1"),
            ],
            1,
            id="azure-says-minus-one-for-unknown",
        ),
        pytest.param([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", f"{(NOW + 5) * 1000:.0f}")], 5, id="openrouter"),
        pytest.param([("x-ratelimit-reset-requests", "9" * 99), ("x-ratelimit-reset-tokens", "3s")], 3, id="longest-plausible"),
        pytest.param([("x-ratelimit-reset-tokens_usage_based", "9ms")], 0.009, id="other-limit"),
        pytest.param([], None, id="nothing"),
    ],
)  # fmt: skip
def test_the_limit_that_was_met_counts(headers: list[tuple[str, str]], seconds: float | None) -> None:
    """Of several times the one that holds the request back."""
    assert wait_asked_for(busy(*headers), NOW) == (
        None if seconds is None else pytest.approx(seconds, abs=0.001)
    )


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached … Please try again in 9m38.016s. Need more tokens?", 578.016),
        ("Please retry in 17.30897372s.", 17.309),
        ("request reached organization max RPM: 3, please try again after 1 seconds", 1),
        ("Rate limit reached. Please try again in 20s.", 20),
        ("Please try again in 250ms.", 0.25),
        ("try again in 5 splines", None),
        ("try again in " + "9" * 5000 + "s", None),
        ("try again later", None),
        ("x" * 10_000 + "try again in 5s", None),
    ],
)
def test_a_message_may_name_the_time(message: str, seconds: float | None) -> None:
    """Where no header does."""
    found = wait_asked_for(busy(body=message), NOW)

    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.001))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, True), (503, True), (529, True), (500, False), (402, False), (200, False), (408, False)],
)
def test_turned_away_is_no_word_about_the_request(*, status: int, expected: bool) -> None:
    """429, 503, 529."""
    assert is_turned_away(Response(status)) == expected


@pytest.mark.parametrize("status", [408, 425, 502, 504])
def test_some_answers_are_weather(status: int) -> None:
    """They are about the way, not about the request."""
    assert is_transient(Exchange(Request(), Response(status)))


@pytest.mark.parametrize("status", [200, 400, 404, 429, 500, 501, 503, 529])
def test_others_are_not(status: int) -> None:
    """Served, refused, failed, or turned away."""
    assert not is_transient(Exchange(Request(), Response(status)))


@pytest.mark.parametrize("kind", list(FaultKind))
def test_broken_connections_are_weather(kind: FaultKind) -> None:
    """Before and in the middle of an answer; what can not be read, or does not come, is not."""
    broken = kind in {FaultKind.CONNECT, FaultKind.DROPPED}

    assert is_transient(Exchange(Request(), fault=Fault(kind, ""))) == broken
    assert is_transient(Exchange(Request(), Response(200, complete=False), Fault(kind, ""))) == broken
