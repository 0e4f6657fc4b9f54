"""What makes an answer tell more of itself, as far as the target has it."""

from __future__ import annotations

from typing import Any

from conformance.kit.capabilities import has
from conformance.kit.target import Target

LOGPROBS = 2


async def scores_wanted(target: Target) -> dict[str, Any]:
    """What asks for log probabilities, as far as the target has them."""
    return {"logprobs": LOGPROBS} if await has(target, "logprobs") else {}


async def usage_option(target: Target) -> dict[str, Any]:
    """What makes a stream report its usage, as far as the target has that."""
    return {"stream_options": {"include_usage": True}} if await has(target, "stream_usage") else {}
