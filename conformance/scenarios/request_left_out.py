"""Settings that a request leaves out: they have their defaults in every form of request, and not a value of somebody else's.

What a penalty would do shows in a text that a bias makes repeat itself; what makes a sampled text greedy, or gives it a seed, shows in two
answers to one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, NotRun
from conformance.kit.all_at_once import Features, all_at_once
from conformance.kit.capabilities import has
from conformance.kit.same_text import same
from conformance.kit.steered import TOKENS, steered
from conformance.kit.stop_sequences import NEVER
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.scenarios.sampling import open_end
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_DRAWS = 6
"""So many times the same texts are no chance where the model has more than one thing to say."""
_FLIPPED = 1
"""So many choices may be near ties."""
_SHOWN = 80
"""Characters of the end of a text, which a long echo may come before."""


@scenario("REQ-040")
async def what_is_left_out_has_its_default(target: Target) -> None:
    """In requests with many features at once no penalty acts that they do not have, and nothing makes them greedy or gives them a seed."""
    sampled = {"max_tokens": TOKENS, "temperature": ..., "stop": [NEVER]}
    features = await all_at_once(target, sampled, long=True)
    if features is None:
        raise NotRun("the target serves no two of lists of prompts, `n`, `echo` and a suffix together")
    request = {**sampled, **features.changes}
    streamed = {"stream": True, **await usage_option(target)} if await has(target, "stream") else None
    plain = await _with_candidates(target, features, request)
    for one in (plain, {**request, **streamed}) if streamed else (plain,):
        await _expect_variety(target, features, one)
    bias = (await steered(target)).settings.get("logit_bias")
    if bias and streamed:
        biased = {**request, "temperature": 0, "logit_bias": bias}
        await _expect_no_penalty(target, features, biased, {**biased, **streamed})


async def _with_candidates(
    target: Target, features: Features, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The request with as many candidates as choices, which cost nothing, where the target takes that."""
    if "n" not in features.changes or not await has(target, "best_of"):
        return request
    candidates = {**request, "best_of": features.changes["n"]}
    return candidates if (await target.post(**candidates)).served else request


async def _expect_variety(target: Target, features: Features, request: Mapping[str, Any]) -> None:
    """Answers to one sampled request differ, as they do where it has none of the features, or says what it wants."""
    draws: list[list[str]] = []
    while len(draws) < _DRAWS:
        draws.append(_texts(await _served(target, fresh=bool(draws), **request)))
        if draws[0] != draws[-1] or not all(draws[0]):
            return
    await open_end(target)
    for owner, simpler in await _simpler(target, stream=bool(request.get("stream"))):
        first, second = [
            _texts(await _served(target, fresh=True, **{"temperature": ..., **simpler})) for _ in range(2)
        ]
        if first == second:
            raise NotRun(f"texts are the same in a simpler request as well; see {owner}")
    what = "streams" if request.get("stream") else "plain answers"
    raise Broken(
        f"{len(draws)} {what} {features.told}, without `temperature`, `top_p` and `seed`, have all the same texts, such as {shown(draws[0][0])};"
        " requests without such features are answered differently each time"
    )


async def _simpler(target: Target, *, stream: bool) -> list[tuple[str, dict[str, Any]]]:
    """Requests that have less of the features, each with who speaks of what is greedy there."""
    found: list[tuple[str, dict[str, Any]]] = [("DET-008", {})]
    if await has(target, "multi_prompt"):
        found.append(("MULTI-012", {"prompt": list(target.prompts(2))}))
    if stream:
        found.append(("STREAM-030", {"stream": True}))
    return found


async def _expect_no_penalty(
    target: Target, features: Features, plain: Mapping[str, Any], stream: Mapping[str, Any]
) -> None:
    """A text that a bias makes repeat itself is the same plain and in a stream."""
    different = await _different(target, plain, stream)
    if len(different) <= _FLIPPED:
        return
    told = {"presence_penalty": 1, "frequency_penalty": 1}
    if await _different(target, {**plain, **told}, {**stream, **told}):
        raise NotRun("the texts are others in the stream with penalties as well; see REQ-039 and STREAM-014")
    here, there = different[0]
    raise Broken(
        f"with {shown(plain['logit_bias'])} as `logit_bias`, and without penalties, the text {features.told} is {shown(here[-_SHOWN:])} in the"
        f" plain answer, and {shown(there[-_SHOWN:])} in a stream; with penalties it is the same in both"
    )


async def _different(
    target: Target, plain: Mapping[str, Any], stream: Mapping[str, Any]
) -> list[tuple[str, str]]:
    answers = [await _served(target, **request) for request in (plain, stream)]
    if any(choice.finish_reason is None for answer in answers for choice in answer.choices.values()):
        raise NotRun("a choice does not say why it ended; see STREAM-011 and RESP-010")
    one, other = map(_texts, answers)
    return [pair for pair in zip(one, other, strict=False) if not same(*pair)]


async def _served(target: Target, *, fresh: bool = False, **changes: Any) -> Completion:
    """The answer to a request of many features, which another requirement judges where there is none."""
    exchange = await target.post(fresh=fresh, **changes)
    if not (exchange.served and exchange.complete):
        raise NotRun(f"the request {exchange.id} gets no whole answer; see HTTP-021")
    answer = target.read(exchange)
    if answer.reports_an_error:
        raise NotRun(f"the stream {exchange.id} ends with an error; see STREAM-023")
    return answer


def _texts(answer: Completion) -> list[str]:
    """The text of each choice, in the order of their indices."""
    return [choice.text for _, choice in sorted(answer.choices.items())]
