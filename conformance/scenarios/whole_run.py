"""What can only be said when everything else has been sent: the target is still there.

The file's name puts it last: scenarios that send malformed requests run in the order of their files.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import not_served
from conformance.contract.verdict import Broken, Inconclusive, NotRecorded, NotServed, Reason
from conformance.kit.same_answer import difference, shown_by
from conformance.kit.target import Target
from conformance.kit.traffic import Incident
from conformance.kit.twins import ordinary_requests
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.greedy import takes_the_best
from conformance.wire.shown import shown

_WORDS = ("amber", "birch", "cedar", "delta", "ember")
_AFTER = 3
"""That a near tie comes out otherwise the second time, and only then, after so many of these words is no chance."""
_TIMES = 3
"""So often the same is answered in one way, where another answer is no near tie."""
_ODD = 2
"""So many requests are asked for anew."""
_NEVER_SERVED = 3
"""So many requests that were never served are sent once more."""
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
        await _expect_an_end(target, after, f"{what} ({refused.id})")
        await _expect_as_ever(target, after, f"{what} ({refused.id})")
    anew = await target.send(replace(ordinary[-1], new_connection=True), fresh=True)
    _expect_served(anew, "all of these, on a new connection,")
    await _expect_as_ever(target, anew, "all of these, on a new connection")


async def _expect_an_end(target: Target, after: Exchange, what: str) -> None:
    """The answer after a refusal ends, where the same request is answered to the end after nothing that was refused."""
    if after.complete:
        return
    if (await target.send(replace(after.request, once=False), fresh=True)).complete:
        said = after.fault.message if after.fault else "it broke off"
        raise NotServed(f"after {what} the answer to a valid request has no end: {said}")


async def _expect_as_ever(target: Target, after: Exchange, what: str) -> None:
    """The answer after a refusal is that to the same request at another time, where such answers repeat."""
    usual = await target.send(replace(after.request, once=False, new_connection=False))
    if not (target.facts.repeats and usual.served and usual.complete and after.complete):
        return
    if (differs := difference(target.read(usual), target.read(after), usage=False)) is None:
        return
    # What is another answer now and then, after nothing that was refused, is no trace of a refusal.
    for _ in range(_TIMES):
        again = await target.send(usual.request, fresh=True)
        if not again.complete or difference(target.read(usual), target.read(again), usage=False) is not None:
            return
    told = f"at another time and after {what}, {differs}"
    raise Broken(told, *shown_by(target.read(usual), target.read(after)))


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


@scenario("HTTP-021", phase=Phase.LAST)
async def what_is_valid_is_served(target: Target) -> None:
    """A valid request of which no other requirement speaks is not answered with 5xx, or not at all, whenever it is sent."""
    await target.valid_twin_is_served()
    for exchange in _never_served(target):
        if target.speaker_of(exchange) is None:
            again = await target.send(exchange.request, fresh=True)
            if again.unserved:
                target.not_served(again)


@scenario("DET-014", phase=Phase.LAST)
async def the_second_time_is_as_the_first(target: Target) -> None:
    """What a greedy request is answered the second time is what it is answered the first time and the third."""
    for odd in _odd_the_second_time(target):
        # A recorded run did not ask for more, since it had not yet seen what it asked for later.
        with suppress(NotRecorded):
            if told := await _is_odd_again(target, odd):
                raise Broken(told)


def _odd_the_second_time(target: Target) -> list[Request]:
    """A few greedy requests whose second answer in the run was another one than their first, or none."""
    asked: dict[Request, list[Exchange]] = {}
    # In the order in which they were sent, which is the same when a recorded run is judged again.
    for exchange in sorted(target.exchanges, key=lambda one: one.started):
        if exchange.request.intent is Intent.VALID and takes_the_best(exchange.request.params):
            asked.setdefault(exchange.request, []).append(exchange)
    found = []
    for request, exchanges in asked.items():
        if len(exchanges) > 1 and exchanges[0].served and exchanges[0].complete:
            target.used += exchanges[:2]
            if _differs(target, *exchanges[:2]) and isinstance(request.params.get("prompt"), str | list):
                found.append(request)
    return found[:_ODD]


async def _is_odd_again(target: Target, request: Request) -> str | None:
    """How the second answer is another one than the first and the third, in words, if it is so after most of some new prompts; else None.

    Not each text shows each defect: a penalty, for one, acts where something comes again.
    """
    told: list[str] = []
    for number, word in enumerate(_WORDS):
        if len(told) + len(_WORDS) - number < _AFTER:
            break
        prompt = f"{target.prompt} {word} {target.attempt + 1}"
        several = [prompt, f"{prompt} too"] if len(request.prompts) > 1 else prompt
        fresh = Request.of({**request.params, "prompt": several}, once=True)
        answers = [await target.send(fresh, fresh=True) for _ in range(3)]
        if not answers[0].served or _differs(target, answers[0], answers[2]):
            return None
        if differs := _differs(target, *answers[:2]):
            told.append(
                f"a request with the prompt {shown(prompt)}, sent for the first and for the second time: {differs}; the third time it is as"
                " the first"
            )
        if len(told) == _AFTER:
            return told[-1]
    return None


def _differs(target: Target, one: Exchange, other: Exchange) -> str | None:
    if not other.served or not other.complete:
        return f"status {one.status} and {other.status or 'no answer'}" if other.unserved else None
    return difference(target.read(one), target.read(other), usage=False)


def _never_served(target: Target) -> list[Exchange]:
    """A few of the valid requests that got no answer but failures, one of each kind that was never served."""
    found: dict[frozenset[str], Exchange] = {}
    served = {exchange.request for exchange in target.exchanges if exchange.served}
    for exchange in target.exchanges:
        request = exchange.request
        if (
            request.intent is Intent.VALID
            and exchange.unserved
            and request not in served
            and request.params.get("model") == target.facts.model
        ):
            found.setdefault(frozenset(request.params), exchange)
    return list(found.values())[:_NEVER_SERVED]
