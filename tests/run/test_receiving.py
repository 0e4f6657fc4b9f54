"""What a target sends is bounded in all, whatever it consists of."""

from __future__ import annotations

import asyncio

from conformance.run.receiving import ROOM, SHORT_OF_ROOM, Receiving
from conformance.wire.exchange import Exchange, FaultKind, Piece, Request, Response
from conformance.wire.redact import Redactor

KEY = "sk-a-key-that-is-long-enough-to-be-one"


def received(*responses: Response) -> list[Exchange]:
    """What is kept of some answers, one after the other."""
    waiting = iter(responses)

    async def send(request: Request) -> Exchange:
        return Exchange(request, next(waiting))

    async def all_of_them() -> list[Exchange]:
        receiving = Receiving(send, Redactor((KEY,)))
        return [await receiving(Request()) for _ in responses]

    return asyncio.run(all_of_them())


def answer(body: bytes = b"{}", headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A whole answer."""
    return Response(200, headers, (Piece(0.1, body),), complete=True)


def test_an_answer_is_kept_as_it_came() -> None:
    """As long as there is room."""
    (exchange,) = received(answer(b'{"a": 1}', (("x-a", "b"),)))

    assert exchange.complete
    assert exchange.response is not None
    assert (exchange.response.body, exchange.response.headers) == (b'{"a": 1}', (("x-a", "b"),))


def test_without_room_a_body_is_cut() -> None:
    """The next long one is kept in part, and that is said; a short one is kept."""
    *_, cut, short = received(*[answer(b"a" * (ROOM // 9))] * 5, answer())

    assert cut.response is not None
    assert len(cut.response.body) == SHORT_OF_ROOM
    assert cut.fault is not None
    assert cut.fault.kind is FaultKind.TOO_LARGE
    assert not cut.complete
    assert short.complete


def test_without_room_headers_are_cut() -> None:
    """They take room like a body, and an answer without some of them is not a whole one."""
    headers = tuple((f"x-{number}", "a" * 40) for number in range(3000))
    exchanges = received(*[answer(headers=headers)] * 30)
    cut = exchanges[-1]

    assert exchanges[0].complete
    assert cut.response is not None
    assert 0 < len(cut.response.headers) < 100
    assert cut.fault is not None
    assert cut.fault.kind is FaultKind.TOO_LARGE


def test_a_secret_among_many_headers_is_found() -> None:
    """Also where they are first looked at together."""
    headers = tuple((f"x-{number}", "a") for number in range(300))
    (exchange,) = received(answer(headers=(*headers, ("x-key", f"it is {KEY}"))))

    assert exchange.response is not None
    assert exchange.response.headers == (*headers, ("x-key", "it is [removed]"))
