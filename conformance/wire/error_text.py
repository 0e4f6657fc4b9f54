"""What an answer says is wrong, in whatever shape it says it."""

from __future__ import annotations

from typing import Any

from conformance.wire.exchange import NOT_JSON, Exchange
from conformance.wire.shown import shown


def error_text(exchange: Exchange) -> str:
    """What an answer says is wrong; never empty, never long."""
    response = exchange.response
    if response is None:
        return exchange.fault.message if exchange.fault else "no answer"
    found: Any = response.json
    if isinstance(found, dict):
        found = found.get("error", found.get("detail", found.get("message", found)))
    if isinstance(found, dict):
        found = found.get("message", found)
    if found is NOT_JSON:
        found = response.body.decode("utf-8", "replace")
    return shown(found) if found else "(no text)"
