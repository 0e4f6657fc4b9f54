"""What is judged first where a run can't judge all: core MUST before the rest, and what costs little before what is dear.

The order, and what each step of it costs, is data: `spec/order.yaml`, which `python benchmarks/order.py --write` makes from a run against
the reference server. Rules are not in it: they cost nothing, and are judged last in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable

from conformance.contract.catalogue import Level, Requirement, Tier
from conformance.contract.check import Check
from conformance.contract.yaml_files import read_yaml, spec_root

_QUICK = 36
"""What is judged once so many requests have been sent is in a quick run, which sends some 55: its rules want a few refusals besides."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The scenarios in the order of their worth, and how many requests a run has sent once it has judged each."""

    requests: Mapping[str, int]

    def rank(self, check: Check) -> int:
        """The place of a check in that order; what is not in it comes last."""
        return self._ranks.get(check.requirement_id, len(self.requests))

    def quick(self, checks: Iterable[Check]) -> list[Check]:
        """Those of `checks` that are worth most, for some 55 requests; the rules look at whatever these send."""
        return [
            check
            for check in checks
            if check.is_rule or self.requests.get(check.requirement_id, _QUICK + 1) <= _QUICK
        ]

    @property
    def costs(self) -> Mapping[str, int]:
        """How many requests each scenario sends that those before it have not sent."""
        before = 0
        costs = {}
        for name, requests in self.requests.items():
            costs[name], before = max(0, requests - before), max(before, requests)
        return costs

    @property
    def _ranks(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.requests)}


def is_core(requirement: Requirement, level: Level) -> bool:
    """Whether all users of the endpoint rely on a requirement: it is judged before the others."""
    return requirement.tier is Tier.CORE and level is Level.MUST


@cache
def load_worth(root: Traversable | None = None) -> Worth:
    """The order of `spec/order.yaml`."""
    return Worth(read_yaml((root or spec_root()) / "order.yaml"))
