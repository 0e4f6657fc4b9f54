"""What a change costs in speed: `python benchmarks/against.py COMMIT [--rounds N]`.

judges the embedded server with this checkout and with another commit of it in turn, and prints how many times as long a run, and each of its
exchanges, takes now. Only the ratios mean anything: the times are those of the machine at hand, and so is what else it does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("commit", help="the commit to hold this checkout against")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run (7)")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        _git("worktree", "add", "--detach", str(before), asked.commit)
        try:
            pairs = [(run(before), run(ROOT)) for _ in range(asked.rounds)]
        finally:
            _git("worktree", "remove", "--force", str(before))
    whole = median(now[0] / then[0] for then, now in pairs)
    each = median((now[0] / now[1]) / (then[0] / then[1]) for then, now in pairs)
    told = f"{pairs[0][1][1]} exchanges now and {pairs[0][0][1]} at {asked.commit}"
    sys.stdout.write(
        f"processor time of an embedded run: {whole:.3f} times as much, {each:.3f} for each exchange ({told}; medians of {asked.rounds} pairs)\n"
    )
    return 0


def run(tree: Path) -> tuple[float, int]:
    """The seconds of processor time of a run of the suite in `tree` against its embedded server, and how many exchanges it had."""
    with tempfile.TemporaryDirectory() as report:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--report={report}"],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cost = json.loads(Path(report, "results.json").read_text(encoding="utf-8"))["cost"]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cost["requests"]


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)  # noqa: S603, S607 - git is looked for on the path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
