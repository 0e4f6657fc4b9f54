"""Waits for a target that is still starting: it may refuse connections, load its model, or stand behind a proxy that says 502."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from conformance.run.preflight import UnusableTarget
from conformance.run.session import Session
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two polls: twice as long each time."""


async def until_ready(session: Session, seconds: float) -> None:
    """Return once the target gives an answer other than a 5xx; with 0 seconds it is not asked. Raises `UnusableTarget` in the end."""
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + seconds, _FIRST_PAUSE
    while clock() < deadline:
        try:
            async with asyncio.timeout_at(deadline):
                exchange = await session.poll()
        except TimeoutError:
            raise UnusableTarget(_not_ready(seconds, "it did not answer")) from None
        if _is_ready(exchange):
            return
        if clock() + pause >= deadline:
            where = f"POST {exchange.url}" if exchange.request.body else f"GET {exchange.url}"
            raise UnusableTarget(_not_ready(seconds, f"{where}: {_answer(exchange)}"))
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_ready(exchange: Exchange) -> bool:
    """Whether a server stands behind an answer. A 429 is the pace's business."""
    return exchange.status is not None and exchange.status < HTTPStatus.INTERNAL_SERVER_ERROR


def _answer(exchange: Exchange) -> str:
    said = error_text(exchange)
    return said if exchange.status is None else f"status {exchange.status}: {said}"


def _not_ready(seconds: float, last: str) -> str:
    return f"The target was not ready after {seconds:g} s (--wait-ready). The last that came of it: {last}"
