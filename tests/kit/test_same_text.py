"""When two texts are the same, and whose answer a text is."""

from __future__ import annotations

import pytest

from conformance.kit.same_text import (
    begins,
    broken_characters,
    closest_answer,
    ends_differ,
    goes_on,
    reordered,
    same,
)

ANSWERS = (" jumps over the lazy dog", " there was a small mill", "! This is a test")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (" a b", " a b"),
        (" a b \n", "a b"),  # a server that trims
        ("日本\ufffd", "日本"),  # a limit inside a character
        ("日本\ufffd\ufffd", "日本\ufffd"),
        ("日本\ufffd\n", "日本\ufffd"),  # white space behind what a limit left of a character
        ("日本 \ufffd", "日本"),
        ("\ud83d\ude00", "😀"),  # joined from two chunks
        ("", "\n"),
    ],
)
def test_what_says_nothing_about_a_server_is_set_aside(text: str, other: str) -> None:
    """White space at the ends, torn last characters and split surrogate pairs make no difference."""
    assert same(text, other)
    assert begins(text, other)
    assert not goes_on(text, other)


@pytest.mark.parametrize(("text", "other"), [("a b", "ab"), ("a\ufffdb", "ab"), ("a", "A"), ("a b", "a")])
def test_everything_else_is_a_difference(text: str, other: str) -> None:
    """White space and U+FFFD within a text count."""
    assert not same(text, other)


def test_white_space_at_the_ends_can_be_told() -> None:
    """Only the white space counts: not what a limit left of a character, and nothing where the texts differ otherwise."""
    assert ends_differ(" a b", "a b")
    assert ends_differ("a b\n", "a b")
    assert not ends_differ(" a b", " a b\ufffd")
    assert not ends_differ(" a b\n\ufffd", " a b\n")
    assert not ends_differ(" a b", "a c")


def test_a_text_goes_on_where_it_says_more() -> None:
    """More than white space has to follow."""
    assert goes_on("a b c", "a ")
    assert not goes_on("a b c", "b")
    assert not goes_on("a b ", "a b")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("日本", None),
        ("日本\ufffd", None),
        ("日本\ufffd\n", None),
        ("日本\ufffd\n\ufffd", "U+FFFD"),
        ("日\ufffd本", "U+FFFD"),
        ("a\ud83d", "a lone surrogate"),
        ("", None),
    ],
)
def test_a_torn_character_is_seen(text: str, found: str | None) -> None:
    """Only at the end U+FFFD is what a limit leaves of a character."""
    assert broken_characters(text) == found


def test_another_order_of_the_same_characters_is_seen() -> None:
    """Equal texts are in the same order, and different ones are not reordered."""
    assert reordered("abc", "bca")
    assert not reordered("abc", "abc")
    assert not reordered("abc", "abd")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ANSWERS[0], 0),
        (ANSWERS[2], 2),
        (" there was a very old man", 1),  # a near tie flipped later on
        (" the", None),
        ("", None),
        (" something else", None),
    ],
)
def test_a_text_belongs_to_the_answer_that_begins_like_it(text: str, found: int | None) -> None:
    """A text need not equal its answer, but must be nearer to it than to any other."""
    assert closest_answer(text, ANSWERS) == found


def test_equal_answers_own_nothing() -> None:
    """Where two prompts are answered alike a text can be of either, and without answers of none."""
    assert closest_answer("same as ever", ("same as ever", "same as ever")) is None
    assert closest_answer("same as ever", ()) is None
