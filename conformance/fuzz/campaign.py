"""Sends the drawn requests, judges them, and shrinks what fails.

First all requests are drawn without sending, then all are sent at once, then judged from the session's memo: only a failure costs new
requests, while it is shrunk. The scenarios of a run share all of it, since every one of them asks for the same exchanges. A confirmation
does so too: it finds the shrunk request again in what is remembered, and sends that one anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from conformance.contract.openapi import Params
from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotRecorded, NotRun, Reason
from conformance.fuzz.drawing import OPTIONAL_FORMS, Inputs, request, valid_requests
from conformance.fuzz.schema import CAPABILITIES, CHEAP, EXPENSIVE, Bounds
from conformance.fuzz.shrinking import Fails, Shrunk, shrink
from conformance.kit import symptoms
from conformance.kit.capabilities import support
from conformance.kit.daemon_thread import in_daemon_thread
from conformance.kit.facts import Support
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, FaultKind, Intent
from conformance.wire.shown import shown

_KNOWN = 2
_CAUSES = 3
"""So many failures of different causes are shrunk."""
_TRIES = 60
_MORE_TRIES = 30
"""For each cause but the first."""
_SLOW_TRIES = 10
"""Where each try may mean to wait for an answer that never comes."""
_REQUEST_SHOWN = 600
_SHAPE = frozenset({"model", "prompt", "max_tokens", "temperature"})

Judge = Callable[[Target, Params], Awaitable[str | None]]
"""What is wrong with the answer to a request, None where nothing is. Raises `Inconclusive` where it can't be told."""


@dataclass(frozen=True, slots=True)
class Most:
    """The most that generated requests cost where nothing fails."""

    requests: int
    tokens: int


def most(examples: int, *, expensive: bool = False) -> Most:
    """The most requests, and the most generated tokens, of a run with so many examples; shrinking a failure comes on top."""
    inputs = Inputs("", (), frozenset(), examples=examples, bounds=_bounds(expensive=expensive))
    if not examples:
        return Most(0, 0)
    around = 7  # the optional forms, and what shows in between whether the target still serves; each of a token or two
    tokens = inputs.valid * inputs.bounds.product + (inputs.price - inputs.valid) * inputs.bounds.tokens
    return Most(inputs.price + inputs.invalid + around, tokens + inputs.invalid + 2 * around)


def _bounds(*, expensive: bool) -> Bounds:
    return EXPENSIVE if expensive else CHEAP


async def inputs_of(target: Target) -> Inputs:
    """What the requests for this target are drawn from. Raises `NotRun` where no examples were asked for."""
    if not target.settings.examples:
        raise NotRun("no requests are generated in this run (--examples)")
    names = sorted(CAPABILITIES)
    found = await asyncio.gather(*(support(target, name) for name in names))
    working = frozenset(name for name, one in zip(names, found, strict=True) if one.support is Support.YES)
    prompts = target.facts.prompts[:_KNOWN]
    answers = await asyncio.gather(*(target.complete(prompt=prompt) for prompt in prompts))
    known = tuple((prompt, answer.text) for prompt, answer in zip(prompts, answers, strict=True))
    bounds = _bounds(expensive=target.settings.expensive)
    tried = await asyncio.gather(*(_takes(target, form) for form in OPTIONAL_FORMS.values()))
    refused = frozenset(name for name, taken in zip(OPTIONAL_FORMS, tried, strict=True) if not taken)
    return Inputs(
        target.facts.model, known, working, target.settings.seed, target.settings.examples, bounds, refused
    )


async def _takes(target: Target, form: Params) -> bool:
    """Whether the target serves this, or fails at it, which is to be found out by the requests that are drawn."""
    exchange = await target.post(intent=Intent.OPEN, **{"max_tokens": 1, **form})
    return not exchange.refused


def first_pass(target: Target) -> Target:
    """The target with the exchanges of the first attempt, all of which are remembered when an attempt is confirmed."""
    return replace(target, attempt=0, used=[])


async def drawn(target: Target) -> list[Params]:
    """The well-formed requests of this run."""
    inputs = await inputs_of(first_pass(target))
    # Hypothesis is synchronous and takes a second: the event loop goes on meanwhile.
    return [one.params for one in await in_daemon_thread(lambda: valid_requests(inputs))]


async def failures(
    target: Target, judge: Judge, examples: Iterable[Params], *, kind: str = ""
) -> list[Shrunk]:
    """The failures among the examples, shrunk; of those that seem to have one cause only the first.

    Raises `Inconclusive` where nothing fails but some examples could not be judged.
    """
    examples = list(examples)
    first = first_pass(target)
    judged = await asyncio.gather(*(_attempt(judge, first, params) for params in examples))
    target.used += [one for one in first.used if all(one is not known for known in target.used)]
    failing = [(params, said) for params, said in zip(examples, judged, strict=True) if isinstance(said, str)]
    unclear = [said for said in judged if isinstance(said, Inconclusive | NotRecorded)]
    if unclear and not failing and len(unclear) > len(examples) // 2:
        if isinstance(unclear[0], NotRecorded):
            raise unclear[0]
        raise Inconclusive(
            f"{len(unclear)} of {len(examples)} {kind or 'requests'} can't be judged: {unclear[0]}",
            unclear[0].reason,
        )
    found: list[Shrunk] = []
    for params, said in sorted(failing, key=lambda pair: len(pair[0])):
        if len(found) < _CAUSES and not any(_explains(one, params) for one in found):
            found.append(await _shrunk(first, judge, params, said, _MORE_TRIES if found else _TRIES))
    return found


async def _attempt(judge: Judge, target: Target, params: Params) -> str | Inconclusive | NotRecorded | None:
    """What is wrong, or why it can't be told: another version of Hypothesis draws a few requests otherwise, which a recording then lacks."""
    try:
        return await judge(target, params)
    except (Inconclusive, NotRecorded) as unclear:
        return unclear


async def _shrunk(target: Target, judge: Judge, params: Params, said: str, tries: int) -> Shrunk:
    async def fails(candidate: Params) -> str | None:
        try:
            return await judge(target, candidate)
        except NotRecorded:
            return None

    slow = any(one.fault is not None and one.fault.kind is FaultKind.TIMEOUT for one in target.used)
    wrong: Fails = fails
    return await shrink(params, said, wrong, ordinary=target.prompt, most=_SLOW_TRIES if slow else tries)


def _explains(known: Shrunk, params: Params) -> bool:
    """Whether a request has all that makes another one fail, so that its failure is hardly a new one."""
    causes = known.params.keys() - _SHAPE
    return bool(causes) and causes <= params.keys()


async def confirm(
    target: Target,
    judge: Judge,
    found: Sequence[Shrunk],
    *,
    is_lapse: Callable[[Target, Shrunk], bool] = lambda _target, _found: False,
) -> None:
    """Raise `Broken` for the first of these failures, sent anew where this attempt is a confirmation; for a lapse `BrokenShould`."""
    if not found:
        return
    worst = found[0]
    said: str | None = worst.message
    if target.attempt:
        said = await judge(replace(target, used=[]), worst.params)
    if said is None:
        return
    more = f" {len(found) - 1} more of {len(found)} causes were found." if len(found) > 1 else ""
    evidence = await _evidence(target, worst, judge)
    target.used[:] = evidence
    kind = BrokenShould if is_lapse(target, worst) else Broken
    unserved = [exchange for exchange in evidence if not exchange.served]
    raise kind(
        f"the request {shown(dict(worst.params), _REQUEST_SHOWN)}: {said}; {worst.difference}."
        f" Drawn with --examples={target.settings.examples} --hypothesis-seed={target.settings.seed}.{more}",
        *map(symptoms.of_valid, unserved[:1]),
    )


async def _evidence(target: Target, worst: Shrunk, judge: Judge) -> list[Exchange]:
    """The exchanges that show a failure: those of the request that passes, then those of the one that fails."""
    found: list[Exchange] = []
    for params, attempt in ((worst.passing, 0), (worst.params, target.attempt)):
        if params is not None:
            witness = replace(target, attempt=attempt, used=[])
            await _attempt(judge, witness, params)
            # The request itself was sent first, and is to be shown first: the engine reads evidence from its end.
            found += list(reversed(witness.used))
    return found


async def ask(target: Target, params: Params) -> Completion:
    """The completion that a request got. Raises `Inconclusive` where it got none, which is judged elsewhere."""
    exchange = await target.send(request(params))
    if not (exchange.served and exchange.complete):
        raise Inconclusive(f"{exchange.id} was not answered with a completion", Reason.TRANSIENT)
    answer = Completion.read(exchange)
    if not answer.choices or any(document.get("error") for document in answer.documents):
        raise Inconclusive(f"{exchange.id} has no choices, or an error")
    return answer
