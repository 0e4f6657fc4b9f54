"""Headers that differ from answer to answer."""

from __future__ import annotations

import asyncio

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, NotRun
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-oneapi-request-id")
"""What the official client reads, and what gateways call it."""


def _request_id(answer: Completion) -> str | None:
    response = answer.exchange.response
    found = (response.header(name) for name in _REQUEST_IDS) if response is not None else ()
    return next((value for value in found if value), None)


@scenario("HDR-002")
async def requests_have_ids_of_their_own(target: Target) -> None:
    """The request id in a header differs from request to request."""
    first, second = await asyncio.gather(target.complete(), target.complete(max_tokens=1))
    one, other = _request_id(first), _request_id(second)
    if one is None or other is None:
        raise NotRun(f"no answer carries a request id (looked for: {', '.join(_REQUEST_IDS)})")
    if one == other:
        raise Broken(f"two requests got the same request id {shown(one)}")
