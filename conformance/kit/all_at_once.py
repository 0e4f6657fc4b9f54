"""One request with every feature that the target takes together, since what goes wrong with one may show beside that one only.

A plain request of that kind and the same as a stream are two requests, and hold a setting against itself in all circumstances at once: in a
list, with `n`, for token ids, for a long prompt, with echo, with a suffix. Only where they differ is it worth a request for each of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.target import Target

SUFFIX = " zebra quokka lantern."
"""A suffix that no text says by itself."""
LONG_PROMPTS = (600, 1200)
"""Tokens of prompts that are longer than what an engine computes at a time (512, or 1,024)."""
_ENOUGH = 2
"""Fewer features than so many are no combination."""

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a request, each by what it is in words."""

    parts: Mapping[str, Changes]

    @property
    def changes(self) -> dict[str, Any]:
        """What the request has of all of them."""
        return {name: value for part in self.parts.values() for name, value in part.items()}

    @property
    def choices(self) -> int:
        """How many choices are answered."""
        changes = self.changes
        prompt = changes.get("prompt")
        count = len(prompt) if isinstance(prompt, list) and not isinstance(prompt[0], int) else 1
        return count * int(changes.get("n", 1))

    @property
    def told(self) -> str:
        """All of them in words, to follow "of a stream"."""
        return ", ".join(self.parts)


async def all_at_once(
    target: Target,
    settings: Mapping[str, Any],
    *,
    long: bool = False,
    echo: bool = True,
    prompts: Sequence[str] = (),
) -> Features | None:
    """As many features as the target serves beside `settings` in a plain request; None where these are too few to be called a combination.

    What is refused is asked for again without the feature that is the likeliest to be the reason. Of lists there is one of token ids, the second
    of them long if that is wanted, where no `prompts` are given. `echo`: whether that is one of the features.
    """
    parts = await _parts(target, prompts, long=long, echo=echo)
    while len(parts) >= _ENOUGH:
        features = Features(parts)
        exchange = await target.post(**{**settings, **features.changes})
        # A failure that comes of a setting is what whoever asks is looking for; one that comes anyway says nothing of settings.
        if exchange.served or (_failed(exchange.status) and await _is_served(target, features)):
            return features
        parts = dict(list(parts.items())[:-1])
    return None


async def _is_served(target: Target, features: Features) -> bool:
    return (await target.post(max_tokens=1, **features.changes)).served


def _failed(status: int | None) -> bool:
    return status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR


async def _parts(target: Target, texts: Sequence[str], *, long: bool, echo: bool) -> dict[str, Changes]:
    """The features that the target has by themselves, the likeliest to be refused beside others last."""
    parts: dict[str, Changes] = {}
    lists, ids = await has(target, "multi_prompt"), not texts and await has(target, "token_prompt")
    if lists or ids:
        kind = ("long " if long and ids else "") + ("token ids" if ids else "prompts")
        prompts = _token_ids(long=long) if ids else texts or target.prompts(2)
        parts[f"for a list of {kind}" if lists else f"for {kind}"] = {
            "prompt": list(prompts) if lists else prompts[-1]
        }
    if await has(target, "n"):
        parts["with `n`"] = {"n": 2}
    if echo and await has(target, "echo"):
        parts["with `echo`"] = {"echo": True}
    if await has(target, "suffix"):
        parts["with a suffix"] = {"suffix": SUFFIX}
    return parts


def _token_ids(*, long: bool) -> tuple[list[int], list[int]]:
    """Two prompts, of which the second one may be long."""
    one, other = list(SOME_IDS), list(reversed(SOME_IDS))
    return one, other * (LONG_PROMPTS[-1] // len(other)) if long else other
