"""The rule about texts that show how a tokenizer writes them."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rules.text import a_text_is_decoded as rule
from conformance.wire.exchange import Exchange
from tests.builders import PROMPT, answer, choice, chunk, plain, says, stream


def text(value: str, reason: str = "stop", **sent: Any) -> Exchange:
    """A plain answer with this text."""
    return plain(answer(choices=[choice(text=value, finish_reason=reason)]), sent)


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        (text("\u0120Once\u0120upon\u0120a\u0120time"), "has U+0120 where spaces belong"),
        (text("\u2581Once\u2581upon\u2581a\u2581time", "length"), "has U+2581 where spaces belong"),
        (text(PROMPT + "\u0120and\u0120so\u0120on", echo=True), "has U+0120 where spaces belong"),
        (stream([chunk("\u0120and"), chunk("\u0120so", "length")]), "has U+0120 where spaces belong"),
        (text("It is blue.<|im_end|>"), 'ends in "<|im_end|>"'),
        (text("It is blue.</s>\n"), 'ends in "</s>"'),
        (stream([chunk("It is blue.<|eot"), chunk("_id|>", "stop")]), 'ends in "<|eot_id|>"'),
    ],
)
def test_marks_of_the_tokenizer_are_found(exchange: Exchange, message: str) -> None:
    """Marks for blanks in both spellings, and end tokens, plain, behind an echo and over the border of chunks."""
    assert message in (says(rule, exchange) or "")


@pytest.mark.parametrize(
    "exchange",
    [
        text("Once upon a time"),
        text("Il-\u0120urnata \u0121dida fi \u0120ieh"),  # Maltese has the letter
        text("\u0120gantija"),
        text("the bar \u2581chart\u2581of blocks"),
        text("It is blue.<|im_end|>", "length"),
        text("<|im_end|> is a marker."),
        text("again <|im_end|>", prompt="What does <|im_end|> mean?"),
        text("\u0120b\u0120c", prompt="\u0120a"),
        text("Is it <b>bold</b>"),
    ],
)
def test_texts_pass(exchange: Exchange) -> None:
    """Letters of other alphabets, what the prompt has begun, an end that was no end, and markup."""
    assert says(rule, exchange) == ""


@pytest.mark.parametrize(
    "exchange", [text(""), text("x</s>", suffix="</s>"), text("decoded", echo=True, prompt=[1])]
)
def test_without_a_text_to_look_at_it_is_silent(exchange: Exchange) -> None:
    """No text, a suffix that may have been appended, and an echo whose end can't be told."""
    assert says(rule, exchange) is None
