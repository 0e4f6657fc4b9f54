"""Whether a text keeps clear of the stop sequences of its request."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.contract.symptom import ends_wrongly
from conformance.rules._shapes import echoes, generated, without_suffix
from conformance.wire.completion import Completion
from conformance.wire.exchange import Intent, Request
from conformance.wire.shown import shown

_AROUND = 20


@rule("STOP-001", Scope.COMPLETION, shows=ends_wrongly("stop"))
def the_text_never_contains_a_stop_sequence(completion: Completion) -> Judgement:
    """The text of a completion, after an echoed prompt, contains none of the stop sequences of its request."""
    request = completion.exchange.request
    stops = request.stops
    # A list that is too long is STOP-008's.
    if not stops or request.intent is Intent.INVALID:
        return NOT_APPLICABLE
    looked = False
    for choice in completion.choices.values():
        found = generated(request, choice.text)
        if found is None:
            continue
        looked = True
        for text, stop in product(_between_prompts(request, without_suffix(request, found)), stops):
            at = text.find(stop)
            if at >= 0:
                near = text[max(0, at - _AROUND) : at + len(stop) + _AROUND]
                return broken(
                    f"choice {shown(choice.index)} contains the stop sequence {shown(stop)}: {shown(near)}"
                )
    return None if looked else NOT_APPLICABLE


def _between_prompts(request: Request, text: str) -> Sequence[str]:
    """What is there beside further copies of echoed prompts: that a prompt comes twice, or in another choice, is for ECHO and STREAM to say."""
    pieces = [text]
    for prompt in request.prompts if echoes(request) else ():
        if isinstance(prompt, str) and prompt:
            pieces = [part for piece in pieces for part in piece.split(prompt)]
    return pieces
