"""What a hostile target does to a run: how many modes it survives, its memory, its stalls, and what of its secrets is told.

    python benchmarks/hostile.py [KIND…] [--request-timeout=S] [--run-timeout=S] [--jobs=N] [--write]

tries the modes of the kinds that are named, or all, each in a process of its own. It ends with status 1 where one was not survived, or where a
run, its report included, took longer than both bounds together. Whoever judges that on a busy machine judges the machine. `--write` puts the
figures into `benchmarks/hostile.json`, beside those of other kinds, their table into `benchmarks/README.md`, and the outcomes that must come
again into `fixtures/hostile/outcomes.yaml`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fixtures.hostile.modes import MODES, OUTCOMES, REPEATING, Kind
from fixtures.hostile.trial import LONGEST_STALL, MOST_MEMORY, Bounds, Trial, attempt
from fixtures.published import show

FORMAT = "completions-conformance-hostile/1"
FOLDER = Path(__file__).parent
FILE, README = FOLDER / "hostile.json", FOLDER / "README.md"
BEGIN, END = "<!-- hostile -->", "<!-- /hostile -->"

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Try, show, and write where that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"one of {', '.join(Kind)}")
    parser.add_argument("--request-timeout", type=float, default=1.0, help="seconds for an answer (1)")
    parser.add_argument("--run-timeout", type=float, default=20.0, help="seconds for a run (20)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time (2)")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} and {README.name}")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.kinds) - set(Kind):
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; there are {', '.join(Kind)}")
    kinds = [kind for kind in Kind if kind in (asked.kinds or Kind)]
    bounds = Bounds(asked.request_timeout, asked.run_timeout)
    trials = {kind: tried(kind, bounds, asked.jobs) for kind in kinds}
    tried_now = measured(trials, bounds)
    document = with_others(tried_now)
    sys.stdout.write("\n".join(markdown(document)) + "\n")
    if asked.write:
        write(document)
        if trials.keys() >= REPEATING:
            write_outcomes([trial for kind in REPEATING for trial in trials[kind]])
    return int(any(row["not_survived"] or row["late"] for row in tried_now["rows"]))


def tried(kind: Kind, bounds: Bounds, jobs: int) -> list[Trial]:
    """The trials of all modes of a kind."""
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(partial(attempt, bounds=bounds), [mode for mode in MODES if mode.kind is kind]))


def measured(trials: Mapping[Kind, Sequence[Trial]], bounds: Bounds) -> Json:
    """The figures of some trials; see `hostile.schema.json`."""
    return {
        "format": FORMAT,
        "must": {
            "memory": MOST_MEMORY,
            "stall": LONGEST_STALL,
            "fragments": 0,
            "seconds": bounds.request + bounds.run,
        },
        "bounds": asdict(bounds),
        "rows": [row(kind, found, bounds) for kind, found in trials.items()],
    }


def with_others(document: Json) -> Json:
    """The same with the rows of kinds that were not tried this time, as far as they were measured within the same bounds."""
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    if before.get("bounds") != document["bounds"]:
        return document
    rows = {one["kind"]: one for one in (*before["rows"], *document["rows"])}
    return {**document, "rows": [rows[kind] for kind in Kind if kind in rows]}


def row(kind: Kind, trials: Sequence[Trial], bounds: Bounds) -> Json:
    """The figures of one kind: the worst of its modes."""
    return {
        "kind": kind.value,
        "modes": len(trials),
        "survived": sum(trial.survived for trial in trials),
        "memory": max(trial.memory for trial in trials),
        "stall": round(max(trial.stall for trial in trials), 2),
        "fragments": sum(len(trial.fragments) for trial in trials),
        "seconds": round(max(trial.seconds for trial in trials), 1),
        "not_survived": [trial.mode for trial in trials if not trial.survived],
        "late": [trial.mode for trial in trials if trial.seconds > bounds.request + bounds.run],
    }


def write(document: Json) -> None:
    """Write the figures, and show them."""
    FILE.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    show(README, BEGIN, END, markdown(document))


def write_outcomes(trials: Sequence[Trial]) -> None:
    """Write the outcomes by which the gate holds the same modes."""
    lines = sorted(f"{json.dumps(trial.mode)}: {trial.outcome}\n" for trial in trials)
    OUTCOMES.write_text(f"# Written by benchmarks/hostile.py.\n{''.join(lines)}", encoding="utf-8")


def markdown(document: Json) -> Iterator[str]:
    """The table in Markdown."""
    must = document["must"]
    yield "| kind | modes | survived | peak memory | longest stall | fragments told | longest run |"
    yield "|---|---|---|---|---|---|---|"
    for one in document["rows"]:
        yield (
            f"| {one['kind']} | {one['modes']} | {one['survived']} | {one['memory']} MiB of {must['memory']} |"
            f" {one['stall']} s of {must['stall']:g} | {one['fragments']} | {one['seconds']} s of {must['seconds']:g} |"
        )
    for one in document["rows"]:
        yield from (f"\nNot survived: {name}." for name in one["not_survived"])
        yield from (f"\nLate: {name}." for name in one["late"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
