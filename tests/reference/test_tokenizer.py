"""The tokenizer loses nothing, and its tokens are not characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reference import default_model
from conformance.reference.tokenizer import spell

TOKENIZER = default_model().tokenizer


def spelled(text: str) -> list[str]:
    """Give the tokens of a text as strings."""
    return [TOKENIZER.spelling[token] for token in TOKENIZER.encode(text)]


@given(st.text() | st.text("aeh \n._0é日😀", max_size=200))
def test_decoding_undoes_encoding(text: str) -> None:
    """Any text comes back from its tokens as it was."""
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text("aeh \n._0é日😀"))
def test_every_id_belongs_to_the_vocabulary(text: str) -> None:
    """Text never encodes to a special token."""
    assert all(0 <= token < TOKENIZER.end for token in TOKENIZER.encode(text))


@pytest.mark.parametrize(("text", "least"), [("😀", 3), ("日", 2), ("👨‍👩‍👧", 8)])
def test_long_characters_take_several_tokens(text: str, least: int) -> None:
    """A character of three or four bytes is never one token."""
    tokens = spelled(text)

    assert len(tokens) >= least
    assert all(token.startswith("bytes:") for token in tokens)


def test_common_words_take_one_token_with_their_space() -> None:
    """A common word is one token, with the space before it."""
    assert spelled(" river.\n\n") == [" river", ".\n\n"]


def test_partial_characters_are_spelled_as_bytes() -> None:
    """A token that is no whole text is spelled with its bytes, as OpenAI does."""
    assert spell(b"\xe2\x80") == "bytes:\\xe2\\x80"


def test_spellings_are_unique() -> None:
    """No two tokens have the same spelling, so a map of log probabilities loses none."""
    assert len(set(TOKENIZER.spelling)) == TOKENIZER.size


def test_special_names_are_ordinary_text() -> None:
    """The name of a special token in a prompt is not that token."""
    assert TOKENIZER.end not in TOKENIZER.encode("<|endoftext|>")


def test_a_long_run_of_letters_takes_no_time() -> None:
    """Pieces are bounded, so encoding stays linear."""
    assert len(TOKENIZER.encode("q" * 50_000)) <= 50_000
