"""Typical requests, sent so that the rules have something to look at even where no scenario is selected.

Each is a request that scenarios send too, so that in a whole run hardly any of this costs anything.
"""

from __future__ import annotations

from conformance.kit.capabilities import NONCE, has
from conformance.kit.target import Target
from conformance.kit.twins import ask_both, stop_circumstances
from conformance.wire.exchange import Intent, Request

_BEYOND_ASCII = "Café, 日本語, 😀:"


async def plain_and_streamed(target: Target) -> None:
    """The same answer plain, once more, streamed, and streamed with usage."""
    await target.post()
    await target.post(second=True)
    await target.post(stream=True)
    await target.post(stream=True, stream_options={"include_usage": True}, max_tokens=8)


async def several_choices(target: Target) -> None:
    """More than one choice, by `n` and by prompts, where the target can do that: one has died of a list that it does not take."""
    if await has(target, "n"):
        await target.post(n=2, temperature=1, max_tokens=8)
        await target.post(n=2, temperature=1, max_tokens=8, stream=True)
    if await has(target, "multi_prompt"):
        await target.post(prompt=list(target.prompts(3)), max_tokens=8)


async def optional_features(target: Target) -> None:
    """An echo and logprobs."""
    await target.post(prompt=NONCE, echo=True, max_tokens=4)
    await target.post(logprobs=2, max_tokens=8)
    await target.post(prompt=NONCE, echo=True, logprobs=2, max_tokens=4)
    if await has(target, "n"):
        await target.post(prompt=NONCE, echo=True, logprobs=2, max_tokens=4, n=2, temperature=1)
    # That a server gets through such a prompt is REQ-038's.
    await target.post(prompt=_BEYOND_ASCII, echo=True, stream=True, max_tokens=4, intent=Intent.OPEN)


async def stopped(target: Target) -> None:
    """An answer that a stop sequence ends, cut out of what the target itself has just said."""
    whole = await target.complete()
    piece = whole.text[8:12]
    if piece:
        await target.post(stop=piece)
        await target.post(stop=piece, stream=True)
    for circumstance in (await stop_circumstances(target))[:1]:
        await ask_both(target, circumstance)


async def refusals(target: Target) -> None:
    """Requests that are refused: bad JSON, a missing prompt, a wrong type."""
    await target.send(Request(body=b'{"model": "x", ', intent=Intent.INVALID))
    await target.post(prompt={"a": 1}, max_tokens=1, intent=Intent.INVALID, parameter="prompt")
    await target.post(max_tokens="abc", intent=Intent.INVALID, parameter="max_tokens")


VALID = (plain_and_streamed, several_choices, optional_features, stopped)
MALFORMED = (refusals,)
