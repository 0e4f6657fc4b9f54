"""What an answer is compared with, and which differences count."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.fuzz.relations import Relation, broken_relation, comparable, difference, plain
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Piece, Request, Response
from tests.builders import answer, choice

BASE: dict[str, Any] = {"model": "m", "prompt": "p", "max_tokens": 4, "temperature": 0}


def got(*texts: str, reason: str = "length", first: int = 0) -> Completion:
    """An answer with these choices."""
    choices = [
        choice(text=text, index=first + place, finish_reason=reason) for place, text in enumerate(texts)
    ]
    body = Request.of(answer(choices=choices)).body
    response = Response(200, (("Content-Type", "application/json"),), (Piece(0.1, body),))
    return Completion.read(Exchange(Request.of(BASE), response))


def compared(changes: dict[str, Any], answered: Completion, *alone: Completion) -> str | None:
    """The difference that is found."""
    return difference({**BASE, **changes}, answered, alone or (got(" one two"),))


RIGHT: dict[str, tuple[dict[str, Any], Completion]] = {
    "the same": ({}, got(" one two")),
    "trimmed": ({}, got("one two")),
    "half a character less": ({}, got(" one two\ufffd")),
    "several": ({"n": 2}, got(" one two", " one two")),
    "an echo": ({"echo": True}, got("p one two")),
    "a stop": ({"stop": "two"}, got(" one ", reason="stop")),
    "a stop that is completed by the last token": ({"stop": "two"}, got(" one ", reason="length")),
    "the first of two stops": ({"stop": ["e t", " two"]}, got(" on", reason="stop")),
    "the other of two stops that overlap": ({"stop": ["ne tw", "e t"]}, got(" on", reason="stop")),
    "no stop": ({"stop": "three"}, got(" one two")),
    "all at once": ({"n": 2, "echo": True, "stop": "one"}, got("p ", "p ", reason="stop")),
}
WRONG: dict[str, tuple[dict[str, Any], Completion]] = {
    "another text": ({}, got(" one three")),
    "a shorter text": ({}, got(" one")),
    "another reason": ({}, got(" one two", reason="stop")),
    "a choice too few": ({"n": 2}, got(" one two")),
    "an index that is none": ({"n": 2}, got(" one two", " one two", first=1)),
    "no echo": ({"echo": True}, got(" one two")),
    "an echo for one of two": ({"n": 2, "echo": True}, got("p one two", " one two")),
    "an ignored stop": ({"stop": "one"}, got(" one two")),
    "a stop that stays": ({"stop": "one"}, got(" one", reason="stop")),
    "a stop that is none": ({"stop": "o.e"}, got(" ", reason="stop")),
    "a stop with another reason": ({"stop": "one"}, got(" ", reason="length")),
}


@pytest.mark.parametrize(("changes", "answered"), RIGHT.values(), ids=RIGHT.keys())
def test_an_answer_that_follows_passes(changes: dict[str, Any], answered: Completion) -> None:
    """What follows from the plain answer, or differs in what nobody promises, is no difference."""
    assert compared(changes, answered) is None


@pytest.mark.parametrize(("changes", "answered"), WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_does_not_follow_is_told(changes: dict[str, Any], answered: Completion) -> None:
    """What does not follow is said in words."""
    assert compared(changes, answered)


def test_choices_of_one_prompt_need_not_stand_together() -> None:
    """With `n` and several prompts either order of the choices passes, another does not."""
    changes = {"prompt": ["p", "q"], "n": 2}
    alone = got(" one"), got(" two")

    assert compared(changes, got(" one", " one", " two", " two"), *alone) is None
    assert compared(changes, got(" one", " two", " one", " two"), *alone) is None
    assert compared(changes, got(" two", " two", " one", " one"), *alone)


def test_the_plain_requests_keep_what_steers() -> None:
    """Plain requests have one prompt each, no options, and what changes the text itself."""
    params = {
        **BASE,
        "prompt": ["p", "q"],
        "max_tokens": 4.0,
        "n": 2,
        "stream": True,
        "echo": True,
        "stop": "x",
    }
    params |= {"logprobs": 2, "top_p": 1, "presence_penalty": 2, "logit_bias": {}, "user": "u", "seed": 1}

    expected = [{**BASE, "prompt": prompt, "presence_penalty": 2} for prompt in ("p", "q")]
    assert plain(params) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 1},
        {"temperature": None},
        {"prompt": [1, 2]},
        {"suffix": "x"},
        {"max_tokens": 0, "echo": True},
        {"echo": True, "stop": "p"},
    ],
    ids=str,
)
def test_some_requests_follow_from_nothing(changes: dict[str, Any]) -> None:
    """Nothing is compared where nobody says what the answer is."""
    assert comparable(BASE)
    assert not comparable({**BASE, **changes})


@pytest.mark.parametrize(
    ("changes", "relation"),
    [
        ({"stream": True, "stop": "x"}, Relation.STREAM),
        ({"stop": "x", "echo": True}, Relation.STOP),
        ({"echo": True, "n": 2}, Relation.ECHO),
        ({"prompt": ["p"]}, Relation.SEVERAL),
        ({"best_of": 2}, Relation.SEVERAL),
        ({"logprobs": 1}, Relation.NEUTRAL),
        ({"stop": None, "user": "u"}, Relation.NEUTRAL),
    ],
    ids=str,
)
def test_what_is_left_names_the_relation(changes: dict[str, Any], relation: Relation) -> None:
    """A request that can't be made smaller breaks the relation of what it still has."""
    assert broken_relation({**BASE, **changes}) is relation
