"""How reliably the target serves: what it did not serve, though it served the very same request when it was sent again.

No single broken connection and no single 5xx says anything about a request, as long as the same happens to others by chance. So what is not
served is sent again, until it is, or until chance is no explanation any more: with a background rate of p, a request fails k times in a row
by chance with the probability p to the power of k; over all checks of a run that must be less than 1 in 1,000. The rate is that of failures
of the same kind: where connections break now and then, a 500 may still be the answer to its request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.run.results import Background
from conformance.wire.exchange import Exchange, FaultKind, Intent, Request
from conformance.wire.retry import is_transient, is_turned_away

_AT_LEAST = 2
_AT_MOST = 6
"""Times that a request is sent; beyond that a target is too unreliable for a verdict."""
_BY_CHANCE = 1e-3
"""How probable it may be that a whole run blames something for what was chance."""
_FEW = 20
"""A share of fewer tries than that is not believed."""
_SERVER_ERROR = 500
_PLAIN = frozenset({"model", "prompt", "max_tokens", "temperature", "stream"})
_LOST = frozenset({FaultKind.CONNECT, FaultKind.DROPPED, FaultKind.TIMEOUT})


class Failure(StrEnum):
    """How a request can fail to be served; the names are those of the members of `Background`."""

    CONNECTION = "connection"
    GATEWAY = "gateway"
    SERVER = "server"


@dataclass
class Reliability:
    """Counts the tries at requests that were served in the end. `checks` is how many may blame the target."""

    checks: int = 300
    tries: int = 0
    failed: Counter[Failure] = field(default_factory=Counter)
    may_learn: bool = True
    """Whether only what is valid and harmless is being sent, so that a failure of it is the weather."""
    _lost_while_learning: set[str] = field(default_factory=set)

    @classmethod
    def known(cls, background: Background) -> Reliability:
        """What an earlier run has learned."""
        failed = Counter({kind: count for kind in Failure if (count := getattr(background, kind))})
        return cls(tries=background.tries, failed=failed)

    @property
    def background(self) -> Background:
        """What is known by now."""
        return Background(self.tries, **{kind.value: self.failed[kind] for kind in Failure})

    @property
    def rate(self) -> float:
        """The background rate of not serving, between 0 and 1."""
        return self.failed.total() / max(self.tries, _FEW)

    def rate_of(self, failed: Iterable[Exchange]) -> float:
        """The background rate of failing in one of the ways in which these failed."""
        return sum(self.failed[kind] for kind in set(map(kind_of, failed))) / max(self.tries, _FEW)

    def unserved(self, failed: Sequence[Exchange]) -> None:
        """A request was left unserved after these tries: whether that was the weather is seen when it is sent again, however late."""
        if self.may_learn:
            self._lost_while_learning.update(exchange.id for exchange in failed)

    def served(self, failed: Sequence[Exchange]) -> None:
        """A request was answered after these tries that were not; what follows malformed requests is no weather."""
        weather = [
            exchange for exchange in failed if self.may_learn or exchange.id in self._lost_while_learning
        ]
        self.tries += len(weather) + self.may_learn
        self.failed.update(map(kind_of, weather))

    def enough(self, failed: Iterable[Exchange]) -> int:
        """How often in a row a request must fail in these ways to be blamed; more often than anything is tried where nothing would be enough."""
        rate = self.rate_of(failed)
        for times in range(_AT_LEAST, _AT_MOST + 1):
            if rate**times * self.checks < _BY_CHANCE:
                return times
        return _AT_MOST + 1

    def lost_by_chance(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Those exchanges that say nothing of their requests, which were served another time, or not lost often enough to be blamed."""
        lost = [exchange for exchange in exchanges if is_unserved(exchange) and not exchange.transient]
        served = {exchange.request for exchange in exchanges if exchange.served and exchange.complete}
        times = Counter(exchange.request for exchange in lost)
        return [
            exchange
            for exchange in lost
            if self.rate_of([exchange])
            and (exchange.request in served or times[exchange.request] < self.enough([exchange]))
        ]

    def may_try_again(self, failed: Sequence[Exchange]) -> bool:
        """Whether a request that failed like this is sent once more.

        What is not served may be what the target dies of, and is not sent again in the middle of a run (the confirmation does that in the
        end), unless it is what everybody sends, the answer speaks of somebody behind the target, or such failures are known to be the weather
        here.
        """
        exchange = failed[-1]
        if exchange.request.once:
            return False
        if (
            not self.rate_of(failed)
            and not _speaks_of_others(exchange)
            and not (self.may_learn and _is_plain(exchange.request))
        ):
            return False
        return len(failed) < min(self.enough(failed), _AT_MOST)


def kind_of(exchange: Exchange) -> Failure:
    """How an exchange failed that was not served."""
    if not exchange.complete:
        return Failure.CONNECTION
    return Failure.GATEWAY if _speaks_of_others(exchange) else Failure.SERVER


def _speaks_of_others(exchange: Exchange) -> bool:
    """Whether an answer says that something went wrong on the way (502, 504, 408, 425), or that there are too many (503, 529)."""
    response = exchange.response
    return response is not None and (is_turned_away(response) or is_transient(exchange))


def _is_plain(request: Request) -> bool:
    """Whether a request is one like most others: a text, a limit, greedy; plain or as a stream."""
    return (
        request.intent is Intent.VALID
        and set(request.params) <= _PLAIN
        and isinstance(request.params.get("prompt"), str)
    )


def is_unserved(exchange: Exchange) -> bool:
    """Whether an exchange shows what may be the weather: a connection that broke, an answer that never came, a 5xx, or what is as good as one.

    What is malformed came over a sound connection, and so is none of it.
    """
    if exchange.request.takes_any_answer or exchange.closed_by_us:
        return False
    if exchange.fault is not None:
        return exchange.fault.kind in _LOST
    response = exchange.response
    if response is None or exchange.rate_limited:
        return False
    return response.status >= _SERVER_ERROR or _speaks_of_others(exchange)
