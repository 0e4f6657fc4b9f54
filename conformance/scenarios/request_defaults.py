"""What it means to leave a parameter out, to send its default, and to send null."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken
from conformance.kit.invalid_requests import all_served, repeats
from conformance.kit.same_answer import difference
from conformance.kit.same_text import recounted
from conformance.kit.target import Target
from conformance.kit.twins import Circumstance, ask_both, default_limit
from conformance.scenarios.usage import expect_counts_to_repeat
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Request
from conformance.wire.shown import shown

_DEFAULTS: Mapping[str, Any] = {"temperature": 1, "top_p": 1, "n": 1, "stream": False, "echo": False}
_WITHOUT_EFFECT: Mapping[str, Any] = {
    "top_p": 1,
    "n": 1,
    "echo": False,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
_NULLABLE = (
    "top_p",
    "n",
    "stream",
    "stop",
    "suffix",
    "echo",
    "logprobs",
    "seed",
    "logit_bias",
    "best_of",
    "presence_penalty",
    "frequency_penalty",
)
"""Without `temperature` and `max_tokens`, whose defaults are not those of an ordinary request here."""

_ENOUGH_EVENTS, _FEW_EVENTS = 64, 4


@scenario("REQ-001")
async def model_and_prompt_are_enough(target: Target) -> None:
    """A request with only `model` and `prompt` is served."""
    minimal = {"model": target.facts.model, "prompt": target.prompt}
    # Without `max_tokens` some servers go on to the end of their context: a stream can be left before.
    exchange = await target.send(Request.of({**minimal, "stream": True}, close_after=_ENOUGH_EVENTS))
    if not exchange.served:  # what becomes of streams others say
        exchange = await target.send(Request.of(minimal))
    _served(target, exchange)


def _served(target: Target, exchange: Exchange) -> None:
    """A valid request was served, as far as it was read."""
    if not exchange.served:
        target.not_served(exchange)
    if exchange.fault is not None:
        target.no_answer(exchange)
    if not Completion.read(exchange).choices:
        raise Broken(f"a valid request was served without a choice: {error_text(exchange)}")


@scenario("REQ-008")
async def a_list_of_one_equals_its_string(target: Target) -> None:
    """`prompt: ["x"]` is answered like `prompt: "x"`, plain and as a stream."""
    limit = await default_limit(target)
    alone = await ask_both(target, Circumstance("", limit))
    listed = await ask_both(target, Circumstance("", {**limit, "prompt": [target.prompt]}))
    if alone is None or listed is None:
        single = await target.complete()
        pairs = [(single, await target.complete(prompt=[target.prompt]))]
    else:
        pairs = [(alone.plain, listed.plain), (alone.stream, listed.stream)]
    for single, other in pairs:
        if changed := recounted(single.usage, other.usage):
            name, here, there = changed
            expect_counts_to_repeat(target, name)
            raise Broken(
                f"for the prompt {shown(target.prompt)} `{name}` is {here}, but {there} in a list of one"
            )
        differs = difference(single, other, usage=False)
        if differs and await repeats(target):
            raise Broken(f"for the prompt {shown(target.prompt)} alone and in a list of one {differs}")


async def with_default(target: Target, name: str, **changes: Any) -> Completion:
    """The answer to a request in which a parameter has its default: all have it, or where that is refused it alone."""
    exchange = await target.post(**changes, **_DEFAULTS)
    return (
        target.read(exchange)
        if exchange.served
        else await target.complete(**changes, **{name: _DEFAULTS[name]})
    )


@scenario("REQ-011")
async def documented_defaults_can_be_sent(target: Target) -> None:
    """Each documented default is accepted when it is sent."""
    # All at once, which costs one request; one by one only to find out which of them is not taken.
    together = await target.post(max_tokens=1, **_DEFAULTS)
    if together.served:
        return
    exchanges = await asyncio.gather(
        *(target.post(**{"max_tokens": 1, name: value}) for name, value in _DEFAULTS.items())
    )
    _all_served(target, together, dict(zip(_DEFAULTS.items(), exchanges, strict=True)))


def _all_served(target: Target, together: Exchange, alone: Mapping[tuple[str, Any], Exchange]) -> None:
    """Say which parameters are not taken; `together` is the request that had all of them."""
    all_served((f"`{name}` {shown(value)}", exchange) for (name, value), exchange in alone.items())
    target.not_served(together)


@scenario("REQ-012")
async def sending_defaults_changes_nothing(target: Target) -> None:
    """The greedy text with the documented defaults sent is the text without them."""
    plain, explicit = await asyncio.gather(target.complete(), target.complete(**_WITHOUT_EFFECT))
    if plain.text != explicit.text:
        raise Broken(
            f"with {shown(dict(_WITHOUT_EFFECT))} sent the text is {shown(explicit.text)}, without them {shown(plain.text)}"
        )


@scenario("REQ-013")
async def null_equals_leaving_out(target: Target) -> None:
    """`null` for a nullable parameter is accepted and means the same as leaving it out."""
    nulls: dict[str, Any] = dict.fromkeys(_NULLABLE)
    together, temperature, limit = await asyncio.gather(
        target.post(**nulls),
        target.post(temperature=None, max_tokens=1),
        target.send(Request.of(target.params(max_tokens=None, stream=True), close_after=_FEW_EVENTS)),
    )
    alone = {("temperature", None): temperature, ("max_tokens", None): limit}
    if not together.served:
        exchanges = await asyncio.gather(*(_null(target, name) for name in _NULLABLE))
        alone |= {(name, None): exchange for name, exchange in zip(_NULLABLE, exchanges, strict=True)}
    if not all(exchange.served for exchange in (together, *alone.values())):
        _all_served(target, together, alone)
    plain, nulled = await target.complete(), target.read(together)
    if plain.text != nulled.text and await repeats(target):
        raise Broken(
            f"with null for {', '.join(_NULLABLE)} the text is {shown(nulled.text)}, without them {shown(plain.text)}"
        )


async def _null(target: Target, name: str) -> Exchange:
    changes: dict[str, Any] = {"max_tokens": 1, name: None}
    return await target.post(**changes)


@scenario("REQ-026")
async def a_user_name_is_accepted(target: Target) -> None:
    """`user` is accepted."""
    await target.complete(user="abc", max_tokens=1)
