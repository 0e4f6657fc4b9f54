"""Sends invalid requests, and sees whether the server gets through them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from conformance.contract.verdict import Broken, Inconclusive, NotRecorded
from conformance.fuzz.campaign import first_pass, inputs_of
from conformance.fuzz.defects import SYNTAX, VALUE, invalid_requests
from conformance.fuzz.judging import failed
from conformance.kit import symptoms
from conformance.kit.target import Target
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.shown import shown

_SHOWN = 200
_LEAST = 1


async def survives(target: Target) -> None:
    """Raise `Broken` for an invalid request that makes the server fail, and where it serves otherwise afterwards."""
    inputs, first = await inputs_of(first_pass(target)), first_pass(target)
    spared = await _known_to_fail(first)
    requests = [(what, one) for what, sort, one in invalid_requests(inputs) if sort not in spared]
    exchanges = await asyncio.gather(*(_send(first, one) for _, one in requests))
    target.used += [one for one in exchanges if one is not None]
    wrong = [
        (what, exchange)
        for (what, _), exchange in zip(requests, exchanges, strict=True)
        if exchange is not None and _brought_down(exchange) is not None
    ]
    for what, exchange in wrong[:1]:
        again = await target.send(exchange.request)
        found = _brought_down(again)
        target.used[:] = [again]
        if found is not None:
            body = exchange.request.body[:_SHOWN].decode("utf-8", "backslashreplace")
            raise Broken(
                f"{what}, {shown(body, _SHOWN)}: {found}."
                f" Drawn with --examples={target.settings.examples} --hypothesis-seed={target.settings.seed}.",
                symptoms.of_invalid(again),
            )
    if not wrong:
        if target.attempt:  # a confirmation needs the cause anew, not only what came of it
            await asyncio.gather(*(_send(target, one) for _, one in requests))
        await _still_the_same(target, [exchange for exchange in exchanges if exchange is not None])


def _brought_down(exchange: Exchange) -> str | None:
    """How an invalid request made the server fail; None where it was answered, whatever the answer says."""
    return None if exchange.served and exchange.complete else failed(exchange)


async def _send(target: Target, one: Request) -> Exchange | None:
    try:
        return await target.send(one)
    except (Inconclusive, NotRecorded):
        return None


async def _known_to_fail(target: Target) -> set[str]:
    """The sorts of defects that bring the server to fail already in an ordinary check: all syntax, or all values."""
    malformed = await target.send(Request(body=b'{"model": "x", ', intent=Intent.INVALID))
    mistyped = await target.post(prompt={"a": 1}, max_tokens=1, intent=Intent.INVALID, parameter="prompt")
    return {
        sort for sort, exchange in ((SYNTAX, malformed), (VALUE, mistyped)) if failed(exchange) is not None
    }


async def _still_the_same(target: Target, invalid: list[Exchange]) -> None:
    """A small valid request is answered as it was before."""
    before = await replace(target, attempt=0, used=[]).post(max_tokens=_LEAST)
    if before.unserved:  # by chance, since others were
        before = await target.post(max_tokens=_LEAST, fresh=True)
    after = await target.post(max_tokens=_LEAST, fresh=True)
    what = f"after {len(invalid)} invalid requests ({', '.join(one.id for one in invalid)}) a small valid one"
    if not after.served:
        raise Broken(f"{what} is no longer served: {after.status or 'no answer'}")
    texts = [target.read(exchange).text for exchange in (before, after)]
    if target.facts.repeats and texts[0] != texts[1]:
        raise Broken(f"{what} is answered with {shown(texts[1])}; before, the text was {shown(texts[0])}")
