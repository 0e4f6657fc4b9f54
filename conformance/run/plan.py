"""What a run would cost, found out without sending anything to the target.

The selected checks are run against the embedded reference server, which supports everything and fails nothing, and what they ask of it
is counted: every request, its prompt, and the most tokens that it allows to be generated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.contract.catalogue import Catalogue
from conformance.contract.check import Check
from conformance.report.labels import duration
from conformance.run.budget import Price, Tokens
from conformance.run.embedded import Embedded
from conformance.run.engine import Engine
from conformance.run.forecast import Forecast, forecast
from conformance.run.pace import Pace
from conformance.run.settings import Settings
from conformance.run.worth import load_worth
from conformance.wire.completion import Completion
from conformance.wire.exchange import DEFAULT_MAX_TOKENS, Exchange

_LATENCY = 1.0
"""Seconds that an answer is taken to need, since nothing is sent that could be timed."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests, the tokens of their prompts, and the most tokens that the answers to them can have."""

    requests: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """The price of a selection; areas share requests, so that their prices add up to more than the whole."""

    areas: tuple[tuple[str, Load], ...]
    total: Load
    seconds: float
    """How long it takes where an answer needs a second."""
    settings: Settings

    def lines(self) -> Iterator[str]:
        """The plan as text for a terminal."""
        yield f"{'area':<14}{'requests':>10}{'prompt tokens':>16}{'generated at most':>20}"
        for name, load in (*self.areas, ("in total", self.total)):
            yield f"{name:<14}{load.requests:>10}{load.tokens.prompt:>16}{load.tokens.generated:>20}"
        yield ""
        yield from self._time()
        yield from self._money()
        yield ""
        yield "Areas share requests, so the total is less than the sum of its parts. Another model's tokens are other ones. This holds where nothing"
        yield "fails: what fails is sent once more, and what compares answers up to four times more where the target contradicts itself; what the target"
        yield "puts off is sent again. --max-requests, --max-tokens, --max-cost and --run-timeout are hard bounds."

    def _time(self) -> Iterator[str]:
        at_once, rate = self.settings.concurrency, self.settings.rate
        yield f"Time: some {duration(self.seconds)}, where an answer takes a second and {at_once} are asked for at a time."
        if rate is not None:
            limited = Pace(at_once, rate).estimate(self.total.requests, _LATENCY, now=0.0)
            yield f"At {rate}: {duration(max(limited, self.seconds))}."

    def _money(self) -> Iterator[str]:
        if self.settings.price is not None:
            yield f"Money: at most {Price(*self.settings.price).of(self.total.tokens):.4f}, by the prices that were given."


def plan(settings: Settings, catalogue: Catalogue, checks: Sequence[Check]) -> Plan:
    """The price of `checks`; the target of `settings` is sent nothing."""
    embedded = Embedded.start()
    try:
        dry = replace(
            settings,
            url=embedded.url,
            key=embedded.key,
            model=embedded.model,
            headers=(),
            rate=None,
            run_timeout=None,
            max_requests=None,
            max_tokens=None,
            max_cost=None,
        )
        results = asyncio.run(Engine(dry, catalogue, checks).run())
    finally:
        embedded.stop()
    by_id = {exchange.id: exchange for exchange in results.exchanges}
    areas: dict[str, set[str]] = {}
    for result in results.results:
        areas.setdefault(result.requirement.area, set()).update(result.exchanges)
    total = _load(results.exchanges)
    return Plan(
        tuple((name, _load(by_id[found] for found in ids)) for name, ids in areas.items()),
        total,
        _seconds(total.requests, forecast(checks, load_worth()), settings.concurrency),
        settings,
    )


def _seconds(requests: int, expected: Forecast, at_once: int) -> float:
    """How long so many requests take; which of them have to come one after the other is known by the scenarios, the others are the preflight's."""
    side_by_side = min(expected.side_by_side, requests)
    return Forecast(side_by_side, requests - side_by_side).seconds(_LATENCY, at_once)


def _load(exchanges: Iterable[Exchange]) -> Load:
    counted = list(exchanges)
    return Load(len(counted), sum(map(_tokens, counted), Tokens()))


def _tokens(exchange: Exchange) -> Tokens:
    """The tokens of the prompt, and the most that the answer can have; a refused request generates none."""
    request = exchange.request
    if not exchange.served and not exchange.closed_by_us:
        return Tokens()
    usage = Completion.read(exchange).usage if exchange.complete else None
    # A stream that is left after some events has hardly generated more tokens than that.
    each = request.close_after or request.integer("max_tokens", DEFAULT_MAX_TOKENS)
    prompts = max(1, len(request.prompts))
    generated = each * prompts * max(request.integer("n", 1), request.integer("best_of", 1))
    return Tokens((usage and usage.prompt_tokens) or _words(request.prompts), generated)


def _words(prompts: Iterable[str | tuple[int, ...]]) -> int:
    """The tokens of prompts of which no server has said how many they are: a token has some four characters."""
    return sum(-(-len(one) // 4) if isinstance(one, str) else len(one) for one in prompts)
