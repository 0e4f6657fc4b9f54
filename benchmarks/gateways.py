"""Whether verdicts on gateways depend on how busy the machine is.

    python benchmarks/gateways.py [NAME…] [--jobs=16]

judges the relays of `fixtures/relays/`, and one that changes nothing, so many at a time, each in a process of its own, and tells which of them
got another verdict than they must: a defect that was not found, a finding that nobody listed, a reference that leads nowhere. On a machine
of two cores sixteen at a time make each of them some eight times as slow. It ends with status 1 where one was judged otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import Verdict
from fixtures.gate import BROKEN, dangling, missed, said, unlisted
from tests.scenarios.relays import DOUBLES, judged

SOUND = "a relay that changes nothing"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one relay."""

    name: str
    requests: int
    seconds: float
    wrong: Mapping[str, Any]
    """What should not have been said, or should have been, by its kind; empty where all is as it must be."""


def main(arguments: Sequence[str]) -> int:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="relays; all where none is named")
    parser.add_argument("--jobs", type=int, default=16, help="how many are judged at a time (16)")
    asked = parser.parse_args(arguments)
    names = asked.names or [SOUND, *(double.name for double in DOUBLES)]
    with ProcessPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(judge, names))
    wrong = [one for one in found if one.wrong]
    for one in wrong:
        sys.stdout.write(f"{one.name}: {dict(one.wrong)}\n")
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"{len(found) - len(wrong)} of {len(found)} relays judged as they must be, {asked.jobs} at a time on {os.cpu_count()} processors"
        f" (load at the end {load:.1f}); at most {max(one.requests for one in found)} requests and {max(one.seconds for one in found):.0f} s a run\n"
    )
    return int(bool(wrong))


def judge(name: str) -> Judged:
    """Judge one relay by its name."""
    double = next((one for one in DOUBLES if one.name == name), None)
    if double is None and name != SOUND:
        raise SystemExit(f"there is no relay {name}")
    begun = time.perf_counter()
    results = judged(double)
    broken = said(results, *BROKEN)
    wrong = {
        "unusable": results.unusable,
        "errors": said(results, Verdict.ERROR),
        "missed": missed(results, double) if double else {},
        "unlisted": unlisted(results, double) if double and double.trips else broken,
        "dangling": dangling(results),
    }
    return Judged(
        name,
        results.cost.requests,
        time.perf_counter() - begun,
        {kind: what for kind, what in wrong.items() if what},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
