"""A secret is in nothing that is written, however the target spells it and wherever the network tears it."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from conformance.wire.redact import Redactor

KEY = 'sk-a/b+c=d"<é>&\\e'
PLAIN_KEY = "sk-proj-0123456789"


def in_json(text: str) -> str:
    """The text as it stands between the quotes of a JSON string."""
    return json.dumps(text)[1:-1]


SPELLINGS = {
    "as it is": KEY,
    "JSON": json.dumps(KEY, ensure_ascii=False)[1:-1],
    "JSON in ASCII": in_json(KEY),
    "JSON with an escaped solidus": in_json(KEY).replace("/", "\\/"),
    "JSON with escapes only": "".join(f"\\u{ord(char):04X}" for char in KEY),
    "JSON in JSON": in_json(in_json(KEY)),
    "JSON in JSON in JSON": in_json(in_json(in_json(KEY))),
    "percent": quote(KEY, safe=""),
    "percent in lower case": "".join(f"%{byte:02x}" for byte in KEY.encode()),
    "a path": quote(KEY),
    "HTML": html.escape(KEY),
    "decimal references": "".join(f"&#{ord(char)};" for char in KEY),
    "hexadecimal references": "".join(f"&#x{ord(char):04X};" for char in KEY),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_removed(spelling: str) -> None:
    """The usual ways to escape a text do not hide a secret."""
    redactor = Redactor((KEY,))

    assert redactor.text(f"a {spelling} b {spelling}") == "a [removed] b [removed]"
    assert redactor.data(b"\xff" + spelling.encode() + b"\xfe") == b"\xff[removed]\xfe"


def test_a_secret_beyond_the_basic_plane_is_removed() -> None:
    """JSON escapes such a character as a pair of surrogates."""
    assert Redactor(("key-🙂",)).text(json.dumps("key-🙂")) == '"[removed]"'


def test_other_text_stays() -> None:
    """What only resembles the secret, or has `token` or `key` in its name, is left alone; so is a row of digits that others have, too."""
    text = '{"max_tokens": 16, "key": "sk-proj", "text": "\\u0073 100% &amp; \\\\/ 0123456789"}\ud800'

    assert Redactor((PLAIN_KEY,)).text(text) == text
    assert Redactor().text(text) == text


def test_a_longer_secret_is_not_shielded_by_a_shorter_one() -> None:
    """Of two secrets, one of which begins the other, both are removed whole."""
    redactor = Redactor(("s3cret", "s3cret-and-more"))

    assert redactor.text("s3cret-and-more, s3cret") == "[removed], [removed]"


def test_what_is_no_secret_is_kept() -> None:
    """A value of three characters is left in, as its removal would tear unrelated text apart."""
    assert Redactor(("", "abc")).text("abcd") == "abcd"


def test_a_word_is_no_secret() -> None:
    """A dummy key that is a word, often the server's own name, protects nothing: it stays, but for the header that it is sent in."""
    text = '{"system_fingerprint": "fp_ollama", "message": "wrong key ollama, \\nollama"}'
    redactor = Redactor(("ollama",))

    assert redactor.text(text) == text
    assert redactor.headers([("Authorization", "Bearer ollama")]) == (("Authorization", "[removed]"),)
    assert Redactor(("sk7ollama",)).text("fp_sk7ollama") == "fp_[removed]"


def test_credential_headers_are_removed_by_their_name() -> None:
    """Whatever is in them, and in whatever case they are named."""
    headers = (
        ("AUTHORIZATION", "x"),
        ("Set-Cookie", "y"),
        ("X-Echo", f"Bearer {PLAIN_KEY}"),
        (PLAIN_KEY, "z"),
    )

    assert Redactor((PLAIN_KEY,)).headers(headers) == (
        ("AUTHORIZATION", "[removed]"),
        ("Set-Cookie", "[removed]"),
        ("X-Echo", "Bearer [removed]"),
        ("[removed]", "z"),
    )


def test_an_exchange_is_clean_all_over() -> None:
    """Path, URL, headers, bodies and fault of an exchange are without the secret; all else stays."""
    exchange = Exchange(
        Request(PLAIN_KEY.encode(), path=f"/{PLAIN_KEY}", headers=(("X-A", PLAIN_KEY),)),
        Response(200, (("X-B", PLAIN_KEY),), (Piece(0.1, PLAIN_KEY.encode()),)),
        Fault(FaultKind.DROPPED, PLAIN_KEY),
        url=f"http://h/{PLAIN_KEY}",
        id="x1",
    )
    clean = Redactor((PLAIN_KEY,)).exchange(exchange)

    assert PLAIN_KEY not in repr(clean)
    assert repr(clean) == repr(exchange).replace(PLAIN_KEY, "[removed]")


def test_a_redactor_says_nothing_about_its_secrets() -> None:
    """The secrets are in no representation of what removes them."""
    redactor = Redactor((PLAIN_KEY,))
    redactor.text("")

    assert PLAIN_KEY not in repr(redactor) + str(redactor)


@pytest.mark.parametrize("at", range(len(PLAIN_KEY) + 1))
def test_a_torn_secret_is_removed(at: int) -> None:
    """A secret that arrives in two pieces is removed where it begins; pieces and times stay."""
    pieces = (Piece(0.1, b"a" + PLAIN_KEY[:at].encode()), Piece(0.2, PLAIN_KEY[at:].encode() + b"b"))
    clean = Redactor((PLAIN_KEY,)).exchange(Exchange(Request(), Response(200, pieces=pieces)))

    assert clean.response is not None
    assert clean.response.body == b"a[removed]b"
    assert [piece.seconds for piece in clean.response.pieces] == [0.1, 0.2]


@given(
    st.data(),
    st.lists(st.sampled_from([PLAIN_KEY.encode(), b"sk-", b"x", b"\xff", b"\\u0073k-proj-0123456789"])),
)
def test_any_tearing_gives_the_same_body(data: st.DataObject, parts: list[bytes]) -> None:
    """However a body is cut into pieces, what is left of it is the same, and none of it is the secret."""
    body = b"".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=9)))
    pieces = tuple(Piece(0.0, body[a:b]) for a, b in zip([0, *places], [*places, len(body)], strict=True))
    redactor = Redactor((PLAIN_KEY,))
    clean = redactor.exchange(Exchange(Request(), Response(200, pieces=pieces)))

    assert clean.response is not None
    assert clean.response.body == redactor.data(body)
    assert PLAIN_KEY.encode() not in clean.response.body
    assert len(clean.response.pieces) == len(pieces)
