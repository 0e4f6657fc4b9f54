"""Response headers that clients and proxies act upon."""

from __future__ import annotations

from http import HTTPStatus

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.rules._shapes import is_framed
from conformance.wire.completion import Completion
from conformance.wire.exchange import Auth, Exchange, FaultKind, Response
from conformance.wire.shown import shown

_NO_BODY = frozenset({204, 304})
_LONGEST_LENGTH = 18


@rule("HDR-001", Scope.STREAM)
def a_stream_is_not_cached(completion: Completion) -> Judgement:
    """A stream carries `Cache-Control` with `no-cache` or `no-store`."""
    response = completion.exchange.response
    if response is None or not is_framed(completion):
        return NOT_APPLICABLE
    values = [value for name, value in response.headers if name.lower() == "cache-control"]
    directives = {part.partition("=")[0].strip().lower() for value in values for part in value.split(",")}
    if directives & {"no-cache", "no-store"}:
        return None
    what = f"Cache-Control {shown(', '.join(values))}" if values else "no Cache-Control"
    return broken(f"the stream came with {what}")


@rule("HDR-003", Scope.EXCHANGE)
def the_stated_length_is_the_length(exchange: Exchange) -> Judgement:
    """`Content-Length`, where present, is the length of the body, and a stream has none."""
    response = exchange.response
    length = None if response is None else _content_length(response)
    if response is None or length is None or exchange.request.method == "HEAD" or response.status in _NO_BODY:
        return NOT_APPLICABLE
    if exchange.served and exchange.request.streamed and response.is_event_stream:
        return broken(f"the stream came with Content-Length {length}")
    if falls_short(exchange) or (response.complete and response.wire_bytes != length):
        return broken(f"Content-Length is {length}, but {response.wire_bytes} bytes of body came")
    return None if response.complete else NOT_APPLICABLE


@rule("AUTH-005", Scope.EXCHANGE)
def a_401_names_the_scheme(exchange: Exchange) -> Judgement:
    """A 401 to a request without the right key carries `WWW-Authenticate`."""
    # What a gateway's upstream says of the gateway's own key is GW-037's.
    if (
        exchange.response is None
        or exchange.status != HTTPStatus.UNAUTHORIZED
        or exchange.request.auth is Auth.KEY
    ):
        return NOT_APPLICABLE
    # RFC 9110, section 15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header field."
    if (exchange.response.header("www-authenticate") or "").strip():
        return None
    return broken("the 401 to a wrong key has no `WWW-Authenticate`")


def falls_short(exchange: Exchange) -> bool:
    """Whether the connection was closed before the body was as long as its `Content-Length` says."""
    response, fault = exchange.response, exchange.fault
    if response is None or fault is None or fault.kind is not FaultKind.DROPPED:
        return False
    length = _content_length(response)
    return length is not None and response.wire_bytes < length


def _content_length(response: Response) -> int | None:
    """The `Content-Length`; None where there is none. What is no number the HTTP layer has refused already."""
    value = (response.header("content-length") or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _LONGEST_LENGTH else None
