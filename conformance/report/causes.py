"""What is wrong by its causes: of the findings with one cause one speaks, and the others are told under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.report.known_failures import is_known
from conformance.report.labels import PROBLEMS

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """Findings with one cause: entries of a results document."""

    speaker: Document
    """The one that says it best."""
    consequences: tuple[Document, ...] = ()
    """Those that the same thing breaks."""

    @property
    def verdict(self) -> str:
        """The worst verdict of all."""
        return self.speaker["verdict"]  # type: ignore[no-any-return]  # the schema says that it is a text

    @property
    def so_also(self) -> str:
        """Its consequences on a line: "so also REQ-007 An empty prompt causes no failure; …"; empty where there are none."""
        others = "; ".join(f"{one['id']} {one['title']}" for one in self.consequences)
        return f"so also {others}" if others else ""


def causes_of(document: Document) -> list[Cause]:
    """The causes of all problems, the worst first. What is known does not speak for what is not."""
    results = {result["id"]: result for result in document["requirements"]}
    groups = [
        [results[name] for name in cause["requirements"] if name in results]
        for cause in document.get("causes", ())
    ]
    grouped = {result["id"] for group in groups for result in group}
    groups += [
        [result] for name, result in results.items() if result["verdict"] in PROBLEMS and name not in grouped
    ]
    parts = [part for group in groups for part in _by_whether_known(group) if part]
    found = [Cause(first, tuple(others)) for first, *others in parts]
    return sorted(found, key=lambda cause: (PROBLEMS.index(cause.verdict), is_known(cause.speaker)))


def _by_whether_known(results: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Findings with one cause that are not in the list of known failures, and those that are."""
    return [one for one in results if not is_known(one)], [one for one in results if is_known(one)]


def causes_in_words(document: Document) -> str:
    """How many causes the failures have: "2 causes"; empty where each has its own, and so the failures say it themselves."""
    found = [cause for cause in causes_of(document) if cause.verdict == "fail"]
    failures = sum(result["verdict"] == "fail" for result in document["requirements"])
    if not found or len(found) == failures:
        return ""
    return f"{len(found)} cause{'s' * (len(found) > 1)}"
