"""Whether biases act in each answer that has them, and in no other: what shows in the tokens of answers to the same prompt."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.contract.symptom import ignored
from conformance.rules._shapes import echoes, has_failed, is_number
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Intent
from conformance.wire.greedy import takes_the_best
from conformance.wire.shown import shown

_ENOUGH = 6
"""Tokens of an answer that are no chance: where a bias is about as large as the lead of the others, it may win at one of them and lose at the next."""

Biases = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The tokens of one choice, and what decides which they are."""

    exchange: Exchange
    index: int
    prompt: Hashable
    biases: Biases
    tokens: frozenset[str]

    @property
    def place(self) -> str:
        """Where it is to be found, and what it has."""
        return f"choice {self.index} of {self.exchange.id} has the tokens {shown(sorted(self.tokens))}"


@rule("REQ-041", Scope.RUN, shows=ignored("logit_bias"))
def biases_act_in_each_answer_that_has_them(completions: Sequence[Completion]) -> Judgement:
    """Of answers to the same prompt those with the same biases have tokens in common, where one of them has nothing but biased tokens."""
    chosen = [one for completion in completions for one in _chosen(completion)]
    obedient = _obedient(chosen)
    looked = False
    for one in chosen:
        same = obedient.get((one.prompt, one.biases))
        looked |= same is not None and same is not one
        if same is not None and not one.tokens & same.tokens:
            return broken(
                f"with `logit_bias` {shown(dict(one.biases))} {one.place}, and {same.place}, which is all that the biases leave",
                evidence=(same.exchange, one.exchange),
            )
    return _leaked(chosen, [*obedient.values()]) if looked else NOT_APPLICABLE


def _obedient(chosen: Sequence[_Chosen]) -> dict[tuple[Hashable, Biases], _Chosen]:
    """One answer to each prompt in which the biases leave nothing else, by prompt and biases.

    That it is they who do is known where another prompt is answered with the same tokens: a text may repeat itself for reasons of its own.
    """
    found: dict[tuple[Hashable, Biases], _Chosen] = {}
    for one in chosen:
        if one.biases and len(one.tokens) <= len(one.biases):
            found.setdefault((one.prompt, one.biases), one)
    return {
        key: one
        for key, one in found.items()
        if any(
            one.biases == other.biases and one.prompt != other.prompt and one.tokens & other.tokens
            for other in found.values()
        )
    }


def _leaked(chosen: Sequence[_Chosen], obedient: Sequence[_Chosen]) -> Judgement:
    """What has no bias, and nothing but the tokens that others are biased to, where the same prompt is answered with others as well."""
    free = [one for one in chosen if not one.biases]
    for one in free:
        biased = next(
            (other for other in obedient if other.prompt == one.prompt and one.tokens <= other.tokens), None
        )
        if biased is None:
            continue
        usual = next(
            (other for other in free if other.prompt == one.prompt and not other.tokens & biased.tokens), None
        )
        if usual is not None:
            return broken(
                f"without `logit_bias` {one.place}, which are those that the biases of {biased.exchange.id} leave, while {usual.place}",
                evidence=(biased.exchange, one.exchange, usual.exchange),
            )
    return None


def _chosen(completion: Completion) -> Iterator[_Chosen]:
    """The choices that name enough tokens, of answers in which the most probable one is to be taken."""
    request = completion.exchange.request
    prompts, biases = request.prompts, _biases(request.params.get("logit_bias"))
    if (
        request.intent is not Intent.VALID
        or not takes_the_best(request.params)
        or echoes(request)
        or not prompts
        or biases is None
        or has_failed(completion)
    ):
        return
    each = max(1, request.integer("n", 1))
    for index, choice in completion.choices.items():
        tokens = choice.logprobs.tokens if choice.logprobs is not None else None
        named = tokens or ()
        if (
            0 <= index // each < len(prompts)
            and len(named) >= _ENOUGH
            and all(isinstance(one, str) and one for one in named)
        ):
            yield _Chosen(completion.exchange, index, prompts[index // each], biases, frozenset(named))


def _biases(given: object) -> Biases | None:
    """The biases of a request; None where they are no mapping of tokens to numbers that make them likelier."""
    if given is None:
        return ()
    if not isinstance(given, dict) or not all(is_number(value) and value > 0 for value in given.values()):
        return None
    return tuple(sorted(given.items()))
