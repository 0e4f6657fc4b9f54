"""What steers the choice of tokens acts in a stream as it does in a plain answer, which is one that another check asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Ignored, IgnoredShould, NotRun, Outcome
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.same_text import begins, same
from conformance.kit.target import Target
from conformance.scenarios.penalties import PENALTY, near_tie
from conformance.scenarios.request_effects import BIASED_TOKENS
from conformance.scenarios.sampling import GREEDY_TOP_P, SEEDS, expect_heat, sampled, seeded
from conformance.wire.completion import Completion
from conformance.wire.shown import shown


@scenario("STREAM-030")
async def sampling_parameters_act_in_streams(target: Target) -> None:
    """In a stream `temperature` and `top_p` act as in a plain answer, and so do `logit_bias`, the penalties and `seed`."""
    plain, streamed = await asyncio.gather(target.complete(), target.stream())
    if not same(plain.text, streamed.text):
        raise NotRun("even the greedy stream has another text than its plain twin; see STREAM-014")
    unclear = [await _unclear(act(target)) for act in (_temperature, _top_p)]
    try:
        unclear += [await _unclear(act(target)) for act in (_bias, _penalties, _seed)]
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


async def _bias(target: Target) -> None:
    biased: dict[str, Any] = {"logit_bias": {str(SOME_IDS[0]): 100}, "max_tokens": BIASED_TOKENS}
    await _as_plain(
        "`logit_bias` of 100 for one token",
        await target.complete(),
        await target.complete(optional="logit_bias", **biased),
        lambda: target.stream(optional="logit_bias with stream", **biased),
    )


async def _penalties(target: Target) -> None:
    if not await has(target, "logprobs"):
        raise NotRun("without log probabilities nobody knows what a penalty is certain to change")
    place = await near_tie(target, by_count=True)
    if place is None:
        raise NotRun("no greedy text has a place that a penalty is certain to change; see DET-012")
    prompt, without, _ = place
    penalty: dict[str, Any] = {"prompt": prompt, "frequency_penalty": PENALTY}
    await _as_plain(
        f"`frequency_penalty` {PENALTY} after {shown(prompt)}",
        without,
        await target.complete(optional="frequency_penalty", **penalty),
        lambda: target.stream(optional="frequency_penalty with stream", **penalty),
    )


async def _as_plain(
    what: str, without: Completion, plain: Completion, stream: Callable[[], Awaitable[Completion]]
) -> None:
    """The stream has the text of `plain`, which is not that of the same request `without` the parameter."""
    if begins(without.text, plain.text):
        raise NotRun(f"{what} changes no plain answer")
    streamed = await stream()
    # Any other text may be a near tie that came out otherwise; the very text without the parameter is none.
    if streamed.text and begins(without.text, streamed.text):
        raise Ignored(
            f"with {what} the plain text is {shown(plain.text)}, but the stream's is the same as without it: {shown(streamed.text)}"
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
