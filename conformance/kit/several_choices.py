"""Requests with several choices: by `n`, by a list of prompts, or by both, as far as the target has them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from conformance.contract.symptom import ends_wrongly, malformed
from conformance.contract.verdict import Broken, Ignored, Inconclusive
from conformance.kit.capabilities import has
from conformance.kit.same_text import closest_answer
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

LENGTH = 8
"""The limit that requests with several choices share, so that they are sent once."""

ECHO_LENGTH = 4
"""The limit of such requests with `echo`."""

BY_N: Mapping[str, Any] = {"n": 2, "temperature": 1, "max_tokens": LENGTH}
"""Two choices of one prompt; at temperature 1, since some servers refuse several choices of a greedy answer."""


def by_prompts(target: Target) -> dict[str, Any]:
    """One choice for each of three prompts."""
    return {"prompt": list(target.prompts(3)), "max_tokens": LENGTH}


async def served_forms(target: Target) -> list[dict[str, Any]]:
    """The requests for several choices that the target serves; empty where it serves none."""
    n, prompts = await asyncio.gather(has(target, "n"), has(target, "multi_prompt"))
    return [dict(BY_N)] * n + [by_prompts(target)] * prompts


def objects(completion: Completion) -> Sequence[Any]:
    """The members of `choices` in a plain answer, as they came: two with the same index are two."""
    if completion.streamed:  # although no stream was asked for, which STREAM-016 judges
        return tuple(completion.choices.values())
    choices = completion.documents[0].get("choices") if completion.documents else None
    return choices if isinstance(choices, list) else ()


def expect_choices(completion: Completion, wanted: int, asked: str) -> None:
    """A plain answer has `wanted` choices, numbered from 0; one alone means that what was asked for is ignored."""
    found = len(objects(completion))
    if found == 1 < wanted:
        raise Ignored(f"{asked} was answered with status {completion.exchange.status} and one choice")
    if found != wanted:
        raise Broken(f"{asked} was answered with {found} choices instead of {wanted}")
    expect_indices(completion, wanted, asked)


def expect_indices(completion: Completion, wanted: int, asked: str) -> None:
    """The indices of an answer are 0 to `wanted` - 1."""
    if set(completion.choices) != set(range(wanted)):
        raise Broken(
            f"{asked} was answered with the indices {sorted(completion.choices)}, not {list(range(wanted))}",
            malformed("index"),
        )


def expect_ends(completion: Completion, asked: str) -> None:
    """Each index of a stream ends once."""
    for choice in completion.choices.values():
        if len(choice.finish_reasons) != 1:
            reasons = shown(list(choice.finish_reasons)) if choice.finish_reasons else "none"
            raise Broken(
                f"{asked}: the finish_reasons of index {choice.index} are {reasons}, where one belongs",
                ends_wrongly("stream"),
            )


async def singles(target: Target, prompts: Sequence[str]) -> list[Completion]:
    """The greedy answers to prompts that are sent alone."""
    return list(
        await asyncio.gather(*(target.complete(prompt=prompt, max_tokens=LENGTH) for prompt in prompts))
    )


def misplaced(completion: Completion, wanted: Sequence[int], answers: Sequence[str]) -> str | None:
    """What is wrong with which choice answers which prompt, or None.

    `wanted` has the number of the prompt for each index, `answers` the texts of the prompts sent alone. Raises `Inconclusive` where
    the choices can't be told by their texts.
    """
    owners = [closest_answer(completion.choices[index].text, answers) for index in range(len(wanted))]
    for index, (found, right) in enumerate(zip(owners, wanted, strict=True)):
        if found is not None and found != right:
            text = shown(completion.choices[index].text)
            return f"the choice with index {index} is {text}: that is how prompt {found} continues, not prompt {right}"
    unclear: Collection[int] = [index for index, found in enumerate(owners) if found is None]
    if unclear:
        raise Inconclusive(
            f"the choices {sorted(unclear)} resemble no answer to one of the prompts sent alone, or several of them"
        )
    return None
