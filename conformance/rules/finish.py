"""Whether a choice says truthfully that its limit ended it.

Of plain answers only: a stream has the same reason (FIN-004) and the same count (USAGE-009) as its plain twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.rules._shapes import is_given, promised
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_SMALLEST_CONTEXT = 512
"""No model in use has a smaller context, so that a request of fewer tokens can't have filled it."""
_SHOWN = 3
"""So many answers show what is broken."""


@rule("FIN-001", Scope.RUN)
def length_means_that_the_limit_was_reached(completions: Sequence[Completion]) -> Judgement:
    """A single completion with the finish_reason `length` has used all of `max_tokens`."""
    answers = _answers(completions)
    found = [one for one in answers if one.completion.finish_reason == "length"]
    # More than the limit is MAXTOK-001's.
    return _too_early([one for one in found if one.missing > 0], len(found)) if found else NOT_APPLICABLE


@rule("FIN-002", Scope.RUN)
def below_the_limit_is_not_length(completions: Sequence[Completion], profile: Profile) -> Judgement:
    """A single completion of fewer tokens than `max_tokens` has the finish_reason `stop` or `content_filter`."""
    known = ("length", "stop", "content_filter", *profile.extra_finish_reasons)
    # A reason that no one documents is RESP-010's, and one that is lost STREAM-011's.
    found = [
        one for one in _answers(completions) if one.missing > 0 and one.completion.finish_reason in known
    ]
    if not found:
        return NOT_APPLICABLE
    return _too_early([one for one in found if one.completion.finish_reason == "length"], len(found))


@dataclass(frozen=True)
class _Answer:
    """An answer whose length and limit can be compared."""

    completion: Completion
    tokens: int
    limit: int

    @property
    def missing(self) -> int:
        """How many tokens fewer than the limit it counts."""
        return self.limit - self.tokens

    @property
    def is_miscounted(self) -> bool:
        """Whether the answer itself shows that its count is too small, and not its reason wrong.

        It has a text of no tokens (USAGE-003), or as many tokens as the limit among its log probabilities (USAGE-010).
        """
        logprobs = self.completion.choice.logprobs
        entries = logprobs.tokens if logprobs is not None else None
        return (self.tokens < 1 and bool(self.completion.text)) or (
            entries is not None and len(entries) == self.limit
        )


def _answers(completions: Sequence[Completion]) -> list[_Answer]:
    """The answers whose counts can be believed.

    Where one that was cut at its limit shows that its count is too small, all that lack as many tokens are miscounted alike.
    """
    found = [one for one in map(_answer, completions) if one is not None]
    miscounted = {one.missing for one in found if one.missing > 0 and one.is_miscounted}
    return [
        one for one in found if not (one.missing in miscounted and one.completion.finish_reason == "length")
    ]


def _answer(completion: Completion) -> _Answer | None:
    """The tokens used and `max_tokens`, where the two can be compared and the model's context can't be full; else None."""
    request, usage = completion.exchange.request, completion.usage
    limit = request.integer("max_tokens", 0)
    if (
        completion.streamed
        or request.streamed
        or usage is None
        or usage.prompt_tokens is None
        or usage.completion_tokens is None
        or limit < 1
    ):
        return None
    if promised(request) != 1 or len(completion.choices) != 1 or is_given(request, "best_of", "suffix"):
        return None
    if usage.prompt_tokens + limit > _SMALLEST_CONTEXT:
        return None
    return _Answer(completion, usage.completion_tokens, limit)


def _too_early(found: Sequence[_Answer], looked_at: int) -> Judgement:
    """What is broken where an answer says `length` below its limit; None where none does."""
    if not found:
        return None
    first = found[0]
    return broken(
        f'the finish_reason is "length" after {shown(first.tokens)} of {first.limit} tokens, by its completion_tokens'
        f" (in {len(found)} of {looked_at} answers)",
        evidence=[one.completion.exchange for one in found[:_SHOWN]],
    )
