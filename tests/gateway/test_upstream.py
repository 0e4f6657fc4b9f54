"""The scripted upstream writes down what arrives, and answers by script, byte by byte as the script says."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from conformance.gateway.answers import KEY_PLACE, USAGE, Reply
from conformance.gateway.received import Received
from conformance.gateway.requests import Asked
from conformance.gateway.scripts import MARK, SCRIPTS, is_scripted, named
from conformance.gateway.serve import told
from conformance.gateway.upstream import HOST, Upstream

KEY = "sk-of-the-gateway"


async def _ask(
    upstream: Upstream, body: dict[str, Any], *headers: tuple[str, str], leave: bool = False
) -> tuple[str, bytes]:
    """The head of the answer to a request, and its body with the chunked coding undone as far as it came."""
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection(HOST, upstream.port)
    lines = [
        "POST /v1/completions HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {len(data)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + data)
    if leave:
        await upstream.arrival(MARK)
        writer.close()
        return "", b""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    found = b""
    while size := int((await reader.readline()).strip() or b"0", 16):
        found += (await reader.readexactly(size + 2))[:-2]
    writer.close()
    return head, found


def _asked(script: str, *headers: tuple[str, str], **changes: Any) -> tuple[str, bytes, Received]:
    async def run() -> tuple[str, bytes, Received]:
        async with Upstream(0) as upstream:
            body = {"model": "m", "prompt": f"{MARK}{script} x", "max_tokens": 4, **changes}
            head, data = await _ask(upstream, body, *headers)
            return head, data, upstream.received[0]

    return asyncio.run(run())


def test_what_arrives_is_written_down() -> None:
    """Headers, bytes and body of a request, its key, and the script that it asks for."""
    head, data, received = _asked("plain", ("X-Odd", "1"), temperature=0)

    assert head.startswith("HTTP/1.1 200 ")
    assert json.loads(data)["usage"] == USAGE
    assert received.asked.header("x-odd") == "1"
    assert received.asked.key == KEY
    assert received.body["temperature"] == 0
    assert json.loads(received.asked.data) == received.body
    assert (received.script, received.left) == ("plain", False)


@pytest.mark.parametrize(
    "script", sorted(set(SCRIPTS) - {"slow", "held", "late", "one-by-one", "together", "broken"})
)
@pytest.mark.parametrize("stream", [False, True])
def test_every_script_answers(script: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Each script has an answer that comes to its end, to a plain request and to one for a stream."""
    head, _, received = _asked(script, stream=stream)

    assert head.startswith("HTTP/1.1 ")
    assert received.script == script


def test_compression_is_for_those_who_take_it() -> None:
    """An answer is compressed only where the request says that it may be."""
    head, data, _ = _asked("compressed", ("Accept-Encoding", "br, gzip"))
    plain_head, plain, _ = _asked("compressed", ("Accept-Encoding", "gzip;q=0"))

    assert "Content-Encoding: gzip" in head
    assert "Content-Encoding" not in plain_head
    assert gzip.decompress(data) == plain


def test_the_key_is_quoted() -> None:
    """The script that quotes the key of a request quotes that one."""
    _, data, _ = _asked("unauthorized")

    assert KEY.encode() in data
    assert KEY_PLACE.encode() not in data


def test_who_leaves_is_seen() -> None:
    """A request whose sender goes before the answer has left."""

    async def run() -> Received:
        async with Upstream(0) as upstream:
            await _ask(upstream, {"prompt": f"{MARK}held x"}, leave=True)
            (received,) = await upstream.asked(MARK)
            await received.answered.wait()
            return received

    assert asyncio.run(run()).left


def test_pieces_wait_until_they_are_let_go() -> None:
    """Of a stream that goes one by one the next event is written when it is let go."""

    async def run() -> list[int]:
        async with Upstream(0) as upstream:
            asking = asyncio.create_task(_ask(upstream, {"prompt": f"{MARK}one-by-one x", "stream": True}))
            received = await upstream.arrival(MARK)
            assert received is not None
            await received.wrote(1)
            written = [received.written]
            await received.let_go(all_others=False)
            await received.wrote(2)
            written.append(received.written)
            await received.let_go(all_others=True)
            await asking
            return [*written, received.written]

    assert asyncio.run(run()) == [1, 2, 5]


def test_a_late_answer_takes_its_time() -> None:
    """An answer that is late comes whole, after so many seconds by the upstream's own clock."""

    async def run() -> tuple[str, float]:
        async with Upstream(0, lateness=0.2) as upstream:
            head, _ = await _ask(upstream, {"prompt": f"{MARK}late x"})
            return head, upstream.received[0].waited

    head, waited = asyncio.run(run())
    assert head.startswith("HTTP/1.1 200 ")
    assert waited >= 0.2


def test_requests_wait_for_one_another() -> None:
    """Eight requests that come together see one another; one that comes alone sees nobody, and is answered all the same."""

    async def run(count: int) -> list[int]:
        async with Upstream(0) as upstream:
            await asyncio.gather(
                *(_ask(upstream, {"prompt": f"{MARK}together {number}"}) for number in range(count))
            )
            return [received.companions for received in upstream.received]

    assert max(asyncio.run(run(8))) == 8
    assert asyncio.run(run(1)) == [1]


def test_the_script_of_tokens_stands_in_the_user() -> None:
    """A prompt of tokens has no words; what it asks for stands in `user`, and what asks for nothing gets an ordinary answer."""
    assert named({"prompt": [1, 2], "user": f"{MARK}rare y"}) == "rare"
    assert named({"prompt": "Hello"}) == "plain"
    assert named({"prompt": f"{MARK}no-such-script"}) == "plain"
    assert is_scripted(f'{{"prompt": "{MARK}rare"}}'.encode())
    assert not is_scripted(b'{"prompt": "Hello"}')


def test_what_is_printed_hides_the_key() -> None:
    """The lines of a request have its headers and body, and of its key the beginning only."""
    headers = (("Authorization", f"Bearer {KEY}"), ("Host", "x"))
    lines = told(
        Asked("POST", "/v1/completions", headers, b"{}", {"prompt": "a" * 1000}), Reply((b"",)), "plain"
    )

    assert "script plain, status 200" in lines[0]
    assert not any(KEY in line for line in lines)
    assert max(map(len, lines)) <= 302
