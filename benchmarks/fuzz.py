"""How surely generated requests find what nothing else finds.

    python benchmarks/fuzz.py [SEEDS] [NAME…]

judges each mutant of `fixtures/fuzz/` with the default number of examples and so many seeds (10), and prints in how many runs it was
found, by which requirement, and how many requests a run took at most, those for shrinking included. It also says whether the ordinary
checks find it: they are not to, or it belongs to `fixtures/mutants/`. Ends with status 1 where a mutant is found in fewer than 9 of 10 runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.check import Check
from conformance.options import DEFAULT_EXAMPLES
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from fixtures.doubles import KEY, MODEL, Double, Host
from fixtures.gate import BROKEN, FUZZ_MUTANTS, said

ENOUGH = 0.9
GENERATED = [check for check in all_checks() if check.requirement_id.startswith("GEN-")]
ORDINARY = [check for check in all_checks() if not check.requirement_id.startswith(("GEN-", "GW-"))]


def judge(double: Double, checks: Sequence[Check], *, seed: int = 0, examples: int = 0) -> Results:
    """The results of a run against a fresh double."""
    with Host([double]).start() as running:
        settings = Settings(
            url=f"{running.url}/{double.name}/v1",
            profile=load_profile("openai"),
            model=MODEL,
            key=KEY,
            request_timeout=2.0,
            recovery=0.2,
            examples=examples,
            seed=seed,
        )
        return asyncio.run(Engine(settings, load_catalogue(), checks).run())


def main(seeds: int, names: Sequence[str]) -> int:
    """Judge all mutants, or those named."""
    missed = 0
    for double in FUZZ_MUTANTS:
        if names and double.name not in names:
            continue
        runs = [judge(double, GENERATED, seed=seed, examples=DEFAULT_EXAMPLES) for seed in range(seeds)]
        found = Counter(name for run in runs for name in said(run, *BROKEN))
        times = sum(bool(said(run, *BROKEN)) for run in runs)
        missed += times < ENOUGH * seeds
        most = max(run.cost.requests for run in runs)
        others = ", ".join(said(judge(double, ORDINARY), *BROKEN)) or "nothing"
        print(  # noqa: T201 - a script
            f"{double.name:<56}{times:>3} of {seeds}  {dict(found)}  at most {most} requests; ordinary checks find {others}",
            flush=True,
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:]))
