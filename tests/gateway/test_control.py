"""What a run may ask an upstream that was up before it: whoever asks from here learns what has arrived, and no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from conformance.gateway.answers import Reply
from conformance.gateway.control import MOST_BYTES, MOST_REQUESTS, NAME, PATH, Control
from conformance.gateway.keys import KeyMark, spans_of
from conformance.gateway.received import Received
from conformance.gateway.requests import Asked, document_of
from conformance.gateway.scripts import MARK
from conformance.gateway.upstream import Upstream

CLIENT, OWN = "sk-client-Kx7Qm2Wp9Zr4", "sk-upstream-Bv5Tn8Jd3Lh6"
HERE = (("Host", "127.0.0.1:9000"),)


def _question(name: str, headers: Sequence[tuple[str, str]] = HERE, **body: Any) -> Asked:
    data = json.dumps(body).encode()
    return Asked("POST", f"{PATH}{name}", tuple(headers), data, body)


def _arrived(number: int, *headers: tuple[str, str], padding: str = "") -> Received:
    data = json.dumps({"prompt": f"{MARK}plain x{padding}", "user": OWN}).encode()
    given = (("Authorization", f"Bearer {OWN}"), ("Accept-Encoding", "gzip"), *headers)
    names = tuple(name for name, value in headers if CLIENT in value)
    asked = Asked("POST", "/v1/completions", given, data, document_of(data))
    return Received(asked, "plain", 1.0, number, has_own_key=True, clients_key_in=names)


def _ask(upstream: Upstream, *questions: Asked, peer: str = "127.0.0.1") -> list[Reply | None]:
    async def run() -> list[Reply | None]:
        control = Control(upstream)
        return [await control.answer(one, peer) for one in questions]

    return asyncio.run(run())


def _told(upstream: Upstream, name: str, **body: Any) -> tuple[int, Any]:
    async def run() -> Reply | None:
        control = Control(upstream)
        received, own = upstream.received[:], upstream.own_keys
        mark = KeyMark.of(CLIENT)
        assert mark is not None
        begun = await control.answer(
            _question("begin", clients_key={"length": mark.length, "salt": mark.salt, "digest": mark.digest}),
            "127.0.0.1",
        )
        assert begun is not None
        upstream.received[:], upstream.own_keys = received, own
        given = {"run": json.loads(begun.pieces[0])["run"], **body}
        return await control.answer(_question(name, **given), "127.0.0.1")

    reply = asyncio.run(run())
    assert reply is not None
    return reply.status, json.loads(reply.pieces[0])


def test_what_has_arrived_is_told_without_keys() -> None:
    """Headers, body, script and what became of a request are told; keys are shortened, wherever they stand."""
    upstream = Upstream(0)
    upstream.received[:] = [_arrived(1, ("X-Forwarded-Authorization", f"Bearer {CLIENT}"), ("Cookie", OWN))]
    status, told = _told(upstream, "asked", tag=MARK)
    (one,) = told["requests"]

    assert status == 200
    assert OWN not in json.dumps(told)
    assert CLIENT not in json.dumps(told)
    assert ["Accept-Encoding", "gzip"] in one["headers"]
    assert ["Authorization", "Bear…"] in one["headers"]
    assert json.loads(one["data"]) == {"prompt": f"{MARK}plain x", "user": "sk-u…"}
    assert (one["has_own_key"], one["clients_key_in"], one["script"], one["ended"]) == (
        True,
        ["X-Forwarded-Authorization"],
        "plain",
        False,
    )


def test_a_body_with_the_clients_key_is_not_told() -> None:
    """Where the client's key stands in a body, nothing of that is told."""
    upstream = Upstream(0)
    upstream.received[:] = [_arrived(1, padding=f" {CLIENT}")]

    assert _told(upstream, "asked", tag=MARK)[1]["requests"][0]["data"] == ""


def test_an_answer_is_bounded() -> None:
    """No more than the last requests are told, and no body that is longer than those of the suite."""
    upstream = Upstream(0)
    upstream.received[:] = [_arrived(number) for number in range(MOST_REQUESTS + 5)]
    upstream.received += [_arrived(999, padding="x" * MOST_BYTES)]
    told = _told(upstream, "asked", tag=MARK)[1]["requests"]

    assert len(told) == MOST_REQUESTS
    assert told[-1]["number"] == 999
    assert told[-1]["data"] == ""
    assert told[-1]["size"] > MOST_BYTES


def test_keys_are_told_by_their_places() -> None:
    """Where the gateway's key stands in what the run shows is told, and nothing else of it."""
    assert spans_of([OWN], f"a {OWN} b {OWN}".encode()) == [(2, 26), (29, 53)]
    assert spans_of([OWN], b"nothing") == []


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        (HERE, "192.168.1.7"),
        ((("Host", "evil.example:9000"),), "127.0.0.1"),
        ((*HERE, ("Origin", "https://evil.example")), "127.0.0.1"),
        ((), "127.0.0.1"),
    ],
    ids=["from another machine", "a name that leads here", "a page in a browser", "no host"],
)
def test_strangers_are_told_nothing(headers: Sequence[tuple[str, str]], peer: str) -> None:
    """Who asks from elsewhere, or by a browser, gets the answer that there is no such thing."""
    asked = (_question("about", headers), _question("begin", headers))

    assert _ask(Upstream(0), *asked, peer=peer) == [None, None]


def test_it_says_what_it_is() -> None:
    """The name and the version, by which a run knows that the upstream is its own."""
    (reply,) = _ask(Upstream(0, version="7.8.9"), _question("about"))

    assert reply is not None
    assert json.loads(reply.pieces[0]) == {"server": NAME, "version": "7.8.9"}


@pytest.mark.parametrize("name", ["asked", "wait", "let-go", "seen", "arrival", "keys-in/of-another-run"])
def test_another_run_is_told_that_it_is_over(name: str) -> None:
    """Once another run has begun, the questions of the one before are answered with that."""
    (reply,) = _ask(Upstream(0), _question(name, run="of-another-run"))

    assert reply is not None
    assert reply.status == 409
    assert b"another run" in reply.pieces[0]


def test_what_is_forgotten_is_said() -> None:
    """A request that is not remembered any more is told to be so."""
    assert _told(Upstream(0), "wait", number=5)[0] == 404


def test_a_key_is_known_by_its_mark() -> None:
    """A mark finds its key in a text, and holds nothing of it; short keys have none."""
    mark = KeyMark.of(CLIENT)

    assert mark is not None
    assert mark.is_of(CLIENT)
    assert mark.stands_in(f"Bearer {CLIENT}")
    assert mark.stands_in(f"key={CLIENT}; other=1")
    assert not mark.stands_in(f"Bearer {CLIENT[:-1]}")
    assert CLIENT not in str(mark)
    assert KeyMark.of("short") is None


@pytest.mark.parametrize("part", [CLIENT[:-1], CLIENT[1:], f"Bearer {CLIENT[:4]}", f"Bearer {CLIENT[:9]}"])
def test_a_part_of_a_key_is_not_confirmed(part: str) -> None:
    """Whoever guesses at a key letter by letter learns nothing."""
    mark = KeyMark.of(part)

    assert mark is not None
    assert not mark.stands_in(f"Bearer {CLIENT}")
