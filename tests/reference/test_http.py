"""The reference as a real server: connections, headers, mounts, and clients that go away."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from conformance.reference import Piece, Reference, Request, Response, Running, start

BODY = {"model": "reference-1", "prompt": "Once upon a time", "max_tokens": 4}


def test_a_request_over_the_network(server: Running) -> None:
    """A plain answer has the right headers, a length, and an id of its own."""
    with httpx.Client(base_url=server.url) as client:
        replies = [client.post("/v1/completions", json=BODY) for _ in range(2)]

    assert {reply.status_code for reply in replies} == {200}
    assert {reply.headers["content-type"] for reply in replies} == {"application/json"}
    assert len({reply.headers["x-request-id"] for reply in replies}) == 2
    assert len({reply.json()["id"] for reply in replies}) == 2
    assert int(replies[0].headers["content-length"]) == len(replies[0].content)


def test_a_stream_over_the_network(server: Running) -> None:
    """A stream is an event stream without a length that nobody may cache."""
    reply = httpx.post(f"{server.url}/v1/completions", json=BODY | {"stream": True})

    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert "content-length" not in reply.headers
    assert reply.text.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", None])
def test_the_content_type_does_not_matter(server: Running, kind: str | None) -> None:
    """JSON is read as JSON, whatever it is called."""
    headers = {} if kind is None else {"content-type": kind}
    content = b'{"model": "reference-1", "prompt": "x"}'

    assert httpx.post(f"{server.url}/v1/completions", content=content, headers=headers).status_code == 200


def test_a_chunked_body_is_read(server: Running) -> None:
    """A request body without a length is served."""
    parts = iter([b'{"model": "reference-1",', b'"prompt": "x"}'])

    assert httpx.post(f"{server.url}/v1/completions", content=parts).status_code == 200


def test_a_large_body_gets_its_answer(server: Running) -> None:
    """A client that sends too much can still read the refusal."""
    assert httpx.post(f"{server.url}/v1/completions", content=b" " * 6_000_000).status_code == 413


def test_head_has_no_body(server: Running) -> None:
    """HEAD is answered without a body."""
    reply = httpx.head(f"{server.url}/v1/models")

    assert (reply.status_code, reply.content) == (200, b"")


class Counting(Reference):
    """Counts the tokens that it generates."""

    tokens = 0

    def step(self, *arguments: Any) -> Piece | None:
        """Count, and go on."""
        self.tokens += 1
        return super().step(*arguments)

    def rest(self) -> int:
        """Wait until nothing is generated any more; give the number of tokens."""
        seen = -1
        while seen != self.tokens:
            seen = self.tokens
            time.sleep(0.1)
        return seen


def test_a_client_that_leaves_ends_the_generation() -> None:
    """After a disconnect in mid-stream no more tokens are generated, and the server serves on."""
    counting = Counting()
    with start(counting) as server:
        long = BODY | {"max_tokens": 4000, "n": 50, "stream": True}
        with httpx.stream("POST", f"{server.url}/v1/completions", json=long) as reply:
            next(reply.iter_bytes())
        assert httpx.post(f"{server.url}/v1/completions", json=BODY).status_code == 200

        assert counting.rest() < 200_000


def test_a_plain_request_is_abandoned_too() -> None:
    """A client that does not wait for its plain answer ends the generation."""
    counting = Counting()
    with start(counting) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/completions", json=BODY | {"max_tokens": 4000, "n": 50}, timeout=0.2)

        assert 0 < counting.rest() < 200_000


def test_many_references_share_one_process() -> None:
    """References with other names and keys live side by side below their mounts, on one model."""
    mounted = {f"/m/{name}": Reference(name, api_key=f"key-{name}") for name in ("a", "b")}

    async def host(scope: Any, receive: Any, send: Any) -> None:
        mount = "/".join(scope["path"].split("/")[:3])
        await mounted[mount]({**scope, "root_path": mount}, receive, send)

    with start(host) as server:
        for name in ("a", "b"):
            url = f"{server.url}/m/{name}/v1/completions"
            headers = {"authorization": f"Bearer key-{name}"}
            assert httpx.post(url, json=BODY | {"model": name}, headers=headers).json()["model"] == name
            assert httpx.post(url, json=BODY | {"model": name}).status_code == 401
    assert mounted["/m/a"].model is mounted["/m/b"].model


def test_a_double_can_break_the_connection() -> None:
    """`Request.drop` ends the connection without an answer."""

    class Dropping(Reference):
        async def respond(self, request: Request) -> Response:
            await request.drop()

    with start(Dropping()) as server, pytest.raises(httpx.TransportError):
        httpx.post(f"{server.url}/v1/completions", json=BODY)


def test_a_server_stops_in_the_middle() -> None:
    """`stop` ends a server that is in the middle of a stream."""
    server = start(Reference())
    with httpx.stream(
        "POST", f"{server.url}/v1/completions", json=BODY | {"max_tokens": 4000, "n": 99, "stream": True}
    ):
        server.stop()

    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
