"""In which order requirements are judged where a run is bounded: `python benchmarks/order.py [--write]`.

It runs the suite against the reference server in this process, and orders the scenarios greedily: next comes the core MUST that needs the
fewest requests which those before it have not sent, then all others in the same way. `--write` puts it into `spec/order.yaml`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from conformance.contract.catalogue import load_profile
from conformance.contract.check import Check
from conformance.options import DEFAULT_EXAMPLES
from conformance.run.engine import Engine
from conformance.run.results import Result, Results
from conformance.run.settings import Settings
from conformance.run.worth import is_core
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped

FILE = Path(__file__).parents[1] / "spec" / "order.yaml"
HEAD = """\
# In which order scenarios are judged where a run is bounded, and how many requests have been sent once each is judged.
# Made by `python benchmarks/order.py --write`; see conformance/run/worth.py.
"""


def main() -> None:
    """Print the order, or write it."""
    preflight = reference_run([]).cost.requests
    ordered = order(reference_run(checks()), preflight)
    text = HEAD + "".join(f"{name}: {requests}\n" for name, requests in ordered)
    if "--write" in sys.argv[1:]:
        FILE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def reference_run(selection: Sequence[Check]) -> Results:
    """The results of a run against the reference server, the same each time; of no check, it is the preflight alone."""
    settings = Settings(
        BASE_URL, MODEL, KEY, profile=load_profile("reference"), examples=DEFAULT_EXAMPLES, expensive=True
    )
    transport = InProcess(shaped(Shape()), KEY, settings.request_timeout).send
    return virtual_time.run(Engine(settings, catalogue(), selection, transport).run())


def order(results: Results, preflight: int) -> Iterator[tuple[str, int]]:
    """The ids of the scenarios, and how many requests have been sent with each; what judged nothing here (gateways) comes last."""
    scenarios = [result for result in results.results if not result.is_rule]
    asking = [result for result in scenarios if result.exchanges]
    core = [result for result in asking if is_core(result.requirement, result.level)]
    sent = {exchange.id for exchange in results.exchanges[:preflight]}
    for group in (core, [result for result in asking if result not in core]):
        yield from _cheapest_first(group, sent)
    for result in scenarios:
        if result not in asking:
            yield result.requirement.id, results.cost.requests


def _cheapest_first(group: Collection[Result], sent: set[str]) -> Iterator[tuple[str, int]]:
    left = list(group)
    while left:
        best = min(left, key=lambda result: len(set(result.exchanges) - sent))
        left.remove(best)
        sent.update(best.exchanges)
        yield best.requirement.id, len(sent)


if __name__ == "__main__":
    main()
