"""Greedy texts after the same prompt part, or one of them only ends."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.run.divergence import Forks, diverge, texts_of
from conformance.wire.exchange import Exchange, Request
from tests.builders import answer, choice, plain


def exchange(*texts: str, reason: str = "length", **params: Any) -> Exchange:
    """A greedy exchange with these texts."""
    asked = {"model": "m", "prompt": "p", "temperature": 0, "max_tokens": 9, **params}
    choices = [choice(text=text, index=number, finish_reason=reason) for number, text in enumerate(texts)]
    return plain(answer(choices=choices), Request.of(asked))


ABC = exchange(" a b c")


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        (exchange(" a b d"), True),
        (exchange(" a b d", stream=None, seed=3, max_tokens=4, n=1), True),
        (exchange(" a b"), False),
        (exchange(" a b c"), False),
        (exchange(" a", reason="stop", stop=" b"), False),
        (exchange(" a", reason="stop", stop=[" x", " b"]), False),
        (exchange(" a", reason="stop", stop=[" m"]), True),
        (exchange(" x", prompt="q"), False),
        (exchange(" x", logit_bias={"1": 5}), False),
        (exchange(" x", temperature=1), False),
        (exchange(" a b c", " a x", prompt=["p", "p"]), True),
        (exchange(" x", " a b", prompt=["q", "p"]), False),
        (exchange("p a b c", echo=True), False),
        (exchange("p a x", echo=True), True),
        (exchange(" a b\ufffd"), False),
    ],
)
def test_where_texts_part(other: Exchange, *, parts: bool) -> None:
    """A text that a stop ended may have gone on with that stop; one that the limit cut says nothing of what would have come."""
    assert diverge([ABC, other]) == parts
    assert diverge([other, ABC]) == parts


def test_choices_of_one_answer_are_compared() -> None:
    """Several choices at temperature 0 are to be the same text."""
    assert diverge([exchange(" a", " b", n=2)])


@pytest.mark.parametrize(
    "odd",
    [
        exchange(" a", temperature=1),
        exchange(" a", prompt=[]),
        exchange("elsewhere", echo=True),
        exchange(" a", prompt=["p", "q"]),
    ],
    ids=["sampled", "no-prompt", "no-echo", "too-few"],
)
def test_what_says_nothing_of_the_model(odd: Exchange) -> None:
    """Sampled texts, and answers that are not what was asked for."""
    assert list(texts_of(odd)) == []


@pytest.mark.parametrize(
    ("texts", "parted", "sampled"),
    [
        (["once upon a time"] * 5, 0, False),
        (["once upon a time", "once upon a hill"] * 4, 1, False),
        # Three near ties within sixty tokens.
        (["a" * 80 + one + "b" * 80 + other + "c" * 80 for one in "xy" for other in "xyz"], 5, False),
        (["blue, as it was", "a wind blew", "seven", "blue, and", "the end of it"], 4, True),
        (["it", "it was", "it was late"], 0, False),
        # Emoji take several tokens each.
        (["😁" * 12 + one for one in "abcde"], 4, False),
        ([], 0, False),
    ],
)
def test_texts_that_are_sampled_fork_often(texts: list[str], parted: int, *, sampled: bool) -> None:
    """Near ties are rare, so texts part at few of the positions at which they could."""
    forks = Forks.of(texts)

    assert forks.parted == parted
    assert forks.are_of_sampling == sampled
