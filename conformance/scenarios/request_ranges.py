"""Values at the ends of the documented ranges, and beyond them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, NotRun, Unsupported
from conformance.kit.capabilities import SOME_IDS, expect_streams, has, support
from conformance.kit.facts import Support
from conformance.kit.invalid_requests import (
    InvalidRequest,
    all_refused,
    all_served,
    completes,
    invalid_requests,
    refuses,
    survives,
)
from conformance.kit.target import Target
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.shown import shown

_FEW_EVENTS = 4
_PENALTIES = ("presence_penalty", "frequency_penalty")
_FRACTIONS: Mapping[str, Any] = {
    "temperature": 0.7,
    "top_p": 0.9,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
}
_NO_TOKEN = 10_000_000
"""A token id beyond any vocabulary, and within 32 bits."""


@scenario("REQ-010", phase=Phase.MALFORMED)
async def impossible_token_ids_are_refused(target: Target) -> None:
    """Token ids below zero and beyond any vocabulary are refused with a 4xx."""
    await refuses(target, "prompt", [-5], [1_000_000_000])


@scenario("REQ-015", phase=Phase.MALFORMED)
async def temperatures_out_of_range_are_refused(target: Target) -> None:
    """`temperature` -0.1, 2.1 and a million are refused with a 4xx."""
    await refuses(target, "temperature", -0.1, 2.1, 1_000_000)


@scenario("REQ-016")
async def temperatures_at_both_ends_are_accepted(target: Target) -> None:
    """`temperature` 0 and 2 are served, as integers and with a decimal point."""
    values = (0, 0.0, 2.0, 2)
    exchanges = await asyncio.gather(
        *(target.post(temperature=value, max_tokens=1) for value in values[:-1]), _hot(target)
    )
    all_served(
        (f"`temperature` {value}", exchange) for value, exchange in zip(values, exchanges, strict=True)
    )


async def _hot(target: Target) -> Exchange:
    """An answer at temperature 2: the one of DET-008 if that is served."""
    exchange = await target.post(temperature=2, top_p=1)
    return exchange if exchange.served else await target.post(temperature=2, max_tokens=1)


@scenario("REQ-037")
async def fractions_are_accepted(target: Target) -> None:
    """`temperature`, `top_p` and the penalties may be fractions wherever 1 is accepted."""
    # All at once, which costs one request; one by one only to find out which of them is not taken.
    together = await target.post(max_tokens=1, **_FRACTIONS)
    if together.served:
        return
    broken = []
    for name, value in _FRACTIONS.items():
        alone: list[dict[str, Any]] = [{"max_tokens": 1, name: sent} for sent in (value, 1)]
        fraction, whole = [await target.post(**changes) for changes in alone]
        if whole.served and not fraction.served:
            broken.append(
                f"`{name}` {value} was answered with status {fraction.status}, but 1 was served: {error_text(fraction)}"
            )
    if broken:
        raise Broken("; ".join(broken))
    target.not_served(together, optional=", ".join(_FRACTIONS))


@scenario("REQ-017", phase=Phase.MALFORMED)
async def a_top_p_out_of_range_is_refused(target: Target) -> None:
    """`top_p` -0.1 and 1.1 are refused with a 4xx."""
    await refuses(target, "top_p", -0.1, 1.1)


@scenario("REQ-018", phase=Phase.MALFORMED)
async def a_top_p_of_zero_is_open(target: Target) -> None:
    """`top_p: 0` is served or refused with a 4xx."""
    _recorded(await survives(target, "top_p", 0))


@scenario("REQ-019", phase=Phase.MALFORMED)
async def an_n_below_one_is_refused(target: Target) -> None:
    """`n` 0 and -1 are refused with a 4xx."""
    requests = await invalid_requests(target, "n", 0, -1)
    served = any(exchange.served for _, exchange in requests)
    if served and (await support(target, "n")).support is Support.IGNORED:
        raise NotRun("the target does not read `n` at all; see N-001")
    all_refused(target, requests)


@scenario("REQ-020", phase=Phase.MALFORMED)
async def more_than_128_choices_are_refused(target: Target) -> None:
    """`n` 129 is refused with a 4xx."""
    found = await support(target, "n")
    if found.support is Support.REFUSED:
        raise Unsupported(f"needs `n`: {found.note}")
    if found.support is not Support.YES:
        raise NotRun(f"needs `n`, which does not work: {found.note}; see N-001")
    exchange = await target.post(n=129, temperature=1, max_tokens=1, intent=Intent.INVALID, parameter="n")
    target.expect_refused(exchange, "`n` 129")


@scenario("REQ-021", phase=Phase.MALFORMED)
async def a_negative_limit_is_refused(target: Target) -> None:
    """`max_tokens` -5 is refused with a 4xx."""
    await target.valid_twin_is_served()
    # A stream that is left early: some servers take any negative number for "no limit".
    await expect_streams(target)
    request = Request.of(
        target.params(max_tokens=-5, stream=True),
        intent=Intent.INVALID,
        parameter="max_tokens",
        close_after=_FEW_EVENTS,
    )
    target.expect_refused(await target.send(request), "`max_tokens` -5")


@scenario("REQ-022", phase=Phase.MALFORMED)
async def penalties_out_of_range_are_refused(target: Target) -> None:
    """`presence_penalty` and `frequency_penalty` of -2.1 and 2.1 are refused with a 4xx."""
    requests: list[InvalidRequest] = []
    for parameter in _PENALTIES:
        requests += await invalid_requests(target, parameter, -2.1, 2.1)
    all_refused(target, requests)


@scenario("REQ-023", phase=Phase.MALFORMED)
async def a_negative_logprobs_is_refused(target: Target) -> None:
    """`logprobs` -5 is refused with a 4xx."""
    await refuses(target, "logprobs", -5)


@scenario("REQ-029", phase=Phase.MALFORMED)
async def a_fractional_limit_is_refused(target: Target) -> None:
    """`max_tokens` 4.5 is refused with a 4xx; 4.0, which JSON cannot tell from 4, may be served."""
    await survives(target, "max_tokens", 4.0)
    await refuses(target, "max_tokens", 4.5)


@scenario("REQ-033", phase=Phase.MALFORMED)
async def extreme_seeds_may_be_refused(target: Target) -> None:
    """`seed` -1 and 2^53 + 1 are served or refused with a 4xx."""
    _recorded(await survives(target, "seed", -1, 2**53 + 1))


@scenario("REQ-034", phase=Phase.MALFORMED)
async def impossible_best_of_and_bias_are_refused(target: Target) -> None:
    """`best_of` 21 and -1 and a `logit_bias` of 101 are refused with a 4xx by a target that reads the parameter."""
    impossible: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("best_of", (21, -1)),
        ("logit_bias", ({str(SOME_IDS[0]): 101},)),
    )
    requests: list[InvalidRequest] = []
    for parameter, values in impossible:
        sent = await invalid_requests(target, parameter, *values) if await has(target, parameter) else []
        # Whoever refuses one of them has read it.
        if any(exchange.refused for _, exchange in sent) or (sent and await _reads(target, parameter)):
            requests += sent
    if not requests:
        raise NotRun("the target reads neither `best_of` nor `logit_bias`, or refuses both")
    all_refused(target, requests)


async def _reads(target: Target, parameter: str) -> bool:
    """Whether the target looks at a parameter that it takes: it then refuses a value that can mean nothing.

    One that fails at that value tells nothing here; ERR-004 speaks of the failure.
    """
    _, exchange = (await invalid_requests(target, parameter, "abc"))[0]
    return exchange.refused


# mlx-lm 0.32 writes beyond its logits, and now and then dies of it.
@scenario("REQ-036", phase=Phase.DEADLY)
async def a_bias_for_an_unknown_token_causes_no_failure(target: Target) -> None:
    """A `logit_bias` for a token id beyond any vocabulary is served or refused with a 4xx."""
    for exchange in await survives(target, "logit_bias", {str(_NO_TOKEN): -100}):
        completes(target, exchange, f"a `logit_bias` for token {_NO_TOKEN}")


def _recorded(exchanges: list[Exchange]) -> None:
    """Say which of these optional values the target refuses."""
    refused = [exchange for exchange in exchanges if not exchange.served]
    if refused:
        values: list[Any] = [
            exchange.request.params.get(exchange.request.parameter or "") for exchange in refused
        ]
        raise Unsupported(
            f"the target refuses {', '.join(map(shown, values))} with status {refused[0].status}: {error_text(refused[0])}"
        )
