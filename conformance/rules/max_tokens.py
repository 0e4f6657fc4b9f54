"""Whether the reported number of tokens keeps to the limit."""

from __future__ import annotations

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.rules._shapes import promised
from conformance.wire.completion import Completion
from conformance.wire.shown import shown


@rule("MAXTOK-001", Scope.COMPLETION)
def the_token_count_stays_within_the_limit(completion: Completion, profile: Profile) -> Judgement:
    """`completion_tokens` is at most `max_tokens` times the number of choices, or of candidates."""
    request, usage = completion.exchange.request, completion.usage
    choices, limit = promised(request), request.integer("max_tokens", 0)
    if choices is None or limit < 1:  # other laws hold for a limit of 0 (MAXTOK-006, 007)
        return NOT_APPLICABLE
    if usage is None or usage.completion_tokens is None:
        return NOT_APPLICABLE
    # Candidates that are not returned may count: num_tokens(input) + [max_tokens * max(n, best_of)], as OpenAI's page on prices has it.
    n = request.integer("n", 1)
    choices = choices // n * max(n, request.integer("best_of", n))
    most = choices * (limit + profile.completion_tokens_slack.value)
    if usage.completion_tokens <= most:
        return None
    asked = (
        f"max_tokens is {limit}" if choices == 1 else f"max_tokens is {limit} for each of {choices} choices"
    )
    return broken(f"{asked}, and completion_tokens is {shown(usage.completion_tokens)}")
