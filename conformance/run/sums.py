"""Whether the figures of a results document agree with one another and with its exchanges: what needs no check of the suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.contract.verdict import LOST
from conformance.run.budget import Cost
from conformance.run.reliability import Failure, kind_of
from conformance.run.results import JUDGED, MOST_UNSURE
from conformance.wire.exchange import Exchange, FaultKind

Document = Mapping[str, Any]


def wrong_sums(document: Document, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """What does not add up in a document that holds these exchanges, in plain words."""
    yield from _summary(document)
    yield from _outcome(document)
    yield from _references(document, exchanges)
    yield from _lost(document)
    yield from _background(document, exchanges)
    if document["recorded"] is None:
        yield from _holes(document, exchanges)
        yield from _cost(document, exchanges[(document.get("resumed") or {}).get("requests", 0) :])


def _summary(document: Document) -> Iterator[str]:
    counted = Counter((one["tier"], one["level"], one["verdict"]) for one in document["requirements"])
    said = {
        (tier, level, verdict): count
        for tier, levels in document["summary"].items()
        for level, counts in levels.items()
        for verdict, count in counts.items()
    }
    for key in sorted({*counted, *said}):
        if counted[key] != said.get(key, 0):
            tier, level, verdict = key
            yield f"the summary counts {said.get(key, 0)} {tier} {level} with {verdict}, but {counted[key]} are listed"


def _outcome(document: Document) -> Iterator[str]:
    """The outcome follows from the verdicts; documents of the first version do not have one."""
    if "outcome" not in document:
        return
    follows = outcome_of_verdicts(document)
    if document["outcome"] != follows:
        yield f"the outcome is said to be {document['outcome']}, but {follows} follows from the verdicts listed"
    if document["failed"] is not (document["outcome"] != "conforms"):
        yield f"`failed` is {document['failed']} although the outcome is {document['outcome']}"


def outcome_of_verdicts(document: Document) -> str:
    """The outcome that the verdicts of a document amount to, as `Results.outcome` has it."""
    found = document["requirements"]
    if any(map(_fails, found)):
        return "breaks"
    core = [one for one in found if one["tier"] == "core" and one["level"] == "MUST"]
    unsure = sum(one.get("reason") in {"noise", "transient"} for one in core)
    enough = (
        document["complete"]
        and not document["unusable"]
        and all(incident["recovered"] for incident in document["incidents"])
        and any(one["verdict"] in JUDGED for one in found)
        and not any(one.get("reason") in LOST for one in found)
        and unsure <= MOST_UNSURE * len(core)
    )
    return "conforms" if enough else "not_enough"


def _fails(result: Document) -> bool:
    standing: str | None = result["known"] and result["known"]["standing"]
    if result["verdict"] == "fail":
        return standing != "known"
    return result["verdict"] == "error" or standing == "stale"


def _references(document: Document, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """What is named as evidence is there."""
    there = {exchange.id for exchange in exchanges}
    for result in document["requirements"]:
        for name in {*result["exchanges"], *(mark["exchange"] for mark in result["marks"])} - there:
            yield f"{result['id']} names {name} as its evidence, which is not in the document"


def _lost(document: Document) -> Iterator[str]:
    """A run that went to its end has lost nothing to an end."""
    if document.get("ended") or document["unusable"] or not document["complete"]:
        return
    for result in document["requirements"]:
        if result.get("reason") in LOST - {"rate_limit", "quota"}:
            yield f"{result['id']} is said to be lost to {result['reason']}, but nothing ended the run"


def _background(document: Document, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """What is said to fail by chance did so: a target that is called unreliable can be blamed for little."""
    said = document.get("background") or {"tries": 0}
    transient = Counter(kind_of(exchange) for exchange in exchanges if exchange.transient)
    for kind in Failure:
        if said.get(kind, 0) > transient[kind]:
            yield f"{said[kind]} requests are said to have failed by chance ({kind}), but the exchanges show {transient[kind]}"
    if said["tries"] > len(exchanges):
        yield f"{said['tries']} tries are said to have been counted, but there are {len(exchanges)} exchanges"


def _holes(document: Document, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """A run numbers its exchanges; one that nothing ended has them all."""
    if document.get("ended") or document["unusable"] or not document["complete"] or document.get("resumed"):
        return
    there = {int(exchange.id[1:]) for exchange in exchanges}
    missing = sorted(set(range(1, max(there, default=0))) - there)
    if missing:
        names = ", ".join(f"x{number}" for number in missing[:10])
        yield f"{len(missing)} of its exchanges have been taken out: {names}{' …' if missing[10:] else ''}"


def _cost(document: Document, sent: Sequence[Exchange]) -> Iterator[str]:
    counted, cost = Cost(), document["cost"]
    for exchange in sent:
        counted.count(exchange)
    for name in ("prompt_tokens", "generated_tokens"):
        if cost[name] != getattr(counted, name):
            yield f"the cost is said to be {cost[name]:,} {name}, but the exchanges report {getattr(counted, name):,}"
    at_least = sum(1 + one.retries for one in sent if not _never_left(one))
    if cost["requests"] < at_least:
        yield f"{cost['requests']} requests are said to have been sent, but the exchanges show {at_least}"


def _never_left(exchange: Exchange) -> bool:
    return exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT
