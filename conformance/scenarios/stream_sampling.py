"""What steers the choice of tokens acts in a stream as it does in a plain answer, which is one that another check asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Ignored, IgnoredShould, NotRun, Outcome
from conformance.kit.same_text import same
from conformance.kit.target import Target
from conformance.scenarios.sampling import GREEDY_TOP_P, SEEDS, expect_heat, sampled, seeded
from conformance.wire.shown import shown


@scenario("STREAM-030")
async def sampling_parameters_act_in_streams(target: Target) -> None:
    """In a stream `temperature` and `top_p` act as in a plain answer, and so does `seed`."""
    plain, streamed = await asyncio.gather(target.complete(), target.stream())
    if not same(plain.text, streamed.text):
        raise NotRun("even the greedy stream has another text than its plain twin; see STREAM-014")
    unclear = [await _unclear(act(target)) for act in (_temperature, _top_p)]
    try:
        unclear.append(await _unclear(_seed(target)))
    except Broken as broken:
        raise IgnoredShould(str(broken)) from None
    if all(unclear):
        raise unclear[0] or NotRun("no parameter was looked at")


async def _unclear(judged: Awaitable[None]) -> Outcome | None:
    """Why nothing can be said of a parameter; None where it acts."""
    try:
        await judged
    except Broken:
        raise
    except Outcome as outcome:
        return outcome
    return None


async def _temperature(target: Target) -> None:
    try:
        await expect_heat(target)
    except Ignored:
        raise NotRun("`temperature` does not even act in a plain answer; see DET-008") from None
    await expect_heat(target, stream=True)


async def _top_p(target: Target) -> None:
    """A `top_p` that leaves one token makes a text greedy."""
    narrow: dict[str, Any] = {"temperature": 1, "top_p": GREEDY_TOP_P}
    greedy, plain = await target.complete(), await target.complete(**narrow)
    if not same(plain.text, greedy.text):
        raise NotRun("`top_p` does not even act in a plain answer; see DET-005")
    streamed = await target.stream(**narrow)
    if not same(streamed.text, greedy.text):
        raise Ignored(
            f"with `temperature` 1 and `top_p` {GREEDY_TOP_P} the plain text is the greedy one, {shown(greedy.text)}, and the stream's is {shown(streamed.text)}"
        )


async def _seed(target: Target) -> None:
    """Seeds are best effort, so two of them must give another text in a stream, and the same again in a plain answer."""
    different = []
    for seed in SEEDS[:2]:
        plain = await seeded(target, seed)
        streamed = await sampled(target, seed=seed, stream=True, optional="seed with stream")
        if same(plain.text, streamed.text):
            return
        if not same(plain.text, (await seeded(target, seed, fresh=True)).text):
            raise NotRun("a seed does not repeat its text even in plain answers; see DET-002")
        different.append(f"`seed` {seed} gives {shown(plain.text)}, and in a stream {shown(streamed.text)}")
    raise Ignored("; ".join(different))
