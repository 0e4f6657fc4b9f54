"""A badge with counts: as the JSON that shields.io reads, and as an SVG that needs nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from conformance.contract.catalogue import Tier
from conformance.report.causes import causes_in_words
from conformance.report.escaping import escape_line
from conformance.report.outcome import CONFORMS, NOT_ENOUGH, is_partial, outcome_of
from conformance.report.text import counts_of, is_self_test

Document = Mapping[str, Any]

_LABEL = "/v1/completions"
_LONGEST_NAME = 40
_COLORS = {"green": "#2c7a3f", "yellow": "#8a6100", "red": "#b42318", "lightgrey": "#5c646d"}
"""Dark enough for white letters."""
_WIDTHS = {**dict.fromkeys(" .,;:·/il|1", 4.2), **dict.fromkeys("mwMW", 10.2)}
_WIDTH = 7.0

_SVG = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {message}">'
    "<title>{label}: {message}</title>"
    '<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>'
    '<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3c4248"/>'
    '<rect x="{left}" width="{right}" height="20" fill="{color}"/></g>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
    '<text x="{left_middle}" y="14" textLength="{left_text}">{label}</text>'
    '<text x="{right_middle}" y="14" textLength="{right_text}">{message}</text></g></svg>\n'
)


def message(document: Document) -> str:
    """What a badge says: counts of both tiers, never a percentage."""
    if document["unusable"] or not document["complete"]:
        return "not judged" if document["unusable"] else "run incomplete"
    if is_self_test(document):
        return "self-test"
    if outcome_of(document) == NOT_ENOUGH:
        return "not enough judged"
    parts = []
    for tier in Tier:
        counts = counts_of(document, tier)
        shown = [
            f"{counts[verdict]} {verdict}" for verdict in ("fail", "warn", "pass") if counts.get(verdict)
        ]
        if shown:
            parts.append(f"{tier} {', '.join(shown)}")
    if parts and (causes := causes_in_words(document)):
        parts.insert(0, causes)
    told = " · ".join(parts) or "not judged"
    return f"partial: {told}" if is_partial(document) else told


def label(document: Document) -> str:
    """What a badge speaks of: the endpoint, and the target where it was given a name."""
    name: str = document["target"]["name"]
    return f"{escape_line(name, _LONGEST_NAME)} {_LABEL}" if name else _LABEL


def color(document: Document) -> str:
    """Red where core fails, yellow where only extended does, grey where nothing can be said."""
    core, extended = (counts_of(document, tier) for tier in Tier)
    if (
        document["unusable"]
        or is_self_test(document)
        or not document["complete"]
        or not (core.get("pass") or core.get("fail") or extended)
    ):
        return "lightgrey"
    if core.get("fail"):
        return "red"
    if extended.get("fail"):
        return "yellow"
    # Green is for a whole run that conforms.
    return "green" if outcome_of(document) == CONFORMS and not is_partial(document) else "lightgrey"


def endpoint(document: Document) -> str:
    """The JSON of an endpoint badge, https://shields.io/badges/endpoint-badge."""
    return (
        json.dumps(
            {
                "schemaVersion": 1,
                "label": label(document),
                "message": message(document),
                "color": color(document),
            }
        )
        + "\n"
    )


def svg(document: Document) -> str:
    """The badge as a picture that loads nothing."""
    called, said = label(document), message(document)
    left_text, right_text = (
        round(sum(_WIDTHS.get(letter, _WIDTH) for letter in text)) for text in (called, said)
    )
    left, right = left_text + 12, right_text + 12
    return str(
        _SVG.format(
            width=left + right,
            left=left,
            right=right,
            left_middle=left / 2,
            right_middle=left + right / 2,
            left_text=left_text,
            right_text=right_text,
            label=called,
            message=said,
            color=_COLORS[color(document)],
        )
    )
