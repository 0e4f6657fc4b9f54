"""Requests whose limit fills the context, and which end soon all the same: a stop sequence cuts their answers, or the suite leaves them.

What is near the edge of the context goes another way through many servers, and filling it with text would cost as many tokens as it has.
"""

from __future__ import annotations

from typing import Any

from conformance.contract.verdict import Inconclusive
from conformance.kit.context_length import context_length
from conformance.kit.steered import Steered, steered
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.wire.exchange import Exchange, Intent, Request

RESERVED = 16
"""So many tokens less than the context are forgiven."""
MARGIN = 64
"""So many less leave room for what a server adds to a prompt, and for some features more."""
FEW_EVENTS = 24
"""After so many of each choice a stream that does not end is left."""


async def room(target: Target) -> int:
    """The tokens that the context leaves beside the ordinary prompt. Raises `NotRun` or `Inconclusive` where the target does not tell."""
    length = await context_length(target)
    usage = (await target.complete(max_tokens=1)).usage
    if usage is None or not usage.prompt_tokens or usage.prompt_tokens + RESERVED >= length:
        raise Inconclusive("usage does not tell how many tokens the prompt has")
    return length - usage.prompt_tokens


async def filling(target: Target, limit: int, *, plainly: bool = False, **changes: Any) -> Exchange:
    """A stream with `limit` as `max_tokens`: a steered one that a stop sequence ends; where there is none, or `plainly`, left at once."""
    request = Steered({}, {}, {}) if plainly else await steered(target)
    return await ended_by_a_stop(target, limit, **{**request.cut, **changes})


async def ended_by_a_stop(target: Target, limit: int, **changes: Any) -> Exchange:
    """A stream with `limit` as `max_tokens` that its `stop` ends after a few events, and is left where it does not; left at once without one."""
    params = target.params(**{**changes, "max_tokens": limit, "stream": True})
    is_ended = params.get("stop") is not None
    if is_ended:
        params |= await usage_option(target)
    # What the target says of its context may be wrong, so that a refusal proves nothing beyond what it is asked for; an answer is one like others.
    intent, events = (Intent.VALID, FEW_EVENTS) if is_ended else (Intent.OPEN, 1)
    choices = Request.of(params).choices
    return await target.send(
        Request.of(params, intent=intent, parameter="max_tokens", close_after=events * choices)
    )
