"""How long a run will take: what it will still send, one after the other and side by side, at the speed that was seen.

What each check sends is known from the run that `spec/order.yaml` was made of; see `worth.py`. What fails is asked again on top of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from conformance.contract.check import Check, Phase
from conformance.run.worth import Worth
from conformance.wire.exchange import Exchange

_LATELY = 50
"""So many of the last exchanges say how long an answer takes."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Requests that are still to be sent."""

    side_by_side: int
    one_by_one: int

    @property
    def requests(self) -> int:
        """All of them."""
        return self.side_by_side + self.one_by_one

    def seconds(self, each: float, at_once: int) -> float:
        """How long they take where each answer takes so many seconds and nothing else holds them back."""
        return each * (self.one_by_one + -(-self.side_by_side // at_once))


def forecast(checks: Iterable[Check], worth: Worth) -> Forecast:
    """What `checks` will send, on a target that fails nothing and supports everything."""
    costs = worth.costs
    shared = alone = 0
    for check in checks:
        if check.phase is Phase.SHARED:
            shared += costs.get(check.requirement_id, 0)
        else:
            alone += costs.get(check.requirement_id, 0)
    return Forecast(shared, alone)


def seconds_each(exchanges: Sequence[Exchange]) -> float:
    """How long an answer takes, by those that came lately; 0 where none did."""
    took = [exchange.seconds for exchange in exchanges[-_LATELY:] if exchange.complete]
    return median(took) if took else 0.0
