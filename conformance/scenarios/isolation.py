"""A request beside others: their settings, their seeds and their leaving do not reach it.

These scenarios want the target for themselves, so they run with the hazardous ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun, Reason
from conformance.kit.capabilities import SOME_IDS
from conformance.kit.leaving import A_MOMENT, expect_as_ever, expect_at_once
from conformance.kit.same_text import same
from conformance.kit.stop_sequences import words_of
from conformance.kit.target import Target
from conformance.scenarios.sampling import LENGTH, SEEDS, seeded
from conformance.wire.completion import Completion
from conformance.wire.exchange import Intent, Request
from conformance.wire.shown import shown

_CLIENTS = 4
_LEAVING = 2
_LONG = 64


@scenario("DET-010", phase=Phase.ALONE)
async def neighbours_do_not_disturb_a_seed(target: Target) -> None:
    """A seed gives the same text alone and beside requests without one."""
    different = []
    for number, seed in enumerate(SEEDS):
        alone = await seeded(target, seed, fresh=True)
        if not same(alone.text, (await seeded(target, seed, fresh=True)).text):
            raise NotRun("a seed does not repeat its text even alone; see DET-002")
        beside = await _beside(
            target,
            seeded(target, seed, fresh=True),
            [{"temperature": 1, "max_tokens": LENGTH}] * 3,
        )
        if not same(alone.text, beside.text):
            different.append(
                f"`seed` {seed} gave {shown(alone.text)} alone, and {shown(beside.text)} beside {_CLIENTS - 1} requests without a seed"
            )
        # One of three may be a near tie that another batch flips.
        if len(different) > 1:
            raise Broken(different[0])
        if number + 1 - len(different) > 1:
            return


@scenario("DET-011", phase=Phase.ALONE)
async def settings_stay_with_their_request(target: Target) -> None:
    """A greedy answer is the same beside requests with other settings as beside requests like itself."""
    if target.concurrency < _CLIENTS:
        raise Inconclusive(f"the run sends only {target.concurrency} requests at the same time")
    alone = await target.complete()
    odd = _odd_settings(alone.text)
    beside = await _beside(target, target.complete(fresh=True), odd)
    if same(alone.text, beside.text):
        return
    # A batch of another size may flip a near tie, and then does it with any neighbours.
    like = await _beside(
        target, target.complete(fresh=True), [{"prompt": prompt} for prompt in _prompts(target)]
    )
    again = await _beside(target, target.complete(fresh=True), odd)
    if not same(like.text, alone.text):
        raise Inconclusive(
            "the answer also differs beside ordinary requests: batches flip near ties here", Reason.NOISE
        )
    if not same(again.text, alone.text):
        raise Broken(
            f"beside requests with {shown(odd, 300)} the answer is {shown(again.text)}; alone and beside requests without"
            f" such settings it is {shown(alone.text)}"
        )


def _odd_settings(text: str) -> list[dict[str, Any]]:
    """What would show in the answer `text` if it reached it: a stop sequence that is in it, and settings that turn it over."""
    found = words_of(text)
    return [
        {"stop": [found[0]] if found else [text[4:8] or "e"], "temperature": 1},
        {"logit_bias": {str(SOME_IDS[0]): 100}, "logprobs": 2},
        {"temperature": 2, "presence_penalty": 2, "frequency_penalty": 2, "seed": SEEDS[0]},
    ]


def _prompts(target: Target) -> Sequence[str]:
    return [f"{target.prompt} {word}" for word in ("amber", "birch", "cedar")]


async def _beside(target: Target, request: Any, neighbours: Sequence[dict[str, Any]]) -> Completion:
    """The answer to a request that is sent in the middle of others, whose own answers may be anything."""
    others = [
        target.post(intent=Intent.OPEN, fresh=True, **{"prompt": prompt, **settings})
        for prompt, settings in zip(_prompts(target), neighbours, strict=True)
    ]
    answers = await asyncio.gather(*others[:2], request, *others[2:])
    found: Completion = answers[2]
    return found


@scenario("HTTP-018", phase=Phase.ALONE)
async def a_client_that_leaves_before_its_answer_frees_the_server(target: Target) -> None:
    """After clients without a stream have left before their answers came, the next request is answered at once, and as before."""
    before = await target.complete(fresh=True)
    params = target.params(max_tokens=_LONG)
    left = await asyncio.gather(
        *(
            target.send(Request.of(params, intent=Intent.OPEN, close_after=0), fresh=True)
            for _ in range(_LEAVING)
        )
    )
    if not all(exchange.closed_by_us for exchange in left):
        raise NotRun("the requests could not be closed before their answers came")
    await asyncio.sleep(A_MOMENT)
    after = await target.complete(fresh=True, once=True)
    what = (
        f"after {_LEAVING} clients had left before their answers of {_LONG} tokens came, an ordinary request"
    )
    expect_at_once(what, before, after)
    if target.facts.repeats and after.text != before.text:
        await expect_as_ever(target, before)
        raise Broken(f"{what} was answered with {shown(after.text)}, but before with {shown(before.text)}")
