"""How the mode of `suffix` is told from answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.contract.catalogue import Profile
from conformance.kit.facts import Facts, Support
from conformance.kit.scenario_settings import ScenarioSettings
from conformance.kit.suffix_mode import Mode, suffix_mode, suffix_support
from conformance.kit.target import Target
from conformance.run.session import Session
from conformance.wire.exchange import Exchange, Piece, Request, Response

Answer = Callable[[dict[str, Any]], tuple[str, int]]


def a_target(answer: Answer, *, status: int = 200, prompts: tuple[str, ...] = ("Hello",)) -> Target:
    """A target that answers with the text and the number of prompt tokens that `answer` gives, or refuses any suffix with `status`."""

    async def transport(request: Request) -> Exchange:
        params = dict(request.params)
        text, prompt_tokens = answer(params)
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 2, "total_tokens": prompt_tokens + 2}
        body = {"choices": [{"index": 0, "text": text, "finish_reason": "length"}], "usage": usage}
        found = status if params.get("suffix") else 200
        content = (("content-type", "application/json"),)
        return Exchange(request, Response(found, content, (Piece(0.0, json.dumps(body).encode()),)))

    session = Session(transport, "m")
    return Target(session, Facts("m", prompts=prompts), ScenarioSettings(profile=Profile("p", "P", "")))


def test_the_mode_is_insert_where_the_prompt_grows() -> None:
    """A suffix that is counted was read."""
    target = a_target(lambda params: ("text", 3 + len(params.get("suffix") or "")))
    assert asyncio.run(suffix_mode(target)).mode is Mode.INSERT


def test_the_mode_is_insert_where_the_text_changes() -> None:
    """A suffix that changes a text which repeats was read."""
    target = a_target(lambda params: ("other" if params.get("suffix") else "text", 3))
    assert asyncio.run(suffix_mode(target)).mode is Mode.INSERT


def test_the_mode_is_append_where_every_text_ends_with_its_suffix() -> None:
    """An appended suffix is at the end of the text."""
    target = a_target(lambda params: ("text" + (params.get("suffix") or ""), 3))
    assert asyncio.run(suffix_mode(target)).mode is Mode.APPEND


def test_the_mode_is_ignored_where_nothing_changes() -> None:
    """Neither text nor count shows a suffix that was ignored."""
    found = asyncio.run(suffix_support(a_target(lambda _: ("text", 3))))
    assert found.support is Support.IGNORED
    assert found.note.startswith("suffix mode ignored")


def test_the_mode_is_ignored_where_one_count_differs_by_chance() -> None:
    """Two backends that count a prompt differently show nothing, where no text changes."""
    numbers = iter([3, 3, 4, 4, 3])
    target = a_target(lambda _: ("text", next(numbers)))
    assert asyncio.run(suffix_mode(target)).mode is Mode.IGNORED


def test_the_mode_is_ignored_where_suffixes_are_counted_and_no_text_changes() -> None:
    """Tokens that are counted and then dropped: neither the first text nor those of other prompts change."""

    def answer(params: dict[str, Any]) -> tuple[str, int]:
        return f"after {params['prompt']}", 3 + len(params.get("suffix") or "")

    found = asyncio.run(suffix_mode(a_target(answer, prompts=("Hello", "Once", "The"))))
    assert found.mode is Mode.IGNORED
    assert "no text of 3 prompts is another one" in found.note


def test_the_mode_is_insert_where_the_text_of_another_prompt_changes() -> None:
    """One text that no suffix changes is the model's stubbornness."""

    def answer(params: dict[str, Any]) -> tuple[str, int]:
        suffix = params.get("suffix") or ""
        return f"after {params['prompt']}{suffix if params['prompt'] == 'The' else ''}", 3 + len(suffix)

    found = asyncio.run(suffix_mode(a_target(answer, prompts=("Hello", "Once", "The"))))
    assert found.mode is Mode.INSERT


def test_counts_tell_where_texts_do_not_repeat() -> None:
    """Every suffix makes more tokens, and the counts come again."""
    numbers = iter(range(100))
    target = a_target(lambda params: (f"text {next(numbers)}", 3 + len(params.get("suffix") or "")))
    assert asyncio.run(suffix_mode(target)).mode is Mode.INSERT


def test_the_mode_is_unclear_where_answers_do_not_repeat() -> None:
    """A text that changes by itself says nothing about a suffix."""
    numbers = iter(range(100))
    target = a_target(lambda _: (f"text {next(numbers)}", 3))
    assert asyncio.run(suffix_mode(target)).mode is Mode.UNCLEAR


@pytest.mark.parametrize(
    ("status", "mode", "support"),
    [
        (400, Mode.REJECT, Support.REFUSED),
        (422, Mode.REJECT, Support.REFUSED),
        (500, Mode.BROKEN, Support.BROKEN),
    ],
)
def test_a_refusal_is_a_mode_and_a_failure_is_not(status: int, mode: Mode, support: Support) -> None:
    """A 4xx is an honest answer, a 5xx is none."""
    target = a_target(lambda _: ("text", 3), status=status)
    assert asyncio.run(suffix_mode(target)).mode is mode
    assert asyncio.run(suffix_support(target, Mode.APPEND)).support is support


def test_a_mode_that_is_not_the_wanted_one_is_absent() -> None:
    """A server that inserts does not append, and refuses nothing."""
    target = a_target(lambda params: ("text", 3 + len(params.get("suffix") or "")))
    assert asyncio.run(suffix_support(target, Mode.APPEND)).support is Support.ABSENT
    assert asyncio.run(suffix_support(target, Mode.INSERT)).support is Support.YES
