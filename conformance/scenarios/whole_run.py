"""What can only be said when everything else has been sent: the target is still there.

The file's name puts it last: scenarios that send malformed requests run in the order of their files.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import not_served
from conformance.contract.verdict import Broken, Inconclusive, NotServed, Reason
from conformance.kit.same_answer import difference
from conformance.kit.target import Target
from conformance.kit.traffic import Incident
from conformance.kit.twins import ordinary_requests
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request

_INCIDENTS = 2
_SUSPECTS = 3
"""So many of the requests that came before an incident are sent again, the likeliest ones."""


@scenario("HTTP-010", phase=Phase.LAST, shows=not_served("after a refusal"))
async def service_goes_on_after_a_refusal(target: Target) -> None:
    """After every refused request a valid one is answered, on the same connection, and finally on a new one."""
    for incident in target.incidents[:_INCIDENTS]:
        await _judge(target, incident)
    await target.valid_twin_is_served()
    ordinary = [Request.of(target.params(**one), once=True) for one in await ordinary_requests(target)]
    for number, (what, malformed) in enumerate(_battery(target)):
        refused = await target.send(malformed, fresh=True)
        after = await target.send(ordinary[number % len(ordinary)], fresh=True)
        _expect_served(after, f"{what} ({refused.id})")
        await _expect_as_ever(target, after, f"{what} ({refused.id})")
    anew = await target.send(replace(ordinary[-1], new_connection=True), fresh=True)
    _expect_served(anew, "all of these, on a new connection,")


async def _expect_as_ever(target: Target, after: Exchange, what: str) -> None:
    """The answer after a refusal is that to the same request at another time, where such answers repeat."""
    usual = await target.send(replace(after.request, once=False))
    if not (target.facts.repeats and usual.served and usual.complete and after.complete):
        return
    if (differs := difference(target.read(usual), target.read(after), usage=False)) is not None:
        raise Broken(f"at another time and after {what}, {differs}")


def _expect_served(exchange: Exchange, after: str) -> None:
    if not exchange.served:
        raise NotServed(
            f"after {after} a valid request was not served: {exchange.status or 'no answer'}, {error_text(exchange)}"
        )


def _battery(target: Target) -> tuple[tuple[str, Request], ...]:
    """One request of each kind that is refused at another place: by the parser, by the validator, by the route."""
    invalid = Intent.INVALID
    return (
        ("a body that ends too soon", Request(b'{"model": "x", ', intent=invalid)),
        (
            "`stream` with a prompt of the wrong type",
            Request.of(target.params(prompt={"a": 1}, stream=True), intent=invalid),
        ),
        ("a body that nobody reads", Request(b" " * 4096, path="/no-such-endpoint", intent=invalid)),
    )


async def _judge(target: Target, incident: Incident) -> None:
    """An incident that came of malformed requests breaks the requirement; one that passed must come again, for it may have been chance."""
    suspects = tuple(
        exchange for exchange in incident.suspects if exchange.request.intent is not Intent.VALID
    )
    # What got no answer at all comes before what was answered just before.
    suspects = tuple(exchange for exchange in suspects if exchange.response is None) or suspects
    target.used += suspects
    names = ", ".join(exchange.id for exchange in suspects)
    if not incident.recovered and not suspects:
        raise Inconclusive(f"after valid requests only: {incident.message}", Reason.TARGET_GONE)
    if not incident.recovered:
        raise Broken(f"after {names}: {incident.message}")
    seen = len(target.incidents)
    again = tuple([await target.send(exchange.request, fresh=True) for exchange in suspects[-_SUSPECTS:]])
    if again and (not await target.still_serves(again) or len(target.incidents) > seen):
        raise Broken(f"after {names}, and again when the same was sent once more: {incident.message}")
