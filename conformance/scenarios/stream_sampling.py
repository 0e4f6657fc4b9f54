"""What steers the choice of tokens acts in a stream as it does in a plain answer, which is one that another check asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Ignored, IgnoredShould, Inconclusive, NotRun, Outcome
from conformance.kit.capabilities import has
from conformance.kit.full_context import MARGIN, ended_by_a_stop, room
from conformance.kit.same_text import same
from conformance.kit.stop_sequences import before, words_of
from conformance.kit.target import Target
from conformance.scenarios.sampling import GREEDY_TOP_P, LENGTH, SEEDS, expect_heat, sampled
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_DRAWN: Mapping[str, Any] = {"temperature": 1.5, "top_p": 0.8}
"""Neither what a server takes where it forgets them, nor what leaves one token to choose from."""


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
    # In the order in which it is sent below, so that it is the same request.
    asked = {"temperature": ..., "max_tokens": LENGTH, "seed": SEEDS[0], **_DRAWN}
    settings = _DRAWN if (await target.post(**asked)).served else {}
    different = []
    for seed in SEEDS[:2]:
        plain = await sampled(target, seed=seed, optional="seed", **settings)
        expected, text = await _streamed(target, plain, seed=seed, **settings)
        if same(expected, text):
            return
        again = await sampled(target, seed=seed, fresh=True, optional="seed", **settings)
        if not same(plain.text, again.text):
            raise NotRun("a seed does not repeat its text even in plain answers; see DET-002")
        different.append(
            f"`seed` {seed} gives {shown(expected)} with {shown(settings)}, and in a stream {shown(text)}"
        )
    raise Ignored("; ".join(different))


async def _streamed(target: Target, plain: Completion, **settings: Any) -> tuple[str, str]:
    """What is to come in a stream, and what comes; where that can be had in one that a stop sequence ends, and whose limit fills the context."""
    piece = next(reversed(words_of(plain.text)), None) if await has(target, "stop") else None
    limit = await _most(target) if piece else None
    if piece and limit:
        text = await _filling(target, limit, {**settings, "stop": [piece]})
        expected = before(plain.text, piece)
        # Where it is another one in a short stream with that sequence as well, the sequence may have done it, of which STOP-017 speaks.
        if text is not None and (
            same(expected, text) or same(expected, await _text(target, stop=[piece], **settings))
        ):
            return expected, text
    return plain.text, await _text(target, **settings)


async def _filling(target: Target, limit: int, settings: Mapping[str, Any]) -> str | None:
    """The text of a stream whose limit fills the context, as far as it is looked at; None where it is not served."""
    exchange = await ended_by_a_stop(target, limit, **{"temperature": 1, **settings})
    if not exchange.served or not (exchange.complete or exchange.closed_by_us):
        return None
    return (target.read(exchange) if exchange.complete else Completion.read(exchange)).text


async def _text(target: Target, **settings: Any) -> str:
    return (await sampled(target, stream=True, optional="seed with stream", **settings)).text


async def _most(target: Target) -> int | None:
    """The limit that fills the context; None where the target does not tell."""
    try:
        return await room(target) - MARGIN
    except (NotRun, Inconclusive):
        return None
