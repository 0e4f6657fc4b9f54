"""What the answer to a greedy request follows from: the plain answers to its prompts, each sent alone with nothing else asked for.

These are metamorphic relations: no oracle knows what a model says, but what it says to one request tells what it has to say to another.

The plain request is the request without its stream, its echo, its stop sequences, its list of prompts, its `n`, and all that changes no
text. Whatever is taken away has a relation (a stream's pieces add up to the plain text, an echo puts the prompt in front, …), so the texts of
the request can be told from the plain ones. One plain answer serves many requests; and if all of them follow from it, every single relation
holds between them. Where one does not, shrinking finds out which relation it is: what can't be taken away breaks it (`broken_relation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from typing import Any

from conformance.contract.openapi import Params
from conformance.fuzz.schema import default
from conformance.kit.same_text import same
from conformance.wire.completion import Choice, Completion
from conformance.wire.shown import shown


class Relation(StrEnum):
    """The relation between a request and the same request without one thing, by its requirement."""

    STREAM = "GEN-002"
    SEVERAL = "GEN-003"
    NEUTRAL = "GEN-004"
    ECHO = "GEN-005"
    STOP = "GEN-008"


_STEERING = ("top_p", "presence_penalty", "frequency_penalty", "logit_bias")
"""What changes the text itself, and so stays in the plain request."""


def prompts(params: Params) -> list[str]:
    """The prompts of a request, all of them texts; none where it has others."""
    prompt = params.get("prompt")
    given = prompt if isinstance(prompt, list) else [prompt]
    found = [one for one in given if isinstance(one, str)]
    return found if len(found) == len(given) else []


def stops(params: Params) -> list[str]:
    """The stop sequences of a request."""
    stop = params.get("stop")
    found = stop if isinstance(stop, list) else [stop]
    return [one for one in found if isinstance(one, str) and one]


def comparable(params: Params) -> bool:
    """Whether the texts of a request follow from plain answers: it is greedy, has texts as prompts and no suffix."""
    return (
        params.get("temperature") == 0
        and bool(prompts(params))
        and not params.get("suffix")
        and bool(params.get("max_tokens"))
        and not (params.get("echo") and any(map(_echo_is_open, repeat(params), prompts(params))))
    )


def _echo_is_open(params: Params, prompt: str) -> bool:
    """Whether no authority says what the echo of a prompt is: where a stop sequence stands in it, and where a part of it is no character.

    > The behavior of software that receives JSON texts containing such values is unpredictable (RFC 8259, 8.2, of lone surrogates)
    """
    halves = any("\ud800" <= character <= "\udfff" for character in prompt)
    return halves or any(stop in prompt for stop in stops(params))


def plain(params: Params) -> list[dict[str, Any]]:
    """The plain requests that a comparable request follows from, one for each prompt."""
    base = {"model": params["model"], "max_tokens": int(params["max_tokens"]), "temperature": 0}
    steering = {
        name: params[name]
        for name in _STEERING
        if params.get(name) is not None and params[name] not in (default(name), {})
    }
    return [{"model": base["model"], "prompt": prompt} | base | steering for prompt in prompts(params)]


def relations_of(params: Params) -> list[Relation]:
    """The relations by which a request's texts follow from plain answers."""
    several = (
        isinstance(params.get("prompt"), list)
        or (params.get("n") or 1) > 1
        or (params.get("best_of") or 1) > 1
    )
    holding = {
        Relation.STREAM: bool(params.get("stream")),
        Relation.STOP: bool(stops(params)),
        Relation.ECHO: bool(params.get("echo")),
        Relation.SEVERAL: several,
        Relation.NEUTRAL: True,
    }
    return [relation for relation, holds in holding.items() if holds]


def broken_relation(params: Params) -> Relation:
    """The relation that a request breaks which can't be shrunk: that of any of its parts, for each of them makes the difference."""
    return relations_of(params)[0]


# -- the comparison --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """One way in which a choice may end: its text, and the finish reasons that go with it (empty: any)."""

    text: str
    reasons: frozenset[Any]


def difference(params: Params, answer: Completion, alone: Sequence[Completion]) -> str | None:
    """How an answer differs from what the plain answers to its prompts say it is; None where it does not."""
    count = int(params.get("n") or 1)
    texts = prompts(params)
    wanted = len(texts) * count
    if set(answer.choices) != set(range(wanted)):
        return f"it has the choices {sorted(answer.choices)} instead of 0 to {wanted - 1}"
    ways: Iterable[Sequence[int]] = [[number // count for number in range(wanted)]]
    if count > 1:
        # Nobody says whether the choices of one prompt stand together.
        ways = [*ways, [number % len(texts) for number in range(wanted)]]
    found = [_mismatch(params, answer, way, texts, alone) for way in ways]
    return None if None in found else found[0]


def _mismatch(
    params: Params, answer: Completion, way: Sequence[int], texts: Sequence[str], alone: Sequence[Completion]
) -> str | None:
    for index, place in enumerate(way):
        prompt, whole, choice = texts[place], alone[place].choice, answer.choices[index]
        echoed = prompt if params.get("echo") else ""
        endings = list(_endings(whole, stops(params)))
        fitting = [ending for ending in endings if same(choice.text, echoed + ending.text)]
        which = f"choice {index}" if len(way) > 1 else "the text"
        if not fitting:
            return f"{which} is {shown(choice.text)}, not {_either(echoed + ending.text for ending in endings)}, which follows from the plain answer {shown(whole.text)}"
        if not any(not ending.reasons or choice.finish_reason in ending.reasons for ending in fitting):
            reasons = sorted({str(reason) for ending in fitting for reason in ending.reasons})
            return f"{which} has the right text, {shown(choice.text)}, and the finish_reason {shown(choice.finish_reason)} instead of {' or '.join(reasons)}"
    return None


def _either(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(shown(text) for text in texts))


def _endings(whole: Choice, stopping: Sequence[str]) -> Iterator[Ending]:
    """How a choice with these stop sequences may end, whose plain text is `whole`.

    Of several sequences in the text nobody says which decides, the first to begin or the first to be complete: the text ends where one of
    them begins, and contains none.
    """
    text = whole.text
    found = {at for at in (text.find(stop) for stop in stopping) if at >= 0}
    for at in sorted(found):
        if not any(stop in text[:at] for stop in stopping):
            yield Ending(
                text[:at],
                frozenset({"stop", whole.finish_reason} if _at_the_end(text, at, stopping) else {"stop"}),
            )
    if not found:
        yield Ending(text, frozenset({whole.finish_reason}))
    for stop in stopping:
        # It may have been found in white space that the target takes off the ends of a text.
        if stop[:1].isspace() and not text[:1].isspace() and text.startswith(stop.lstrip()):
            yield Ending("", frozenset({"stop"}))
        if stop[-1:].isspace() and not text[-1:].isspace() and text.endswith(stop.rstrip()):
            yield Ending(text[: len(text) - len(stop.rstrip())], frozenset({"stop", whole.finish_reason}))


def _at_the_end(text: str, at: int, stopping: Sequence[str]) -> bool:
    """Whether the sequence at this place may have been completed by the very last token, for which either reason is right."""
    return any(text.startswith(stop, at) and at + len(stop) + 1 >= len(text) for stop in stopping)
