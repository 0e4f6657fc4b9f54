"""What several attempts at one scenario prove together. One observation is no verdict, and neither are two that contradict each other.

A check that failed is run again on fresh exchanges, with the target to itself; on a target that was seen to contradict itself it must fail
five times. A failure that does not come again is *flaky*, and so is one whose answers came and went.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from conformance.contract.check import Check
from conformance.contract.verdict import (
    Broken,
    BrokenShould,
    Inconclusive,
    NotRecorded,
    NotServed,
    ProvedBroken,
    Reason,
    Verdict,
)
from conformance.run.attempt import Attempt
from conformance.run.determinism import Determinism
from conformance.run.divergence import Forks, comes_and_goes, diverge, texts_of
from conformance.run.ledger import MOST_EVIDENCE, Ledger
from conformance.run.reliability import Reliability
from conformance.wire.exchange import Exchange, Request
from conformance.wire.greedy import fingerprint, is_greedy

_ATTEMPTS = {(False, False): 2, (False, True): 4, (True, False): 5, (True, True): 8}
"""How often in all a check must fail: on a target that was seen to contradict itself, and where it compares texts that differ. Two forms of
asking between which a near tie tosses a coin are told apart eight times in a row, each with one way of its own, twice in 65,000."""

_MORE_IN_ONE_FORM = 5
"""More attempts for a check that asks the very same twice: it can't be told from noise by what varies, only by how often it fails."""
_MOST_ATTEMPTS = 6
_ASKED_FOR = frozenset({"model", "prompt", "max_tokens"})
"""What says of what there is to be a text, and how long; all else is the form of a request."""
_UNTIL_SAMPLED = _ATTEMPTS[True, True]
"""Attempts after which what comes and goes is no sampling, if it did not show itself as that by then."""

_CONTRADICTS = "the target contradicts itself: the same greedy requests were answered differently from one attempt to the next"

Failure = tuple[Check, Attempt]
"""A check, and an attempt at it that failed."""


@dataclass
class Confirmation:
    """Repeats what failed until it is proved or flaky, and settles it. `repeat` runs a check once more, by the number of the attempt."""

    ledger: Ledger
    determinism: Determinism
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
                another = await self.repeat(check, len(attempts))
                if isinstance(another.outcome, NotRecorded):
                    break  # for the run that was recorded these were enough
                attempts.append(another)
            last = attempts[-1]
            if not isinstance(last.outcome, Broken):
                self._settle_unconfirmed(check, attempts[-2], last)
            elif last.blames_not_serving and times_lost(attempts) < self.reliability.enough(last.unserved):
                self._settle_flaky(check, last.outcome, attempts)
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

    def _is_proved(self, first: Attempt) -> bool:
        """Whether one attempt is enough: what it blames came so often in a row that chance does not explain it, or it says so itself."""
        if isinstance(first.outcome, ProvedBroken):
            return True
        return (first.times_unserved or 0) >= self.reliability.enough(first.unserved)

    def _needs_another(self, attempts: Sequence[Attempt]) -> bool:
        """Whether a failure needs one more attempt: where texts differ that are to be equal, each attempt asks for them in turn once more."""
        last = attempts[-1]
        if not isinstance(last.outcome, Broken):
            return False
        if last.blames_not_serving:
            return len(attempts) < _MOST_ATTEMPTS and times_lost(attempts) < self.reliability.enough(
                last.unserved
            )
        noisy, differ = bool(self.determinism.contradictions), diverge(last.used)
        most = _ATTEMPTS[noisy, differ] + (
            _MORE_IN_ONE_FORM if noisy and _asks_the_same_twice(attempts) else 0
        )
        if (differ or len(attempts) >= most) and why_flaky(attempts):
            # What has come and gone comes and goes; what is hardly ever the same again may turn out to be sampled.
            return len(attempts) < _UNTIL_SAMPLED and any(
                one.are_dense for forks in _forks(attempts) for one in forks
            )
        return len(attempts) < most

    def _settle_unconfirmed(self, check: Check, failed: Attempt, passed: Attempt) -> None:
        if passed.outcome is None and isinstance(failed.outcome, NotServed):
            # That it was not served once is another requirement's business (HTTP-020): when it was, all was well.
            self.ledger.settle(check, Verdict.PASS, evidence=passed.used, seconds=passed.seconds)
            return
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

    def _settle_flaky(self, check: Check, outcome: Broken, attempts: Sequence[Attempt]) -> None:
        """Settle a check that failed as often as it was tried, though no request of it was lost so often that this proves anything."""
        last = attempts[-1]
        rate = self.reliability.rate_of(last.unserved)
        why = (
            f"{rate:.0%} of all requests are not served when they are first sent"
            if rate
            else f"in {len(attempts)} attempts it was another request each time"
        )
        self.ledger.settle(
            check,
            Verdict.INCONCLUSIVE,
            f"{why}, so this proves nothing: {outcome}",
            evidence=last.used,
            reason=Reason.TRANSIENT,
        )

    def _settle_broken(self, check: Check, outcome: Broken, attempt: Attempt) -> None:
        verdict = self.ledger.verdict_when_broken(check, only_should=isinstance(outcome, BrokenShould))
        # The exchange that was looked at last is mostly the one that shows it.
        evidence = tuple(reversed(attempt.used))[:MOST_EVIDENCE]
        self.ledger.settle(
            check,
            verdict,
            str(outcome),
            evidence=evidence,
            kind=outcome.kind,
            seconds=attempt.seconds,
            symptoms=outcome.symptoms,
            looked_at=len(attempt.used),
        )


def times_lost(attempts: Sequence[Attempt]) -> int:
    """How often in a row the request that was not served most often was not served: a check that sends several loses one now and then.

    A check that asks for something else each time is counted by its attempts.
    """
    if not frozenset.intersection(*(frozenset(one.request for one in attempt.used) for attempt in attempts)):
        return len(attempts)
    lost = Counter[Request]()
    for attempt in attempts:
        for exchange in attempt.unserved:
            lost[exchange.request] += exchange.unserved
    return max(lost.values(), default=0)


def why_flaky(attempts: Sequence[Attempt]) -> str | None:
    """Why attempts that all failed prove nothing: answers to the same greedy requests came and went between them. None where they prove it.

    They do prove something where texts fork so often that they are sampled (near ties are rare, and leave some texts alone), and where one of
    them failed although each of its requests was answered as that request mostly was (a near tie is one answer in a few); but not where texts
    that part are what failed, since a tie may toss a coin on both sides. A check whose attempt asks the same twice judges just that, and is
    kept from it only by what came when it was first asked.
    """
    asks_twice = _asks_the_same_twice(attempts)
    for forks in _forks(attempts):
        # What a check asks twice may be sampled the second time alone, after something in between.
        acquitted = not asks_twice and any(one.are_none for one in forks)
        if any(one.are_of_sampling for one in forks) and not acquitted:
            return None
    if asks_twice:
        return _CONTRADICTS if _parts_by_itself(attempts[1:]) else None
    greedy = [[exchange for exchange in attempt.used if is_greedy(exchange)] for attempt in attempts]
    if diverge(attempts[-1].used):
        return _CONTRADICTS if _parts_by_itself(attempts[1:]) else None
    by_request = _answers(attempts)
    if any(
        all(_mostly(by_request[exchange.request], fingerprint(exchange)) for exchange in found)
        for found in greedy
    ):
        return None
    return _CONTRADICTS


def _answers(attempts: Sequence[Attempt]) -> dict[Request, list[object]]:
    """What each greedy request was answered, attempt by attempt."""
    found: dict[Request, list[object]] = {}
    for attempt in attempts:
        for exchange in filter(is_greedy, attempt.used):
            found.setdefault(exchange.request, []).append(fingerprint(exchange))
    return found


def _mostly(answers: list[object], answer: object) -> bool:
    return 2 * answers.count(answer) > len(answers)


def _asks_the_same_twice(attempts: Sequence[Attempt]) -> bool:
    greedy = [[exchange.request for exchange in attempt.used if is_greedy(exchange)] for attempt in attempts]
    return any(len(set(requests)) < len(requests) for requests in greedy)


def _parts_by_itself(attempts: Sequence[Attempt]) -> bool:
    """Whether one and the same request, when it was first asked, went on in different ways from one attempt to another, with the target to itself.

    That one of them only ended is no tie; and what comes of others' requests in between is not known to be chance.
    """
    by_request: dict[Request, list[Exchange]] = {}
    for attempt in attempts:
        seen: set[Request] = set()
        for exchange in attempt.used:
            if exchange.request not in seen:
                by_request.setdefault(exchange.request, []).append(exchange)
            seen.add(exchange.request)
    return any(map(comes_and_goes, by_request.values()))


def _forks(attempts: Sequence[Attempt]) -> list[list[Forks]]:
    """Where each text that should have been the same every time went on in different ways, by the form of its request.

    Who samples does so whatever the prompt: a text that is the same each time acquits its form, however often another forks.
    """
    found: dict[Hashable, dict[tuple[Request, int], list[str]]] = {}
    for attempt in attempts:
        for exchange in attempt.used:
            of_form = found.setdefault(_form(exchange.request), {})
            for number, text in enumerate(texts_of(exchange)):
                of_form.setdefault((exchange.request, number), []).append(text.text)
    return [[Forks.of(texts) for texts in of_form.values()] for of_form in found.values()]


def _form(request: Request) -> Hashable:
    """How a request asks, whatever for."""
    return json.dumps(
        {name: value for name, value in request.params.items() if name not in _ASKED_FOR}, sort_keys=True
    )
