"""A secret is found in every spelling, and so is each fragment of eight characters; what only resembles one is left alone."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.redact import Redactor
from conformance.wire.search import Search
from conformance.wire.secret_values import is_credential, is_secret_header, secrets_of_header

KEY = "sk-proj-9fQ2xT7bLm4ZrW8uVc"
FRAGMENT = 8


def each(how: str) -> Callable[[str], str]:
    """Writes each character by a format."""
    return lambda text: "".join(how.format(ord(character)) for character in text)


def of_bytes(
    encode: Callable[[bytes], bytes], before: str = "", encoding: str = "utf-8"
) -> Callable[[str], str]:
    """Encodes the bytes of a text, with something before them."""
    return lambda text: encode((before + text + "!?").encode(encoding)).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in lower case": str.lower,
    "in capitals": str.upper,
    "backwards": lambda text: text[::-1],
    "ROT13": lambda text: codecs.encode(text, "rot13"),
    "ROT13 backwards": lambda text: codecs.encode(text, "rot13")[::-1],
    "hexadecimal": each("{:02x}"),
    "hexadecimal in capitals": each("{:02X}"),
    "hexadecimal with blanks": each("{:02x} "),
    "hexadecimal numbers": each("0x{:02x}, "),
    "hexadecimal of UTF-16": each("{:04x}"),
    "escapes": each("\\\\x{:02x}"),
    "octal": each("{:03o} "),
    "octal escapes": each("\\\\{:03o}"),
    "decimal": each("{} "),
    "binary": each("{:08b} "),
    "JSON": each("\\u{:04x}"),
    "JSON in JSON": each("\\\\u{:04x}"),
    "JavaScript": each("\\\\u{{{:x}}}"),
    "percent": each("%{:02X}"),
    "percent twice": each("%25{:02x}"),
    "percent thrice": each("%2525{:02x}"),
    "percent where it must be": lambda text: quote(quote(text + "=")),
    "HTML": each("&#{};"),
    "HTML in HTML": each("&amp;#x{:04X};"),
    "percent in JSON in percent": each("%5Cu{:04x}"),
    "full-width": lambda text: "".join(chr(ord(character) + 0xFEE0) for character in text),
    "mathematical": lambda text: "".join(
        chr(0x1D5D4 + ord(letter) - 65) if letter.isupper() else letter for letter in text
    ),
    "with blanks": " ".join,
    "with line feeds": "\\n".join,
    "with points": ".".join,
    "with nothing visible": "\u200b".join,
    "with what is escaped": "\\u200b".join,
    **{
        f"{name} after {len(before)}{coding}": of_bytes(encode, before, encoding)
        for name, encode in (("Base64", base64.b64encode), ("URL-safe Base64", base64.urlsafe_b64encode))
        for before in ("", "a", "ab")
        for coding, encoding in (("", "utf-8"), (" of UTF-16", "utf-16-le"), (" of UTF-16BE", "utf-16-be"))
    },
    **{f"Base32 after {count}": of_bytes(base64.b32encode, "a" * count) for count in range(5)},
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_no_spelling_hides_a_secret(spelled: Callable[[str], str]) -> None:
    """It is removed, what stands beside it stays, and what was JSON is JSON."""
    before = json.dumps({"before": "a text", "after": 1})
    text = before.replace("a text", f"a text {spelled(KEY)} and more")
    clean = Redactor((KEY,)).text(text)

    assert "[removed]" in clean
    assert json.loads(clean)["before"].startswith("a text ")
    assert json.loads(clean)["after"] == 1


@given(
    st.integers(0, len(KEY) - FRAGMENT),
    st.integers(FRAGMENT, len(KEY)),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_a_fragment_counts_as_the_secret(start: int, length: int, before: str, after: str) -> None:
    """Whatever stands around it."""
    fragment = KEY[start : start + length]
    clean = Redactor((KEY,)).text(f"{before} {fragment} {after}")

    assert all(fragment[at : at + FRAGMENT] not in clean for at in range(len(fragment) - FRAGMENT + 1))


def test_a_secret_in_the_values_of_an_array_leaves_an_array() -> None:
    """What was torn on purpose is taken out piece by piece."""
    redactor = Redactor((KEY,))

    assert "".join(json.loads(redactor.text(json.dumps([*KEY])))).startswith("s[removed]")
    assert sum(json.loads(redactor.text(json.dumps([*KEY.encode()])))) <= max(KEY.encode())


def test_a_secret_of_two_bytes_a_character_is_removed() -> None:
    """UTF-16 stays UTF-16."""
    text = f"the key {KEY} is wrong"

    for encoding in ("utf-16-le", "utf-16-be"):
        assert Redactor((KEY,)).data(text.encode(encoding)).decode(encoding) == "the key [removed] is wrong"


@given(
    st.binary(max_size=60),
    st.sampled_from([b"\\", b"%25", b"&amp;", b"\\u00", b"&#0", KEY.encode()[:7], KEY.encode()]),
)
def test_any_bytes_are_searched(data: bytes, again: bytes) -> None:
    """Whatever they are, the search ends and finds the secret among them."""
    clean = Redactor((KEY,)).data(data + 100 * again + KEY.encode() + data)

    assert KEY.encode() not in clean


def test_a_stream_is_redacted_wherever_it_is_cut() -> None:
    """Also where the parts are long, and a secret lies across two of them."""
    text = b"".join(
        b"%d " % number + (KEY.encode() if number % 50_000 == 0 else b"") for number in range(400_000)
    )
    redactor = Redactor((KEY,))

    for size in (1_000_003, 1 << 19, len(text)):
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        assert b"".join(redactor.stream(parts)) == text.replace(KEY.encode(), b"[removed]")


HEADERS = [
    ("Authorization", "Bearer {}", True),
    ("Authorization", "Basic " + base64.b64encode(f"user:{KEY}".encode()).decode(), True),
    ("Cookie", "session={}; theme=dark", True),
    ("X-Token", "id=abcdef, sig={}", True),
    ("X-Password", "{}", True),
    ("X-Session", "{}", True),
    ("X-Whatever", "{}", True),
    ("X-Whatever", '{{"a": "{}"}}', True),
    ("X-Whatever", "a%3D{}%26b", True),
]


@pytest.mark.parametrize(("name", "value", "_"), HEADERS)
def test_a_header_is_secret_in_its_parts(name: str, value: str, _: bool) -> None:  # noqa: FBT001 - a table's column
    """A target that repeats a part of it, in any spelling, repeats the secret."""
    value = value.format(KEY)
    redactor = Redactor(secrets_of_header(name, value))

    assert is_secret_header(name, value)
    for text in (value, KEY, KEY[4:16], base64.b64encode(value.encode()).decode()):
        assert KEY[5:13] not in redactor.text(f"you sent {text} to us")
        assert redactor.text(f"you sent {text} to us") != f"you sent {text} to us"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-portkey-provider", "openai"),
        ("X-Region", "us-east-1"),
        ("Accept", "application/json, text/plain"),
        ("X-Model", "gpt-4o-mini"),
        ("X-Version", "2024-06-01"),
        ("X-Team", "My-Organization"),
        ("X-Timeout", "30"),
        ("X-Base", "https://api.openai.com/v1"),
    ],
)
def test_common_words_in_a_header_are_no_secret(name: str, value: str) -> None:
    """A report of a run through a gateway is not torn apart by the name of the provider."""
    assert secrets_of_header(name, value) == ()
    assert not is_secret_header(name, value)
    assert is_credential("X-Api-Key")


def test_a_word_in_a_key_is_no_fragment_of_it() -> None:
    """The name of a company in its keys does not take that name out of reports."""
    redactor = Redactor(("sk-conformance-9fQ2xT7bLm4Z",))

    assert redactor.text("the conformance of completions") == "the conformance of completions"
    assert redactor.text("sk-conformance-9fQ2xT7bLm4Z") == "[removed]"


def test_the_numbers_of_an_array_are_no_secret() -> None:
    """Nor with the letter before them; the rest of such a key is found."""
    search = Search(["sk-client-0123456789"])

    assert search.spans(b'"text_offset": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]') == []
    assert search.spans(b"s k - c l i e n t - 0 1 2 3 4 5 6 7 8 9")
