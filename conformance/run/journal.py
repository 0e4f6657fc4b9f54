"""What a run has found so far, in a file, so that it is not lost with the process that found it.

A journal is JSON Lines: heads that say what is judged and what is known of the target, of which the last counts; each exchange; and each
verdict as it is settled, with what the run has cost by then and how reliable the target is. It is read in the process that waits for the run,
once the other is gone. A last line that was cut off is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check
from conformance.contract.symptom import Symptom, What
from conformance.contract.verdict import Kind, Reason, Verdict
from conformance.run.budget import Cost
from conformance.run.discovery import all_checks
from conformance.run.ledger import Ledger
from conformance.run.recording import facts_of
from conformance.run.results import Background, End, Inputs, Mark, Result, Results, Resumed
from conformance.run.results_document import result_to_json, to_document
from conformance.run.rule_pass import judge_what_is_there
from conformance.run.settings import Settings
from conformance.wire.record import from_json, to_json

if TYPE_CHECKING:
    from conformance.run.engine import Engine

Line = Mapping[str, Any]

_KNOWN = ("target", "determinism", "capabilities")
"""The members of a results document that a head takes over."""


class Journal:
    """Writes down what a run finds. A journal that can't be written is given up: the run goes on without."""

    def __init__(self, path: Path, judging: Engine) -> None:
        """Begin the journal of a run in the file `path`, which is not there yet."""
        self._path, self._judging = path, judging
        self._given_up = self._knows_the_target = False
        self._written: set[str] = set()
        self._write([self._head()])

    def note(self, result: Result) -> None:
        """Write down a verdict, and the exchanges that have ended since the last."""
        if self._given_up:
            return
        redactor = self._judging.ledger.settings.redactor
        lines = [] if self._knows_the_target else [self._head()]
        self._knows_the_target = True  # no verdict comes before all is known that a head tells
        new = [exchange for exchange in self._judging.exchanges if exchange.id not in self._written]
        self._written.update(exchange.id for exchange in new)
        lines += [{"exchange": to_json(exchange, redactor)} for exchange in new]
        verdict = {
            "result": result_to_json(result, redactor),
            "cost": asdict(self._judging.cost),
            "background": asdict(self._judging.session.reliability.background),
        }
        self._write([*lines, verdict])

    def _head(self) -> Line:
        results = self._judging.snapshot(complete=False)
        document = to_document(results)
        return {
            "checks": [result.requirement.id for result in results.results],
            "started": results.started,
            "inputs": results.inputs and asdict(results.inputs),
            "resumed": results.resumed and asdict(results.resumed),
            **{name: document[name] for name in _KNOWN},
        }

    def _write(self, lines: Sequence[Line]) -> None:
        try:
            with self._path.open("ab") as file:
                file.writelines(json.dumps(line).encode() + b"\n" for line in lines)
        except OSError:
            self._given_up = True


def restore(path: Path, settings: Settings, why: str) -> Results | None:
    """The results of a run that was lost, from its journal: what is not in it is judged by the rules, or not at all. None where there is no journal."""
    lines = list(_lines(path))
    head = next((line for line in reversed(lines) if "checks" in line), None)
    if head is None:
        return None
    exchanges = sorted(
        (from_json(line["exchange"]) for line in lines if "exchange" in line), key=lambda one: int(one.id[1:])
    )
    checks = [check for check in all_checks() if check.requirement_id in head["checks"]]
    ledger, facts = Ledger(settings, load_catalogue(), checks), facts_of(head)
    verdicts = [line for line in lines if "result" in line]
    _settle(ledger, [line["result"] for line in verdicts])
    left = [check for check in ledger.unsettled if check.is_rule]
    rules = [check for check in left if not ledger.settle_unmet(check, facts)]
    judge_what_is_there(ledger, exchanges, rules, why, Reason.INTERRUPTED)
    ledger.settle_unjudged(why, Reason.INTERRUPTED)
    return Results(
        url=head["target"]["url"],
        name=settings.name,
        embedded=head["target"]["embedded"],
        profile=settings.profile.name,
        strict=settings.strict,
        facts=facts,
        inputs=Inputs(**head["inputs"]) if head["inputs"] else None,
        resumed=Resumed(**head["resumed"]) if head["resumed"] else None,
        results=ledger.results,
        exchanges=tuple(exchanges),
        cost=Cost(**verdicts[-1]["cost"]) if verdicts else Cost(),
        background=Background(**verdicts[-1]["background"]) if verdicts else Background(),
        started=head["started"],
        finished=max([head["started"], *(one.started + one.seconds for one in exchanges)]),
        complete=False,
        selection=ledger.selection,
        ended=End(Reason.INTERRUPTED, why),
        redactor=settings.redactor,
    )


def _lines(path: Path) -> Iterator[Line]:
    """The lines that are whole; none where there is no file."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)


def _settle(ledger: Ledger, found: Sequence[Line]) -> None:
    """Settle each check that has a verdict as it was settled."""
    checks: dict[str, Check] = {check.requirement_id: check for check in ledger.checks}
    for result in found:
        ledger.settle(
            checks[result["id"]],
            Verdict(result["verdict"]),
            result["message"],
            evidence=result["exchanges"],
            kind=result["kind"] and Kind(result["kind"]),
            reason=result["reason"] and Reason(result["reason"]),
            marks=tuple(Mark(mark["exchange"], mark["offset"]) for mark in result["marks"]),
            seconds=result["seconds"],
            symptoms=[Symptom(What(one["what"]), tuple(one["where"])) for one in result["symptoms"]],
            looked_at=result["looked_at"],
        )
