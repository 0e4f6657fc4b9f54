"""How long the model's context is, by the target's own words.

No parameter tells it, but a server that refuses an impossible `max_tokens` mostly names it, and some list it with the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from conformance.contract.verdict import NotRun
from conformance.kit.capabilities import expect_streams
from conformance.kit.target import Target
from conformance.wire.exchange import Exchange, Intent, Request, is_int

FAR_TOO_MANY = 10_000_000
"""More tokens than any context has."""

_LIKELY = range(16, FAR_TOO_MANY)
_READ = 4096
"""Characters of a message that are looked at."""
_STATED = re.compile(
    r"(?:context[ _-]?(?:length|size|window)|max(?:imum)?[ _-](?:model[ _-]len(?:gth)?|seq(?:uence)?[ _-]len(?:gth)?))"
    r"\D{0,24}?(\d{2,8})(?!\d)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\d.])\d{1,8}(?![\d.]*\d)")
_TRIED = 2
"""So many numbers of a message are tried as limits."""
_MEMBERS = ("max_model_len", "context_length", "context_window", "max_context_length")


async def impossible_limit(target: Target) -> Exchange:
    """The exchange of a request whose `max_tokens` exceeds every context; a stream, left after its first event.

    Raises `NotRun` where streams do not work.
    """
    await expect_streams(target)
    params = target.params(max_tokens=FAR_TOO_MANY, stream=True)
    return await target.send(Request.of(params, intent=Intent.INVALID, parameter="max_tokens", close_after=1))


def from_message(message: str) -> int | None:
    """The context length that a message names, else None."""
    found = (int(match[1]) for match in _STATED.finditer(message[:_READ]))
    return next((length for length in found if length in _LIKELY), None)


def from_model_list(models: Any, name: str) -> int | None:
    """The context length that a list of models gives for one of them, else None."""
    data = models.get("data") if isinstance(models, dict) else None
    for model in data if isinstance(data, list) else ():
        if isinstance(model, dict) and model.get("id") == name:
            lengths = (model.get(member) for member in _MEMBERS)
            return next((length for length in lengths if is_int(length) and length in _LIKELY), None)
    return None


def named_limits(refusal: Exchange, *, below: int, besides: int) -> Sequence[int]:
    """The numbers in a refusal that may be a smaller limit for `max_tokens`, the largest first: none of the request's own."""
    body = refusal.response.body[:_READ] if refusal.refused and refusal.response is not None else b""
    found = {int(digits) for digits in _NUMBER.findall(body.decode("utf-8", "replace").replace(",", ""))}
    return sorted((number for number in found if 1 < number < below and number != besides), reverse=True)[
        :_TRIED
    ]


async def context_length(target: Target) -> int:
    """The model's context length in tokens; raises `NotRun` where the target does not tell it."""
    if target.facts.context_length is not None:
        return target.facts.context_length
    models = await target.send(Request(method="GET", path="/models", headers=()))
    if models.served and models.response is not None:
        length = from_model_list(models.response.json, target.facts.model)
        if length is not None:
            return length
    refusal = await impossible_limit(target)
    if refusal.refused and refusal.response is not None:
        length = from_message(refusal.response.body[:_READ].decode("utf-8", "replace"))
        if length is not None:
            return length
    raise NotRun("the target does not tell how long its context is")
