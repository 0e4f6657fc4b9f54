"""Many targets side by side: what differs between them first, then what is the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.report.escaping import shorten
from conformance.report.labels import VERDICTS
from conformance.report.load import RefusedError, same_edition
from conformance.report.outcome import SHOWN_AS, in_a_word, outcome_of
from conformance.report.page import chart, overall
from conformance.report.render import embed, render
from conformance.report.text import name_of, verdict_in_words

Document = Mapping[str, Any]

ABSENT = "absent"
"""Stands for a verdict where a run did not select the requirement."""

_SHOWN_MESSAGE = 600


def names(documents: Sequence[tuple[str, Document]]) -> list[str]:
    """What to call each target: the name that was given, else what it says it is; with the model where that alone is not enough."""
    found = [given or name_of(document) for given, document in documents]
    found = [
        f"{name} {document['target']['model']}" if found.count(name) > 1 else name
        for name, (_, document) in zip(found, documents, strict=True)
    ]
    return [f"{name} ({number})" if found.count(name) > 1 else name for number, name in enumerate(found, 1)]


def matrix(documents: Sequence[tuple[str, Document]]) -> str:
    """The page of several results documents, each with the name it was given, or "".

    Raises `RefusedError` where there are fewer than two, or they are not of one edition.
    """
    if len(documents) < 2:  # noqa: PLR2004 - one target has a page of its own
        raise RefusedError("A matrix takes two results documents or more.")
    called = names(documents)
    same_edition([(name, document) for name, (_, document) in zip(called, documents, strict=True)])
    rows = _rows([document for _, document in documents])
    differing = [row for row in rows if row["differs"]]
    return render(
        "matrix",
        edition=documents[0][1]["suite"]["edition"],
        targets=[
            {
                "name": name,
                "document": document,
                "words": verdict_in_words(document),
                "worst": overall(document),
                "outcome": in_a_word(document),
                "shown_as": SHOWN_AS[outcome_of(document)],
                "chart": chart(document),
            }
            for name, (_, document) in zip(called, documents, strict=True)
        ],
        differing=differing,
        same=[row for row in rows if not row["differs"]],
        verdicts=VERDICTS,
        data=embed(
            {"targets": called, "rows": {row["id"]: row["found"] for row in rows if any(row["found"])}}
        ),
    )


def _rows(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """A row for each requirement that any of the runs judged, in the order in which they first come."""
    results = [{result["id"]: result for result in document["requirements"]} for document in documents]
    known: dict[str, Document] = {}
    for found in results:
        for identifier, result in found.items():
            known.setdefault(identifier, result)
    rows = []
    for identifier, result in known.items():
        cells = [found.get(identifier) for found in results]
        verdicts = [cell["verdict"] if cell else ABSENT for cell in cells]
        rows.append(
            {
                "id": identifier,
                "area": result["area"],
                "tier": result["tier"],
                "title": result["title"],
                "levels": [cell["level"] if cell else "" for cell in cells],
                "level": result["level"],
                "statement": result["statement"],
                "verdicts": verdicts,
                "differs": len(set(verdicts)) > 1,
                "found": [shorten(cell["message"], _SHOWN_MESSAGE) if cell else "" for cell in cells],
            }
        )
    return rows
