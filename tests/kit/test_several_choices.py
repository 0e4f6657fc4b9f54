"""Answers with several choices: how many there are, and which prompt each belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.contract.verdict import Broken, Ignored, Inconclusive
from conformance.kit.several_choices import expect_choices, expect_ends, expect_indices, misplaced
from conformance.wire.completion import Completion
from tests.builders import answer, choice, chunk, plain, stream

ALONE = (" jumps over the lazy dog", " there was a small mill")


def completion(*choices: dict[str, Any]) -> Completion:
    """A plain answer with these choices."""
    return Completion.read(plain(answer(choices=list(choices))))


def test_as_many_choices_as_asked_for_pass() -> None:
    """The order of the array is not promised."""
    expect_choices(completion(choice(index=1), choice(index=0)), 2, "n 2")


def test_one_choice_is_ignoring() -> None:
    """One choice where two were asked for means that the parameter had no effect."""
    with pytest.raises(Ignored, match="n 2 was answered with status 200 and one choice"):
        expect_choices(completion(choice()), 2, "n 2")


def test_too_many_choices_are_wrong() -> None:
    """Three choices where two were asked for are no answer to the request."""
    with pytest.raises(Broken, match="3 choices instead of 2"):
        expect_choices(completion(*(choice(index=number) for number in range(3))), 2, "n 2")


def test_a_repeated_index_is_seen() -> None:
    """Two choices with the same index are two choices, but not numbered."""
    with pytest.raises(Broken, match=r"the indices \[0\], not \[0, 1\]"):
        expect_choices(completion(choice(), choice()), 2, "n 2")


def test_the_indices_of_a_stream_are_all_there() -> None:
    """A stream whose chunks all have index 0 lacks the others."""
    with pytest.raises(Broken, match=r"\[0\], not \[0, 1\]"):
        expect_indices(Completion.read(stream()), 2, "n 2")


@pytest.mark.parametrize(
    ("reasons", "said"), [((None, None), "are none"), (("length", "stop"), r'are \["length", "stop"\]')]
)
def test_each_index_ends_once(reasons: tuple[str | None, ...], said: str) -> None:
    """No finish_reason is as wrong as two of them."""
    expect_ends(Completion.read(stream([chunk(), chunk(reason="stop")])), "a stream")
    with pytest.raises(Broken, match=said):
        expect_ends(Completion.read(stream([chunk(reason=reason) for reason in reasons])), "a stream")


def test_choices_in_the_place_of_others_are_found() -> None:
    """A choice that goes on like another prompt has that prompt's place."""
    right = completion(choice(text=ALONE[0]), choice(text=ALONE[1], index=1))
    swapped = completion(choice(text=ALONE[1]), choice(text=ALONE[0], index=1))

    assert misplaced(right, (0, 1), ALONE) is None
    assert "that is how prompt 1 continues, not prompt 0" in (misplaced(swapped, (0, 1), ALONE) or "")


def test_choices_that_resemble_nothing_leave_the_question_open() -> None:
    """A text that begins like no answer proves nothing."""
    with pytest.raises(Inconclusive):
        misplaced(completion(choice(text=ALONE[0]), choice(text=" else", index=1)), (0, 1), ALONE)
