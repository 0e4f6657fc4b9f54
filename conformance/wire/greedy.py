"""Greedy answers: those that are to come again when the same is asked again, and what of them must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange

TINY_TOP_P = 0.001
"""So small a share of the probability is that of the most probable token alone, whatever the temperature."""


def takes_the_best(params: Mapping[str, Any]) -> bool:
    """Whether the model is to take the most probable token each time."""
    top_p = params.get("top_p")
    return params.get("temperature") == 0 or (isinstance(top_p, int | float) and 0 < top_p <= TINY_TOP_P)


def is_greedy(exchange: Exchange) -> bool:
    """Whether the exchange is a complete answer that is to come again when the same is asked again."""
    request = exchange.request
    complete = exchange.served and exchange.complete and request.close_after is None
    if not complete or not takes_the_best(request.params):
        return False
    # Where choices share an index their pieces are mixed as they come, which says nothing of the model.
    return len(Completion.read(exchange).choices) >= request.choices


def fingerprint(exchange: Exchange) -> Any:
    """What must be the same when a greedy request is sent again: the texts and finish reasons, by index."""
    choices = Completion.read(exchange).choices
    return {index: (choice.text, choice.finish_reason) for index, choice in choices.items()}
