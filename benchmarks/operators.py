"""How many mutants by operators are found: a sample of what `python -m fixtures.operators` makes.

    python benchmarks/operators.py [--sample N] [--seed S] [--again] [--write]

prints the rates, and with `--write` puts them into `benchmarks/operators.json` and `benchmarks/README.md`. Each mutant is judged in a whole run
with the default options, in this machine's processes and in virtual time, so the figures are the same on any machine. After a mend, `--again`
judges only what lived when the figures were written last.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fixtures.operators import grid, rates
from fixtures.operators.judging import Outcome, outcomes
from fixtures.operators.server import Mutant
from fixtures.published import show

FOLDER = Path(__file__).parent
FILE, README = FOLDER / "operators.json", FOLDER / "README.md"
BEGIN, END = "<!-- operators -->", "<!-- /operators -->"

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Measure, show, and write where that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sample", type=int, default=grid.SAMPLE, metavar="N", help="so many mutants")
    parser.add_argument("--seed", type=int, default=grid.SEED, metavar="S", help="by which they are drawn")
    parser.add_argument("--again", action="store_true", help="judge only what lived the last time")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} and {README.name}")
    asked = parser.parse_args(arguments)
    drawn = grid.sample(asked.sample, asked.seed)
    found = list(outcomes(drawn)) if not asked.again else again(drawn)
    document = rates.document(found, among=len(grid.mutants()), sample=len(found), seed=asked.seed)
    sys.stdout.write("\n".join(markdown(document)) + "\n")
    if asked.write:
        write(document)
    return 0


def again(drawn: Sequence[Mutant]) -> list[Outcome]:
    """The outcomes of a sample, where what was killed the last time still is."""
    lived = {one["mutant"] for one in json.loads(FILE.read_text(encoding="utf-8"))["survivors"]}
    judged = {one.mutant: one for one in outcomes([mutant for mutant in drawn if mutant.name in lived])}
    return [judged.get(mutant.name) or Outcome.of(mutant, ("before",)) for mutant in drawn]


def write(document: Json) -> None:
    """Write the figures, and show them."""
    FILE.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    show(README, BEGIN, END, markdown(document))


def markdown(document: Json) -> Iterator[str]:
    """The rates in Markdown, the lowest first, and how many of those that live are known as what."""
    drawn, kinds = document["drawn"], [one["kind"] for one in document["survivors"]]
    yield from (
        "",
        f"A sample of {drawn['sample']} of {drawn['among']} mutants, drawn with the seed {drawn['seed']}:",
    )
    yield f"{_told(document['all'])}. Of those that live, {_counted(kinds)}."
    for name in rates.KEYS:
        yield from (
            "",
            f"| {name} | mutants | killed | equivalent | legal | share |",
            "|---|---|---|---|---|---|",
        )
        for value, rate in document[name].items():
            figures = " | ".join(str(rate[figure]) for figure in ("mutants", "killed", "equivalent", "legal"))
            yield f"| {value} | {figures} | {rate['share']:.0%} |"


def _told(rate: Json) -> str:
    counted = rate["mutants"] - rate["equivalent"] - rate["legal"]
    return (
        f"{rate['killed']} of {counted} that are neither equivalent nor legal are found ({rate['share']:.1%})"
    )


def _counted(kinds: Sequence[str]) -> str:
    return ", ".join(f"{kinds.count(kind)} are {kind}" for kind in dict.fromkeys(kinds)) or "there are none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
