"""What several attempts at one scenario prove together. One observation is no verdict, and neither are two that contradict each other.

A check that failed is run again on fresh exchanges, with the target to itself; on a target that was seen to contradict itself it must fail
five times. A failure that does not come again is *flaky*, and so is one whose answers came and went.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from conformance.contract.check import Check
from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotServed, Reason, Verdict
from conformance.run.attempt import Attempt
from conformance.run.determinism import Determinism
from conformance.run.forks import Forks
from conformance.run.ledger import MOST_EVIDENCE, Ledger
from conformance.run.reliability import Reliability
from conformance.wire.exchange import Request
from conformance.wire.greedy import fingerprint, is_greedy
from conformance.wire.shown import shown

_ATTEMPTS = {(False, False): 2, (False, True): 3, (True, False): 5, (True, True): 8}
"""How often in all a check must fail: on a target that was seen to contradict itself, and where it compares texts that differ. Two forms of
asking between which a near tie tosses a coin are told apart eight times in a row, each with one way of its own, twice in 65,000."""

ALWAYS = 5
"""What was answered otherwise each of so many times is sampled, not tied."""

Failure = tuple[Check, Attempt]
"""A check, and an attempt at it that failed."""


@dataclass
class Confirmation:
    """Repeats what failed until it is proved or flaky, and settles it. `repeat` runs a check once more, by the number of the attempt."""

    ledger: Ledger
    determinism: Determinism
    forks: Forks
    reliability: Reliability
    repeat: Callable[[Check, int], Awaitable[Attempt]]

    async def confirm(self, failed: Iterable[Failure]) -> None:
        """Run what failed once more; on a target that was seen to contradict itself several times more."""
        again = []
        for check, first in sorted(failed, key=lambda item: item[1].left_a_valid_request_unserved):
            if isinstance(first.outcome, Broken) and self._is_proved(first):
                self._settle_broken(check, first.outcome, first)
            else:
                again.append((check, [first, await self.repeat(check, 1)]))
        for check, attempts in again:
            while self._needs_another(attempts):
                attempts.append(await self.repeat(check, len(attempts)))
            last = attempts[-1]
            if not isinstance(last.outcome, Broken):
                self._settle_unconfirmed(check, attempts[-2], last)
            elif reason := self._known_fork(attempts) or why_flaky(attempts):
                self.ledger.settle(
                    check,
                    Verdict.INCONCLUSIVE,
                    f"{reason}; it failed with: {last.outcome}",
                    evidence=last.used,
                    reason=Reason.NOISE,
                )
            else:
                self._settle_broken(check, last.outcome, last)

    def _is_proved(self, first: Attempt) -> bool:
        """Whether one attempt is enough: what it blames came so often in a row that chance does not explain it."""
        return (first.times_unserved or 0) >= self.reliability.enough

    def _needs_another(self, attempts: Sequence[Attempt]) -> bool:
        """Whether a failure needs one more attempt: where texts differ that are to be equal, each attempt asks for them in turn once more."""
        last = attempts[-1]
        if not isinstance(last.outcome, Broken) or self._known_fork(attempts):
            return False
        noisy, differ = bool(self.determinism.contradictions), bool(self.forks.differences(last.used))
        return len(attempts) < _ATTEMPTS[noisy, differ]

    def _known_fork(self, attempts: Sequence[Attempt]) -> str | None:
        """Why attempts that failed prove nothing: what they compare differs where the target goes on in two ways by itself."""
        for attempt in attempts:
            prefix = self.forks.known(attempt.used)
            if prefix is not None and not isinstance(attempt.outcome, NotServed):
                return f"the target contradicts itself: after the text {shown(prefix)} it goes on now one way, now another, when the same is asked"
        return None

    def _settle_unconfirmed(self, check: Check, failed: Attempt, passed: Attempt) -> None:
        if passed.outcome is None and isinstance(failed.outcome, NotServed):
            # That it was not served once is another requirement's business (HTTP-020): when it was, all was well.
            self.ledger.settle(check, Verdict.PASS, evidence=passed.used, seconds=passed.seconds)
            return
        message = f"unstable: it failed once ({failed.outcome}), but not again on fresh exchanges"
        # What was not served and then was is the target's reliability; what was answered otherwise is its noise.
        reason = Reason.TRANSIENT if failed.left_a_valid_request_unserved else Reason.NOISE
        if isinstance(passed.outcome, Inconclusive):
            message = f"it failed once ({failed.outcome}), and could not be confirmed: {passed.outcome}"
            reason = passed.outcome.reason
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
    return len(answers) >= ALWAYS and all(answers.count(answer) == 1 for answer in answers)
