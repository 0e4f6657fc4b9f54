"""Which limit on the rate explains what was served and what was turned away."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from conformance.run.evidence import Evidence
from conformance.run.throttling import Sending


def evidence(served: Iterable[float], *refused: float) -> Evidence:
    """What was seen: when requests went out that were served, and that were turned away at once, each for itself."""
    seen = Evidence()
    for moment in served:
        seen.served(moment)
    for moment in refused:
        seen.refused([Sending(0, moment, ended=moment)])
    return seen


def test_between_two_refusals_a_bucket_let_through_what_came_in() -> None:
    """A bucket of ten that gets one a second: at its rate, give or take one, neither less nor more explains it."""
    seen = evidence([*[0.0] * 10, *(0.5 + second for second in range(1, 20))], 0.1, 19.9)

    assert seen.at_least() == pytest.approx(18 / 19.8)
    assert 1.0 <= seen.at_most(seen.at_least()) <= 1.1


def test_what_comes_in_while_a_bucket_is_full_is_lost() -> None:
    """A bucket of one, of which little is asked for long: what it turns away then shows its rate as well as ever."""
    seen = evidence([0.0, *range(10, 100, 10), 100.9], 0.5, 101.8)

    assert seen.at_least() < 0.2
    assert seen.at_most(seen.at_least()) == pytest.approx(1 / 0.9, rel=0.01)


def test_a_burst_that_was_served_shows_how_much_a_bucket_holds() -> None:
    """Where it held five it could have been full again, and what it turned away behind three says more than where it may hold but three."""
    assert evidence([0.0] * 5 + [10.0] * 3, 10.3).at_most(0.0) == pytest.approx(4 / 10.3, rel=0.01)
    assert evidence([0.0] * 3 + [10.0] * 3, 10.3).at_most(0.0) == pytest.approx(1 / 0.3, rel=0.01)


def test_no_bucket_explains_a_refusal_at_a_lower_rate_than_was_let_through() -> None:
    """Two a second were let through from one refusal to another, and then one in ten seconds was not."""
    seen = evidence([0.5 * number for number in range(1, 40)], 0.0, 19.9)
    least = seen.at_least()
    seen.served(30.0)
    seen.refused([Sending(0, 40.0, ended=40.0)])

    assert least > 1.8
    assert seen.at_most(least) < least


def test_who_came_later_may_have_taken_the_place() -> None:
    """On their way requests overtake each other: what is served that went out a moment later may have come before."""
    overtaking, far_apart = Evidence(), Evidence()
    for seen, later in ((overtaking, 10.1), (far_apart, 10.5)):
        seen.served(0.0)
        seen.served(later)
        seen.refused([Sending(0, 10.0, ended=10.2)])

    assert far_apart.at_most(0.0) == pytest.approx(0.1, rel=0.01)
    assert overtaking.at_most(0.0) > 1


def test_a_window_has_served_as_many_in_each_minute_before_a_refusal() -> None:
    """However unevenly they came."""
    served = [*[0.0] * 20, *range(31, 41), *[60.0] * 20, *range(91, 101)]

    assert evidence(served, 45.0, 105.0).window() == pytest.approx(0.5)
    assert evidence(served, 35.0, 105.0).window() is None
    assert evidence(served, 105.0).window() is None
