"""Temperature, top_p and seed, as far as their effect can be seen from outside.

Chance is judged by numbers that a sound server gets wrong less than once in a million runs. A failure counts only when it comes twice, on
fresh answers, so each time it may happen by chance about once in two thousand; the comments say where the numbers come from. All
samples are taken one after the other and no more than are needed: a server that does what it promises costs two or three.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import ignored
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun, Reason
from conformance.kit.capabilities import NONCE, has
from conformance.kit.facts import DET_RUNS
from conformance.kit.logprobs import scores
from conformance.kit.same_text import same
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.greedy import fingerprint
from conformance.wire.shown import shown

LENGTH = 16
"""The length of sampled texts."""

SEEDS = (1234, 99, 7)

DRAWS = 16
"""So many texts of a sound server are not all alike where its model has more than one thing to say.

That it has is shown by five different texts of five at temperature 1. A text of probability p leaves them that chance with at most
(1-p)^5 + 5p(1-p)^4, and comes 16 times in a row with p^16. The product is at most 0.0002 (p = 0.8), for three prompts 0.0006.
"""

_DISTINCT = 5
GREEDY_TOP_P = 0.000001
HOT = 2
_CUT_OFF = 3.0


async def sampled(target: Target, *, fresh: bool = False, **changes: Any) -> Completion:
    """An answer at temperature 1."""
    request = {"temperature": 1, "max_tokens": LENGTH, **changes}
    return await target.complete(fresh=fresh, **request)


async def seeded(target: Target, seed: int, *, fresh: bool = False) -> Completion:
    """An answer at temperature 1 with a seed."""
    return await sampled(target, fresh=fresh, seed=seed, optional="seed")


async def repeats_by_seed(target: Target, *seeds: int) -> str | None:
    """Two different texts of one seed, in words; None where at least one more pair is equal than not.

    OpenAI calls seeds best effort, and a batch of another size may flip a near tie: one pair of three that differs is no verdict.
    """
    different: list[str] = []
    for number, seed in enumerate(seeds, start=1):
        first, second = await seeded(target, seed), await seeded(target, seed, fresh=True)
        if fingerprint_changed(first, second):
            raise Inconclusive("`system_fingerprint` changed between the answers", Reason.NOISE)
        if not same(first.text, second.text):
            different.append(f"`seed` {seed} gave {shown(first.text)}, then {shown(second.text)}")
        if 2 * len(different) > len(seeds):
            return different[0]
        if 2 * (number - len(different)) > len(seeds):
            return None
    return None


def fingerprint_changed(first: Completion, second: Completion) -> bool:
    """Whether two answers name different versions of the target, which need not draw the same random numbers."""
    prints = (document.get("system_fingerprint") for document in first.documents + second.documents)
    return len({found for found in prints if isinstance(found, str)}) > 1


def _openings(target: Target) -> tuple[str, ...]:
    """Prompts behind which a model may be of several minds: ordinary ones and one that makes no sense."""
    return (*target.prompts(1), NONCE, *target.facts.prompts[1:2])


async def open_end(target: Target) -> str:
    """A prompt with five different texts of five at temperature 1; raises `Inconclusive` where there is none."""
    for prompt in _openings(target):
        texts: list[str] = []
        while len(texts) == len(set(texts)) < _DISTINCT:
            texts.append((await sampled(target, prompt=prompt, fresh=bool(texts))).text)
        if len(texts) == len(set(texts)):
            return prompt
    raise Inconclusive("at temperature 1 texts repeat themselves after every prompt: the model is certain")


@scenario("DET-001")
async def greedy_answers_repeat(target: Target) -> None:
    """The same request at temperature 0 gives the same text every time."""
    first = await target.complete()
    if target.facts.repeats is False:
        raise Broken(f"{target.facts.repeats_note}; what compares greedy answers can't be judged")
    # Where other checks of the run compare greedy answers the preflight has sent these already.
    for _ in range(1, DET_RUNS) if target.facts.repeats is None else ():
        again = await target.complete(fresh=True)
        if fingerprint(again.exchange) != fingerprint(first.exchange):
            raise Broken(f"the same greedy request gave {shown(first.text)}, then {shown(again.text)}")


@scenario("DET-002")
async def the_same_seed_repeats_the_text(target: Target) -> None:
    """At temperature 1 the same seed gives the same text again."""
    # Seeds of its own for each attempt: what goes wrong the second time only would be right when the same is asked for the third time.
    different = await repeats_by_seed(target, *(seed + target.attempt for seed in SEEDS))
    if different:
        raise Broken(different)


@scenario("DET-003")
async def different_seeds_give_different_texts(target: Target) -> None:
    """At temperature 1 different seeds give different texts."""
    # The first two are asked for by others as well.
    seeds = [*SEEDS[:2], *range(1, DRAWS)]
    for prompt in _openings(target):
        if await _alike(target, _by_seed(prompt, seeds[:_DISTINCT])) is None:
            return
    prompt = await open_end(target)
    text = await _alike(target, _by_seed(prompt, seeds))
    if text is not None:
        raise Broken(
            f"after {shown(prompt)} five texts at temperature 1 are all different without a seed;"
            f" with {len(seeds)} different seeds all are {shown(text)}"
        )


def _by_seed(prompt: str, seeds: Iterable[int]) -> Iterator[Mapping[str, Any]]:
    """A request for each seed."""
    return ({"prompt": prompt, "seed": seed, "optional": "seed"} for seed in seeds)


async def _alike(target: Target, requests: Iterable[Mapping[str, Any]]) -> str | None:
    """The one text of all these requests at temperature 1; None as soon as there are two."""
    texts: set[str] = set()
    for changes in requests:
        texts.add((await sampled(target, **changes)).text)
        if len(texts) > 1:
            return None
    return texts.pop()


@scenario("DET-004")
async def greedy_text_ignores_seed_and_top_p(target: Target) -> None:
    """At temperature 0 neither `seed` nor `top_p` changes the text."""
    plain = await target.complete()
    unmoved: dict[str, Any] = {"seed": SEEDS[0], "top_p": 0.5}
    both = await target.post(**unmoved)
    if both.served and same(target.read(both).text, plain.text):
        return
    for name, value in unmoved.items():
        answer = await target.complete(optional=name, **{name: value})
        if not same(answer.text, plain.text):
            raise Broken(
                f"at temperature 0 the text is {shown(plain.text)}, but with `{name}` {value} it is {shown(answer.text)}"
            )


@scenario("DET-005")
async def a_tiny_top_p_is_greedy(target: Target) -> None:
    """With `top_p: 0.000001` the text at temperature 1 is the greedy one."""
    greedy, narrow = await asyncio.gather(
        target.complete(), target.complete(temperature=1, top_p=GREEDY_TOP_P)
    )
    if same(greedy.text, narrow.text):
        return
    again = await target.complete(temperature=1, top_p=GREEDY_TOP_P, fresh=True)
    said = f"the greedy text is {shown(greedy.text)}, at temperature 1 with `top_p` {GREEDY_TOP_P:f} it is {shown(narrow.text)}"
    if same(again.text, narrow.text):
        raise Broken(said)
    raise Ignored(f"{said}, then {shown(again.text)}: it varies as without `top_p`")


@scenario("DET-006")
async def the_default_temperature_samples(target: Target) -> None:
    """Without `temperature` the text varies as it does at temperature 1."""
    for prompt in _openings(target):
        if await _alike(target, _by_default(prompt, _DISTINCT)) is None:
            return
    prompt = await open_end(target)
    text = await _alike(target, _by_default(prompt, DRAWS))
    if text is not None:
        raise Broken(
            f"after {shown(prompt)} five texts at temperature 1 are all different; without `temperature` all {DRAWS} are {shown(text)}"
        )


def _by_default(prompt: str, draws: int) -> Iterator[Mapping[str, Any]]:
    """So many requests without `temperature`."""
    return ({"prompt": prompt, "temperature": ..., "fresh": number > 0} for number in range(draws))


@scenario("DET-008", shows=ignored("temperature"))
async def a_high_temperature_changes_the_text(target: Target) -> None:
    """At temperature 2 the text is not the greedy one every time."""
    await expect_heat(target)


async def expect_heat(target: Target, **changes: Any) -> None:
    """At temperature 2, with `changes`, some text behind some prompt is another than the greedy one."""
    likeliest = 1.0
    for prompt in _openings(target):
        greedy = await target.complete(prompt=prompt)
        for number in range(HOT_DRAWS):
            exchange = await target.post(prompt=prompt, temperature=HOT, top_p=1, fresh=number > 0, **changes)
            if exchange.refused:
                raise NotRun(f"`temperature` {HOT} with `top_p` 1 is refused; see REQ-014")
            if not same(target.read(exchange).text, greedy.text):
                return
        likeliest = min(likeliest, await _chance_of_the_greedy_text(target, prompt) ** HOT_DRAWS)
    if likeliest > _RARE:
        raise Inconclusive(
            f"the model is certain: even at temperature {HOT} {HOT_DRAWS} texts may be the greedy one with the probability {likeliest:.2g}"
        )
    where = " in a stream" if changes.get("stream") else ""
    raise Ignored(f"every text at `temperature` {HOT}{where} is the greedy one: {shown(greedy.text)}")


HOT_DRAWS = 3
_RARE = 0.0005
"""What may happen by chance in one attempt: it must happen twice, and 0.0005^2 is one in four million."""


async def _chance_of_the_greedy_text(target: Target, prompt: str) -> float:
    """The highest probability with which temperature 2 gives the greedy text; 0 where the target has no log probabilities.

    The greedy token of log probability a and the next best of b stand at temperature t in the ratio exp((a - b) / t); all others only
    lower its share. A rival that is 20 times less likely does not count: llama.cpp cuts it off before it applies the temperature. Where
    nothing is known, 24 tokens of real text, behind a prompt that makes no sense too, come out the same at temperature 2 about never.
    """
    if not await has(target, "logprobs"):
        return 0.0
    found = scores(await target.complete(prompt=prompt, logprobs=2))
    chance = 1.0
    for value, top in zip(found.values, found.tops, strict=True):
        rival = (sorted(top.values(), reverse=True)[1:2] or [-math.inf])[0]
        if value is not None and value - rival < _CUT_OFF:
            chance /= 1 + math.exp((rival - value) / HOT)
    return chance


@scenario("DET-009")
async def seed_zero_is_a_seed(target: Target) -> None:
    """`seed: 0` repeats the text as other seeds do."""
    different = await repeats_by_seed(target, 0)
    if not different:
        return
    if await repeats_by_seed(target, *SEEDS):
        raise NotRun("other seeds do not repeat the text either; see DET-002")
    raise Ignored(f"{different}; other seeds repeat their text")
