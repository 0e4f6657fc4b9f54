"""How soon a compliance page is there, and what its size costs.

    python benchmarks/page.py

opens the page of a small run and that of 300 requirements with 1,000 exchanges in headless Chromium, and prints when each was first painted
and the ratio of both. Only the ratio means anything: the times are those of the machine at hand.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from conformance.report.files import PAGE, write_report
from tests.report import documents
from tests.report.browser import MISSING, executable

ROUNDS = 7
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def first_paint(chromium: Any, path: Path) -> float:
    """The median of the milliseconds from the beginning of the navigation to the first contentful paint."""
    found = []
    for _ in range(ROUNDS):
        page = chromium.new_page()
        page.goto(path.as_uri())
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        found.append(float(page.evaluate(_PAINT)))
        page.close()
    return median(found)


def main() -> int:
    """Measure and print."""
    path = executable()
    if path is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        times = []
        for name in ("small", "large"):
            report = Path(folder, name)
            report.mkdir()
            write_report(getattr(documents, name)(), report)
            times.append(first_paint(chromium, report / PAGE))
        chromium.close()
    small, large = times
    sys.stdout.write(
        f"first paint: a small page {small:.0f} ms, 300 requirements {large:.0f} ms: {large / small:.1f} times as long\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
