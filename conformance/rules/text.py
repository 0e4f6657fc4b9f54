"""Whether a text is what its tokens mean, and not how a tokenizer writes them, and whether it has the prompt that it was to begin with."""

from __future__ import annotations

import re

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, broken_should, rule
from conformance.contract.symptom import ignored
from conformance.rules._shapes import generated, has_failed, is_given, promised
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


@rule("ECHO-012", Scope.COMPLETION, shows=ignored("echo"))
def an_echo_is_never_left_out(completion: Completion) -> Judgement:
    """With `echo: true` every choice holds a prompt of its request; which one, and where, is told by ECHO-002 to ECHO-011, MULTI-002 and MULTI-003."""
    request = completion.exchange.request
    prompts = [prompt for prompt in request.prompts if isinstance(prompt, str)]
    if request.params.get("echo") is not True or promised(request) is None or has_failed(completion):
        return NOT_APPLICABLE
    # Other prompts come back in the spelling of a vocabulary, what a stop sequence may cut is not all there, and a suffix beside it is SUF-007's.
    alone = len(prompts) == len(request.prompts) and not is_given(request, "stop", "suffix")
    if not alone or not all(map(_is_plain, prompts)):
        return NOT_APPLICABLE
    for choice in completion.choices.values():
        # What has no text at all is RESP-009's, and STREAM-009's.
        if choice.texts and not any(prompt in choice.text for prompt in prompts):
            return broken(
                f"`echo` was true, and the text of choice {shown(choice.index)} has no prompt in it: {shown(choice.text)}"
            )
    return None if completion.choices else NOT_APPLICABLE


def _is_plain(prompt: str) -> bool:
    """Whether a prompt is one that any vocabulary gives back as it was: of printable ASCII characters, with words at both ends."""
    return bool(prompt) and prompt.isascii() and prompt.isprintable() and prompt == prompt.strip()
