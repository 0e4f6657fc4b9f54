"""Pieces of text that make fair stop sequences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.kit import stop_sequences

TEXT = "! This is a test of the completions endpoint. The first thing to check is the status code,"
TEXTS = st.text("abcde fgh.\né日\N{REPLACEMENT CHARACTER}", max_size=120)


@given(TEXTS)
def test_a_piece_cuts_where_nobody_can_argue(text: str) -> None:
    """A fair piece stands once, after something that is ASCII and does not end in white space, and well before the end."""
    for find in (stop_sequences.words_of, stop_sequences.across_words, stop_sequences.inside_words):
        for piece in find(text):
            head = stop_sequences.before(text, piece)
            assert text.count(piece) == 1
            assert len(head) >= 4
            assert not head[-1].isspace()
            assert (head + piece).isascii()
            assert len(head) + len(piece) <= len(text) - 8
            assert 3 <= len(piece) <= 8


def test_words_come_with_the_blank_before_them() -> None:
    """The pieces of an ordinary text are its words."""
    assert stop_sequences.words_of(TEXT) == (" test", " of", " The", " first", " thing", " to", " check")


def test_a_text_without_words_is_cut_into_windows() -> None:
    """Where there are no words, four characters make a piece."""
    assert stop_sequences.words_of("0123456789012345_abcdefghijkl")[0] == "4567"


def test_a_crossing_goes_from_word_to_word() -> None:
    """A piece that crosses begins and ends inside of words."""
    assert stop_sequences.across_words("one little server answered at all") == (
        "tle ser",
        "le ser",
        "ver ans",
        "er ans",
    )


def test_a_restart_begins_with_the_second_of_two_equal_letters() -> None:
    """The search for it fails at the first of the two and must begin anew with the second."""
    assert stop_sequences.restarts("There was a small mill, and all of it was sold.") == (
        "l mi",
        "l, a",
        "l of",
    )


def test_a_piece_across_a_known_border_begins_and_ends_inside_tokens() -> None:
    """The tokens on both sides of the border are both cut."""
    tokens = ["one", " lit", "tle", " server"]
    assert stop_sequences.across("one little server answered", tokens) == ("ittl", "le se")
    assert stop_sequences.across("another text altogether", tokens) == ()


def test_a_repeated_piece_begins_at_its_first_place() -> None:
    """Words that come again are found where they come first."""
    assert stop_sequences.repeated("It was the house of the man of the sea, and more") == (" the", " of")


@pytest.mark.parametrize(
    ("found", "expected"),
    [((), None), ((" test",), None), ((" test", " of"), None), ((" check", " test"), (" test", " check"))],
)
def test_two_places_are_far_apart(found: tuple[str, ...], expected: tuple[str, str] | None) -> None:
    """Eight characters lie between two pieces, the early one comes first."""
    assert stop_sequences.apart(TEXT, found) == expected


@pytest.mark.parametrize(("count", "expected"), [(1, "a"), (2, "ae"), (3, "ace"), (5, "abcde"), (9, "abcde")])
def test_a_selection_is_spread(count: int, expected: str) -> None:
    """The first and the last of the pieces belong to any selection of two."""
    assert "".join(stop_sequences.spread("abcde", count)) == expected


@given(TEXTS)
def test_what_is_absent_is_not_there(text: str) -> None:
    """Turned and swapped pieces do not occur in the text, and neither does what the end of the text begins."""
    tails = stop_sequences.tails(text, (1, 2, 6))
    assert not any(
        stop in text for stop in (*stop_sequences.absent(text), *stop_sequences.other_case(text), *tails)
    )
    assert all(text.endswith(stop.removesuffix(stop_sequences.NEVER)) for stop in tails)


def test_an_end_that_is_damaged_has_no_tails() -> None:
    """A text that was cut inside a character ends in something that the model did not say."""
    assert stop_sequences.tails("caf\N{REPLACEMENT CHARACTER}", (1, 2)) == ()


def test_characters_beyond_ascii_are_taken_before_the_first_damage() -> None:
    """A character counts where it comes first, behind something that is not blank."""
    assert stop_sequences.beyond_ascii("今日は 日é\N{REPLACEMENT CHARACTER}ü") == ("日", "は", "é")
