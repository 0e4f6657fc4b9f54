"""What a relay does with several clients, with time, and with what is between it and its upstream alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import not_served
from conformance.contract.verdict import Broken, BrokenShould, NotRun
from conformance.gateway.answers import WORDS
from conformance.gateway.keys import GATEWAY_KEY
from conformance.gateway.received import Arrival
from conformance.gateway.refusals import SECRET_HEADERS
from conformance.gateway.scripts import CLIENTS
from conformance.kit.gateway_relay import Relayed, expect_arrived, relay, tag_of, upstream
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.retry import is_turned_away

_EVENTS = 2
"""Events that are held until the one before has reached the client."""
_ROUND_TRIPS = 2
"""Honest requests that the gateway relays, to its upstream and back, while the event must already be on its way."""


@scenario("GW-020", phase=Phase.ALONE)
async def each_event_is_passed_on_at_once(target: Target) -> None:
    """Each event of a stream reaches the client before its upstream sends the next one."""
    behind = upstream(target)
    if target.concurrency < 2:  # noqa: PLR2004 - a stream and another request
        raise NotRun("it takes two requests at the same time, and the run sends one (--concurrency)")
    stream = asyncio.create_task(relay(target, "one-by-one", stream=True))
    held = await behind.arrival(tag_of(target, "one-by-one", close_after=None, stream=True))
    if held is not None:
        await _let_go_one_by_one(target, held)
    found = await stream
    await expect_arrived(target, found, "a stream")
    if held is not None:
        await held.look_again()
    if held is None or held.let_go_by_itself:
        raise NotRun("while a stream goes on the gateway serves nobody else; see GW-034")
    _expect_in_time(found.exchange, held)


async def _let_go_one_by_one(target: Target, held: Arrival) -> None:
    """Let each event go when the gateway has relayed other requests since it was sent the one before: the clock of this check."""
    for number in range(1, _EVENTS + 1):
        await held.wrote(number)
        for trip in range(_ROUND_TRIPS):
            await relay(target, "plain", f"round trip {trip} while event {number} is on its way")
        await held.let_go(all_others=number == _EVENTS)


def _expect_in_time(exchange: Exchange, held: Arrival) -> None:
    answer = Completion.read(exchange)
    chunks = [chunk for chunk in answer.chunks if any(choice.get("text") for choice in chunk.choices)]
    late = [
        number
        for number, (chunk, let_go) in enumerate(zip(chunks, held.passed, strict=False), 1)
        if exchange.started + chunk.seconds > let_go
    ]
    if len(chunks) < _EVENTS:
        raise NotRun("the stream did not arrive in full; see GW-001")
    if late:
        raise Broken(
            f"the upstream sent an event ({WORDS[late[0] - 1]!r}), and waited until the gateway had relayed {_ROUND_TRIPS} other requests before"
            f" it sent the next; the client got it only after that. The same holds for {len(late)} of {_EVENTS} events"
        )


@scenario("GW-034", phase=Phase.ALONE)
async def clients_are_served_side_by_side(target: Target) -> None:
    """Requests of several clients are with the upstream at the same time."""
    clients = min(CLIENTS, target.concurrency)
    found = await asyncio.gather(
        *(relay(target, "together", f"client {number}", takes_any_answer=True) for number in range(clients))
    )
    turned_away = [one.exchange for one in found if not one.arrived and _is_turned_away(one.exchange)]
    for exchange in turned_away:
        if (
            not exchange.rate_limited
        ):  # one that says for how long, or 429, is the limit of a gateway that has one
            raise Broken(
                f"{clients} clients asked at the same time, and the gateway answered {len(turned_away)} of them itself, with status"
                f" {exchange.status} and without `Retry-After`: {error_text(exchange)}. Its upstream was not asked, and had nothing else to do",
                not_served(),
            )
    found = [one for one in found if one.exchange not in turned_away]
    for one in found:
        await expect_arrived(target, one, "an ordinary request")
    if not _overlap([one.exchange for one in found]):
        raise NotRun(
            "the run sends one request at a time (--concurrency, or the pace that the target asks for)"
        )
    most = max((received.companions for one in found for received in one.arrived), default=0)
    if most == 1:
        raise Broken(
            f"{clients} clients asked at the same time, and the upstream, which waited a second for each next one, never had two requests at once",
            not_served(),
        )


def _is_turned_away(exchange: Exchange) -> bool:
    return exchange.response is not None and is_turned_away(exchange.response)


def _overlap(exchanges: Sequence[Exchange]) -> bool:
    """Whether two requests were under way at the same time, as their clients saw it."""
    in_order = sorted(exchanges, key=lambda one: one.started)
    return any(second.started < first.started + first.seconds for first, second in pairwise(in_order))


@scenario("GW-028", phase=Phase.MALFORMED)
async def no_secrets_cross(target: Target) -> None:
    """Keys and headers that are between the gateway and one of its sides do not reach the other."""
    relayed = [
        await relay(target, "confidential"),
        await relay(target, "confidential", stream=True),
        await relay(target, "refused"),
        await relay(target, "unauthorized"),
    ]
    for found in relayed:
        await expect_arrived(target, found, "an ordinary request")
    *own, refused = relayed
    _expect_the_clients_key_to_stay(relayed)
    for one in relayed:
        if names := [name for name, value in _headers(one.exchange) if GATEWAY_KEY in value]:
            raise Broken(
                f"the key that the gateway uses for its upstream stands in a header of its answer, {names[0]} (the report has {GATEWAY_KEY}"
                " in its place)"
            )
    if any(GATEWAY_KEY in _body(one.exchange) for one in own):
        raise Broken(
            "the key that the gateway uses for its upstream stands in the body of an answer, and the upstream's answer did not have it (the"
            f" report has {GATEWAY_KEY} in its place)"
        )
    came = [value for found in own for _, value in _headers(found.exchange)]
    passed = [name for name, value in SECRET_HEADERS if value in came]
    if passed:
        raise BrokenShould(
            f"these headers of the upstream, which are meant for the gateway, reach the client: {', '.join(passed)}"
        )
    if GATEWAY_KEY in _body(refused.exchange):
        raise BrokenShould(
            "an error of the upstream quotes the key that the gateway uses for it, and the client gets to read that key (the report has"
            f" {GATEWAY_KEY} in its place)"
        )


def _expect_the_clients_key_to_stay(relayed: Sequence[Relayed]) -> None:
    """A gateway with a key of its own for the upstream does not send the client's there; one without relays the only one there is."""
    arrived = [one for found in relayed for one in found.arrived]
    if not any(one.has_own_key for one in arrived):
        return
    for one in arrived:
        if one.clients_key_in:
            raise Broken(
                "the gateway has a key of its own for its upstream, and sends it the client's key, too, in the header"
                f" {one.clients_key_in[0]}"
            )


def _headers(exchange: Exchange) -> Sequence[tuple[str, str]]:
    return exchange.response.headers if exchange.response else ()


def _body(exchange: Exchange) -> str:
    return exchange.response.body.decode(errors="replace") if exchange.response else ""
