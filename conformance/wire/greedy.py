"""Greedy answers: those that are to come again when the same is asked again, and what of them must be the same."""

from __future__ import annotations

from typing import Any

from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange


def is_greedy(exchange: Exchange) -> bool:
    """Whether the exchange is a complete answer that is to come again when the same is asked again."""
    request = exchange.request
    complete = exchange.served and exchange.complete and request.close_after is None
    if not complete or request.params.get("temperature") != 0:
        return False
    # Where choices share an index their pieces are mixed as they come, which says nothing of the model.
    return len(Completion.read(exchange).choices) >= request.choices


def fingerprint(exchange: Exchange) -> Any:
    """What must be the same when a greedy request is sent again: the texts and finish reasons, by index."""
    choices = Completion.read(exchange).choices
    return {index: (choice.text, choice.finish_reason) for index, choice in choices.items()}
