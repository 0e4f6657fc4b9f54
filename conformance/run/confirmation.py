"""What several attempts at one scenario prove together. One observation is no verdict, and neither are two that contradict each other.

A check that failed is run again on fresh exchanges, with the target to itself; on a target that was seen to contradict itself it must fail
five times. A failure that does not come again is *flaky*, and so is one whose answers came and went.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from conformance.contract.check import Check
from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotRecorded, Reason, Verdict
from conformance.run.attempt import Attempt
from conformance.run.determinism import Determinism
from conformance.run.ledger import MOST_EVIDENCE, Ledger
from conformance.wire.exchange import Request
from conformance.wire.greedy import fingerprint, is_greedy

NOISY_ATTEMPTS = 5
"""How often in all a check must fail on a target that was seen to contradict itself. A near tie that flips one answer in ten makes five
failures in a row of a check of two requests about three times in 100,000."""

Failure = tuple[Check, Attempt]
"""A check, and an attempt at it that failed."""


@dataclass
class Confirmation:
    """Repeats what failed until it is proved or flaky, and settles it. `repeat` runs a check once more, by the number of the attempt."""

    ledger: Ledger
    determinism: Determinism
    repeat: Callable[[Check, int], Awaitable[Attempt]]

    async def confirm(self, failed: Iterable[Failure]) -> None:
        """Run what failed once more; on a target that was seen to contradict itself several times more."""
        again = [
            (check, [first, await self.repeat(check, 1)])
            for check, first in sorted(failed, key=lambda item: item[1].left_a_valid_request_unserved)
        ]
        for check, attempts in again:
            while isinstance(attempts[-1].outcome, Broken) and len(attempts) < self._attempts_needed:
                another = await self.repeat(check, len(attempts))
                if isinstance(another.outcome, NotRecorded):
                    break  # for the run that was recorded these were enough
                attempts.append(another)
            last = attempts[-1]
            if not isinstance(last.outcome, Broken):
                self._settle_unconfirmed(check, attempts[-2], last)
            elif reason := why_flaky(attempts):
                self.ledger.settle(
                    check,
                    Verdict.INCONCLUSIVE,
                    f"{reason}; it failed with: {last.outcome}",
                    evidence=last.used,
                    reason=Reason.NOISE,
                )
            else:
                self._settle_broken(check, last.outcome, last)

    @property
    def _attempts_needed(self) -> int:
        return NOISY_ATTEMPTS if self.determinism.contradictions else 2

    def _settle_unconfirmed(self, check: Check, failed: Attempt, passed: Attempt) -> None:
        message = f"unstable: it failed once ({failed.outcome}), but not again on fresh exchanges"
        # What was not served and then was is the target's reliability; what was answered otherwise is its noise.
        reason = Reason.TRANSIENT if failed.left_a_valid_request_unserved else Reason.NOISE
        if isinstance(passed.outcome, Inconclusive | NotRecorded):
            message = f"it failed once ({failed.outcome}), and could not be confirmed: {passed.outcome}"
            reason = getattr(passed.outcome, "reason", Reason.PRECONDITION)
        self.ledger.settle(
            check,
            Verdict.INCONCLUSIVE,
            message,
            evidence=failed.used,
            reason=reason,
            seconds=failed.seconds,
        )

    def _settle_broken(self, check: Check, outcome: Broken, attempt: Attempt) -> None:
        verdict = self.ledger.verdict_when_broken(check, only_should=isinstance(outcome, BrokenShould))
        # The exchange that was looked at last is mostly the one that shows it.
        evidence = tuple(reversed(attempt.used))[:MOST_EVIDENCE]
        self.ledger.settle(
            check, verdict, str(outcome), evidence=evidence, kind=outcome.kind, seconds=attempt.seconds
        )


def why_flaky(attempts: Sequence[Attempt]) -> str | None:
    """Why attempts that all failed prove nothing: answers to the same greedy requests came and went between them. None where they prove it.

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
