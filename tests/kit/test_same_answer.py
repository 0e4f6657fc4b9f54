"""What differs between two answers that have to be the same."""

from __future__ import annotations

import pytest

from conformance.kit.same_answer import difference
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange
from tests.builders import answer, choice, chunk, plain, stream, usage


def told(**changes: object) -> Exchange:
    """A plain answer whose choice has changes."""
    return plain(answer(choices=[choice(**changes)]))


def differs(one: Exchange, other: Exchange) -> str | None:
    """What differs between two exchanges."""
    return difference(Completion.read(one), Completion.read(other))


LOGPROBS = {
    "tokens": [" and so on"],
    "token_logprobs": [-0.5],
    "top_logprobs": [{" and so on": -0.5}],
    "text_offset": [0],
}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (told(), None),
        (plain(answer(id="cmpl-2", created=1_750_000_001)), None),
        (told(text=" and so off"), 'the text is " and so on" and " and so off"'),
        (told(text=" and so on "), "the text is"),
        (told(finish_reason="stop"), 'the finish_reason is "length" and "stop"'),
        (plain(answer(usage=usage(completion_tokens=5))), "`completion_tokens` is 4 and 5"),
        (plain(answer(choices=[choice(), choice(index=1)])), "the indices of the choices are [0] and [0, 1]"),
        (stream([chunk(" and so"), chunk(" on ", "length")]), None),
    ],
)
def test_each_member_is_compared(other: Exchange, said: str | None) -> None:
    """Texts, reasons, counts and indices are compared; what is new in each answer is not, nor white space between plain and stream."""
    found = differs(told(), other)

    assert (found is None) if said is None else said in (found or "")


def test_log_probabilities_are_compared_but_for_rounding() -> None:
    """A value that moves by less than rounding is the same, another token or another value is not."""
    one = told(logprobs=LOGPROBS)

    assert differs(one, told(logprobs={**LOGPROBS, "token_logprobs": [-0.51]})) is None
    assert "has -0.5000 and -2.0000" in (
        differs(one, told(logprobs={**LOGPROBS, "token_logprobs": [-2]})) or ""
    )
    assert "the tokens of choice 0" in (differs(one, told(logprobs={**LOGPROBS, "tokens": [" and"]})) or "")
    assert differs(one, told()) == "choice 0 has log probabilities and none"
