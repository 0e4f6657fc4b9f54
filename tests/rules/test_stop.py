"""The rule about stop sequences."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rules.stop import the_text_never_contains_a_stop_sequence as rule
from conformance.wire.exchange import Exchange
from tests.builders import PROMPT, answer, choice, chunk, plain, says, stream


def text(value: str, **sent: Any) -> Exchange:
    """A plain answer with this text."""
    return plain(answer(choices=[choice(text=value)]), sent)


@pytest.mark.parametrize(
    "exchange",
    [
        text("one two", stop="two"),
        text("one two", stop=["x", "e t"]),
        text(PROMPT + " world", stop="wor", echo=True),
        text(PROMPT + " two", stop="two", echo=True, prompt=["x", PROMPT]),
        text("one two zebra", stop="two", suffix=" zebra"),
        text("one two", stop="two", suffix="zebra"),
        text(f"{PROMPT}{PROMPT} two", stop="two", echo=True),
        stream([chunk("one t"), chunk("wo")], {"stop": "two"}),
    ],
)
def test_a_stop_sequence_in_the_text_is_found(exchange: Exchange) -> None:
    """Plain, in the middle, behind an echoed prompt, before a suffix, behind an echo that comes twice, and over the border of two chunks."""
    assert "contains the stop sequence" in (says(rule, exchange) or "")


@pytest.mark.parametrize(
    "exchange",
    [
        text("one ", stop="two"),
        text("", stop=["two"]),
        text(PROMPT + " one", stop="world", echo=True),
        text("Two", stop=["two", ""]),
        text("one two", stop="two", suffix="two"),
        text(f"{PROMPT}{PROMPT} one", stop=PROMPT[:3], echo=True),
        text(f"{PROMPT} one{PROMPT}", stop=PROMPT[:3], echo=True),
    ],
)
def test_a_text_without_it_passes(exchange: Exchange) -> None:
    """An echoed prompt may contain the sequence, wherever it stands, and a suffix that is appended; an empty one is in every text."""
    assert says(rule, exchange) == ""


@pytest.mark.parametrize(
    "exchange",
    [
        text("one"),
        text("one", stop=None),
        text("5", stop=5),
        text("decoded", stop="d", echo=True, prompt=[1, 2]),
    ],
)
def test_without_a_sequence_to_look_for_it_is_silent(exchange: Exchange) -> None:
    """No sequence, none that is a string, and an echo whose end can't be told."""
    assert says(rule, exchange) is None
