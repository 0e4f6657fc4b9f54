"""What several runs of one scenario prove together. One observation is not a verdict, and neither are two that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from conformance.contract.verdict import Outcome
from conformance.run.session import fingerprint, is_greedy
from conformance.wire.exchange import Exchange, Intent, Request

NOISY_ATTEMPTS = 5
"""How often in all a check must fail on a target that was seen to contradict itself. A near tie that flips one answer in ten makes five
failures in a row of a check of two requests about three times in 100,000."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a scenario: its outcome (None is a pass, a text is a traceback), its evidence, its duration."""

    outcome: Outcome | str | None
    used: tuple[Exchange, ...]
    seconds: float

    @property
    def answered(self) -> bool:
        """Whether every request got a whole answer, whatever it says."""
        return all(exchange.whole for exchange in self.used)

    @property
    def calm(self) -> bool:
        """Whether the target answered as one does that is well: all of it, whole, and never with a 5xx."""
        return self.answered and all(
            exchange.status is not None and exchange.status < HTTPStatus.INTERNAL_SERVER_ERROR
            for exchange in self.used
        )

    @property
    def unanswered(self) -> bool:
        """Whether a valid request was neither served to the end nor refused for what it asks."""
        return any(
            exchange.request.intent is Intent.VALID
            and not exchange.closed_by_us
            and not (exchange.whole and (exchange.served or exchange.refused))
            for exchange in self.used
        )


def contradictory(attempts: Sequence[Attempt]) -> str | None:
    """Why attempts that all failed prove nothing: answers to the same greedy requests came and went between them.

    They do prove something where one of them failed although each of its requests was answered as that request mostly was (a near tie is
    one answer in a few), and where a request was answered differently every single time (what is sampled is no near tie). A check whose
    attempt asks the same twice judges just that, and is not kept from it.
    """
    seen = []
    for attempt in attempts:
        greedy = [exchange for exchange in attempt.used if is_greedy(exchange)]
        seen.append({exchange.request: fingerprint(exchange) for exchange in greedy})
        if len(seen[-1]) < len(greedy):
            return None
    by_request: dict[Request, list[object]] = {}
    for answers in seen:
        for request, answer in answers.items():
            by_request.setdefault(request, []).append(answer)
    if any(_always_different(found) for found in by_request.values()):
        return None
    if any(
        all(_mostly(by_request[request], answer) for request, answer in answers.items()) for answers in seen
    ):
        return None
    return "the target contradicts itself: the same greedy requests were answered differently from one attempt to the next"


def _mostly(answers: list[object], answer: object) -> bool:
    return 2 * answers.count(answer) > len(answers)


def _always_different(answers: list[object]) -> bool:
    return len(answers) >= NOISY_ATTEMPTS and all(answers.count(answer) == 1 for answer in answers)
