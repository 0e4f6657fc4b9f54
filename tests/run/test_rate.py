"""A rate is read as people write it, and kept."""

from __future__ import annotations

from itertools import pairwise

import pytest

from conformance.run.rate import Rate, RateLimiter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("60/min", "60/min"),
        ("20/min,1000/day", "20/min,1000/day"),
        (" 20 / Minute , 1000/d", "20/min,1000/day"),
        ("2/s", "2/s"),
        ("500/h", "500/h"),
        ("1/sec", "1/s"),
        ("1/m", "1/min"),
    ],
)
def test_a_rate_is_read(text: str, shown: str) -> None:
    """Several limits hold at once."""
    assert str(Rate.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "min",
        "60/",
        "/min",
        "0/min",
        "-1/min",
        "1.5/s",
        "60/fortnight",
        "60/min,",
        "60/min 2/s",
        "9" * 99 + "/s",
        "٣/s",
        "nan/s",
    ],
)
def test_a_bad_rate_is_refused_with_what_is_taken(text: str) -> None:
    """The message shows how to write it, and is short whatever was given."""
    with pytest.raises(ValueError, match="such as 60/min") as raised:
        Rate.parse(text)
    assert len(str(raised.value)) < 200


def gone_out(text: str, requests: int, start: float = 0.0) -> list[float]:
    """When so many requests go out that all wait from the beginning."""
    limiter, moments, now = RateLimiter(Rate.parse(text)), list[float](), start
    for _ in range(requests):
        now = max(now, limiter.earliest())
        limiter.sent(now)
        moments.append(now)
    return moments


def most_in(window: float, moments: list[float]) -> int:
    """The most that went out in any stretch of time."""
    return max(sum(begin <= moment < begin + window for moment in moments) for begin in moments)


@pytest.mark.parametrize("text", ["60/min", "2/s", "3/min", "500/h"])
def test_it_is_spread_evenly(text: str) -> None:
    """No burst, and 2 % slower than what is allowed, since requests overtake each other on their way."""
    [limit] = Rate.parse(text).limits
    moments = gone_out(text, 200)

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps == pytest.approx([1.02 * limit.interval] * 199)
    assert most_in(limit.window, moments) <= limit.count


def test_a_day_is_counted_and_a_minute_spread() -> None:
    """1,000 a day let 1,000 go at the pace of the minute, and then nothing for the rest of the day."""
    moments = gone_out("20/min,1000/day", 1001)

    assert moments[999] == pytest.approx(999 * 3 * 1.02)
    assert moments[1000] == pytest.approx(86_400 * 1.02)


def test_the_slowest_of_the_short_ones_is_spread() -> None:
    """2 a second and 60 a minute are one a second."""
    assert gone_out("2/s,60/min", 3) == pytest.approx([0, 1.02, 2.04])


def test_what_was_not_used_is_not_made_up_for() -> None:
    """After a pause there is no burst."""
    limiter = RateLimiter(Rate.parse("60/min"))
    limiter.sent(0)
    limiter.sent(100)

    assert limiter.earliest() == pytest.approx(101.02)


def test_how_long_it_takes() -> None:
    """Evenly within a minute; whole days where a day's count is spent."""
    assert RateLimiter(Rate.parse("60/min")).seconds_for(101, 0) == pytest.approx(102)
    assert RateLimiter(Rate.parse("60/min,100/day")).seconds_for(101, 0) == pytest.approx(86_400)

    used = RateLimiter(Rate.parse("60/min,100/day"))
    for moment in range(100):
        used.sent(moment * 2.0)
    assert used.seconds_for(1, 200) == pytest.approx(86_200)
