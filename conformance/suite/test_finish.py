"""Why a completion ended: `finish_reason`."""

from __future__ import annotations

import asyncio

from conformance.checks import requirement
from conformance.target import Target, shown
from conformance.verdict import Broken, Inconclusive


@requirement("FIN-003")
async def test_a_completion_that_the_limit_cuts_says_length(target: Target) -> None:
    """A completion that `max_tokens` cuts short has the finish_reason `length`."""
    short, whole = await asyncio.gather(target.complete(max_tokens=2), target.complete())
    if len(whole.text) <= len(short.text):
        raise Inconclusive("the completion ends by itself within two tokens")
    if short.finish_reason != "length":
        raise Broken(
            f"max_tokens 2 cut {shown(whole.text)} to {shown(short.text)}, and the finish_reason is {shown(short.finish_reason)}"
        )


@requirement("FIN-004")
async def test_stream_and_plain_end_for_the_same_reason(target: Target) -> None:
    """A streamed completion ends for the same reason as its plain twin."""
    for changes in ({}, {"max_tokens": 2}):
        plain, stream = await asyncio.gather(target.complete(**changes), target.stream(**changes))
        if plain.finish_reason != stream.finish_reason:
            raise Broken(
                f"the plain answer ends with {shown(plain.finish_reason)}, the same as a stream with {shown(stream.finish_reason)}"
            )
