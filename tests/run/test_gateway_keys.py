"""The keys that a gateway uses for its upstream are taken out of what comes from it, before anybody looks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from conformance.contract.verdict import Inconclusive, Reason
from conformance.gateway import keys
from conformance.gateway.keys import GATEWAY_KEY, spans_of
from conformance.gateway.received import UpstreamSide
from conformance.run.gateway_keys import GatewayKeys
from conformance.wire import secret_values
from conformance.wire.exchange import Exchange, Piece, Request, Response
from conformance.wire.redact import Redactor

KEY = "sk-Bv5Tn8Jd3Lh6Xc4Ws9Gf"


class _Side:
    """An upstream of which nothing but its keys is asked."""

    def __init__(self, key: str, *, is_gone: bool) -> None:
        self._key, self._is_gone = key, is_gone

    async def keys_in(self, data: bytes) -> frozenset[str]:
        """The keys that stand there as they are."""
        if self._is_gone:
            raise Inconclusive("it does not answer any more", Reason.TARGET_GONE)
        return frozenset(data[start:end].decode() for start, end in spans_of([self._key], data))


def _keys(key: str = KEY, *, is_gone: bool = False, **fields: Any) -> GatewayKeys:
    return GatewayKeys(cast("UpstreamSide", _Side(key, is_gone=is_gone)), **fields)


def _answer(body: bytes, *headers: tuple[str, str]) -> Exchange:
    pieces = (Piece(0.1, body[:20]), Piece(0.2, body[20:]))
    return Exchange(Request(), Response(401, headers, pieces, complete=True))


def _body(exchange: Exchange) -> bytes:
    assert exchange.response is not None
    return exchange.response.body


def test_a_key_is_replaced_in_headers_and_body() -> None:
    """What stands for it says what it is; what an answer had besides stays."""
    body = f'{{"error": {{"message": "Incorrect API key provided: {KEY}."}}}}'.encode()
    clean = asyncio.run(_keys().received(_answer(body, ("x-key", KEY), ("x-other", "1"))))

    assert _body(clean) == body.replace(KEY.encode(), GATEWAY_KEY.encode())
    assert clean.response is not None
    assert clean.response.headers == (("x-key", GATEWAY_KEY), ("x-other", "1"))


def test_a_key_that_is_known_is_found_in_other_spellings() -> None:
    """Once it has been seen, a key is found as fragments, too, and in what came before it was seen."""

    async def run() -> tuple[Exchange, Redactor]:
        keys = _keys()
        await keys.received(_answer(KEY.encode()))
        return await keys.received(_answer(f"it begins with {KEY[:12]}".encode())), keys.added_to(Redactor())

    later, redactor = asyncio.run(run())

    assert KEY[:12].encode() not in _body(later)
    assert KEY not in redactor.text(f"before: {KEY}")


@pytest.mark.parametrize("key", ["sk-upstream", "sk-scripted", "my-scripted-upstream-key-for-tests"])
def test_a_key_of_words_leaves_the_words_alone(key: str) -> None:
    """Where a key is made of words that the scripted upstream says, it is taken out as a whole, and the words stay."""
    words = f"The scripted upstream refuses this prompt; fp_scripted; {key}."
    clean = asyncio.run(_keys(key=key).received(_answer(words.encode())))

    assert _body(clean) == words.replace(key, GATEWAY_KEY).encode()


@pytest.mark.parametrize(
    "key", ["sk-upstream-of-twenty-characters", "sk-proj-Bv5Tn8Jd3Lh6Xc4W", "Bv5Tn8Jd3Lh6Xc4W-twenty-"]
)
def test_a_key_that_shares_a_part_with_the_clients_is_found(key: str) -> None:
    """What the run's own key has in common with it is gone before anybody looks; what is left of it is known all the same."""
    clients = Redactor(("sk-proj-of-twenty-letters",))
    answer = clients.received(_answer(f"Incorrect API key provided: {key}.".encode()))
    clean = asyncio.run(_keys(key=key).received(answer))

    assert key.encode() not in _body(answer)
    assert _body(clean) == f"Incorrect API key provided: {GATEWAY_KEY}.".encode()


def test_both_sides_take_out_alike() -> None:
    """The upstream, which shares no code with the run, knows what stands where the run has taken a secret out."""
    assert (keys.REMOVED, keys.LONG_ENOUGH) == (secret_values.REMOVED, secret_values.FRAGMENT)


def test_what_was_taken_out_is_no_key_of_the_gateways() -> None:
    """Where the client's own key stood nothing is said of the gateway's."""
    said = b"Incorrect API key provided: [removed]."
    assert _body(asyncio.run(_keys().received(_answer(said)))) == said


def test_what_can_t_be_looked_at_is_not_kept() -> None:
    """Where the upstream is gone, nobody can say what is a key: the answer is dropped, and the run ends."""
    ends: list[Reason] = []
    keys = _keys(is_gone=True, end=lambda reason, _: ends.append(reason))
    clean = asyncio.run(keys.received(_answer(KEY.encode())))

    assert clean.response is None
    assert clean.fault is not None
    assert ends == [Reason.TARGET_GONE]
