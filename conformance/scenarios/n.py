"""Several choices for one prompt: `n`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import ignored
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun, Reason
from conformance.kit.same_text import same
from conformance.kit.several_choices import BY_N, LENGTH, expect_choices, expect_ends, expect_indices
from conformance.kit.target import Target
from conformance.scenarios.sampling import SEEDS, fingerprint_changed, repeats_by_seed
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_SAMPLES = 4
_SAMPLE_LENGTH = 16


@scenario("N-001", shows=ignored("n"))
async def two_choices_come_or_are_refused(target: Target) -> None:
    """`n` 2 returns two choices with the indices 0 and 1."""
    answer = await target.complete(**BY_N, optional="n")
    expect_choices(answer, 2, "n 2")


@scenario("N-002")
async def choices_are_samples_of_their_own(target: Target) -> None:
    """At temperature 1 the choices of a request are not copies of one another."""
    # One pair may well be equal. How often is a sound server accused? If p is the chance of its most likely text, four choices are
    # equal with about p^4, in two requests with p^8, while four single answers all differ with (1-p)^4 + 4p(1-p)^3. The product is at
    # most 0.005 (at p = 0.75), and 0.00003 with the confirmation on fresh answers.
    if not _copies(await target.complete(**BY_N)):
        return
    for again in (False, True):
        request = _sampled(target, n=_SAMPLES)
        if not _copies(await target.complete(**request, fresh=again, optional=f"n {_SAMPLES}")):
            return
    singles = (target.complete(**_sampled(target), fresh=number > 0) for number in range(_SAMPLES))
    _accuse(await asyncio.gather(*singles), "n 4 at temperature 1")


@scenario("N-004")
async def one_seed_gives_different_choices(target: Target) -> None:
    """At temperature 1 the choices of a request differ although they share its `seed`."""
    # The error rate is that of N-002.
    seeds = _seeds(target)
    for seed in seeds[:2]:
        if not _copies(await _seeded(target, seed)):
            return
    singles = (target.complete(**_sampled(target, seed=seed)) for seed in seeds)
    _accuse(await asyncio.gather(*singles), "n 4 with one seed at temperature 1")


def _seeds(target: Target) -> Sequence[int]:
    # Seeds of its own for each attempt make the confirmation say something new.
    return [1234 + 100 * target.attempt + number for number in range(_SAMPLES)]


async def _seeded(target: Target, seed: int, *, fresh: bool = False) -> Completion:
    # Some servers refuse the two together (togethercomputer/together-py#214).
    request = _sampled(target, n=_SAMPLES, seed=seed)
    return await target.complete(**request, fresh=fresh, optional="n with seed")


def _sampled(target: Target, **changes: Any) -> dict[str, Any]:
    # The last of the prompts: the first are those with the plainest answers.
    return {"prompt": target.facts.prompts[-1], "temperature": 1, "max_tokens": _SAMPLE_LENGTH, **changes}


def _copies(answer: Completion) -> bool:
    return len(answer.choices) > 1 and len({choice.text for choice in answer.choices.values()}) == 1


def _accuse(singles: list[Completion], asked: str) -> None:
    if len({answer.text for answer in singles}) < len(singles):
        raise Inconclusive(f"{asked} gives equal texts, but so do single requests at times")
    raise Broken(
        f"{asked} gives four equal texts, and again when it is asked once more; four single requests give four different ones: "
        f"{shown([answer.text for answer in singles])}"
    )


@scenario("N-007")
async def one_seed_repeats_all_choices(target: Target) -> None:
    """At temperature 1 the same `seed` gives the same choices again."""
    different = []
    for seed in _seeds(target)[:2]:
        first, again = await _seeded(target, seed), await _seeded(target, seed, fresh=True)
        if len(first.choices) == 1:
            raise NotRun("`n` 4 was answered with one choice; see N-001")
        if fingerprint_changed(first, again):
            raise Inconclusive("`system_fingerprint` changed between the answers", Reason.NOISE)
        texts, others = ([choice.text for choice in answer.choices.values()] for answer in (first, again))
        # Seeds are best effort: a near tie may turn one choice or another, and nobody promises their order.
        if 2 * (Counter(texts) & Counter(others)).total() >= len(texts):
            return
        different.append(f"n 4 with `seed` {seed} gave {shown(texts)}, then {shown(others)}")
    if await repeats_by_seed(target, *SEEDS):
        raise NotRun("a seed does not even repeat a single choice; see DET-002")
    raise Ignored(f"{different[0]}; without `n` a seed repeats its text")


@scenario("N-003")
async def greedy_choices_are_all_equal(target: Target) -> None:
    """At temperature 0 every choice is the greedy completion."""
    alone = await target.complete(max_tokens=LENGTH)
    # Some servers refuse several choices of a greedy answer (ai-dynamo/dynamo#3914), which is the same text twice.
    answer = await target.complete(n=2, max_tokens=LENGTH, optional="n at temperature 0")
    for choice in answer.choices.values():
        if not same(choice.text, alone.text):
            raise Broken(
                f"n 2 at temperature 0: the choice with index {choice.index} is {shown(choice.text)}, without n it is {shown(alone.text)}"
            )


@scenario("N-005")
async def streams_carry_all_choices(target: Target) -> None:
    """A stream with `n` 2 has two choices, and each ends once."""
    stream = await target.stream(**BY_N, optional="n with stream")
    expect_indices(stream, 2, "n 2 in a stream")
    expect_ends(stream, "n 2 in a stream")


@scenario("N-006")
async def an_n_of_one_changes_nothing(target: Target) -> None:
    """`n` 1 means the same as no `n`."""
    one, absent = await asyncio.gather(
        target.complete(n=1, max_tokens=LENGTH), target.complete(max_tokens=LENGTH)
    )
    if len(one.choices) != len(absent.choices):
        raise Broken(f"n 1 gives {len(one.choices)} choices, no n gives {len(absent.choices)}")
    if not same(one.text, absent.text) or one.finish_reason != absent.finish_reason:
        raise Broken(
            f"n 1 gives {shown(one.text)} ({shown(one.finish_reason)}), no n gives {shown(absent.text)} ({shown(absent.finish_reason)})"
        )
