"""What a pytest run that does not use the suite pays for it being installed.

    python benchmarks/startup.py [ROUNDS]

runs a test of one line in an empty folder, with the suite's entry point and without it (`-p no:conformance.entry`), other plugins left out,
in turn, and prints the CPU time of each, the difference, and the modules of ours that were loaded. Only the difference means anything.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 15
_PROGRAM = (
    "import pytest, sys; status = pytest.main(sys.argv[1:]);"
    " print(*(name for name in sys.modules if name.partition('.')[0] == 'conformance')); sys.exit(status)"
)


def run(folder: Path, arguments: Sequence[str]) -> tuple[float, list[str]]:
    """CPU milliseconds of one run, and the modules of the suite that it loaded."""
    before = os.times()
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM, "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return 1000 * used, done.stdout.splitlines()[-1].split()


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_one.py").write_text("def test_one(): pass\n", encoding="utf-8")
        pairs = [(run(folder, ["-p", "conformance.entry"]), run(folder, [])) for _ in range(rounds)]
    with_it, without = ([cost for cost, _ in side] for side in zip(*pairs, strict=True))
    modules = pairs[0][0][1]
    sys.stdout.write(
        f"with {statistics.median(with_it):.0f} ms, without {statistics.median(without):.0f} ms of CPU time (medians of {rounds}):"
        f" {statistics.median(a - b for a, b in zip(with_it, without, strict=True)):.0f} ms more;"
        f" {len(modules)} modules of ours: {', '.join(modules)}\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
