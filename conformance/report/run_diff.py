"""What a target gained and lost between two runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import Level
from conformance.report.causes import causes_of
from conformance.report.escaping import escape_line
from conformance.report.known_failures import is_known
from conformance.report.labels import VERDICTS, label_of, moment
from conformance.report.load import same_edition
from conformance.report.markdown import code, words_of
from conformance.report.outcome import LOST_TO, NOT_ENOUGH, UNSURE_FOR, outcome_of
from conformance.report.render import render
from conformance.report.text import name_of

Document = Mapping[str, Any]

_RANK = {"pass": 3, "unsupported": 2, "warn": 1, "fail": 0}
"""An honest refusal is worth more than a defect. The other verdicts say nothing about the target, so nothing is gained or lost by them."""

_HEADINGS = {
    "lost": "Lost",
    "gained": "Gained",
    "unclear": "No longer judged",
    "judged": "Judged now, not before",
}
_LIST_WIDTH = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One requirement whose verdict is another one; None stands for a run that did not select it."""

    id: str
    title: str
    tier: str
    level: str
    before: str | None
    after: str | None
    message: str
    """What the later run found."""
    hidden_by: str = ""
    """What keeps the later run from having judged enough, where that is why it can't tell."""

    @property
    def kind(self) -> str:
        """`lost`, `gained`, `unclear` (judged before only) or `judged` (judged after only); empty where neither run judged it."""
        old, new = _RANK.get(self.before or ""), _RANK.get(self.after or "")
        if old is None or new is None:
            return "" if old is new else "judged" if old is None else "unclear"
        return "lost" if new < old else "gained"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs, and what changed from one to the other."""

    old: Document
    new: Document
    changes: tuple[Change, ...]

    def of(self, kind: str) -> list[Change]:
        """The changes of one kind, what must hold first."""
        order = [level.value for level in Level]
        return sorted(
            (change for change in self.changes if change.kind == kind),
            key=lambda change: order.index(change.level),
        )

    @property
    def lost(self) -> bool:
        """Whether something got worse."""
        return any(change.kind == "lost" for change in self.changes)

    @property
    def hidden(self) -> tuple[Change, ...]:
        """What the old run judged and the new one did not get to, so that nobody knows whether it got worse."""
        return tuple(change for change in self.of("unclear") if change.hidden_by)


def run_diff(old: Document, new: Document) -> Difference:
    """The difference of two results documents. Raises `RefusedError` where they are of different editions."""
    same_edition([("the old document", old), ("the new document", new)])
    before, after = ({result["id"]: result for result in document["requirements"]} for document in (old, new))
    changes = []
    for identifier in {**before, **after}:
        was, now = before.get(identifier), after.get(identifier)
        result: Document = now or was or {}
        if (was and was["verdict"]) != (now and now["verdict"]):
            changes.append(
                Change(
                    identifier,
                    result["title"],
                    result["tier"],
                    result["level"],
                    was and was["verdict"],
                    now and now["verdict"],
                    now["message"] if now else "",
                    _hidden_by(now, outcome_of(new)) if now else "",
                )
            )
    return Difference(old, new, tuple(changes))


def _hidden_by(result: Document, outcome: str) -> str:
    """What a requirement was lost to, in words; noise only where it keeps the run from having judged enough. Nothing where that is known."""
    reason = result.get("reason") or ""
    if is_known(result):
        return ""
    return LOST_TO.get(reason) or (UNSURE_FOR.get(reason, "") if outcome == NOT_ENOUGH else "")


def sentence(difference: Difference) -> str:
    """The difference in one sentence, which says where the later run is no proof that nothing got worse."""
    counts = {kind: len(difference.of(kind)) for kind in _HEADINGS}
    parts = [f"{counts['lost']} lost{_by_causes(difference)}", f"{counts['gained']} gained"]
    if counts["unclear"]:
        parts.append(f"{counts['unclear']} no longer judged{_owing(difference.hidden)}")
    if counts["judged"]:
        parts.append(f"{counts['judged']} judged for the first time")
    said = ", ".join(parts) if any(counts.values()) else "nothing changed"
    return f"{said}; the later run has not judged enough" if _is_short(difference.new) else said


def _by_causes(difference: Difference) -> str:
    """How many causes are behind what was lost: " to 2 causes"; nothing where each has its own."""
    lost = {change.id for change in difference.of("lost")}
    behind = sum(
        any(result["id"] in lost for result in (cause.speaker, *cause.consequences))
        for cause in causes_of(difference.new)
    )
    return f" to {behind} cause{'s' * (behind > 1)}" if 0 < behind < len(lost) else ""


def _owing(hidden: Sequence[Change]) -> str:
    """What kept the later run from judging: " (5 owing to the time of the run)"; nothing where nothing did."""
    found = Counter(change.hidden_by for change in hidden)
    return f" ({', '.join(f'{count} owing to {words}' for words, count in found.items())})" if found else ""


def _is_short(document: Document) -> bool:
    return outcome_of(document) == NOT_ENOUGH


def as_text(difference: Difference) -> str:
    """The difference for a terminal; it ends with a line feed."""
    lines = [_title(difference), sentence(difference)]
    for kind, heading in _HEADINGS.items():
        if changes := difference.of(kind):
            lines += ["", f"{heading}:"]
            lines += [escape_line(line, _LIST_WIDTH) for line in map(_line, changes)]
    return "\n".join(lines) + "\n"


def _line(change: Change) -> str:
    found = f": {change.message}" if change.message and change.kind == "lost" else ""
    if change.hidden_by:
        found = f", owing to {change.hidden_by}"
    return f"  {change.id:<11} {_step(change):<22} {change.title} ({change.tier} {change.level}){found}"


def _step(change: Change) -> str:
    return f"{_label(change.before)} → {_label(change.after)}"


def _label(verdict: str | None) -> str:
    return label_of(verdict).text if verdict else "not selected"


def _title(difference: Difference) -> str:
    old, new = difference.old, difference.new
    return f"{escape_line(name_of(old), 100)}, {moment(old['started'])}, to {escape_line(name_of(new), 100)}, {moment(new['started'])}"


def as_markdown(difference: Difference) -> str:
    """The difference for a pull request."""
    return "\n".join(_markdown_lines(difference)) + "\n"


def _markdown_lines(difference: Difference) -> Iterator[str]:
    yield f"### Completions conformance: {sentence(difference)}"
    yield ""
    yield f"{code(_title(difference))}"
    for kind, heading in _HEADINGS.items():
        if changes := difference.of(kind):
            yield from ("", f"**{heading}**", "")
            for change in changes:
                found = f": {code(change.message)}" if change.message and kind == "lost" else ""
                if change.hidden_by:
                    found = f", owing to {change.hidden_by}"
                yield f"- {code(change.id)} {_step(change)}, {words_of(change.title)} ({change.tier} {change.level}){found}"


def as_html(difference: Difference) -> str:
    """The difference as a page."""
    return render(
        "diff",
        old=difference.old,
        new=difference.new,
        old_name=name_of(difference.old),
        new_name=name_of(difference.new),
        words=sentence(difference),
        worst=_worst(difference),
        groups=[
            (kind, heading, difference.of(kind)) for kind, heading in _HEADINGS.items() if difference.of(kind)
        ],
        verdicts=VERDICTS,
    )


def _worst(difference: Difference) -> str:
    """The verdict that colours the page: green only where the later run could have shown what got worse."""
    if difference.lost:
        return "fail"
    return "inconclusive" if difference.hidden or _is_short(difference.new) else "pass"
