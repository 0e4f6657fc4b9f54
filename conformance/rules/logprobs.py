"""The legacy form of log probabilities, four parallel arrays for each choice.

That the arrays are there and equally long is LOGP-001's, and that they hold what they may is LOGP-002's: the other rules look only at
what these two leave sound. With `echo` the arrays begin with the prompt, whose tokens nobody generated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.check import NOT_APPLICABLE, Finding, Judgement, Scope, broken, broken_should, rule
from conformance.rules._shapes import echoes, is_given, is_number
from conformance.rules._tokens import fits, is_spelled, joined_text, legacy, unmarked
from conformance.wire.completion import Choice, Completion
from conformance.wire.exchange import Request, is_int
from conformance.wire.shown import shown

_ROUNDING = 1e-6
_SAME = 1e-3
_MOST_PROBABLE = 1.01
_ENOUGH_TOKENS = 16

_BYTES = re.compile(r"bytes:(?:\\x[0-9a-f]{2})+")
"""A part of a character as OpenAI spells it."""
_BROKEN = re.compile("\ufffd+")


@dataclass(frozen=True, slots=True)
class _Position:
    """One token: what it is, how probable it was, and what else could have stood there. Each of any type."""

    where: str
    token: Any
    logprob: Any
    top: Any
    before: Sequence[Any]
    """The tokens of the choice that come before it."""

    @property
    def alternatives(self) -> Mapping[str, int | float]:
        """The alternatives by their text; none where they are not what LOGP-002 says."""
        sound = isinstance(self.top, dict) and all(map(_is_logprob, self.top.values()))
        return self.top if sound else {}


@rule("LOGP-002", Scope.COMPLETION)
def entries_are_strings_and_finite_numbers(completion: Completion) -> Judgement:
    """The arrays hold strings, finite numbers of at most 0, objects of such numbers, and integers."""
    looked = False
    # With `echo` the first entries are null (LOGP-010), with `logprobs: 0` there may be no alternatives (LOGP-005).
    null, no_top = (
        echoes(completion.exchange.request),
        completion.exchange.request.integer("logprobs", 0) == 0,
    )
    for index, logprobs in legacy(completion):
        looked = True
        for name, is_sound in (
            ("tokens", lambda value: isinstance(value, str)),
            ("token_logprobs", lambda value: _is_logprob(value) or (value is None and null)),
            ("top_logprobs", lambda value: _is_top(value) or (value is None and (null or no_top))),
            ("text_offset", is_int),
        ):
            for number, value in enumerate(getattr(logprobs, name) or ()):
                if not is_sound(value):
                    return broken(f"`{name}[{number}]` of choice {shown(index)} is {shown(value)}")
    return None if looked else NOT_APPLICABLE


@rule("LOGP-003", Scope.COMPLETION)
def tokens_join_to_the_text(completion: Completion) -> Judgement:
    """The joined `tokens` of a completion are its text, as far as nothing has cut it, and in a stream none is listed before its text."""
    request, looked = completion.exchange.request, False
    # With an echo, see LOGP-029.
    if echoes(request) or is_given(request, "suffix"):
        return NOT_APPLICABLE
    lapse: Judgement = None
    for index, logprobs in legacy(completion):
        choice, tokens = completion.choices[index], logprobs.tokens or ()
        # A stream that has other characters is STREAM-015's.
        meant = "" if completion.streamed else _meant(tokens)
        # A text in no piece is STREAM-009's.
        if not choice.texts or not (meant or is_spelled(choice.text, map(unmarked, tokens))):
            continue
        # A gateway may well say `length` of what a stop sequence has cut.
        is_whole = choice.finish_reason == "length" and not is_given(request, "stop")
        # Where choices share an index their pieces are mixed as they come (STREAM-013).
        if not is_whole and len(completion.choices) < request.choices:
            continue
        found = _joining(choice, tokens, meant) if is_whole else _beginning(choice, tokens, meant)
        if isinstance(found, Finding) and not found.only_should:
            return found
        lapse, looked = lapse or found, looked or is_whole
    return lapse if looked else NOT_APPLICABLE


def _joining(choice: Choice, tokens: Sequence[Any], meant: str) -> Judgement:
    """Whether the tokens of a choice that nothing has cut are its text."""
    if meant:
        return None if _whole(meant) == _whole(choice.text) else _otherwise(choice, meant)
    # A server may take white space off the end of a text.
    if "".join(tokens).rstrip() == choice.text.rstrip():
        return _ahead(choice)
    only_marked = joined_text(tokens).strip() == choice.text.strip()
    return _otherwise(choice, "".join(tokens), only_should=only_marked)


def _beginning(choice: Choice, tokens: Sequence[Any], meant: str) -> Judgement:
    """Whether the tokens of a choice that a stop sequence may have cut are its text, until one of them ends: the sequence may be listed or not."""
    text, joined = choice.text.strip(), joined_text(tokens).strip()
    return None if meant or not text or fits(text, joined) else _otherwise(choice, joined)


def _otherwise(choice: Choice, joined: str, *, only_should: bool = False) -> Finding:
    what = f"the tokens of choice {shown(choice.index)} join to {shown(joined)}, and its text is {shown(choice.text)}"
    return broken_should(what) if only_should else broken(what)


@rule("LOGP-023", Scope.COMPLETION)
def tokens_end_with_the_stop_sequence(completion: Completion) -> Judgement:
    """With `stop` no token of any choice comes after the one that completes the sequence."""
    stops, looked = completion.exchange.request.stops, False
    for index, logprobs in legacy(completion):
        choice, tokens = completion.choices[index], logprobs.tokens or ()
        # What is no text among them is LOGP-002's.
        if not all(isinstance(token, str) for token in tokens):
            continue
        if choice.finish_reason != "stop" or not stops or not choice.texts:
            continue
        looked = True
        # Whether the tokens of the sequence itself are listed is left open: vLLM lists them, others do not.
        joined, without_the_last = joined_text(tokens), joined_text(tokens[:-1])
        ends = [choice.text + stop for stop in stops]
        if any(joined.startswith(end) and len(without_the_last) >= len(end) for end in ends):
            return broken(
                f"`stop` was {shown(stops)} and the text of choice {shown(index)} is {shown(choice.text)}, but the tokens go on to {shown(joined)}"
            )
    return None if looked else NOT_APPLICABLE


def _meant(tokens: Sequence[Any]) -> str:
    r"""The text of tokens some of which are parts of characters, and spelled as OpenAI does, ``bytes:\xe2\x80``; empty where none is."""
    strings = [token for token in tokens if isinstance(token, str) and token and "\ufffd" not in token]
    if len(strings) < len(tokens) or not any(map(_BYTES.fullmatch, strings)):
        return ""
    parts = [
        bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
        if _BYTES.fullmatch(token)
        else token.encode(errors="replace")
        for token in strings
    ]
    return b"".join(parts).decode(errors="replace")


def _whole(text: str) -> str:
    """A text without white space around it and what its limit has cut off; however many marks stand for broken bytes count as one."""
    return _BROKEN.sub("\ufffd", text).rstrip("\ufffd").strip()


def _ahead(choice: Choice) -> Judgement:
    """Where the tokens of a stream go beyond the text so far, as where a chunk lists one of the next; white space may come late."""
    text = listed = ""
    for part in choice.parts:
        tokens = (part.get("logprobs") or {}).get("tokens") or ()
        text, listed = text + (part.get("text") or ""), listed + "".join(tokens)
        if len(listed.rstrip()) > len(text):
            return broken_should(
                f"a stream lists tokens before their text: they join to {shown(listed)} where the text so far is {shown(text)}"
            )
    return None


@rule("LOGP-004", Scope.COMPLETION)
def alternatives_number_at_most_k_plus_one(completion: Completion) -> Judgement:
    """With `logprobs: k` each object of `top_logprobs` has 1 to k + 1 entries."""
    asked = completion.exchange.request.integer("logprobs", 0)
    tops = [one for one in _positions(completion) if isinstance(one.top, dict)]
    if asked < 1 or not tops:
        return NOT_APPLICABLE
    wrong = next((one for one in tops if not 1 <= len(one.top) <= asked + 1), None)
    return (
        None
        if wrong is None
        else broken(f"logprobs: {asked} gave {wrong.where} {len(wrong.top)} alternatives: {shown(wrong.top)}")
    )


@rule("LOGP-006", Scope.COMPLETION)
def two_values_of_one_token_agree(completion: Completion) -> Judgement:
    """The value of a token in `top_logprobs` is its `token_logprobs`."""
    looked = False
    for one in _told(completion):
        if one.token not in one.alternatives or not _is_logprob(one.logprob):
            continue
        looked = True
        if abs(one.alternatives[one.token] - one.logprob) > _SAME:
            return broken(
                f"{one.where}, {shown(one.token)}, has {shown(one.logprob)} in token_logprobs"
                f" and {shown(one.alternatives[one.token])} in top_logprobs"
            )
    return None if looked else NOT_APPLICABLE


@rule("LOGP-007", Scope.COMPLETION)
def the_generated_token_is_among_the_alternatives(completion: Completion) -> Judgement:
    """The generated token is a key of its `top_logprobs` object, and so is that of an echo where one is added to the best."""
    asked = completion.exchange.request.integer("logprobs", 0)
    found = [one for one in _told(completion) if one.alternatives]
    is_expected = not echoes(completion.exchange.request) or _are_added(found, asked)
    if not found or asked < 1 or not is_expected:
        return NOT_APPLICABLE
    wrong = next((one for one in found if one.token not in one.alternatives), None)
    return (
        None
        if wrong is None
        else broken(f"{wrong.where}, {shown(wrong.token)}, is not among {shown(wrong.top)}")
    )


def _are_added(found: Sequence[_Position], asked: int) -> bool:
    """Whether the tokens of an echo are added to the best ones: most objects have one more than were asked for, and it is the least probable."""
    added = [
        one
        for one in found
        if len(one.alternatives) > asked and one.alternatives.get(one.token) == min(one.alternatives.values())
    ]
    return 2 * len(added) > len(found)


@rule("LOGP-008", Scope.COMPLETION)
def greedy_tokens_are_the_most_probable(completion: Completion) -> Judgement:
    """At temperature 0 each generated token has the highest log probability of its `top_logprobs` object."""
    request, looked = completion.exchange.request, False
    greedy = request.params.get("temperature") == 0
    if not greedy or is_given(request, "presence_penalty", "frequency_penalty", "logit_bias", "best_of"):
        return NOT_APPLICABLE
    for one in _generated(completion):
        if not one.alternatives or not _is_logprob(one.logprob):
            continue
        looked = True
        # Where the two values of one token differ, that is LOGP-006's.
        own = max(one.logprob, one.alternatives.get(one.token, one.logprob))
        better = {token: value for token, value in one.alternatives.items() if own < value - _SAME}
        if any(not _has_come(token, one.before, request) for token in better):
            best = max(better.values())
            return broken(
                f"{one.where}, {shown(one.token)}, has {shown(own)} at temperature 0, while the best has {shown(best)}: {shown(one.top)}"
            )
    return None if looked else NOT_APPLICABLE


def _has_come(token: str, before: Sequence[Any], request: Request) -> bool:
    """Whether a token may stand in the prompt or the text before it.

    vLLM applies the repetition penalty of a model's own configuration, such as Qwen's (PrimeIntellect-ai/prime-rl#886), and reports the
    numbers from before that: then what has come before is the most probable and is not chosen.
    """
    prompts = request.params.get("prompt")
    texts = [prompts] if isinstance(prompts, str) else prompts if isinstance(prompts, list) else []
    if any(not isinstance(text, str) for text in texts):
        return True  # the prompt is token ids, whose text nobody knows
    came = "".join(map(str, [*texts, *map(unmarked, before)]))
    return str(unmarked(token)) in came


@rule("LOGP-016", Scope.COMPLETION)
def probabilities_sum_to_at_most_one(completion: Completion) -> Judgement:
    """The probabilities of one `top_logprobs` object do not sum to more than 1."""
    looked = False
    for one in _positions(completion):
        values = one.alternatives.values()
        looked = looked or bool(values)
        total = sum(math.exp(value) for value in values)
        if total > _MOST_PROBABLE:
            return broken(f"the probabilities at {one.where} sum to {total:.3f}: {shown(one.top)}")
    return None if looked else NOT_APPLICABLE


@rule("LOGP-021", Scope.COMPLETION)
def sampled_tokens_are_not_all_certain(completion: Completion) -> Judgement:
    """The `token_logprobs` of 16 tokens at temperature 1 are not all 0."""
    values = [one.logprob for one in _generated(completion) if is_number(one.logprob)]
    if completion.exchange.request.params.get("temperature") != 1 or len(values) < _ENOUGH_TOKENS:
        return NOT_APPLICABLE
    return None if any(values) else broken(f"all {len(values)} token_logprobs at temperature 1 are 0")


def _positions(completion: Completion) -> Iterator[_Position]:
    """Every token of every choice whose arrays are equally long; nulls where an array is missing as a whole."""
    for index, logprobs in legacy(completion):
        tokens = logprobs.tokens or ()
        none = (None,) * len(tokens)
        values, tops = logprobs.token_logprobs or none, logprobs.top_logprobs or none
        if len(tokens) == len(values) == len(tops):
            for number, (token, value, top) in enumerate(zip(tokens, values, tops, strict=True)):
                yield _Position(
                    f"token {number} of choice {shown(index)}", token, value, top, tokens[:number]
                )


def _told(completion: Completion) -> Iterator[_Position]:
    """The tokens that have a text by which they can be found.

    Different tokens can have the same text, mostly the parts of characters, which show as U+FFFD or as nothing.
    """
    for one in _positions(completion):
        if isinstance(one.token, str) and one.token and "\ufffd" not in one.token:
            yield one


def _generated(completion: Completion) -> Iterator[_Position]:
    """Those that were generated, none where the prompt's are among them."""
    return iter(()) if echoes(completion.exchange.request) else _told(completion)


def _is_logprob(value: object) -> bool:
    return is_number(value) and value <= _ROUNDING


def _is_top(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_logprob, value.values()))
