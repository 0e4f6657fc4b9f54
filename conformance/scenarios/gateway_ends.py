"""What a relay makes of streams that end otherwise than they began, at either of its sides."""

from __future__ import annotations

import asyncio

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ends_wrongly
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.gateway.scripts import FAILURE
from conformance.kit.gateway_relay import expect_arrived, relay
from conformance.kit.target import Target
from conformance.wire.completion import DONE, Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

_SOON = 100
"""Events that an upstream, which sends twenty a second by its own clock, may still get rid of when the client has gone."""


@scenario("GW-014", phase=Phase.ALONE)
async def a_client_that_leaves_ends_the_upstreams_work(target: Target) -> None:
    """When a client closes its stream the gateway closes the upstream's, within seconds."""
    found = await relay(target, "slow", stream=True, close_after=2)
    await expect_arrived(target, found, "a stream")
    if not found.exchange.closed_by_us:
        raise Inconclusive("no stream came that could be closed in the middle")
    working = found.arrived[-1]
    await working.ended()
    if not working.left or working.written > _SOON:
        how = "did so only after" if working.left else "never did, and took the whole stream:"
        raise Broken(
            f"a client closed its stream after two events, and the gateway should then have closed that of its upstream, which sends twenty a"
            f" second. It {how} {working.written} events"
        )


@scenario("GW-031", phase=Phase.ALONE)
async def leaving_without_a_stream_ends_work(target: Target) -> None:
    """When a client that waits for a plain answer closes its connection, the gateway closes the upstream's."""
    found = await relay(target, "held", close_after=0)
    working = found.arrived[-1] if found.arrived else None
    if working is None:
        raise NotRun("the gateway noticed that its client had gone before it asked its upstream")
    await working.ended()
    if not working.left:
        raise Broken(
            "a client that had asked for a plain answer closed its connection before there was one. Ten seconds later, by the upstream's clock,"
            " the gateway still kept its own connection to the upstream open, which had worked on the answer all that time"
        )


@scenario("GW-035", phase=Phase.ALONE)
async def a_slow_first_byte_is_waited_for(target: Target) -> None:
    """An answer whose first byte takes more than a minute reaches the client, plain and as a stream."""
    found = await asyncio.gather(*(relay(target, "late", stream=one) for one in (False, True)))
    for one in found:
        form = "a stream" if one.exchange.request.streamed else "a plain answer"
        await expect_arrived(target, one, f"a request for {form}")
        if one.exchange.served and one.exchange.complete:
            continue
        working = one.arrived[-1]
        await working.ended()
        if not working.left and one.exchange.response is None:
            raise Inconclusive(
                f"the upstream answered after {working.waited:.0f} s, and {_outcome(one.exchange)}"
            )
        raise Broken(
            f"{form} was asked for, and the upstream had been at work on its first byte for {working.waited:.0f} s, by its own clock, when"
            f" the gateway gave up: {_outcome(one.exchange)}"
        )


def _outcome(exchange: Exchange) -> str:
    """What the client got in the place of an answer."""
    if exchange.response is None:
        return f"the client got no answer ({exchange.fault.message if exchange.fault else 'the connection was closed'})"
    return f"the client got status {exchange.status}: {error_text(exchange)}"


@scenario("GW-008", phase=Phase.ALONE, shows=ends_wrongly("early"))
async def a_broken_upstream_stream_shows(target: Target) -> None:
    """A stream of the upstream that breaks off does not come to an ordinary end for the client."""
    answer = await _ended_badly(target, "broken")
    if answer is not None and not _tells_of_an_error(answer):
        how = (
            f"ends with {DONE} as if it were complete"
            if _done(answer)
            else "comes to a clean end, without an error"
        )
        raise Broken(f"the upstream's stream broke off after {shown(answer.text)}; the gateway's {how}")


@scenario("GW-021", phase=Phase.ALONE, shows=ends_wrongly("early"))
async def an_early_end_is_not_completed(target: Target) -> None:
    """Where the upstream's stream ends without a finish reason, the gateway's has none either, and no ordinary end."""
    answer = await _ended_badly(target, "cut")
    if answer is None or _tells_of_an_error(answer):
        return
    if answer.finish_reason:
        raise Broken(
            f"the upstream's stream ended after {shown(answer.text)} without a finish_reason; the gateway invents {shown(answer.finish_reason)}"
        )
    if _done(answer):
        raise Broken(
            f"the upstream's stream ended after {shown(answer.text)} without a finish_reason; the gateway's ends with {DONE} as if it were"
            " complete"
        )


@scenario("GW-013", phase=Phase.ALONE)
async def a_failing_upstream_stream_shows(target: Target) -> None:
    """An error event of the upstream's stream reaches the client as an error, not as text or as an ordinary end."""
    answer = await _ended_badly(target, "failing")
    if answer is None:
        return
    if str(FAILURE["message"]) in answer.text:
        raise Broken(f"the upstream's error reaches the client as generated text: {shown(answer.text)}")
    if not _tells_of_an_error(answer):
        raise Broken(
            f"the upstream's stream failed after {shown(answer.text)}; the gateway's comes to an end without an error"
        )


async def _ended_badly(target: Target, script: str) -> Completion | None:
    """What a client saw of a stream that went wrong upstream; None where it is told by status or by a broken connection."""
    found = await relay(target, script, stream=True)
    await expect_arrived(target, found, "a stream")
    if not (found.exchange.served and found.exchange.complete):
        return None
    return Completion.read(found.exchange)


def _tells_of_an_error(answer: Completion) -> bool:
    return any(document.get("error") for document in answer.documents)


def _done(answer: Completion) -> bool:
    events = answer.events.events if answer.events else ()
    return bool(events) and events[-1].data.strip() == DONE
