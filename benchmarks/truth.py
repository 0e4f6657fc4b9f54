"""What a run says before a target that throttles it, has no money for it or is flaky, or when it is bounded or interrupted.

    python benchmarks/truth.py [TABLE…] [--write]

measures the tables that are named, or all, and says of each line whether what must hold does: where it does not, it ends with status 1.
`--write` puts the figures into `benchmarks/truth.json`, and all tables of that file into `benchmarks/README.md`.

The servers are in this process and time is virtual, so the figures are the same on any machine and in any run. Each run is held against the
*free run*: the same checks, before a server that answers every request after 0.3 s. Another verdict is one that differs where both judged.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fixtures.published import show
from fixtures.truth import ends, limits, proof, replays, weather
from fixtures.truth.runs import Row

FORMAT = "completions-conformance-truth/1"
FOLDER = Path(__file__).parent
FILE, README = FOLDER / "truth.json", FOLDER / "README.md"
BEGIN, END = "<!-- truth -->", "<!-- /truth -->"

TABLES: Mapping[str, Callable[[], Iterable[Row]]] = {
    "rates": limits.rates,
    "quick": limits.quick,
    "money": ends.money,
    "bounds": ends.bounds,
    "interruption": ends.interruption,
    "weather": weather.weather,
    "proof": proof.proof,
    "recordings": replays.replays,
}
"""By name, in the order in which they are shown. A new one wants its line in `truth.schema.json`."""

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Measure, show, and write where that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"one of {', '.join(TABLES)}")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} and {README.name}")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.tables) - TABLES.keys():
        parser.error(f"there is no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    measured = {}
    for name in asked.tables or TABLES:
        measured[name] = measure(TABLES[name])
        sys.stdout.write("\n".join(markdown(name, measured[name])) + "\n")
        sys.stdout.flush()
    if asked.write:
        write(measured)
    return int(any(row["wrong"] for table in measured.values() for row in table["rows"]))


def measure(table: Callable[[], Iterable[Row]]) -> Json:
    """What a table shows, what must hold of each of its lines, and the lines."""
    rows = list(table())
    return {
        "shows": " ".join((table.__doc__ or "").split()),
        "must": list(rows[0].must),
        "rows": [row.to_json() for row in rows],
    }


def write(measured: Mapping[str, Json]) -> None:
    """Write figures beside those of the tables that were not measured now, and show them all."""
    known = json.loads(FILE.read_text(encoding="utf-8"))["tables"] if FILE.exists() else {}
    tables = {name: table for name in TABLES if (table := measured.get(name) or known.get(name))}
    text = json.dumps({"format": FORMAT, "tables": tables}, indent=1, ensure_ascii=False)
    FILE.write_text(text + "\n", encoding="utf-8")
    show(README, BEGIN, END, (line for name, table in tables.items() for line in markdown(name, table)))


# -- what is shown ---------------------------------------------------------------------------------------------------------------------


def markdown(name: str, table: Json) -> Iterator[str]:
    """A table in Markdown."""
    columns = [column for column in table["rows"][0] if column != "wrong"]
    yield from ("", f"### {name}", "", table["shows"], "")
    yield from (f"Must: {'; '.join(table['must'])}.", "")
    yield f"| {' | '.join(column.replace('_', ' ') for column in columns)} | holds |"
    yield "|---" * (len(columns) + 1) + "|"
    for row in table["rows"]:
        holds = f"NOT: {'; '.join(row['wrong'])}" if row["wrong"] else "ok"
        yield f"| {' | '.join(cell(row[column]) for column in columns)} | {holds} |"


def cell(value: Any) -> str:
    """A figure as it is read: of many numbers the smallest and the largest, of many words how often each comes."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(f"{count} {one}" for one, count in sorted(Counter(value).items())) or "none"
    if isinstance(value, list):
        return f"{cell(min(value))} to {cell(max(value))}"
    if isinstance(value, dict):
        return f"{value['found']} of {value['changed']}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
