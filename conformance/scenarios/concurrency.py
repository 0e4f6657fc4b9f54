"""Clients beside each other: answers do not mix, and one that goes away leaves nothing behind.

These scenarios want the target for themselves, so they run with the hazardous ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import not_served
from conformance.contract.verdict import Broken, Inconclusive, NotRun, ProvedBroken
from conformance.kit.capabilities import NONCE, has
from conformance.kit.invalid_requests import repeats
from conformance.kit.leaving import A_MOMENT, expect_as_ever, expect_at_once
from conformance.kit.same_answer import difference, shown_by
from conformance.kit.same_text import closest_answer, same
from conformance.kit.steered import left_to_choose, settings_left_out
from conformance.kit.target import Target
from conformance.kit.twins import ordinary_requests, unlimited_stream
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.shown import shown

_WORDS = ("amber", "birch", "cedar", "delta")
_CLIENTS = len(_WORDS)
_ECHOES = 3
_OTHERS = 7
"""Beside the echoes there are a refused request, two plain ones, and two streams."""
_MORE_PROMPTS = ("There was once", "Two of the others")
_CROWDS = 4
"""So often a request is not served beside others, until that is believed not to be the weather."""
_TELLING = 8
"""Characters of a text that is no chance."""
_TIMES = 4
"""So often a request is answered in one way alone, where the answer beside others is held against it."""
_LEAVING = ((0, 0.0), (2, 0.0), (2, A_MOMENT))
"""Events of a stream after which a client goes (0 is as soon as its request is sent), and how long, in seconds, the next request waits."""

_LONG = 128


@scenario("HTTP-012", phase=Phase.ALONE)
async def concurrent_answers_do_not_mix(target: Target) -> None:
    """Of requests sent at the same time each gets its own answer."""
    if target.concurrency < _CLIENTS // 2:
        raise Inconclusive(f"the run sends only {target.concurrency} requests at the same time")
    if await has(target, "echo"):
        await _echoes_come_back(target)
    else:
        await _answers_are_as_when_alone(target)


async def _echoes_come_back(target: Target) -> None:
    # The last one leaves everything to its defaults.
    ordinary = [*await ordinary_requests(target), *await unlimited_stream(target)]
    # Sent while nothing else is, and shared with HTTP-014 and REQ-032.
    alone = [await target.complete(second=True, **request) for request in ordinary]
    beside = await _in_a_crowd(target, ordinary)
    for place, (usual, other) in enumerate(zip(alone, beside, strict=True)):
        _expect_biased(usual, other)
        await _expect_settings(target, ordinary, place, usual, other)
        if not target.facts.repeats:
            continue
        if differs := await _different_beside(target, ordinary, place, usual, other):
            raise Broken(
                f"alone and beside {_OTHERS} others, one of them refused, {differs}", *shown_by(usual, other)
            )


async def _different_beside(
    target: Target, requests: Sequence[Mapping[str, Any]], place: int, alone: Completion, beside: Completion
) -> str | None:
    """How the answer to the request at `place` is another one beside the others than alone, in words; None where it is not, or may be by chance."""
    differs = difference(alone, beside)
    if differs is None or (same(alone.text, beside.text) and difference(alone, beside, usage=False)):
        return differs
    # Batching may flip a near tie, and what follows then is another text (see DET-011), but hardly after each of three prompts; and counts may
    # change by themselves (USAGE-012).
    for prompt in _MORE_PROMPTS:
        others = [{**one, "prompt": prompt} for one in requests]
        usual = [await target.complete(fresh=bool(number), **others[place]) for number in range(_TIMES)]
        crowd = await _in_a_crowd(target, others)
        if difference(usual[-1], crowd[place]) is None or any(difference(usual[0], one) for one in usual[1:]):
            return None
    return f"{differs}; after two other prompts it is so, too"


async def _in_a_crowd(target: Target, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
    """The answers to requests beside a refused one, and beside others whose echoes tell them apart: each is served, and gets its own."""
    prompts = [f"{word}-{number} quokka lantern:" for number, word in enumerate(_WORDS[:_ECHOES])]
    deliveries: list[dict[str, Any]] = [{}, {}, {"stream": True} if await _streams_echo(target) else {}]
    echoes = [
        {"prompt": prompt, "echo": True, "max_tokens": 8, **delivery}
        for prompt, delivery in zip(prompts, deliveries, strict=True)
    ]
    answers = [
        target.read(exchange) for exchange in await _served_beside_others(target, [*echoes, *requests])
    ]
    for prompt, answer in zip(prompts, answers, strict=False):
        # Of a stream without an echo ECHO-006 speaks.
        is_somebody_elses = any(other in answer.text for other in prompts if other != prompt)
        if not answer.text.startswith(prompt) and (is_somebody_elses or not answer.streamed):
            # No chance puts another request's text into an answer.
            how = ProvedBroken if is_somebody_elses else Broken
            raise how(
                f"of {_OTHERS + 1} requests at the same time the one that wanted {shown(prompt)} echoed got {shown(answer.text)}"
            )
    return answers[_ECHOES:]


async def _served_beside_others(target: Target, requests: Sequence[Mapping[str, Any]]) -> list[Exchange]:
    """The exchanges of requests that are sent at the same time, beside a refused one; each was served in one crowd of a few, or alone.

    What is not served may be the weather, which hardly comes to the same request in each crowd.
    """
    found: dict[int, Exchange] = {}
    lost = dict[int, Exchange]()
    for number in range(_CROWDS):
        # All of them are answered before any is looked at, so that what is found is shown by all.
        *crowd, _ = await asyncio.gather(
            *(target.post(fresh=True, once=True, **request) for request in requests),
            target.post(prompt={"a": 1}, intent=Intent.INVALID, parameter="prompt", fresh=True),
        )
        exchanges = dict(enumerate(crowd))
        found |= {place: one for place, one in exchanges.items() if not one.unserved}
        lost = {
            place: one for place, one in exchanges.items() if one.unserved and (place in lost or not number)
        }
        if not lost:
            break
    for place, exchange in lost.items():
        alone = await target.post(fresh=True, **requests[place])
        if not alone.unserved:
            raise Broken(
                f"beside {_OTHERS} others, one of them refused, a request is not served, {_CROWDS} times of {_CROWDS} ({_failure(exchange)});"
                " alone it is served",
                not_served(),
            )
    return [found.get(place, exchange) for place, exchange in exchanges.items()]


def _failure(exchange: Exchange) -> str:
    """What came in the place of an answer, in words."""
    return (
        f"status {exchange.status}: {error_text(exchange)}"
        if exchange.fault is None
        else exchange.fault.message
    )


async def _streams_echo(target: Target) -> bool:
    """Whether a stream may have `echo`, by the request of ECHO-006: some servers refuse optional settings in streams only."""
    if not await has(target, "stream"):
        return False
    # In the order in which ECHO-006 sends it, so that it is the same request.
    return (await target.post(stream=True, prompt=NONCE, echo=True, max_tokens=4)).served


def _expect_biased(alone: Completion, beside: Completion) -> None:
    """A bias that leaves a few tokens to choose from alone leaves no more beside others, whatever ties come out otherwise."""
    before, after = left_to_choose(alone), left_to_choose(beside)
    if before and after and before[0] <= before[1] and after[0] > after[1]:
        raise Broken(
            f"with {shown(beside.exchange.request.params['logit_bias'])} as `logit_bias` the text is {shown(alone.text)} alone; beside"
            f" {_OTHERS} others it is {shown(beside.text)}, of {after[0]} different tokens: the bias is not applied"
        )


async def _expect_settings(
    target: Target,
    requests: Sequence[Mapping[str, Any]],
    place: int,
    alone: Completion,
    beside: Completion,
) -> None:
    """What the request at `place` is answered beside the others is not what it is answered alone without one of its settings."""
    request = requests[place]
    name = await _setting_left_out(target, request, alone, beside)
    if name is None:
        return
    # A near tie may come out as it does without a setting; hardly after two prompts.
    others = [{**one, "prompt": target.prompts(2)[1]} for one in requests]
    usual, again = await target.complete(**others[place]), await _in_a_crowd(target, others)
    if await _setting_left_out(target, others[place], usual, again[place]) == name:
        raise ProvedBroken(
            f"beside {_OTHERS} others the text is {shown(beside.text)}, as it is alone without `{name}`; alone and with `{name}`"
            f" {shown(request[name])} it is {shown(alone.text)}. After another prompt it is so, too"
        )


async def _setting_left_out(
    target: Target, request: Mapping[str, Any], alone: Completion, beside: Completion
) -> str | None:
    """The setting without which a request is answered alone as it is with it beside others; None where there is none, or the texts are the same."""
    if same(alone.text, beside.text):
        return None
    for name, without in settings_left_out(request):
        if same((await target.complete(**without)).text, beside.text):
            return name
    return None


async def _answers_are_as_when_alone(target: Target) -> None:
    if not await repeats(target):
        raise Inconclusive(
            "without `echo` answers are told apart by their texts, and greedy texts do not repeat"
        )
    prompts = [f"{target.prompt} {word}" for word in _WORDS]
    alone = [await target.complete(prompt=prompt, max_tokens=8) for prompt in prompts]
    together = await asyncio.gather(
        *(target.complete(prompt=prompt, max_tokens=8, fresh=True) for prompt in prompts)
    )
    texts = [answer.text for answer in alone]
    if len(set(texts)) < _CLIENTS // 2:
        raise Inconclusive("the model answers different prompts with the same text")
    for place, (prompt, answer) in enumerate(zip(prompts, together, strict=True)):
        # Batching may flip a near tie; only somebody else's answer proves a mix.
        if closest_answer(answer.text, texts) not in {None, place}:
            raise Broken(
                f"sent alone, {shown(prompt)} is continued with {shown(texts[place])}; of {_CLIENTS} requests at the same time it got"
                f" {shown(answer.text)}, which is the answer to another"
            )


@scenario("HTTP-014", phase=Phase.ALONE)
async def a_closed_stream_frees_the_server(target: Target) -> None:
    """After clients have closed their streams the next request is answered at once, and as before, plain and as a stream."""
    # What has settings of its own comes first: those who leave have none.
    ordinary = (await ordinary_requests(target))[::-1]
    # Sent while nothing else is, before anybody leaves, and shared with HTTP-012 and REQ-032.
    usual = [await target.complete(second=True, **request) for request in ordinary]
    # Some servers are still busy with a stream when the next request comes, and some have cleaned up badly by then.
    for request, before, (events, pause) in zip(ordinary, usual, _LEAVING, strict=False):
        left = await _leave(target, events)
        if not left.served and not left.closed_by_us:
            target.not_served(left, optional=f"max_tokens {_LONG}")
        if events and not (left.closed_by_us and left.served):
            raise NotRun("the stream did not last long enough to be closed in the middle")
        await asyncio.sleep(pause)
        after = await target.complete(fresh=True, once=True, **request)
        await _expect_as_before(target, before, after)


async def _expect_as_before(target: Target, before: Completion, after: Completion) -> None:
    what = "after a client had closed its stream a short request"
    expect_at_once(what, before, after)
    if target.facts.repeats and (differs := difference(before, after, usage=False)) is not None:
        told = f"{what} was answered otherwise than before: {differs}"
        if _has_something_in_front(before, after):
            raise ProvedBroken(told)
        await expect_as_ever(target, before)
        raise Broken(told, *shown_by(before, after))


def _has_something_in_front(before: Completion, after: Completion) -> bool:
    """Whether a text is the one before, with something in front of it: no chance goes another way and then comes back to all of that text."""
    pairs = [
        (before.choices[index].text, after.choices[index].text)
        for index in before.choices.keys() & after.choices.keys()
    ]
    return any(len(usual) >= _TELLING and text != usual and text.endswith(usual) for usual, text in pairs)


async def _leave(target: Target, events: int) -> Exchange:
    params = target.params(max_tokens=_LONG, stream=True)
    return await target.send(Request.of(params, intent=Intent.OPEN, close_after=events), fresh=True)
