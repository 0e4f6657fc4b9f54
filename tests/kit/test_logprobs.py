"""Log probabilities are the same where they differ by rounding, and different where something is wrong."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import NotRun
from conformance.kit.logprobs import Scores, difference, expected_same, in_common, scores
from conformance.scenarios.frequencies import _at_most
from conformance.wire.completion import Completion
from tests.builders import plain

_ARRAYS = {
    "tokens": [" a", " b"],
    "token_logprobs": [None, -0.5],
    "top_logprobs": [None, {" b": -0.5}],
    "text_offset": [0, 2],
}


def _answer(logprobs: object) -> Completion:
    choice = {"index": 0, "text": " a b", "logprobs": logprobs, "finish_reason": "length"}
    return Completion.read(plain({"choices": [choice]}, {"prompt": "x", "logprobs": 1}))


def test_scores_are_read_with_their_nulls() -> None:
    """A missing value is None, and missing alternatives are none."""
    found = scores(_answer(_ARRAYS))

    assert found == Scores((" a", " b"), (None, -0.5), ({}, {" b": -0.5}))
    assert found.text == " a b"
    assert found.part(1).tokens == (" b",)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {"content": []},
        {**_ARRAYS, "tokens": []},
        {**_ARRAYS, "tokens": [1, 2]},
        {**_ARRAYS, "token_logprobs": [-1]},
    ],
    ids=["none", "chat", "empty", "ids", "uneven"],
)
def test_what_cannot_be_compared_is_not_run(logprobs: object) -> None:
    """What other requirements judge raises `NotRun`."""
    with pytest.raises(NotRun):
        scores(_answer(logprobs))


def test_values_of_other_types_are_missing() -> None:
    """A value that is no number is as good as none."""
    found = scores(_answer({**_ARRAYS, "token_logprobs": [True, "-0.5"]}))

    assert found.values == (None, None)


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ([], [], False),
        ([None, -1.0], [-3.0, -1.0], False),
        ([-1.0, -2.0, -3.0, -4.0], [-1.125, -2.0, -3.125, -4.0], True),
        ([-1.0, -2.0, -3.0, -4.0], [-1.125, -2.0, -3.0, -4.0], False),
        ([-1.0] * 20, [-1.6] + [-1.0] * 19, True),
        ([-1.0], [-2.3], True),
    ],
    ids=["nothing", "null", "two eighths of four", "an eighth of four", "one value far off", "another base"],
)
def test_rounding_is_no_difference(
    one: list[float | None], other: list[float | None], *, differs: bool
) -> None:
    """An eighth now and then is rounding; a mean of more than 0.06, or one value off by more than 0.5, is not."""
    assert (difference(one, other) is not None) is differs


def test_a_difference_names_its_token() -> None:
    """The message has the token and both values."""
    one = Scores((" a", " b"), (-1.0, -2.0), ({}, {}))

    assert expected_same(one, Scores((" a", " b"), (-1.0, -4.5), ({}, {}))) == (
        'token 1, " b", has -2.0000 and -4.5000'
    )
    assert expected_same(one, one) is None


def test_equal_beginnings_are_counted() -> None:
    """The number of equal tokens at the beginning, also where one is the beginning of the other."""
    one = Scores(("a", "b", "c"), (None,) * 3, ({},) * 3)

    assert in_common(one, Scores(("a", "b", "x"), (None,) * 3, ({},) * 3)) == 2
    assert in_common(one, one.part(0, 1)) == 1


def test_a_tail_of_the_binomial_distribution() -> None:
    """Of ten throws of a coin at most two are heads with 56/1024."""
    assert _at_most(2, 10, 0.5) == pytest.approx(56 / 1024)
    assert _at_most(10, 10, 0.3) == pytest.approx(1.0)
