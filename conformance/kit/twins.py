"""The same greedy request plain and as a stream, under many circumstances: what is right in one circumstance may be wrong in another.

Each pair asks for as much as the target can tell (log probabilities, usage of the stream), so that one pair serves every relation between
plain answers and streams: their texts (STREAM-014), reasons (FIN-004), usage (USAGE-009) and log probabilities (LOGP-012). What becomes of
text and reason with a stop sequence is STOP-017's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import Inconclusive
from conformance.kit import beyond_ascii
from conformance.kit.all_at_once import LONG_PROMPTS, SUFFIX
from conformance.kit.capabilities import NONCE, SOME_IDS, has
from conformance.kit.several_choices import ECHO_LENGTH, LENGTH, by_prompts
from conformance.kit.steered import steered, words_of_prompts
from conformance.kit.stop_sequences import words_of
from conformance.kit.stopped_answers import answer_to_cut
from conformance.kit.target import MAX_TOKENS, Target
from conformance.kit.telling import scores_wanted, usage_option
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Intent, Request

LONG = 64
"""Tokens of an answer that is long enough for what goes wrong after a while."""
ENOUGH_EVENTS = 64
"""After so many a stream without a limit is left."""
_SEVERAL: Sequence[Mapping[str, Any]] = ({"n": 2, "best_of": 3}, {"n": 2})
"""Several choices of a request, as far as the target has them."""
_CHARACTERS_PER_TOKEN = 4
"""So many at most, where a target does not count: the prompt is then rather too long than too short."""


@dataclass(frozen=True, slots=True)
class Circumstance:
    """A request that differs from the ordinary one, and in what."""

    what: str
    changes: Mapping[str, Any]
    intent: Intent = Intent.VALID


@dataclass(frozen=True, slots=True)
class Twins:
    """The same request plain and as a stream; both were served."""

    what: str
    plain: Completion
    stream: Completion

    @property
    def is_stopped(self) -> bool:
        """Whether a stop sequence was given."""
        return self.plain.exchange.request.params.get("stop") is not None


async def twins(target: Target) -> AsyncIterator[Twins]:
    """One pair after the other, as far as the target serves both."""
    async for circumstance in circumstances(target):
        if (pair := await ask_both(target, circumstance)) is not None:
            yield pair


async def ask_both(target: Target, circumstance: Circumstance) -> Twins | None:
    """The answers to a request, plain and as a stream; None where one of them is not served, which others judge."""
    # In the order in which others send the same, so that it is the same request.
    changes, intent = (
        {"max_tokens": LENGTH, **circumstance.changes, **await scores_wanted(target)},
        circumstance.intent,
    )
    exchanges = await asyncio.gather(
        target.post(intent=intent, **changes),
        target.post(intent=intent, **changes, stream=True, **await usage_option(target)),
    )
    if not all(one.served and one.complete for one in exchanges):
        return None
    plain, stream = map(target.read, exchanges)
    return Twins(circumstance.what, plain, stream)


async def ordinary_requests(target: Target) -> list[dict[str, Any]]:
    """The requests by which a target is compared with itself at another time: an ordinary one, a steered stream, and a steered plain one.

    In the first, settings of other requests would show; in the others, whether their own are heeded, and which choice is whose. Where the
    target streams nothing, or refuses in streams what it takes in plain requests, the stream asks for less, or is missing.
    """
    request = await steered(target)
    plain = {"max_tokens": LENGTH, **request.scores}
    suffixes: list[dict[str, Any]] = [{"suffix": SUFFIX}, {}] if await has(target, "suffix") else [{}]
    full = await _first_served(
        target,
        [{**request.cut, **several, **suffix} for suffix in suffixes for several in (*_SEVERAL, {})],
        request.uncut,
    )
    if not await has(target, "stream"):
        return [plain, full]
    cut = {**request.cut, "stream": True, **await usage_option(target)}
    prompts: dict[str, Any] = {"prompt": list(target.prompts(2))} if await has(target, "multi_prompt") else {}
    several = [{**prompts, "n": 2}] if await has(target, "n") else []
    streams = [{**cut, **more, **suffix} for suffix in suffixes for more in (*several, prompts, {})]
    stream = await _first_served(target, [*streams, {"max_tokens": LENGTH, "stream": True}], {})
    return [plain, stream, full] if stream else [plain, full]


async def _first_served(
    target: Target, requests: Sequence[dict[str, Any]], otherwise: dict[str, Any]
) -> dict[str, Any]:
    for request in requests:
        if (await target.post(**request)).served:
            return request
    return otherwise


async def unlimited_stream(target: Target) -> list[dict[str, Any]]:
    """A stream that leaves to their defaults what it can, and its limit too; none where the target streams nothing, or without an end."""
    if not await has(target, "stream") or not await _ends_by_itself(target):
        return []
    request = {"max_tokens": ..., **await scores_wanted(target), "stream": True, **await usage_option(target)}
    return [request] if (await target.post(**request)).served else []


async def circumstances(target: Target) -> AsyncIterator[Circumstance]:
    """All circumstances that the target may be in."""
    target.prompts(1)
    yield Circumstance("an ordinary request", {})
    if await _ends_by_itself(target):
        yield Circumstance("without max_tokens", {"max_tokens": ...})
    yield Circumstance(f"with max_tokens {LONG}", {"max_tokens": LONG})
    for changes in (await _several(target), await _features(target), await stop_circumstances(target)):
        for one in changes:
            yield one
    yield Circumstance("after a prompt beyond ASCII", {"prompt": beyond_ascii.PROMPTS[0]}, Intent.OPEN)
    for tokens in LONG_PROMPTS:
        prompt = await long_prompt(target, tokens)
        yield Circumstance(f"after a prompt of some {tokens} tokens", {"prompt": prompt})


async def reasons_differ_anyway(target: Target) -> bool:
    """Whether a stream has another reason than its plain twin in the simplest cases, which FIN-004 and STOP-017 judge."""
    simple = [Circumstance("", {}), *(await stop_circumstances(target))]
    for circumstance in simple:
        pair = await ask_both(target, circumstance)
        if pair is not None and any(
            (other := pair.stream.choices.get(index)) is not None
            and other.finish_reason != choice.finish_reason
            for index, choice in pair.plain.choices.items()
        ):
            return True
    return False


async def unlimited(target: Target, *, events: int = ENOUGH_EVENTS, **changes: Any) -> Exchange:
    """The exchange of a stream without a limit of its own, which the suite leaves after a while, since it may never end."""
    params = target.params(**{"max_tokens": ..., "stream": True, **changes})
    return await target.send(Request.of(params, parameter="max_tokens", close_after=events))


async def default_limit(target: Target) -> dict[str, Any]:
    """What leaves the limit to its default, where the target has one; else nothing."""
    return {"max_tokens": ...} if await _ends_by_itself(target) else {}


async def _ends_by_itself(target: Target) -> bool:
    """Whether an answer without a limit has one by default: some servers fill the context."""
    exchange = await unlimited(target)
    return exchange.served and exchange.complete


async def _several(target: Target) -> list[Circumstance]:
    """Several choices, and a list that has only one prompt."""
    found = []
    n, prompts = await asyncio.gather(has(target, "n"), has(target, "multi_prompt"))
    if prompts:
        found += [
            Circumstance(
                "for a list of one prompt", {**await default_limit(target), "prompt": [target.prompt]}
            ),
            Circumstance("for a list of 3 prompts", by_prompts(target)),
        ]
    if n and prompts:
        found.append(
            Circumstance("for a list of 2 prompts with n 2", {"prompt": list(target.prompts(2)), "n": 2})
        )
    elif n:
        found.append(Circumstance("with n 2", {"n": 2}))
    return found


async def _features(target: Target) -> list[Circumstance]:
    """Optional features, one at a time."""
    found = []
    if await has(target, "token_prompt"):
        found.append(Circumstance("for a prompt of token ids", {"prompt": list(SOME_IDS)}))
    if await has(target, "echo"):
        echo = {"prompt": NONCE, "echo": True, "max_tokens": ECHO_LENGTH}
        found.append(Circumstance("with echo", echo))
    found.append(Circumstance("with a suffix", {"suffix": SUFFIX}))
    return found


async def stop_circumstances(target: Target) -> Sequence[Circumstance]:
    """A stop sequence that occurs, one that begins and does not occur, and one that cuts the whole text."""
    if not await has(target, "stop"):
        return ()
    try:
        whole = await answer_to_cut(target, words_of)
    except Inconclusive:
        return ()
    word, first = whole.found[0], whole.text[:1]
    # What is before it then ends in a blank, which some servers take off in plain answers alone.
    bare = word.lstrip()
    comes_first = whole.text.find(bare) == whole.text.find(word) + len(word) - len(bare)
    stops = {
        "with a stop sequence that occurs": [bare if comes_first else word],
        "with a stop sequence that begins and does not occur": [
            f"{word}\u0001zq",
            *words_of_prompts([whole.prompt], whole.text),
        ],
        "with a stop sequence that leaves nothing": [first],
    }
    common = {"prompt": whole.prompt, "max_tokens": MAX_TOKENS}
    return [Circumstance(what, {**common, "stop": stop}) for what, stop in stops.items()]


async def long_prompt(target: Target, tokens: int) -> str:
    """A prompt of about so many tokens, by the count of an ordinary one."""
    count = (await target.complete()).usage
    known = count.prompt_tokens if count is not None else None
    each = known or max(1, len(target.prompt) // _CHARACTERS_PER_TOKEN)
    return ". ".join([target.prompt] * (1 + tokens // each))
