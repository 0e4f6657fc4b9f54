"""The `text_offset` of log probabilities: where in the text each token begins."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.contract.check import NOT_APPLICABLE, Finding, Judgement, Scope, broken, rule
from conformance.rules._shapes import echoes, has_failed
from conformance.rules._tokens import fits, is_spelled, legacy
from conformance.wire.completion import Completion
from conformance.wire.exchange import is_int
from conformance.wire.shown import shown


@rule("LOGP-009", Scope.PLAIN)
def offsets_advance_by_token_length(completion: Completion) -> Judgement:
    """For ASCII text each `text_offset` is the one before it plus the number of characters of the token before."""
    return NOT_APPLICABLE if completion.streamed else _stumbling(completion)


@rule("LOGP-013", Scope.RUN)
def offsets_go_on_over_chunks(completions: Sequence[Completion]) -> Judgement:
    """`text_offset` goes on from one chunk of a stream to the next as it does in plain answers."""
    plain = [_stumbling(one) for one in completions if not one.streamed]
    if None not in plain:
        return NOT_APPLICABLE  # LOGP-009
    # Where choices share an index their pieces are mixed as they come (STREAM-013).
    streams = [
        one for one in completions if one.streamed and len(one.choices) >= one.exchange.request.choices
    ]
    found = [(one, _stumbling(one)) for one in streams if not has_failed(one)]
    for one, wrong in found:
        if isinstance(wrong, Finding):
            return broken(f"in a stream {wrong.message}", evidence=(one.exchange,))
    return None if any(wrong is None for _, wrong in found) else NOT_APPLICABLE


def _stumbling(completion: Completion) -> Judgement:
    """Where the offsets of a choice do not go on by the length of a token."""
    looked = False
    for index, logprobs in legacy(completion):
        text, tokens, offsets = (
            completion.choices[index].text,
            logprobs.tokens or (),
            logprobs.text_offset or (),
        )
        if not is_spelled(text, tokens) or not fits(text, "".join(tokens)):
            continue
        if len(offsets) != len(tokens) or not all(map(is_int, offsets)):
            continue
        looked = looked or len(tokens) > 1
        for number in range(1, len(tokens)):
            if offsets[number] != offsets[number - 1] + len(tokens[number - 1]):
                return broken(
                    f"choice {shown(index)} has {shown(tokens[number - 1])} at offset {shown(offsets[number - 1])}"
                    f" and the next token, {shown(tokens[number])}, at {shown(offsets[number])}"
                )
    return None if looked else NOT_APPLICABLE


@rule("LOGP-011", Scope.COMPLETION)
def echoed_offsets_begin_at_zero(completion: Completion) -> Judgement:
    """With `echo` the first `text_offset` is 0."""
    request, looked = completion.exchange.request, False
    if not echoes(request):
        return NOT_APPLICABLE
    prompts = [prompt for prompt in request.prompts if isinstance(prompt, str)]
    for index, logprobs in legacy(completion):
        joined = "".join(token for token in logprobs.tokens or () if isinstance(token, str))
        offsets = logprobs.text_offset or ()
        # Whether the prompt is echoed is ECHO-001's, whether its tokens are covered LOGP-010's.
        if not any(joined.startswith(prompt) for prompt in prompts) or not offsets or not is_int(offsets[0]):
            continue
        looked = True
        if offsets[0] != 0:
            return broken(f"with `echo` the offsets of choice {shown(index)} begin at {shown(offsets[0])}")
    return None if looked else NOT_APPLICABLE
