"""Candidates that are generated and not returned: `best_of`."""

from __future__ import annotations

import asyncio
from statistics import fmean
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ignored
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun
from conformance.kit.logprobs import Scores, scores
from conformance.kit.same_text import same
from conformance.kit.several_choices import BY_N, LENGTH, expect_choices, objects
from conformance.kit.target import Target
from conformance.wire.exchange import Intent
from conformance.wire.shown import shown

_CANDIDATES = 3
_MANY = 4
_ROUNDING = 0.02
_THE_BEST: dict[str, Any] = {"best_of": _CANDIDATES, "n": 1, "temperature": 1, "max_tokens": 4}


@scenario("BEST-001", phase=Phase.MALFORMED, shows=ignored("best_of"))
async def fewer_candidates_than_choices_are_refused(target: Target) -> None:
    """A `best_of` smaller than `n` is refused."""
    await target.complete(**BY_N)
    exchange = await target.post(**BY_N, best_of=1, intent=Intent.INVALID, parameter="best_of")
    if exchange.served:
        raise Ignored("best_of 1 with n 2 was served: best_of seems to have no effect")
    target.expect_refused(exchange, "best_of 1 with n 2")


async def _expect_effect(target: Target) -> None:
    """Raise `NotRun` where `best_of` is not even read: fewer candidates than choices are served then, which BEST-001 says once for all."""
    exchange = await target.post(**BY_N, best_of=1, intent=Intent.INVALID, parameter="best_of")
    if exchange.served:
        raise NotRun("best_of seems to have no effect; see BEST-001")


@scenario("BEST-002")
async def the_default_can_be_sent(target: Target) -> None:
    """`best_of` 1 with `n` 1 is accepted."""
    await target.complete(best_of=1, n=1, max_tokens=1)


@scenario("BEST-003")
async def as_many_candidates_as_choices_work(target: Target) -> None:
    """`best_of` 2 with `n` 2 is accepted."""
    answer = await target.complete(best_of=2, n=2, temperature=1, max_tokens=2)
    expect_choices(answer, 2, "best_of 2 with n 2")


@scenario("BEST-004")
async def candidates_are_not_returned(target: Target) -> None:
    """`best_of` 3 with `n` 1 returns one choice."""
    answer = await target.complete(**_THE_BEST, optional="best_of")
    found = len(objects(answer))
    if found != 1:
        raise Broken(f"best_of 3 with n 1 was answered with {found} choices")


@scenario("BEST-005", phase=Phase.MALFORMED)
async def candidates_can_not_be_streamed(target: Target) -> None:
    """`best_of` 2 with `stream` is refused."""
    await target.complete(**_THE_BEST)
    await _expect_effect(target)
    exchange = await target.post(
        best_of=2, stream=True, temperature=1, max_tokens=4, intent=Intent.INVALID, parameter="best_of"
    )
    target.expect_refused(exchange, "best_of 2 with stream")


@scenario("BEST-006")
async def candidates_may_count_as_tokens(target: Target) -> None:
    """`completion_tokens` counts the returned choice, and the other candidates at most."""
    answer = await target.complete(**_THE_BEST, optional="best_of")
    count = answer.usage.completion_tokens if answer.usage is not None else None
    if count is None:
        raise NotRun("the answer has no completion_tokens")
    most = _CANDIDATES * (_THE_BEST["max_tokens"] + target.profile.completion_tokens_slack.value)
    if not bool(answer.text) <= count <= most:
        raise Broken(
            f"3 candidates of at most 4 tokens count {count} completion_tokens; the text is {shown(answer.text)}"
        )


@scenario("BEST-008", phase=Phase.ALONE)
async def the_best_candidate_is_returned(target: Target) -> None:
    """Of the candidates of `best_of` the one with the highest log probability per token is returned."""
    await _expect_effect(target)
    # A seed makes the candidates those that `n` returns, at most servers.
    seeded: dict[str, Any] = {"temperature": 1, "seed": 1234, "logprobs": 1, "max_tokens": LENGTH}
    group, one = await asyncio.gather(
        target.complete(**seeded, n=_MANY, optional="n with seed and logprobs"),
        target.complete(**seeded, best_of=_MANY, n=1, optional="best_of with seed and logprobs"),
    )
    texts = [choice.text for choice in group.choices.values()]
    if one.text not in texts or len(set(texts)) == 1:
        raise Inconclusive(
            f"the candidates of best_of {_MANY} can't be told from what n {_MANY} returned with the same seed"
        )
    if any(choice.finish_reason != "length" for choice in group.choices.values()):
        raise Inconclusive("a candidate ended by itself, with a token that may be counted or not")
    means = [_mean(scores(group, index)) for index in group.choices]
    if means[texts.index(one.text)] < max(means) - _ROUNDING:
        kind = Ignored if one.text == texts[0] else Broken
        listed = ", ".join(f"{mean:.2f}" for mean in means)
        raise kind(
            f"with the same seed n {_MANY} gives {shown(texts)}, whose tokens have the mean log probabilities {listed};"
            f" best_of {_MANY} returned {shown(one.text)}"
        )


def _mean(found: Scores) -> float:
    values = [value for value in found.values if value is not None]
    if not values:
        raise NotRun("a choice has no log probabilities; see LOGP-002")
    return fmean(values)


@scenario("BEST-007")
async def greedy_candidates_change_no_text(target: Target) -> None:
    """At temperature 0 `best_of` 2 gives the same text as no `best_of`."""
    # Some servers refuse several candidates of a greedy answer, which all are the same.
    best, alone = await asyncio.gather(
        target.complete(best_of=2, max_tokens=LENGTH, optional="best_of at temperature 0"),
        target.complete(max_tokens=LENGTH),
    )
    if not same(best.text, alone.text):
        raise Broken(f"with best_of 2 the greedy text is {shown(best.text)}, without it {shown(alone.text)}")
