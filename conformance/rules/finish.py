"""Whether a choice says truthfully that its limit ended it.

Of plain answers only: a stream has the same reason (FIN-004) and the same count (USAGE-009) as its plain twin.
"""

from __future__ import annotations

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.rules._shapes import is_given, promised
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_SMALLEST_CONTEXT = 512
"""No model in use has a smaller context, so that a request of fewer tokens can't have filled it."""


@rule("FIN-001", Scope.PLAIN)
def length_means_that_the_limit_was_reached(completion: Completion) -> Judgement:
    """A single completion with the finish_reason `length` has used all of `max_tokens`."""
    used = _tokens(completion)
    if used is None or completion.finish_reason != "length":
        return NOT_APPLICABLE
    tokens, limit = used
    # More than the limit is MAXTOK-001's.
    return None if tokens >= limit else broken(_too_early(tokens, limit))


@rule("FIN-002", Scope.PLAIN)
def below_the_limit_is_not_length(completion: Completion, profile: Profile) -> Judgement:
    """A single completion of fewer tokens than `max_tokens` has the finish_reason `stop` or `content_filter`."""
    used = _tokens(completion)
    if used is None or used[0] >= used[1]:
        return NOT_APPLICABLE
    reason = completion.finish_reason
    if reason == "length":
        return broken(_too_early(*used))
    if not isinstance(reason, str) or not reason:  # RESP-010 and STREAM-011
        return NOT_APPLICABLE
    if reason in ("stop", "content_filter", *profile.extra_finish_reasons):
        return None
    return NOT_APPLICABLE  # a reason that no one documents: RESP-010


def _tokens(completion: Completion) -> tuple[int, int] | None:
    """The tokens used and `max_tokens`, where the two can be compared and the model's context can't be full; else None."""
    request, usage = completion.exchange.request, completion.usage
    limit = request.integer("max_tokens", 0)
    if (
        completion.streamed
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
    # No tokens for a text: the count is wrong, not the reason (USAGE-003).
    if usage.completion_tokens < 1 and completion.text:
        return None
    # As many tokens as the limit among the log probabilities: again it is the count that is wrong (USAGE-010).
    logprobs = completion.choice.logprobs
    if logprobs is not None and logprobs.tokens is not None and len(logprobs.tokens) == limit:
        return None
    return usage.completion_tokens, limit


def _too_early(tokens: int, limit: int) -> str:
    return f'the finish_reason is "length" after {shown(tokens)} of {limit} tokens'
