"""HTTP below the level of completions: methods, bodies, content types, paths."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun, Unsupported
from conformance.kit.invalid_requests import InvalidRequest, all_refused, survived
from conformance.kit.target import Target
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request

_JSON = ("Content-Type", "application/json")
_GET = Request(method="GET", headers=(), intent=Intent.INVALID)
_NO_SUCH_PATH = "/no-such-endpoint"
_FORBIDDEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def _body(target: Target) -> bytes:
    """The body of a short valid request."""
    return Request.of(target.params(max_tokens=1)).body


def _status(exchange: Exchange) -> int:
    """The status of an answer; without one the request was not answered at all."""
    if exchange.response is None:
        raise Broken(f"a {exchange.request.method} request got no answer: {error_text(exchange)}")
    if exchange.response.status in _FORBIDDEN:
        raise Inconclusive(f"the target answers {exchange.status} before it looks at method or path")
    return exchange.response.status


def _get_any_4xx(target: Target, sent: Iterable[InvalidRequest]) -> None:
    """Every one of these bodies was refused with a 4xx.

    404 is one as well: a server that finds no model in such a body says so with it, and the path exists, since the valid twin is served.
    """
    all_refused(
        target, [(what, exchange) for what, exchange in sent if exchange.status != HTTPStatus.NOT_FOUND]
    )


@scenario("HTTP-003")
async def only_post_is_accepted(target: Target) -> None:
    """A GET request to the path is refused with 405 or 404."""
    status = _status(await target.send(_GET))
    if status not in {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND}:
        raise Broken(f"GET /completions was answered with status {status}")


@scenario("HTTP-004")
async def a_405_names_the_allowed_method(target: Target) -> None:
    """An answer with status 405 carries `Allow` with POST in it."""
    exchange = await target.send(_GET)
    if exchange.response is None or exchange.status != HTTPStatus.METHOD_NOT_ALLOWED:
        raise NotRun(f"GET /completions was not answered with 405: {exchange.status or error_text(exchange)}")
    allowed = exchange.response.header("allow")
    if allowed is None:
        raise Broken("the 405 to GET /completions has no `Allow`")
    if "POST" not in [method.strip() for method in allowed.split(",")]:
        raise Broken(f"the 405 to GET /completions says `Allow: {allowed[:80]}`")


# NaN has ended an engine: sgl-project/sglang#28153.
@scenario("HTTP-005", phase=Phase.DEADLY)
async def broken_json_is_refused(target: Target) -> None:
    """A body that is not JSON is refused with a 4xx."""
    await target.valid_twin_is_served()
    bodies = {
        "a body that ends too soon": b'{"model": "x", ',
        "a body with one comma too many": _body(target)[:-1] + b",}",
        "a body of plain text": b"Hello, world",
    }
    sent = [(what, await target.send(Request(body, intent=Intent.INVALID))) for what, body in bodies.items()]
    _get_any_4xx(target, sent)
    # RFC 8259, section 9: "A JSON parser MAY accept non-JSON forms or extensions", and NaN is the commonest. A server that lets it
    # in must still know what to do with it.
    nan = _body(target).replace(b'"temperature":0', b'"temperature":NaN')
    survived(await target.send(Request(nan, intent=Intent.OPEN)), "`temperature` NaN")
    # A decoder that reads one value from a stream leaves what follows unread.
    behind = await target.send(Request(_body(target) + b" trailing", intent=Intent.INVALID))
    _get_any_4xx(target, [("a body with a word behind its object", behind)])


@scenario("HTTP-006", phase=Phase.MALFORMED)
async def an_empty_body_is_refused(target: Target) -> None:
    """An empty body is refused with a 4xx."""
    await target.valid_twin_is_served()
    _get_any_4xx(target, [("an empty body", await target.send(Request(b"", intent=Intent.INVALID)))])


@scenario("HTTP-007", phase=Phase.MALFORMED)
async def a_body_that_is_no_object_is_refused(target: Target) -> None:
    """A JSON body that is an array, a string, a number or null is refused with a 4xx."""
    await target.valid_twin_is_served()
    bodies = (b"[]", b'"x"', b"1", b"null")
    sent = [
        (f"the body `{body.decode()}`", await target.send(Request(body, intent=Intent.INVALID)))
        for body in bodies
    ]
    _get_any_4xx(target, sent)


@scenario("HTTP-008", phase=Phase.MALFORMED)
async def other_content_types_cause_no_failure(target: Target) -> None:
    """A JSON body sent as `text/plain` or without a content type is served or refused with a 4xx."""
    await target.valid_twin_is_served()
    kinds: dict[str, tuple[tuple[str, str], ...]] = {
        "a JSON body sent as `text/plain`": (("Content-Type", "text/plain"),),
        "a JSON body without a content type": (),
    }
    for what, headers in kinds.items():
        survived(
            await target.send(Request(_body(target), headers=headers, intent=Intent.OPEN)),
            what,
        )


@scenario("HTTP-009")
async def a_charset_parameter_is_accepted(target: Target) -> None:
    """A request with `Content-Type: application/json; charset=utf-8` is served."""
    headers = (("Content-Type", "application/json; charset=utf-8"),)
    target.read(await target.send(Request(_body(target), headers=headers)))


@scenario("HTTP-013")
async def an_unknown_path_gives_a_json_error(target: Target) -> None:
    """An unknown path below `/v1` is answered with 404 and a JSON object."""
    exchange = await target.send(Request(_body(target), path=_NO_SUCH_PATH, intent=Intent.INVALID))
    status = _status(exchange)
    if status != HTTPStatus.NOT_FOUND:
        raise Broken(f"POST {_NO_SUCH_PATH} was answered with status {status}")
    if exchange.response is None or not isinstance(exchange.response.json, dict):
        raise Broken(f"the 404 to POST {_NO_SUCH_PATH} carries not a JSON object but {error_text(exchange)}")


@scenario("HTTP-015", phase=Phase.ALONE)
async def a_chunked_body_may_be_refused(target: Target) -> None:
    """A request body in chunked transfer coding is served, or refused with 411."""
    await target.valid_twin_is_served()
    headers = (_JSON, ("Transfer-Encoding", "chunked"))
    exchange = await target.send(Request(_body(target), headers=headers, intent=Intent.OPEN))
    survived(exchange, "a chunked body")
    if not exchange.served:
        raise Unsupported(
            f"the target refuses chunked bodies with status {exchange.status}: {error_text(exchange)}"
        )


@scenario("HTTP-016", phase=Phase.MALFORMED)
async def invalid_utf_8_is_refused(target: Target) -> None:
    """A body with bytes that are not UTF-8 is refused with a 4xx."""
    await target.valid_twin_is_served()
    body = _body(target).replace(json.dumps(target.prompt).encode(), b'"caf\xe9 \xff\xfe"')
    exchange = await target.send(Request(body, intent=Intent.INVALID))
    target.expect_refused(exchange, "a prompt whose bytes are not UTF-8")


@scenario("HTTP-017")
async def the_accept_header_starts_no_stream(target: Target) -> None:
    """`Accept: text/event-stream` without `stream: true` is answered with one JSON object."""
    headers = (_JSON, ("Accept", "text/event-stream"))
    exchange = await target.send(Request(_body(target), headers=headers))
    if exchange.response is not None and exchange.served and exchange.response.is_event_stream:
        raise Broken("`Accept: text/event-stream` without `stream` was answered with an event stream")
    # 406 is an honest answer to a client that says it takes nothing else (RFC 9110, section 15.5.7).
    target.read(exchange, optional="Accept: text/event-stream")


@scenario("HTTP-019")
async def the_accept_header_stops_no_stream(target: Target) -> None:
    """`Accept: text/event-stream` with `stream: true` is answered with an event stream."""
    body = Request.of(target.params(max_tokens=1, stream=True)).body
    exchange = await target.send(Request(body, headers=(_JSON, ("Accept", "text/event-stream"))))
    if not target.read(exchange).streamed:
        raise Broken("`stream: true` with `Accept: text/event-stream` was not answered with a stream")
