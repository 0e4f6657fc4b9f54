"""How a target that wants a key refuses a request without the right one.

The key of the run is never sent in any other form than the right one, but to a gateway with something behind it; other wrong keys are random.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, BrokenShould, NotRun, NotServed
from conformance.kit.symptoms import of_invalid
from conformance.kit.target import Target
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Auth, Exchange, Intent, Request, Response
from conformance.wire.headers import BEHIND_THE_KEY, credentials
from conformance.wire.local_address import is_local
from conformance.wire.shown import shown

_JSON = ("Content-Type", "application/json")
_WRONG_KEY = f"sk-wrong-{secrets.token_hex(16)}"
_MALFORMED = ("Bearer", "Basic abc", "xyz")

Headers = tuple[tuple[str, str], ...]
_NONE: Headers = ()


def _wrong(target: Target) -> Headers:
    """A wrong key in the form in which the target takes one."""
    return (credentials(_WRONG_KEY, target.settings.api_key_header),)


def _key_header(target: Target) -> str:
    return target.settings.api_key_header or "Authorization"


async def _ask(target: Target, credentials: Headers, *, body: bytes = b"", **changes: object) -> Exchange:
    """A short valid request (or `body`) with credentials of the check's own, or without."""
    headers = (_JSON, *credentials)
    body = body or Request.of(target.params(max_tokens=1, **changes)).body
    return await target.send(Request(body, headers=headers, auth=Auth.NONE, intent=Intent.INVALID))


def _answer(exchange: Exchange, what: str) -> Response:
    if exchange.response is None:
        raise NotServed(f"{what} got no answer at all: {error_text(exchange)}", of_invalid(exchange))
    return exchange.response


async def _refusal(target: Target) -> Response:
    """The refusal of a wrong key. Where there is none, AUTH-001 and AUTH-002 say so and nothing else can be judged."""
    for sent, witness in ((_NONE, "AUTH-001"), (_wrong(target), "AUTH-002")):
        exchange = await _ask(target, sent)
        if exchange.response is None or exchange.served:
            raise NotRun(f"the target does not refuse a request without the right key; see {witness}")
    return _answer(exchange, "a wrong key")


async def _unauthorized(target: Target) -> Response:
    """The same where the status is 401."""
    response = await _refusal(target)
    if response.status != HTTPStatus.UNAUTHORIZED:
        raise NotRun(f"a wrong key is answered with status {response.status}, not with 401; see AUTH-002")
    return response


@scenario("AUTH-001")
async def a_missing_key_is_refused(target: Target) -> None:
    """A request without `Authorization` is refused with 401."""
    exchange = await _ask(target, _NONE)
    what = f"a request without `{_key_header(target)}`"
    response = _answer(exchange, what)
    if exchange.served and is_local(exchange.url) and (await _ask(target, _wrong(target))).served:
        # Local servers are called with a key of any kind, since clients insist on one.
        raise NotRun(
            "note: the target serves without a key. On a loopback or private address that is for its owner to decide; elsewhere it fails"
        )
    if exchange.served:
        raise Broken(f"{what} was served with status {response.status}, though the run has a key")
    if response.status != HTTPStatus.UNAUTHORIZED:
        raise Broken(f"{what} was answered with status {response.status}: {error_text(exchange)}")


@scenario("AUTH-002")
async def a_wrong_key_is_refused(target: Target) -> None:
    """A request with a wrong key is refused with 401."""
    if (await _ask(target, _NONE)).served:
        raise NotRun("the target wants no key at all; see AUTH-001")
    exchange = await _ask(target, _wrong(target))
    response = _answer(exchange, "a wrong key")
    if response.status == HTTPStatus.FORBIDDEN:
        raise BrokenShould(
            f"a wrong key was answered with 403, which openai-python raises as PermissionDeniedError: {error_text(exchange)}"
        )
    if response.status != HTTPStatus.UNAUTHORIZED:
        raise Broken(f"a wrong key was answered with status {response.status}: {error_text(exchange)}")
    if target.upstream is not None:
        await _expect_the_whole_key_to_count(target)


async def _expect_the_whole_key_to_count(target: Target) -> None:
    """A gateway refuses the right key with something behind it: some read the number of a provider there."""
    body = Request.of(target.params(max_tokens=1)).body
    exchange = await target.send(Request(body, auth=Auth.LONGER, intent=Intent.INVALID))
    if exchange.served:
        raise BrokenShould(
            f"the key of the run with {BEHIND_THE_KEY!r} behind it is another key, and was served with status {exchange.status}, while a"
            " random wrong key is refused"
        )


@scenario("AUTH-003")
async def streams_are_refused_by_status_too(target: Target) -> None:
    """With `stream: true` a wrong key is refused by the status, with a JSON body."""
    plain = await _refusal(target)
    exchange = await _ask(target, _wrong(target), stream=True)
    response = _answer(exchange, "a wrong key with `stream: true`")
    if response.status != plain.status:
        raise Broken(
            f"a wrong key is answered with status {plain.status}, but with `stream: true` it is answered with {response.status}"
        )
    # What the body of a refusal has to be is AUTH-004's question; a stream's is no worse than a plain one.
    if not isinstance(response.json, dict) and isinstance(plain.json, dict):
        raise BrokenShould(
            f"the refusal of a wrong key with `stream: true` is not a JSON object, as it is without: {error_text(exchange)}"
        )


@scenario("AUTH-004")
async def a_401_body_is_an_error_object(target: Target) -> None:
    """The body of a 401 is a JSON object with an object under `error`."""
    document = (await _unauthorized(target)).json
    if not isinstance(document, dict) or not isinstance(document.get("error"), dict):
        raise Broken(f"the body of the 401 has no object under `error`: {shown(document)}")


@scenario("AUTH-006")
async def the_refusal_does_not_repeat_the_key(target: Target) -> None:
    """The refusal of a wrong key has the whole key neither in its body nor in its headers."""
    response = await _refusal(target)
    if _WRONG_KEY.encode() in response.body:
        raise Broken("the body of the refusal repeats the whole wrong key")
    for name, value in response.headers:
        if _WRONG_KEY in value:
            raise Broken(f"the header {shown(name)} of the refusal repeats the whole wrong key")


@scenario("AUTH-007", phase=Phase.MALFORMED)
async def malformed_credentials_are_refused(target: Target) -> None:
    """A malformed `Authorization` is refused with 401 or 400."""
    await _refusal(target)
    for value in _MALFORMED:
        what = f"`{_key_header(target)}: {value}`"
        exchange = await _ask(target, ((_key_header(target), value),))
        status = _answer(exchange, what).status
        # Whether 403 will do is the question of AUTH-002.
        if status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN}:
            raise Broken(f"{what} was answered with status {status}: {error_text(exchange)}")


@scenario("AUTH-008", phase=Phase.MALFORMED)
async def keys_are_checked_before_bodies(target: Target) -> None:
    """A request with a wrong key and a broken body is refused as one with a wrong key."""
    refused = await _refusal(target)
    exchange = await _ask(target, _wrong(target), body=b'{"model": "x", ')
    status = _answer(exchange, "a wrong key with a broken body").status
    if status != refused.status:
        raise Broken(
            f"a wrong key is answered with status {refused.status}, but together with a broken body with {status}: {error_text(exchange)}"
        )
