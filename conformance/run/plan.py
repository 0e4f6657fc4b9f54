"""What a run would cost, found out without sending anything to the target.

The selected checks are run against the embedded reference server, which supports everything and fails nothing, and what they ask of it
is counted: every request, and for each the most tokens that it allows to be generated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check
from conformance.run.embedded import Embedded
from conformance.run.engine import Engine
from conformance.run.settings import Settings
from conformance.wire.exchange import DEFAULT_MAX_TOKENS, Exchange


@dataclass(frozen=True, slots=True)
class Price:
    """Requests, and the most tokens that the answers to them can have."""

    requests: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The price of a selection; areas share requests, so that their prices add up to more than the whole."""

    areas: tuple[tuple[str, Price], ...]
    total: Price

    def lines(self) -> Iterator[str]:
        """The plan as text for a terminal."""
        yield f"{'area':<14}{'requests':>10}{'tokens at most':>16}"
        for name, price in self.areas:
            yield f"{name:<14}{price.requests:>10}{price.tokens:>16}"
        yield f"{'in total':<14}{self.total.requests:>10}{self.total.tokens:>16}"
        yield ""
        yield "Areas share requests, so the total is less than the sum of its parts. This holds where nothing fails: what fails is sent once more,"
        yield "and what compares answers up to four times more where the target contradicts itself. --max-requests and --max-tokens are hard bounds."


def plan(settings: Settings, catalogue: Catalogue, checks: Sequence[Check]) -> Plan:
    """The price of `checks`; the target of `settings` is sent nothing."""
    embedded = Embedded.start()
    try:
        dry = replace(
            settings, url=embedded.url, key=embedded.key, model=embedded.model, headers=(), run_timeout=None
        )
        results = asyncio.run(Engine(dry, catalogue, checks).run())
    finally:
        embedded.stop()
    by_id = {exchange.id: exchange for exchange in results.exchanges}
    areas: dict[str, set[str]] = {}
    for result in results.results:
        areas.setdefault(result.requirement.area, set()).update(result.exchanges)
    prices = tuple((name, _price(by_id[found] for found in ids)) for name, ids in areas.items())
    return Plan(prices, _price(results.exchanges))


def _price(exchanges: Iterable[Exchange]) -> Price:
    counted = list(exchanges)
    return Price(len(counted), sum(_most_tokens(exchange) for exchange in counted))


def _most_tokens(exchange: Exchange) -> int:
    """The most tokens that the answer can have; a refused request generates none."""
    request = exchange.request
    if not exchange.served and not exchange.closed_by_us:
        return 0
    # A stream that is left after some events has hardly generated more tokens than that.
    each = request.close_after or request.integer("max_tokens", DEFAULT_MAX_TOKENS)
    prompts = max(1, len(request.prompts))
    return each * prompts * max(request.integer("n", 1), request.integer("best_of", 1))
