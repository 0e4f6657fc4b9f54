"""Before anything is judged: reach the target, find the model, find prompts that suit the checks, see whether answers repeat.

What makes a run pointless (no connection, a wrong key, no such model) is found here once, and said in one message that tells what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from conformance.contract.verdict import LOST, Inconclusive, NotRecorded, Outcome, Reason
from conformance.kit.capabilities import learn
from conformance.kit.facts import DET_RUNS, Facts
from conformance.kit.target import Target
from conformance.wire.completion import Choice, Completion, is_chat
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind, Request
from conformance.wire.greedy import fingerprint
from conformance.wire.record import KEY_VARIABLE
from conformance.wire.shown import shown

PROMPTS = (
    "Hello, world",
    "Once upon a time",
    "The quick brown fox",
    "In the beginning there was",
    "A list of cities and what they are known for:",
    "Dear Sir or Madam,",
    "The capital of",
)
"""Openings that any language model goes on from; which of them suit the checks is found out, never assumed."""

_WANTED_PROMPTS = 3
_ENOUGH_CHARACTERS = 20
_ENOUGH_WORDS = 4
_MODELS_SHOWN = 10


_NOBODY_THERE = frozenset({FaultKind.CONNECT, FaultKind.TIMEOUT})


class UnusableTarget(Exception):  # noqa: N818 - the reader sees the message, not the class
    """The run can't judge anything; the message says why and what to do."""

    def __init__(
        self, message: str, reason: Reason = Reason.TARGET_GONE, *, is_unreadable: bool = False
    ) -> None:
        """Say why, and what was lost by it; `is_unreadable` where what came would be a completion if it could be read."""
        super().__init__(message)
        self.reason, self.is_unreadable = reason, is_unreadable


@dataclass(frozen=True, slots=True)
class Needs:
    """What the selected checks need to know about the target."""

    capabilities: Collection[str] = ()
    det: bool = False


async def preflight(target: Target, needs: Needs, *, key_variable: str = KEY_VARIABLE) -> Facts:
    """Everything that the checks need to know before they start, given the model; raises `UnusableTarget`."""
    target = _knowing(target, prompts=PROMPTS[:1])
    first = await _first_answer(target)
    await _usable(target, first, key_variable)
    target = _knowing(target, prompts=await _suitable_prompts(target), server=_server(first))
    if needs.det:
        try:
            target = await _prefer_what_repeats(target)
        except NotRecorded as missing:
            target = _knowing(target, repeats=None, repeats_note=str(missing))
    return replace(target.facts, capabilities=await learn(target, needs.capabilities))


def _knowing(target: Target, **found: Any) -> Target:
    """The target with what was found out about it."""
    return replace(target, facts=replace(target.facts, **found))


async def _first_answer(target: Target) -> Exchange:
    """The answer to the first request. What fails twice in a row may still be the weather, of which nothing is known yet."""
    try:
        exchange = await target.post(max_tokens=1)
    except Inconclusive as limited:
        if not target.used:  # it was never sent, so there is nothing to say of the target
            raise
        advice = _ADVICE.get(limited.reason, "")
        raise UnusableTarget(f"POST {target.used[-1].url}: {limited}{advice}", limited.reason) from limited
    if not exchange.unserved or (exchange.fault and exchange.fault.kind in _NOBODY_THERE):
        return exchange
    return await target.post(max_tokens=1, fresh=True)


_ADVICE = {
    Reason.RATE_LIMIT: "\nTry again later; --wait-ready=SECONDS waits for a server that is still starting.",
    Reason.QUOTA: "\nNothing can be judged before the account can pay.",
}


async def _models(target: Target) -> Exchange:
    return await target.send(Request(method="GET", path="/models", headers=()))


def _names(exchange: Exchange) -> list[str]:
    """The names of the models that the target lists; none where it has no such list."""
    document = exchange.response.json if exchange.response is not None and exchange.served else None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        return []
    return [item["id"] for item in data if isinstance(item, dict) and isinstance(item.get("id"), str)]


async def find_model(target: Target, *, key_variable: str = KEY_VARIABLE) -> str:
    """The name of the model, where the target lists exactly one; raises `UnusableTarget` where it does not."""
    exchange = await _models(target)
    models = _names(exchange)
    if len(models) == 1:
        return models[0]
    where = f"No model was named, and GET {exchange.url}"
    if exchange.response is None:
        raise UnusableTarget(_no_answer(exchange, where))
    if exchange.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise UnusableTarget(
            f"{where} was answered with status {exchange.status}.\n{_about_the_key(target, key_variable)}"
        )
    if not models:
        raise UnusableTarget(f"{where} lists none. Name one with --model=NAME.")
    raise UnusableTarget(f"{where} lists {len(models)}: {_listing(models)}. Choose one with --model=NAME.")


def _listing(models: list[str]) -> str:
    more = f" and {len(models) - _MODELS_SHOWN} more" if len(models) > _MODELS_SHOWN else ""
    return ", ".join(repr(model) for model in models[:_MODELS_SHOWN]) + more


async def _usable(target: Target, exchange: Exchange, key_variable: str) -> None:
    """Return if the first request was served as a completion; else raise with what the reader can do about it."""
    response, where = exchange.response, f"POST {exchange.url}"
    if response is None or not response.complete:
        raise UnusableTarget(_no_answer(exchange, where))
    if exchange.served and (choices := Completion.read(exchange).choices):
        if all(is_chat(part) for choice in choices.values() for part in choice.parts):
            raise UnusableTarget(
                f"{where} was answered with a chat: {_shown_part(choices[min(choices)])}\n{_CHAT}"
            )
        return
    said = error_text(exchange)
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        advice = _about_the_key(target, key_variable)
    elif response.media_type == "text/html" or response.body.lstrip()[:1] == b"<":
        advice = "That is a web page, not an API: check --target-url, which usually ends in /v1."
    elif exchange.served and b'"choices"' in response.body:
        advice = "That would be a completion, but it can't be read, and a run needs answers that can be."
        said = f"{where} was answered with status {response.status}: {said}\n{advice}"
        raise UnusableTarget(said, Reason.PRECONDITION, is_unreadable=True)
    elif exchange.served:
        advice = "That is not a completion: it has no `choices`. Check --target-url."
    else:
        models = _names(await _models(target))
        advice = _about_the_request(target, exchange, models, speaks_of_a_model="model" in said.lower())
    raise UnusableTarget(f"{where} was answered with status {response.status}: {said}\n{advice}")


_CHAT = (
    "These are chat answers, with a `message` or `delta` where a completion has its `text`. Nothing was judged, and no more was sent:"
    " look for what leads POST /completions to the route of chats."
)


def _shown_part(choice: Choice) -> str:
    return shown(dict(choice.parts[0]))


def _about_the_key(target: Target, key_variable: str) -> str:
    if target.has_key:
        return f"The target refuses the key that ${key_variable} holds: check the key and what it may use, and whether it is wanted in another header (--api-key-header=NAME)."
    return f"The target wants a key: put it into the environment variable ${key_variable}, or name another with --api-key-env."


def _about_the_request(
    target: Target, exchange: Exchange, models: list[str], *, speaks_of_a_model: bool
) -> str:
    known = f" The target lists {_listing(models)}." if models else ""
    if exchange.status == HTTPStatus.NOT_FOUND and target.facts.model in models:
        return f"The target lists this model, and yet has no completion for {shown(target.prompt)}: nothing can be judged."
    if exchange.status == HTTPStatus.NOT_FOUND and not models and not speaks_of_a_model:
        return "There is no such path: check --target-url, which usually ends in /v1."
    if exchange.status == HTTPStatus.NOT_FOUND or (
        exchange.refused and models and target.facts.model not in models
    ):
        return f"Check --model={target.facts.model!r}.{known}"
    return (
        "A minimal request (model, prompt, max_tokens, temperature) is not served, so nothing can be judged."
    )


def _no_answer(exchange: Exchange, where: str) -> str:
    fault = exchange.fault
    message = fault.message if fault else "the answer broke off"
    advice = {
        FaultKind.CONNECT: "Is the server running, and are host and port right?",
        FaultKind.TIMEOUT: "Is the server still loading its model? --request-timeout gives it more seconds.",
    }.get(fault.kind if fault else FaultKind.DROPPED, "Does a server for HTTP listen there?")
    return f"{where} got no answer: {message}\n{advice}"


def _server(exchange: Exchange) -> str:
    return (exchange.response and exchange.response.header("server")) or ""


async def _suitable_prompts(target: Target) -> tuple[str, ...]:
    """The prompts that the model continues best, the most suitable first.

    Few are tried at once, since each costs an answer: the first three are enough for most models. Raises `Inconclusive` where the run did
    not get to one that suits.
    """
    found: list[tuple[int, str]] = []
    lost: list[Inconclusive] = []
    for start in range(0, len(PROMPTS), _WANTED_PROMPTS):
        batch = PROMPTS[start : start + _WANTED_PROMPTS]
        scores = await asyncio.gather(*(_suitability(target, prompt, lost) for prompt in batch))
        found += zip(scores, batch, strict=True)
        if sum(score == _BEST for score, _ in found) >= _WANTED_PROMPTS:
            break
    ranked = sorted(found, key=lambda item: -item[0])  # stable: among equals the order of PROMPTS
    suitable = tuple(prompt for score, prompt in ranked if score > 0)
    if lost and not suitable:
        raise lost[0]
    return suitable


_BEST = 4


async def _suitability(target: Target, prompt: str, lost: list[Inconclusive]) -> int:
    """How well the model goes on from a prompt, 0 to 4. Why the run did not get to it, if so, is added to `lost`."""
    try:
        answer = await target.complete(prompt=prompt)
    except Inconclusive as why:
        lost += [why] if why.reason in LOST else []
        return 0
    except Outcome:
        return 0
    text = answer.text
    enough = len(text) >= _ENOUGH_CHARACTERS and len(set(text.split())) >= _ENOUGH_WORDS
    return 1 + text.isascii() + enough + bool(answer.finish_reason == "length")


async def _prefer_what_repeats(target: Target) -> Target:
    """The target, which knows whether its answers repeat, with a prompt in front whose answer does.

    A model that is torn between two words in one text need not be in another, so where the first prompt's answer does not repeat, others
    are tried.
    """
    first_note = ""
    for prompt in dict.fromkeys((*target.facts.prompts, *PROMPTS)):
        if prompt not in target.facts.prompts and await _suitability(target, prompt, []) < _BEST:
            continue
        repeats, note = await _answers_repeat(target, prompt)
        first_note = first_note or note
        if repeats:
            others = (other for other in target.facts.prompts if other != prompt)
            return _knowing(target, prompts=(prompt, *others), repeats=True, repeats_note=note)
    return _knowing(target, repeats=False, repeats_note=first_note)


async def _answers_repeat(target: Target, prompt: str) -> tuple[bool, str]:
    """Whether the same greedy request is answered with the same text several times in a row.

    No authority promises that it is: OpenAI calls its seed "best effort", and engines document that batching may change results. So this
    is a precondition of the checks that compare texts, never a failure.
    """
    first: Exchange | None = None
    for run in range(DET_RUNS):
        exchange = await target.post(prompt=prompt, second=run == 1, fresh=run > 1)
        if not exchange.served:
            return False, f"a greedy request ({exchange.id}) was not served: {error_text(exchange)}"
        first = first or exchange
        if fingerprint(first) != fingerprint(exchange):
            return False, f"the same greedy request was answered differently: {first.id}, {exchange.id}"
    return True, f"the same greedy request was answered alike {DET_RUNS} times"
