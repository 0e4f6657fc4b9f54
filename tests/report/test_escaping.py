"""Text that can't be seen is shown by its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.escaping import escape_html, escape_line, is_visible, prose, shorten

SIGNS = [
    ("\u202e", "U+202E", r"\u202e"),
    ("\x1b", "U+001B", r"\u001b"),
    ("\r", r"\r", r"\r"),
    ("\t", r"\t", r"\t"),
    ("\u00a0", "U+00A0", r"\u00a0"),
    ("\ud800", "U+D800", r"\ud800"),
    ("\udcff", "FF", r"\udcff"),
    ("\U000e0041", "U+E0041", r"\U000e0041"),
]


@pytest.mark.parametrize(("character", "sign", "escape"), SIGNS)
def test_invisible_characters_have_signs(character: str, sign: str, escape: str) -> None:
    """A page marks what is invisible, plain text escapes it."""
    assert escape_html(f"a{character}b") == f'a<span class="i">{sign}</span>b'
    assert escape_line(f"a{character}b") == f"a{escape}b"


def test_lines_break_on_a_page_and_not_in_plain_text() -> None:
    """A line feed stays one in HTML and is an escape in a line of text."""
    assert escape_html("a\nb") == "a\nb"
    assert escape_line("a\nb") == r"a\nb"


def test_markup_is_text() -> None:
    """HTML in a text is escaped, in code too."""
    assert escape_html("<b>&") == "&lt;b&gt;&amp;"
    assert prose("see `<b>`") == "see <code>&lt;b&gt;</code>"


def test_marks_that_pile_up_are_taken_apart() -> None:
    """A letter carries two combining marks; more are shown by their numbers."""
    assert escape_html("e\u0301\u0301\u0301") == 'e\u0301\u0301<span class="i">U+0301</span>'


def test_long_texts_say_how_much_is_missing() -> None:
    """A text beyond the limit is cut, with the number of characters that follow."""
    assert shorten("abcdef", 4) == "abcd… (2 more characters)"


@given(st.text())
def test_plain_text_is_one_line_that_a_terminal_can_show(text: str) -> None:
    """Whatever the text, nothing invisible is left of it."""
    assert all(map(is_visible, escape_line(text)))


@given(st.text(alphabet=st.characters()))
def test_a_page_can_be_encoded(text: str) -> None:
    """Whatever the text, its HTML has no lone surrogate and no markup but the signs."""
    html = escape_html(text)

    html.encode()
    assert "<" not in html.replace('<span class="i">', "").replace("</span>", "")
