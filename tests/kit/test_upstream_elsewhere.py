"""An upstream in another process is asked as one in this process is, and says when it belongs to another run."""

from __future__ import annotations

import asyncio

import pytest

from conformance import __version__
from conformance.contract.verdict import Inconclusive, Reason
from conformance.gateway.answers import USAGE
from conformance.gateway.scripts import MARK
from conformance.gateway.upstream import Upstream
from conformance.kit.upstream_elsewhere import UpstreamElsewhere
from conformance.wire.exchange import Request
from conformance.wire.http import HttpClient
from tests.gateway.serving import serving

KEY = "sk-Bv5Tn8Jd3Lh6Xc4Ws9Gf"


def _side(upstream: Upstream) -> UpstreamElsewhere:
    return UpstreamElsewhere(f"http://127.0.0.1:{upstream.port}", clients_key=None, version=__version__)


def test_what_arrives_there_is_read() -> None:
    """Body, script and fate of a request are those at the upstream; its key is not told, and is found in a text that holds it."""

    async def run() -> None:
        with serving() as upstream:
            async with _side(upstream) as side, HttpClient(side.url, key=KEY) as gateway:
                await side.begin()
                assert await side.scripts() == []
                exchange = await gateway.send(
                    Request.of({"prompt": f"{MARK}plain tag-1", "temperature": 0, "seed": 2**53 + 1})
                )
                (arrived,) = await side.asked("tag-1")
                await arrived.ended()

                assert exchange.response is not None
                assert exchange.response.json["usage"] == USAGE
                assert arrived.body == {
                    "prompt": f"{MARK}plain tag-1",
                    "temperature": 0,
                    "seed": 2**53 + 1,
                }
                assert (arrived.script, arrived.left, arrived.has_own_key) == ("plain", False, True)
                assert not any(KEY in value for _, value in arrived.asked.headers)
                assert await side.keys_in(f"a {KEY} b".encode()) == {KEY}
                assert await side.keys_in(b"nothing") == frozenset()
                assert await side.scripts() == ["plain"]
                assert not await side.has_been_asked_for_more()

    asyncio.run(run())


def test_a_run_hears_that_another_has_begun() -> None:
    """Two runs can't share an upstream: the first one is told, and does not take the other's requests for its own."""

    async def run() -> None:
        with serving() as upstream:
            async with _side(upstream) as first, _side(upstream) as second:
                await first.begin()
                await second.begin()
                assert await second.asked(MARK) == []
                with pytest.raises(Inconclusive, match="another run has begun") as told:
                    await first.asked(MARK)
                assert told.value.reason is Reason.TARGET_GONE

    asyncio.run(run())
