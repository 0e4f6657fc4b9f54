"""Presence and frequency penalties: that they act, and in which direction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRecorded
from conformance.kit.logprobs import Scores, scores
from conformance.kit.same_text import same
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

PENALTY = 2
_LONG = 64
_SURE = 0.25
"""By so much a penalty must exceed the lead of a token before its place is certain to change: rounding moves a logit by an eighth."""

_WINDOW = 3
_CLEAR = 0.15
"""The share of repeated pieces of a text differs between sound answers by less."""


def _loop(opening: str) -> str:
    """A prompt that goes round in circles."""
    return ((" ".join(opening.split()[:3]) + " ") * 5).strip()


@scenario("DET-007")
async def penalties_act_in_their_direction(target: Target) -> None:
    """On a repetitive prompt penalties of 2 do not make the text more repetitive, and penalties of -2 not less."""
    prompts = [_loop(prompt) for prompt in target.prompts(3)]
    await _a_long_repetition(target, prompts[0])
    found = [wrong for prompt in prompts[:1] if (wrong := await _wrong_way(target, prompt))]
    if found:
        found += [wrong for prompt in prompts[1:] if (wrong := await _wrong_way(target, prompt))]
    # What a language model repeats is its own affair now and then; two prompts of three are a direction.
    if len(found) > 1:
        raise Broken(found[0])


async def _a_long_repetition(target: Target, prompt: str) -> None:
    """Give the rules a text that repeats one token over and over, which a guard in the server may end: with a reason and a count, as any other.

    Ollama ended it after some 31 tokens, without either, and a stream without `[DONE]`; so this is longer than ordinary answers. No penalty
    is judged by it: a recording that does not have it, or a run that does not get to it, is as good.
    """
    forms: tuple[dict[str, Any], ...] = ({}, {"stream": True})
    for form in forms:
        with suppress(NotRecorded, Inconclusive):
            await target.post(prompt=prompt, frequency_penalty=-PENALTY, max_tokens=_LONG, **form)


async def _wrong_way(target: Target, prompt: str) -> str | None:
    plain, more, less = await asyncio.gather(
        *(_penalised(target, prompt, penalty) for penalty in (0, PENALTY, -PENALTY))
    )
    share = _repeated(plain.text)
    for answer, sign, turned in ((more, "", -1), (less, "-", 1)):
        if turned * (share - _repeated(answer.text)) > _CLEAR:
            what = "more" if turned < 0 else "less"
            return (
                f"after {shown(prompt)}, penalties of {sign}{PENALTY} gave {shown(answer.text)}, which repeats itself {what} than"
                f" {shown(plain.text)} without them"
            )
    return None


async def _penalised(target: Target, prompt: str, penalty: int) -> Completion:
    if penalty == 0:
        return await target.complete(prompt=prompt)
    return await target.complete(
        prompt=prompt, presence_penalty=penalty, frequency_penalty=penalty, optional="presence_penalty"
    )


def _repeated(text: str) -> float:
    """The share of a text's pieces of three characters that have come before: 0 where nothing repeats, near 1 in a loop."""
    found = [text[start : start + _WINDOW] for start in range(len(text) - _WINDOW + 1)]
    return 1 - len(set(found)) / len(found) if found else 0.0


@scenario("DET-012")
async def a_penalty_turns_a_near_tie(target: Target) -> None:
    """A penalty of 2 changes a greedy text in which a repeated token leads by less than the penalty."""
    missing = []
    for name in ("frequency_penalty", "presence_penalty"):
        place = await near_tie(target, by_count=name == "frequency_penalty")
        if place is None:
            missing.append(name)
            continue
        prompt, plain, why = place
        changes: dict[str, Any] = {name: PENALTY}
        answer = await target.complete(prompt=prompt, optional=name, **changes)
        if same(answer.text, plain.text):
            raise Ignored(f"with `{name}` {PENALTY} the text is still {shown(plain.text)}, in which {why}")
    if missing:
        raise Inconclusive(
            f"no greedy text has a repeated token that `{'`, `'.join(missing)}` {PENALTY} is certain to unseat"
        )


async def near_tie(target: Target, *, by_count: bool) -> tuple[str, Completion, str] | None:
    """A prompt with its greedy answer in which a penalty must change something, and why; None where none is found."""
    loops = [_loop(prompt) for prompt in target.prompts(1) + target.facts.prompts[1:3]]
    for prompt in (*loops, *target.prompts(1)):
        answer = await target.complete(prompt=prompt, logprobs=2)
        why = next(_unseated(prompt, scores(answer), by_count=by_count), None)
        if why is not None:
            return prompt, answer, why
    return None


def _unseated(prompt: str, found: Scores, *, by_count: bool) -> Iterator[str]:
    """The tokens that have been generated before and lead by less than their penalty over one that has not come at all.

    A server may count the tokens of the prompt as well, so the rival must not be among those either.
    """
    for number, (token, value, top) in enumerate(zip(found.tokens, found.values, found.tops, strict=True)):
        count = found.tokens[:number].count(token)
        penalty = PENALTY * count if by_count else PENALTY * min(count, 1)
        if value is None or not count:
            continue
        for rival, other in top.items():
            fresh = rival.strip() and rival not in found.tokens[:number] and rival.strip() not in prompt
            if rival != token and fresh and value - other < penalty - _SURE:
                yield f"token {number}, {shown(token)}, has come {count} times and leads by {value - other:.2f} over {shown(rival)}"
