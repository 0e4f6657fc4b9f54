"""The rules that what some answers have of log probabilities all have."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rules.logprobs_arrays import (
    every_echoed_choice_has_its_tokens,
    what_some_answers_have_all_have,
)
from conformance.wire.exchange import Exchange
from tests.builders import PROMPT, answer, choice, chunk, plain, says, stream

ASKED = {"logprobs": 2}
ECHOED = {**ASKED, "echo": True}


def arrays(*tokens: str, **changes: Any) -> dict[str, Any]:
    """Four arrays of as many elements as there are tokens, with changes."""
    return {
        "tokens": list(tokens),
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{token: -0.5} for token in tokens],
        "text_offset": list(range(len(tokens))),
        **changes,
    }


def told(logprobs: Any, text: str = " so on", sent: dict[str, Any] | None = None, **fields: Any) -> Exchange:
    """A plain answer with these log probabilities."""
    return plain(answer(choices=[choice(text=text, logprobs=logprobs)]), sent or ASKED, **fields)


def streamed(*parts: tuple[str, Any]) -> Exchange:
    """A stream of these pieces of text, each with its log probabilities."""
    chunks = [
        chunk(choices=[choice(text=text, logprobs=logprobs, finish_reason=None)]) for text, logprobs in parts
    ]
    return stream([*chunks, chunk("", "length")], ASKED)


SOUND = told(arrays(" so", " on"))
SOUND_STREAM = streamed((" so", arrays(" so")), (" on", arrays(" on")))


def test_answers_that_have_the_same_arrays_pass() -> None:
    """Plain answers and streams whose arrays are all there are left alone, and so is a chunk without text that has none."""
    assert says(what_some_answers_have_all_have, SOUND, SOUND_STREAM) == ""


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (told(None), "has no `logprobs.tokens`, as 1 other answers have it; its `logprobs` is null"),
        (told(None, sent={**ASKED, "suffix": " The end."}), "has no `logprobs.tokens`"),
        (told(arrays(" so", " on", token_logprobs=[])), "has no `logprobs.token_logprobs`"),
        (
            told(arrays(" so", " on", text_offset=[])),
            "should: choice 0 of the plain answer x1 has no `logprobs.text_offset`",
        ),
        (
            told(arrays(" so", " on", top_logprobs=None)),
            "should: choice 0 of the plain answer x1 has no `logprobs.top_logprobs`",
        ),
        (told(arrays(" so", " on", token_logprobs=[-0.5])), "have the lengths"),
        (streamed((" so", arrays(" so")), (" on", arrays(" on", text_offset=[1, 2]))), "have the lengths"),
        (streamed((" so", arrays(" so")), (" on", arrays(" on", tokens=None))), "have the lengths"),
    ],
)
def test_what_one_answer_lacks_is_found(other: Exchange, said: str) -> None:
    """An array that is missing in one answer, or of another length than those beside it, is objected to."""
    assert said in (says(what_some_answers_have_all_have, SOUND, SOUND_STREAM, other) or "")


def test_streams_are_compared_with_streams() -> None:
    """That no stream has log probabilities is for LOGP-012 to say, that some have none is said here."""
    without = streamed((" so on", None))

    assert says(what_some_answers_have_all_have, SOUND, without) == ""
    assert "of the stream" in (says(what_some_answers_have_all_have, SOUND, SOUND_STREAM, without) or "")


@pytest.mark.parametrize(
    "other",
    [
        told(None, sent={"logprobs": 0}),
        told(None, text=" The end.", sent={**ASKED, "suffix": " The end."}),
        told(arrays(), text=""),
        told(None, sent={"logprobs": None}),
    ],
)
def test_what_need_not_have_them_is_left_alone(other: Exchange) -> None:
    """Zero, a suffix that is all of the text, an empty text and an answer for which nobody asked are the business of others."""
    assert says(what_some_answers_have_all_have, SOUND, other) == ""


def test_where_no_plain_answer_has_them_nothing_is_said() -> None:
    """What no answer has is LOGP-001's."""
    assert says(what_some_answers_have_all_have, told(None), SOUND_STREAM) is None


def echo(*tokens: str, index: int = 0) -> dict[str, Any]:
    """A choice that echoes its prompt, with these tokens."""
    return choice(text=f"{PROMPT} so on", index=index, logprobs=arrays(*tokens))


def test_an_echo_whose_tokens_are_its_text_passes() -> None:
    """The tokens of an echo join to its text, with or without one that begins it."""
    alone = plain(answer(choices=[echo(PROMPT, " so", " on")]), ECHOED)
    begun = plain(answer(choices=[echo("<s>", PROMPT, " so", " on")]), ECHOED)

    assert says(every_echoed_choice_has_its_tokens, alone, begun) == ""


def test_a_second_echo_without_the_tokens_of_its_prompt_is_found() -> None:
    """Of two choices the second has only the tokens that were generated."""
    alone = plain(answer(choices=[echo(PROMPT, " so", " on")]), ECHOED)
    two = plain(answer(choices=[echo(PROMPT, " so", " on"), echo(" so", " on", index=1)]), {**ECHOED, "n": 2})

    assert "the tokens of choice 1 of the plain answer x1 join to" in (
        says(every_echoed_choice_has_its_tokens, alone, two) or ""
    )


def test_where_no_single_echo_has_its_tokens_nothing_is_said() -> None:
    """That is LOGP-010's."""
    alone = plain(answer(choices=[echo(" so", " on")]), ECHOED)

    assert says(every_echoed_choice_has_its_tokens, alone) is None
