"""What is judged about one generated request: that it is served, that rules hold on it, that its texts follow from the plain ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import conformance.rules
from conformance.contract.apply_rule import apply_rule
from conformance.contract.catalogue import Catalogue, Level, load_catalogue
from conformance.contract.check import Check, Scope, checks_of
from conformance.contract.openapi import Params, undecided_value
from conformance.contract.verdict import Inconclusive, NotRun, Outcome, Reason
from conformance.fuzz.campaign import Judge, ask, confirm, drawn, failures, first_pass
from conformance.fuzz.drawing import request
from conformance.fuzz.relations import (
    Relation,
    broken_relation,
    comparable,
    difference,
    plain,
    prompts,
    relations_of,
)
from conformance.fuzz.schema import numeric
from conformance.fuzz.shrinking import Shrunk
from conformance.kit import typical_requests
from conformance.kit.capabilities import NONCE, has
from conformance.kit.stop_sequences import spread, words_of
from conformance.kit.stopped_answers import CUTS
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind
from conformance.wire.moderation import is_moderated

_SERVER_ERROR = 500

# -- served ----------------------------------------------------------------------------------------------------------------------------

_ORDINARY: Mapping[str, Any] = MappingProxyType(
    {
        "stop": ["\n\n\n###"],
        "suffix": " end",
        "user": "user",
        "logprobs": 1,
        "seed": 1,
        "top_p": 0.5,
        "logit_bias": {},
    }
)


def failed(exchange: Exchange) -> str | None:
    """How a request brought the server to fail: no answer, half an answer, a 5xx, or a 2xx with something else; None where it did not."""
    response = exchange.response
    if response is None or not response.complete:
        if exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT:
            raise Inconclusive(f"no connection to the target: {exchange.fault.message}", Reason.TRANSIENT)
        return f"it got no complete answer: {exchange.fault.message if exchange.fault else 'it broke off'}"
    if response.status >= _SERVER_ERROR:
        return f"it was answered with status {response.status}, which says that the server failed: {error_text(exchange)}"
    if exchange.served and not Completion.read(exchange).choices:
        return f"it was answered with status {response.status}, but not with a completion: {error_text(exchange)}"
    if exchange.served and any(document.get("error") for document in Completion.read(exchange).documents):
        return f"it was answered with status {response.status}, and then with an error"
    return None


async def served(target: Target, params: Params) -> str | None:
    """A well-formed request is served, or refused for what it asks, not for a value that the documentation allows."""
    exchange = await target.send(request(params))
    found = failed(exchange)
    if found is not None or not exchange.refused or is_moderated(exchange):
        return found
    # First the values that may be refused become ordinary ones, then all: only what lies between is no reason to refuse.
    decided = {
        name: _ordinary(target, name, value) if _is_open(name, value) else value
        for name, value in params.items()
        if value is not None
    }
    ordinary = {name: _ordinary(target, name, value) for name, value in decided.items()}
    still_open = any(_is_open(name, value) for name, value in decided.items())
    if still_open or ordinary == decided or (await target.send(request(decided))).served:
        return None
    if not (await target.send(request(ordinary))).served:
        return None  # it lacks a feature and says so
    return f"it was refused with status {exchange.status}, though the same with ordinary values is served: {error_text(exchange)}"


def _is_open(name: str, value: Any) -> bool:
    """Whether a value may be refused for its own sake."""
    return name == "suffix" or bool(undecided_value(name, value))


def _ordinary(target: Target, name: str, value: Any) -> Any:
    """A value without tricks of the same kind, which asks for the same feature."""
    if name == "prompt":
        return [target.prompt] * len(value) if isinstance(value, list) else target.prompt
    if name == "temperature":
        return int(value > 0)
    if name in {"presence_penalty", "frequency_penalty"} or (name == "top_p" and value != 1):
        return 0.5
    return _ORDINARY.get(name, int(value) if numeric(name) else value)


# -- rules -----------------------------------------------------------------------------------------------------------------------------


async def rule_failures(target: Target) -> tuple[list[tuple[Check, Shrunk]], int]:
    """The rules that an answer to a generated request breaks, each with the shrunk request; and how many rules were held against them.

    A rule that ordinary requests break needs no generated one: it fails under its own name.
    """
    examples = await drawn(target)
    ordinary = await _ordinary_exchanges(target, examples)
    rules = [check for check in _rules(target) if not apply_rule(check, ordinary, target.profile).objections]
    first = first_pass(target)
    await asyncio.gather(*(first.send(request(params)) for params in examples), return_exceptions=True)
    found: list[tuple[Check, Shrunk]] = []
    for check in rules:
        if any(apply_rule(check, (exchange,), target.profile).objections for exchange in first.used):
            found += [(check, one) for one in (await failures(target, holds(check), examples))[:1]]
            break  # rules that break together have mostly one cause
    target.used += [one for one in first.used if all(one is not known for known in target.used)]
    return found, len(rules)


async def _ordinary_exchanges(target: Target, examples: Sequence[Params]) -> list[Exchange]:
    """The exchanges of the run from before the first generated request, and the typical ones."""
    usual = replace(first_pass(target), name="")  # so that it shares what the whole run shares
    for send in typical_requests.VALID:
        with contextlib.suppress(Outcome):
            await send(usual)
    return [*_before(target, examples), *usual.used]


def _before(target: Target, examples: Sequence[Params]) -> list[Exchange]:
    """The exchanges of the run from before the first generated request."""
    generated = {request(params) for params in examples}
    return list(takewhile(lambda exchange: exchange.request not in generated, target.exchanges))


def holds(check: Check) -> Judge:
    """The judgement of one rule on the answer to a request; a text that breaks a relation as well is that relation's business."""

    async def judged(target: Target, params: Params) -> str | None:
        exchange = await target.send(request(params))
        if not exchange.served or failed(exchange) is not None:
            return None
        objections = [
            one
            for one in apply_rule(check, (exchange,), target.profile).objections
            if not one.finding.only_should
        ]
        if not objections or (target.facts.repeats and await _breaks_a_relation(target, params)):
            return None
        return f"{check.requirement_id} ({check.fact[:-1]}): {objections[0].finding.message}"

    return judged


async def _breaks_a_relation(target: Target, params: Params) -> bool:
    try:
        return await follows(target, params) is not None
    except Inconclusive:
        return False


def _rules(target: Target) -> list[Check]:
    """The rules that look at one exchange and that the profile calls a MUST."""
    catalogue: Catalogue = load_catalogue()
    return [
        check
        for check in checks_of(conformance.rules)
        if check.scope is not Scope.RUN
        and check.requirement_id not in _JUDGED_BY_RELATIONS
        and target.profile.level(catalogue.requirement(check.requirement_id)) is Level.MUST
    ]


async def rules_hold(target: Target) -> None:
    """Raise `Broken` for the first rule that an answer to a generated request breaks."""
    found, _ = await rule_failures(target)
    for check, one in found:
        await confirm(target, holds(check), [one])


# -- relations ------------------------------------------------------------------------------------------------------------------------------

_JUDGED_BY_RELATIONS = frozenset({"STOP-001"})
_ORDINARY_CHECK = MappingProxyType(
    {
        Relation.STREAM: "STREAM-014",
        Relation.SEVERAL: "MULTI-002",
        Relation.ECHO: "ECHO-002",
        Relation.STOP: "STOP-002",
    }
)


async def follows(target: Target, params: Params) -> str | None:
    """The texts of a greedy request follow from the plain answers to its prompts."""
    if not comparable(params):
        raise Inconclusive("nothing says what the answer to this request is")
    answer = await ask(target, params)
    alone = await asyncio.gather(*(ask(target, one) for one in plain(params)))
    return difference(params, answer, alone)


async def relation_holds(target: Target, relation: Relation) -> None:
    """Raise `Broken` where the shrunk request of a failure breaks `relation`.

    What ordinary requests break has a check of its own; a generated one that asks for that as well shows nothing, and is not shrunk.
    """
    examples = [params for params in await drawn(target) if comparable(params)]
    known = await _ordinarily_broken(target)
    if {relation} in known:
        raise NotRun(f"not even ordinary requests keep this relation; see {_ORDINARY_CHECK[relation]}")
    sound = [params for params in examples if not any(broken <= {*relations_of(params)} for broken in known)]
    found = await failures(target, follows, sound, kind="greedy requests")
    await confirm(target, follows, [one for one in found if broken_relation(one.params) is relation])


async def _ordinarily_broken(target: Target) -> list[set[Relation]]:
    """The relations, and the pairs of relations, that the requests break with which other checks look at them."""
    first = first_pass(target)
    whole = await first.complete()
    several = {"prompt": list(first.facts.prompts[:3]), "max_tokens": 8}
    ordinary: list[tuple[set[Relation], list[str], list[dict[str, Any]]]] = [
        ({Relation.STREAM}, ["stream"], [{"stream": True}]),
        ({Relation.SEVERAL}, ["multi_prompt"], [several]),
        ({Relation.STREAM, Relation.SEVERAL}, ["stream", "multi_prompt"], [{**several, "stream": True}]),
        ({Relation.ECHO}, ["echo"], [{"echo": True}]),
        (
            {Relation.STREAM, Relation.ECHO},
            ["stream", "echo"],
            [{"prompt": NONCE, "stream": True, "echo": True, "max_tokens": 4}],
        ),
        ({Relation.STOP}, ["stop"], [{"stop": [piece]} for piece in spread(words_of(whole.text), CUTS)]),
    ]
    found = []
    for relations, needed, requests in ordinary:
        # What does not work at all is not tried: some servers die of it.
        works = all([await has(target, name) for name in needed])
        if not works or await _any_breaks(first, requests):
            found.append(relations)
    return found


async def _any_breaks(target: Target, requests: Sequence[dict[str, Any]]) -> bool:
    """Whether one of the requests breaks its relation, or none of them was answered with anything that could be judged."""
    judged = 0
    for changes in requests:
        with contextlib.suppress(Inconclusive):
            if await follows(target, target.params(**changes)):
                return True
            judged += 1
    return bool(requests) and not judged


# -- served, all of them ---------------------------------------------------------------------------------------------------------------


async def all_served(target: Target) -> None:
    """Raise `Broken` for a well-formed request that brings the server to fail, or is refused for no reason."""
    examples = await drawn(target)
    known = _known_to_fail(target, examples)
    unknown = [params for params in examples if not known & {*_kinds(params)}]
    found = await failures(target, served, unknown)
    # What the authorities leave open has the level of the requirement that speaks of it.
    await confirm(target, served, sorted(found, key=lambda one: _is_lapse(target, one)), is_lapse=_is_lapse)


def _kinds(params: Params) -> Iterator[tuple[str, str]]:
    """What of a request has a requirement of its own: the parameter, and the requirement. Most of it is what the authorities leave open."""
    if not all(map(str.isascii, prompts(params))):
        yield "prompt", "REQ-038"
    for name, value in params.items():
        if value is not None:
            yield from ((name, kind.requirement_id) for kind in undecided_value(name, value))


def _known_to_fail(target: Target, examples: Sequence[Params]) -> set[tuple[str, str]]:
    """The kinds with which an ordinary check has seen the server fail, and so says it itself."""
    return {
        kind
        for exchange in _before(target, examples)
        if _fails(exchange)
        for kind in _kinds(exchange.request.params)
    }


def _fails(exchange: Exchange) -> bool:
    with contextlib.suppress(Inconclusive):
        return not exchange.closed_by_us and failed(exchange) is not None
    return False


def _is_lapse(target: Target, one: Shrunk) -> bool:
    """Whether a failure takes a value of which no authority says that it is served, and whose requirement is a SHOULD."""
    catalogue = load_catalogue()
    levels = [target.profile.level(catalogue.requirement(name)) for _, name in _kinds(one.params)]
    return bool(levels) and Level.MUST not in levels
