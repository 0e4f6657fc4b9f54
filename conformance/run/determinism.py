"""Whether the target contradicts itself: the same greedy request, answered differently another time, is its own noise."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.wire.exchange import Exchange, Request
from conformance.wire.greedy import fingerprint, is_greedy


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two different answers to the same greedy request."""

    first: Exchange
    second: Exchange


@dataclass
class Determinism:
    """Remembers what each greedy request was answered first, and notes each answer that contradicts it."""

    contradictions: list[Contradiction] = field(default_factory=list)
    _first: dict[Request, Exchange] = field(default_factory=dict)

    def notice(self, exchange: Exchange) -> None:
        """Compare an exchange with the first answer to the same request."""
        if not is_greedy(exchange):
            return
        first = self._first.setdefault(exchange.request, exchange)
        if first is not exchange and fingerprint(first) != fingerprint(exchange):
            self.contradictions.append(Contradiction(first, exchange))
