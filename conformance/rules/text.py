"""Whether a text is what its tokens mean, and not how a tokenizer writes them."""

from __future__ import annotations

import re

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, broken_should, rule
from conformance.rules._shapes import generated, is_given
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_FEW = 2
_MARKED_WORD = re.compile(r"[\u0120\u2581](?=[A-Za-z])")
"""A word behind the mark that stands for a blank: U+0120 in byte-level vocabularies, U+2581 in those of SentencePiece."""

_END = re.compile(
    r"(<\|(?:end|im_end|endoftext|end_of_text|eot_id|eom_id)\|>|</s>|<eos>|<end_of_turn>|<\uff5cend\u2581of\u2581sentence\uff5c>)\s*\Z"
)
"""The tokens that end a text in the vocabularies in use, spelled out."""


@rule("RESP-018", Scope.COMPLETION)
def a_text_is_decoded(completion: Completion) -> Judgement:
    """A text has spaces where the model wrote spaces, and does not end in the token that ended it."""
    request, looked = completion.exchange.request, False
    if is_given(request, "suffix"):
        return NOT_APPLICABLE
    prompts = [prompt for prompt in request.prompts if isinstance(prompt, str)]
    for choice in completion.choices.values():
        text = generated(request, choice.text)
        if not text:
            continue
        looked = True
        # A model goes on with what its prompt has begun, marks included.
        marks = _MARKED_WORD.findall(text)
        if len(marks) >= _FEW and " " not in text and not any(marks[0] in prompt for prompt in prompts):
            return broken(
                f"the text of choice {shown(choice.index)} has U+{ord(marks[0]):04X} where spaces belong: {shown(text)}"
            )
        end = _END.search(text)
        if end and choice.finish_reason == "stop" and not any(end[1] in prompt for prompt in prompts):
            return broken_should(
                f"the text of choice {shown(choice.index)} ends in {shown(end[1])}, the token that ended it: {shown(text[-60:])}"
            )
    return None if looked else NOT_APPLICABLE
