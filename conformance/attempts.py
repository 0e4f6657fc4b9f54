"""What several runs of one scenario prove together. One observation is not a verdict, and neither are two that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.session import fingerprint, is_greedy
from conformance.verdict import Outcome
from conformance.wire.exchange import Exchange, Request

NOISY_ATTEMPTS = 5
"""How often in all a check must fail on a target that was seen to contradict itself. A near tie that flips one answer in ten makes five
failures in a row of a check of two requests about three times in 100,000."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a scenario: its outcome (None is a pass, a text is a traceback), its evidence, its duration."""

    outcome: Outcome | str | None
    used: tuple[Exchange, ...]
    seconds: float


def contradictory(attempts: Sequence[Attempt]) -> str | None:
    """Why attempts that all failed prove nothing: the same greedy request was answered differently from one to the next.

    A check whose single attempt asks the same twice judges just that, and is not kept from it.
    """
    for attempt in attempts:
        greedy = [exchange.request for exchange in attempt.used if is_greedy(exchange)]
        if len(set(greedy)) < len(greedy):
            return None
    first: dict[Request, Exchange] = {}
    for exchange in (exchange for attempt in attempts for exchange in attempt.used if is_greedy(exchange)):
        known = first.setdefault(exchange.request, exchange)
        if fingerprint(known) != fingerprint(exchange):
            return f"the target contradicts itself: the same greedy request got different answers in {known.id} and {exchange.id}"
    return None
