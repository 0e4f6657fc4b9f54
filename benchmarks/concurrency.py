"""How much faster a run is with requests side by side, on a target that takes its time.

    python benchmarks/concurrency.py

judges the reference server, slowed down by a fixed time a request, with one request at a time and with eight, and prints the ratio of both
times. Only the ratio means anything: the times are those of the machine at hand.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.reference import Reference, Request, Response
from conformance.reference.serve import start
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.settings import Settings

DELAY = 0.05
"""Seconds before each answer, as of a near vendor."""

ROUNDS = 3


class Slow(Reference):
    """A reference server that thinks before it answers."""

    async def respond(self, request: Request) -> Response:
        """Answer after a while."""
        await asyncio.sleep(DELAY)
        return await super().respond(request)


def seconds(settings: Settings) -> float:
    """The shortest of a few runs."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        asyncio.run(Engine(settings, load_catalogue(), all_checks()).run())
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    """Measure and print."""
    with start(Slow("reference-1").app) as running:
        settings = Settings(f"{running.url}/v1", "reference-1", profile=load_profile("reference"))
        alone, together = (seconds(replace(settings, concurrency=number)) for number in (1, 8))
    sys.stdout.write(
        f"one at a time {alone:.1f} s, eight {together:.1f} s: {alone / together:.1f} times as fast\n"
    )


if __name__ == "__main__":
    main()
