"""Where greedy texts went on in two ways is known by prompt, prefix, and form of asking."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.run.forks import Forks, Text, divergence, texts_of
from conformance.wire.exchange import Exchange, Request
from tests.builders import answer, choice, plain


def exchange(*texts: str, reason: str = "length", **params: Any) -> Exchange:
    """A greedy exchange with these texts."""
    asked = {"model": "m", "prompt": "p", "temperature": 0, "max_tokens": 9, **params}
    choices = [choice(text=text, index=number, finish_reason=reason) for number, text in enumerate(texts)]
    return plain(answer(choices=choices), Request.of(asked))


def text(said: str, *stops: str) -> Text:
    """A text of one prompt and form."""
    return Text("p", "plain", said, stops)


@pytest.mark.parametrize(
    ("one", "other", "after"),
    [
        (text(" a b c"), text(" a b d"), {" a b "}),
        (text(" a b c"), text(" a b"), set()),
        (text(" a b c"), text(" a b c"), set()),
        (text(" a", " b"), text(" a b c"), set()),
        (text(" a", " b", " x"), text(" a b c"), set()),
        (text(" a", " m"), text(" a b c"), {" a "}),
    ],
)
def test_where_texts_part(one: Text, other: Text, after: set[str]) -> None:
    """After what they have in common; a text that a stop ended may have gone on with that stop."""
    assert divergence(one, other) == after
    assert divergence(other, one) == after


def test_two_ways_in_one_form_are_a_known_fork() -> None:
    """The same was asked, and went on otherwise: a comparison that fails there proves nothing, in whatever form."""
    forks = Forks()
    for said in (" a b c", " a b d"):
        forks.notice(exchange(said))
    streamed = exchange(" a b d", stop=["zq"])

    assert forks.known([exchange(" a b c"), streamed]) == " a b "
    assert forks.known([exchange(" a x c"), streamed]) is None
    assert forks.known([exchange(" a b c"), exchange(" a b c")]) is None


def test_two_ways_between_two_forms_are_none() -> None:
    """That is what the comparisons are after."""
    forks = Forks()
    plainly, stopped = exchange(" a b c"), exchange(" a b d", stop=["zq"])
    for found in (plainly, stopped, plainly, stopped):
        forks.notice(found)

    assert forks.known([plainly, stopped]) is None
    assert len(forks.differences([plainly, stopped])) == 1


def test_what_decides_the_text_is_part_of_the_prompt() -> None:
    """Another bias, another suffix, another prompt: another text is no fork."""
    assert Forks().differences([exchange(" a"), exchange(" b", logit_bias={"1": 5})]) == []
    assert Forks().differences([exchange(" a"), exchange(" b", prompt="q")]) == []
    assert Forks().differences([exchange(" a"), exchange(" b", max_tokens=3)]) != []


def test_each_choice_has_its_prompt() -> None:
    """A batch, several choices, and an echo, which is taken away."""
    batch = list(texts_of(exchange(" a", " b", prompt=["p", "q"])))
    several = list(texts_of(exchange(" a", " b", n=2)))
    echoed = list(texts_of(exchange("p a", echo=True)))

    assert batch[0].key != batch[1].key
    assert several[0].key == several[1].key
    assert [one.text for one in echoed] == [" a"]
    assert echoed[0].key == several[0].key


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


def test_a_character_that_is_cut_is_no_fork() -> None:
    """The limit may fall into a character, whose first bytes show as U+FFFD."""
    assert Forks().differences([exchange(" a\ufffd"), exchange(" aé b", max_tokens=30)]) == []
