"""Whether every answer of a run has the log probabilities that it was asked for: what some answers have, all have.

That a target has them at all is LOGP-001's, which looks at two plain answers; here are all the others, streams among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.check import NOT_APPLICABLE, Finding, Judgement, Scope, rule
from conformance.rules._shapes import echoes, generated, has_failed, without_suffix
from conformance.wire.completion import Choice, Completion
from conformance.wire.exchange import Intent, is_int
from conformance.wire.shown import shown

_REQUIRED = ("tokens", "token_logprobs")
_TOLERATED = ("top_logprobs", "text_offset")
"""Arrays that a server may leave out as a whole, which is a warning where it comes and goes."""

_LONGEST_TOKEN = 16
"""Characters; hardly any token has more."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A choice for which log probabilities were asked for, and which has text that was generated."""

    completion: Completion
    choice: Choice

    @property
    def parts(self) -> list[Mapping[str, Any]]:
        """Its `logprobs` objects, one of a plain answer, one of each chunk that has one."""
        return [part["logprobs"] for part in self.choice.parts if isinstance(part.get("logprobs"), dict)]

    def has(self, name: str) -> bool:
        """Whether it has something in that array."""
        return any(isinstance(part.get(name), list) and part[name] for part in self.parts)

    @property
    def uneven(self) -> dict[str, int] | None:
        """The lengths of arrays that belong together and are not equally long; None where all are.

        An array that is missing in a chunk is an empty one where other chunks of the choice have it.
        """
        # Where no alternatives are asked for there need be none.
        names = (*_REQUIRED, *_TOLERATED) if _most(self) else (*_REQUIRED, "text_offset")
        for part in self.parts:
            arrays = {name: part.get(name) for name in names}
            is_filled = any(isinstance(array, list) and array for array in arrays.values())
            lengths = {
                name: len(array) if isinstance(array, list) else 0
                for name, array in arrays.items()
                if isinstance(array, list) or (is_filled and self.has(name))
            }
            if len(set(lengths.values())) > 1:
                return lengths
        return None

    @property
    def what(self) -> str:
        """The choice, in words."""
        how = "stream" if self.completion.streamed else "plain answer"
        return f"choice {shown(self.choice.index)} of the {how} {self.completion.exchange.id}"


@rule("LOGP-030", Scope.RUN)
def what_some_answers_have_all_have(completions: Sequence[Completion]) -> Judgement:
    """Where log probabilities are asked for, every choice has equally long arrays, the same ones as other answers of its kind."""
    answered = [one for completion in completions for one in _answered(completion)]
    # What 0 asks for is LOGP-005's.
    plain = [one for one in answered if not one.completion.streamed and _most(one) > 0]
    streams = [one for one in answered if one.completion.streamed and _most(one) > 0]
    if not any(one.has("tokens") and one.uneven is None for one in plain):
        return NOT_APPLICABLE  # LOGP-001
    return _lacking(plain) or _lacking(streams) or _uneven(answered)


@rule("LOGP-029", Scope.RUN)
def every_echoed_choice_has_its_tokens(completions: Sequence[Completion]) -> Judgement:
    """With `echo` the tokens of each choice join to its text, alone and among several, plain and streamed, where those of a single one do."""
    echoed = [one for completion in completions for one in _answered(completion) if _is_an_echo(one)]
    alone = [one for one in echoed if not one.completion.streamed and len(one.completion.choices) == 1]
    if not any(_joins(one) for one in alone):
        return NOT_APPLICABLE  # LOGP-010
    wrong = [one for one in echoed if not _joins(one)]
    if not wrong:
        return None
    return Finding(
        f"with `echo` the tokens of {wrong[0].what} join to {shown(_joined(wrong[0]))}, and its text is {shown(wrong[0].choice.text)}",
        evidence=(wrong[0].completion.exchange,),
    )


def _is_an_echo(one: _Answered) -> bool:
    """Whether a choice has its prompt once before its text, all of it ASCII, and nothing has cut it."""
    request, text = one.completion.exchange.request, one.choice.text
    prompt = _prompt_of(one)
    if prompt is None or not text.startswith(prompt) or text.startswith(prompt * 2):
        return False  # ECHO-005, ECHO-006; what the text of token ids is, ECHO-009 finds out
    uncut = one.choice.finish_reason == "length" and not request.params.get("stop")
    return echoes(request) and uncut and text.isascii() and _joined(one).isascii() and one.has("tokens")


def _prompt_of(one: _Answered) -> str | None:
    """The text that a choice continues, which its index tells; None where that is no text, or the index none of a choice."""
    request, index = one.completion.exchange.request, one.choice.index
    place = index // max(1, request.integer("n", 1))
    prompt = request.prompts[place] if 0 <= place < len(request.prompts) else None
    return prompt if isinstance(prompt, str) else None


def _tokens(one: _Answered) -> list[str]:
    found = one.choice.logprobs
    return [token for token in (found.tokens if found else None) or () if isinstance(token, str)]


def _joined(one: _Answered) -> str:
    return "".join(_tokens(one))


def _joins(one: _Answered) -> bool:
    """Whether the tokens are the text, with or without one token before it."""
    request, text, tokens = one.completion.exchange.request, one.choice.text, _tokens(one)
    texts = {text.strip(), without_suffix(request, text).strip()}
    return not texts.isdisjoint({"".join(tokens).strip(), "".join(tokens[1:]).strip()})


def _answered(completion: Completion) -> Iterator[_Answered]:
    request = completion.exchange.request
    asked = is_int(request.params.get("logprobs"))
    if request.intent is Intent.INVALID or not asked or has_failed(completion):
        return
    for choice in completion.choices.values():
        # After token ids nobody knows what of an echo was generated.
        own = generated(request, choice.text)
        if choice.text if own is None else own:
            yield _Answered(completion, choice)


def _need_not_have_any(one: _Answered) -> bool:
    """Whether nothing has to be listed: a suffix that is appended has no tokens, and a stop sequence may cut within the first one."""
    request, pieces = one.completion.exchange.request, [text for text in one.choice.texts if text]
    is_cut = request.params.get("stop") is not None and one.choice.finish_reason == "stop"
    within_one_token = is_cut and len(pieces) == 1 and len(one.choice.text) < _LONGEST_TOKEN
    suffix, text = request.params.get("suffix"), generated(request, one.choice.text)
    nothing_else = (
        isinstance(suffix, str) and bool(suffix) and (text is None or text.strip() == suffix.strip())
    )
    return nothing_else or request.intent is not Intent.VALID or within_one_token


def _lacking(answered: Sequence[_Answered]) -> Finding | None:
    """What some of the answers have and others have not."""
    for name in (*_REQUIRED, *_TOLERATED):
        with_it = [one for one in answered if one.has(name)]
        without = [one for one in answered if not one.has(name) and not _need_not_have_any(one)]
        if with_it and without:
            missing = without[0]
            objects = shown(missing.parts[0]) if missing.parts else "null"
            return Finding(
                f"{missing.what} has no `logprobs.{name}`, as {len(with_it)} other answers have it; its `logprobs` is {objects}",
                evidence=(missing.completion.exchange, with_it[0].completion.exchange),
                only_should=name in _TOLERATED,
            )
    return None


def _most(one: _Answered) -> int:
    return one.completion.exchange.request.integer("logprobs", 0)


def _uneven(answered: Sequence[_Answered]) -> Finding | None:
    for one in answered:
        if (lengths := one.uneven) is not None:
            return Finding(
                f"the arrays of {one.what} have the lengths {shown(lengths)}",
                evidence=(one.completion.exchange,),
            )
    return None
