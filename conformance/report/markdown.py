"""A summary in Markdown, for a pull request or the summary page of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.report.causes import Cause, causes_of
from conformance.report.escaping import escape_line
from conformance.report.known_failures import (
    is_known,
    is_known_failure,
    is_known_otherwise,
    is_stale,
    told,
)
from conformance.report.labels import PROBLEMS, duration, in_order, label_of, moment
from conformance.report.outcome import GOES_ON, can_go_on, ending, part_in_words
from conformance.report.rerun import pytest_line, resume_line
from conformance.report.text import money_in_words, name_of, resumed_in_words, verdict_in_words

Document = Mapping[str, Any]

_LISTED = 30
"""Problems; with the rest the summary would be longer than a comment may be (65,536 characters)."""
_MESSAGE = 400
_NAME = 100
_TICKS = re.compile(r"`+")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+.!|~@:&$-])")


def code(text: object, limit: int = _MESSAGE) -> str:
    """Text from anywhere as a code span: no link, no mention, no markup comes out of it."""
    line = escape_line(text, limit).strip() or " "
    fence = "`" * (max((len(run) for run in _TICKS.findall(line)), default=0) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def words_of(text: object) -> str:
    """Text of the catalogue as plain words, its markup escaped."""
    return _SPECIAL.sub(r"\\\1", escape_line(text, _MESSAGE))


def summary(document: Document) -> str:
    """The run in Markdown: the verdict in words, the counts, and each failure with the line that repeats it."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    target, cost = document["target"], document["cost"]
    yield f"### Completions conformance of {code(name_of(document), _NAME)}: {verdict_in_words(document)}"
    yield ""
    recorded = document["recorded"]
    spent = f"{cost['requests']} requests, {cost['generated_tokens']} tokens generated, {duration(cost['seconds'])}"
    if money := money_in_words(cost):
        spent += f", {money}"
    if resumed := resumed_in_words(document):
        spent += f"; {resumed}"
    if recorded:
        spent = f"traffic of {moment(recorded['started'])} was judged, nothing was sent"
    yield (
        f"{code(target['url'])}, model {code(target['model'] or '(none found)')}, profile {code(document['profile'])}, "
        f"{moment(document['started'])}: {spent}"
    )
    if part := part_in_words(document):
        yield from ("", f"A partial run: {part}.")
    if document["unusable"]:
        yield from ("", code(document["unusable"], 2_000))
        return
    if ended := ending(document):
        yield from ("", f"The run ended early: {code(ended['message'], 2_000)}")
    if can_go_on(document):
        yield from ("", f"{GOES_ON} {code(resume_line(document), 2_000)}")
    yield ""
    yield from _table(document)
    requirements = document["requirements"]
    causes = causes_of(document)
    for verdict in PROBLEMS:
        found = [one for one in causes if one.verdict == verdict and not is_known(one.speaker)]
        yield from _list(label_of(verdict).text.capitalize(), found)
    yield from _list("Known failures", [one for one in causes if is_known_failure(one.speaker)])
    known = map(Cause, filter(is_known_otherwise, requirements))
    yield from _list("Known to be inconclusive or unsupported", [*known])
    yield from _list("Stale known failures", [*map(Cause, filter(is_stale, requirements))])
    failed = [result for result in requirements if result["verdict"] == "fail"]
    if failed:
        first = min(failed, key=is_known)
        yield from ("", f"Repeat one: {code(pytest_line(document, first['id']), 2_000)}")


def _list(heading: str, found: Sequence[Cause]) -> Iterator[str]:
    """What someone has to do something about, by its causes; nothing where there is none."""
    if found:
        yield from ("", f"**{heading}** ({len(found)})", "")
    for cause in found[:_LISTED]:
        result = cause.speaker
        kind = " (accepted and ignored)" if result["kind"] == "ignored" else ""
        yield f"- **{words_of(result['id'])}** {words_of(result['title'])}{kind}: {code(told(result))}"
        if cause.so_also:
            yield f"  - {words_of(cause.so_also)}"
    if len(found) > _LISTED:
        yield f"- … and {len(found) - _LISTED} more"


def _table(document: Document) -> Iterator[str]:
    shown = in_order({result["verdict"] for result in document["requirements"]})
    yield "| | " + " | ".join(label_of(name).text for name in shown) + " |"
    yield "|---|" + "--:|" * len(shown)
    for tier, levels in document["summary"].items():
        for level, counts in levels.items():
            if counts:
                yield (
                    f"| {tier} {level} | "
                    + " | ".join(str(counts.get(name, 0) or "") for name in shown)
                    + " |"
                )
