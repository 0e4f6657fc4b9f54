"""How long a completion may become: `max_tokens`."""

from __future__ import annotations

import asyncio

from conformance.capabilities import NONCE
from conformance.checks import requirement
from conformance.target import MAX_TOKENS, Target, error_text, shown
from conformance.verdict import Broken, Inconclusive, NotRun, Unsupported
from conformance.wire.completion import Completion
from conformance.wire.exchange import Intent, Request

_DEFAULT = 16
_FAR_TOO_MANY = 10_000_000
_ENOUGH_CHUNKS = 64


@requirement("MAXTOK-002")
async def test_one_token_is_at_most_one_token(target: Target) -> None:
    """With `max_tokens` 1 at most one token is generated."""
    one, whole = await asyncio.gather(target.complete(max_tokens=1), target.complete())
    if one.usage is not None and one.usage.completion_tokens is not None:
        if one.usage.completion_tokens > 1 + target.profile.completion_tokens_slack.value:
            raise Broken(f"max_tokens 1 was answered with completion_tokens {one.usage.completion_tokens}")
    elif len(one.text) >= len(whole.text) > 1 and whole.finish_reason == "length":
        raise Broken(f"max_tokens 1 gives {shown(one.text)}, no less than max_tokens {MAX_TOKENS}: {shown(whole.text)}")


@requirement("MAXTOK-003")
async def test_a_smaller_limit_only_cuts(target: Target) -> None:
    """For a smaller `max_tokens` the text is the beginning of the text for a larger one."""
    limits = (1, 2, 4, 8)
    whole, *shorter = await asyncio.gather(target.complete(), *(target.complete(max_tokens=limit) for limit in limits))
    for limit, cut in zip(limits, shorter, strict=True):
        # A character that was cut in the middle of its bytes shows as U+FFFD; white space at an end may be trimmed.
        text = cut.text.rstrip("\ufffd").rstrip()
        if not whole.text.startswith(text):
            raise Broken(
                f"max_tokens {limit} gives {shown(cut.text)}, which is not how max_tokens {MAX_TOKENS} begins: {shown(whole.text)}"
            )
