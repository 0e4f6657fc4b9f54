"""A results document in plain words, for a terminal: the block that explains one failure, and the summary of a run."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.contract.catalogue import Tier
from conformance.report.causes import Cause, causes_in_words, causes_of
from conformance.report.escaping import escape_line, no_command, shorten
from conformance.report.known_failures import (
    explained,
    is_known,
    is_known_failure,
    is_known_otherwise,
    is_stale,
    told,
)
from conformance.report.labels import PROBLEMS, duration, in_order, moment
from conformance.report.outcome import (
    CONFORMS,
    GOES_ON,
    NOT_ENOUGH,
    can_go_on,
    ending,
    not_judged,
    outcome_of,
    selected,
)
from conformance.report.rerun import RESULTS, resume_line

_WIDTH = 110
_SHOWN_BODY = 400
_SHOWN_TEXT = 4_000
_LONGEST_COMMAND = 4_000
_SHOWN_NAME = 200
_EXCHANGES_SHOWN = 2
_HEADINGS = {"fail": "Failed", "error": "Errors of the suite itself (please report them)", "warn": "Warnings"}

Document = Mapping[str, Any]


def printable(text: str) -> str:
    """`text` with everything that could move a cursor, change a colour, reverse a line or command a pipeline shown as an escape."""
    return "\n".join(no_command(escape_line(line, len(line))) for line in text.split("\n"))


def failure_block(result: Document, exchanges: Mapping[str, Document], repeat: str) -> str:
    """What is wrong with one requirement: what was sent, what came, what the requirement says, who is hurt, and the line to `repeat` it."""
    kind = " (the parameter is ignored)" if result["kind"] == "ignored" else ""
    lines = [f"{result['id']} · {result['level']} · {result['tier']} · {result['title']}", ""]
    if result["known"]:
        lines += _entry("listed", explained(result["known"]))
    if is_stale(result):
        return printable("\n".join(lines))
    lines += [*_entry("found", f"{result['message']}{kind}"), *_entry("requires", result["statement"])]
    for source in result["sources"]:
        said = f": “{source['says']}”" if source["says"] else ""
        lines += _entry("source", f"{source['authority']}, {source['place']}{said}")
    lines += _entry("hurts", result["hurts"])
    for identifier in result["exchanges"][:_EXCHANGES_SHOWN]:
        if identifier in exchanges:
            lines += ["", *_exchange_lines(exchanges[identifier])]
    more = len(result["exchanges"]) - _EXCHANGES_SHOWN
    if more > 0:
        lines += ["", f"… and {more} more exchanges: {', '.join(result['exchanges'][_EXCHANGES_SHOWN:])}"]
    lines += ["", _command("repeat", repeat)]
    return printable("\n".join(lines))


def _entry(name: str, text: str) -> list[str]:
    indent = " " * 10
    wrapped: list[str] = []
    for line in shorten(text, _SHOWN_TEXT).splitlines() or [""]:
        wrapped += textwrap.wrap(
            line, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False
        ) or [""]
    return [f"{name:<9} {wrapped[0]}", *(indent + line for line in wrapped[1:])]


def _command(name: str, line: str) -> str:
    """A command in one line, however long, so that it can be pasted."""
    return f"{name:<9} {escape_line(line, len(line))}"


def _exchange_lines(exchange: Document) -> Iterator[str]:
    response, fault, curl = exchange["response"], exchange["fault"], exchange["curl"]
    if len(curl) <= _LONGEST_COMMAND:
        yield _command(exchange["id"], curl)
    else:
        yield from _entry(exchange["id"], f"{_shorten(curl)}; the whole line is in results.json")
    if response is not None:
        body = "".join(piece.get("body", "(binary)") for piece in response["pieces"])
        yield from _entry(
            "answer", f"{response['status']} after {exchange['seconds']:.2f} s, {len(body)} characters"
        )
        yield from _entry("", _shorten(body))
    if fault is not None:
        yield from _entry("answer" if response is None else "then", f"{fault['kind']}: {fault['message']}")


def _shorten(text: str) -> str:
    return (
        text
        if len(text) <= _SHOWN_BODY
        else f"{text[:_SHOWN_BODY]}… ({len(text) - _SHOWN_BODY} more characters)"
    )


def name_of(document: Document) -> str:
    """What to call the target: the name that it was given, else what it says it is, else where it is."""
    target: Mapping[str, str] = document["target"]
    if is_self_test(document) and not target["name"]:
        return "The suite's own reference server"
    host = target["url"].partition("://")[2].partition("/")[0]
    return target["name"] or target["server"] or host or target["url"]


def is_self_test(document: Document) -> bool:
    """Whether no target was named, and the suite judged its own reference server."""
    return document["target"].get("embedded", False)  # type: ignore[no-any-return]  # the schema says that it is a truth value


def verdict_in_words(document: Document) -> str:
    """The run in one sentence, which does not claim more than was judged."""
    if document["unusable"]:
        return "nothing could be judged"
    outcome = outcome_of(document)
    if is_self_test(document) and outcome == CONFORMS:
        return "self-test passed: no target was named, so the suite judged its own reference server; name one with --target-url"
    parts = [part for tier in Tier if (part := _tier_in_words(document, tier, outcome))]
    if causes := causes_in_words(document):
        parts[0] = f"{causes}: {parts[0]}"
    if outcome == NOT_ENOUGH:
        lost = " and ".join(not_judged(document))
        parts.insert(0, "not enough was judged" + (f", which lost {lost}" if lost else ""))
    errors = sum(result["verdict"] == "error" for result in document["requirements"])
    if errors:
        parts.append(f"{errors} check{'s' * (errors > 1)} of the suite broke")
    stale = sum(map(is_stale, document["requirements"]))
    if stale:
        parts.append(
            f"{stale} known failure{'s' * (stale > 1)} pass{'es' * (stale == 1)}, so the list is stale"
        )
    if not document["complete"]:
        parts.append("but the run is incomplete")
    return "; ".join(parts) or "nothing could be judged"


def _tier_in_words(document: Document, tier: Tier, outcome: str) -> str:
    """What is said of one tier; nothing where nothing of it was judged."""
    counts = counts_of(document, tier)
    judged = sum(counts.get(verdict, 0) for verdict in ("pass", "warn", "fail"))
    failed = counts.get("fail", 0)
    part = selected(document, tier)
    of = f", of {part[0]} that were selected out of {part[1]}" if part else ""
    if failed:
        fails = f"{failed} {tier} requirement{'s' * (failed > 1)} fail{'s' * (failed == 1)}"
        return fails + _known(document, tier, failed) + of
    if not judged:
        return ""
    judged += counts.get("unsupported", 0)
    total = sum(counts.values())
    known = _known_otherwise(document, tier)
    scope = f" ({judged} of {total} requirements judged{known})" if judged < total or known else ""
    if part:
        return f"{part[0]} of {part[1]} {tier} requirements selected: {'all hold' if judged == total else f'none fails{scope}'}"
    # A target that breaks core does not conform to anything that builds on it, and what was not judged conforms to nothing.
    core_fails = any(
        result["verdict"] == "fail" and result["tier"] == Tier.CORE for result in document["requirements"]
    )
    if core_fails or outcome == NOT_ENOUGH:
        return f"no {tier} requirement fails{scope}"
    return f"conforms to {tier}{scope}"


def _known(document: Document, tier: str, failed: int) -> str:
    """How many of the failures are known, in brackets; nothing where none is."""
    known = sum(
        result["tier"] == tier and result["verdict"] == "fail" and is_known(result)
        for result in document["requirements"]
    )
    if known == failed:
        return " (known)" if failed == 1 else " (all known)"
    return f" ({known} known)" if known else ""


def _known_otherwise(document: Document, tier: str) -> str:
    """How many are known to be inconclusive or unsupported: ", 2 known to be inconclusive"; nothing where none is."""
    found = Counter(
        result["verdict"]
        for result in document["requirements"]
        if result["tier"] == tier and is_known_otherwise(result)
    )
    return "".join(f", {count} known to be {verdict}" for verdict, count in sorted(found.items()))


def counts_of(document: Document, tier: str) -> dict[str, int]:
    """How many requirements of a tier have which verdict."""
    counts: dict[str, int] = {}
    for level in document["summary"][tier].values():
        for verdict, count in level.items():
            counts[verdict] = counts.get(verdict, 0) + count
    return counts


def summary_lines(document: Document, results: str = RESULTS) -> Iterator[str]:
    """The run in a screenful: the target, the counts, then what is wrong by its causes; its document lies in the file `results`."""
    target = document["target"]
    if document["unusable"]:
        yield from printable(shorten(document["unusable"])).splitlines()
        return
    what = [*filter(None, [target["name"]]), target["url"], target["model"] or "(unknown model)"]
    named = " · ".join(shorten(part, _SHOWN_NAME) for part in what)
    yield escape_line(f"{named} · profile {document['profile']}:") + f" {verdict_in_words(document)}"
    if ended := ending(document):
        yield escape_line(f"The run ended early: {ended['message']}", 2 * _SHOWN_BODY)
    yield escape_line(_cost(document))
    if can_go_on(document):
        yield GOES_ON
        yield resume_line(document, results)
    if document["determinism"]["repeats"] is False:
        yield f"Checks that compare greedy answers are inconclusive: {escape_line(document['determinism']['note'])}."
    yield ""
    yield from _table(document)
    for incident in document["incidents"]:
        suspects = ", ".join(incident["suspects"]) or "nothing unusual"
        yield ""
        yield escape_line(f"The target stopped answering after {suspects}: {incident['message']}.")
    for heading, found in _groups(document):
        if found:
            yield ""
            yield f"{heading}:"
            yield from (line for cause in found for line in _cause_lines(cause))


def _cost(document: Document) -> str:
    """What the run cost, in a line."""
    recorded, cost = document["recorded"], document["cost"]
    if recorded:
        return f"Traffic of {moment(recorded['started'])} was judged, {len(document['exchanges'])} exchanges; nothing was sent."
    return "; ".join(
        filter(
            None,
            [
                f"{cost['requests']} requests, {cost['prompt_tokens']} prompt tokens, {cost['generated_tokens']} tokens generated",
                f"{duration(cost['seconds'])}, at most {cost['most_in_flight']} requests at a time",
                cost.get("pace"),
                money_in_words(cost),
                resumed_in_words(document),
            ],
        )
    )


def resumed_in_words(document: Document) -> str:
    """What a run took over from an earlier one; empty where it began anew."""
    resumed = document.get("resumed")
    if resumed is None:
        return ""
    return f"it went on with the {resumed['requests']} answers of a run of {moment(resumed['from'])}, which were not asked for again"


def money_in_words(cost: Mapping[str, Any]) -> str:
    """What a run cost by the prices that were given, and what the target says that it charges; empty where neither is known."""
    said = []
    if (money := cost.get("money")) is not None:
        said.append(f"{money:.4f} by the prices that were given")
    if (charged := cost.get("charged")) is not None:
        said.append(f"{charged:.4f} as the target counts")
    return ", ".join(said)


def _groups(document: Document) -> Iterator[tuple[str, list[Cause]]]:
    """What someone has to do something about, by what that is."""
    causes, requirements = causes_of(document), document["requirements"]
    for verdict in PROBLEMS:
        yield (
            _HEADINGS[verdict],
            [one for one in causes if one.verdict == verdict and not is_known(one.speaker)],
        )
    yield (
        "Known failures, which do not fail the run",
        [one for one in causes if is_known_failure(one.speaker)],
    )
    yield (
        "Known to be inconclusive or unsupported, which does not count against the run",
        [*map(Cause, filter(is_known_otherwise, requirements))],
    )
    yield "Stale known failures, which fail the run", [*map(Cause, filter(is_stale, requirements))]


def _cause_lines(cause: Cause) -> Iterator[str]:
    """The finding that speaks for a cause, and which others have it, too."""
    yield _line(cause.speaker)
    if cause.so_also:
        indent = " " * 14
        yield from textwrap.wrap(
            escape_line(cause.so_also, _SHOWN_TEXT),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
        )


def _line(result: Document) -> str:
    message = told(result)
    if result["verdict"] == "error":
        message = message.strip().rpartition("\n")[2]
    message = escape_line(" ".join(shorten(message).split()))
    text = f"  {result['id']:<11} {result['title']}: {message}"
    return text if len(text) <= 3 * _WIDTH else text[: 3 * _WIDTH - 1] + "…"


def _table(document: Document) -> Iterator[str]:
    shown = in_order({result["verdict"] for result in document["requirements"]})
    yield f"{'':<18}" + "".join(f"{verdict.replace('_', ' '):>14}" for verdict in shown)
    for tier, levels in document["summary"].items():
        for level, counts in levels.items():
            if counts:
                yield f"{tier + ' ' + level:<18}" + "".join(
                    f"{counts.get(verdict, 0) or '·':>14}" for verdict in shown
                )
