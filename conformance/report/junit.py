"""The outcome of a run in pytest's JUnit file, for dashboards that read nothing else.

What a run could not judge is skipped there, and skipped is green: a file of a run that was cut off at once would have nothing red in it.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import (
    xml_key,
)  # where pytest keeps the file that it is going to write; it names no other way to it

from conformance.report.known_failures import Document
from conformance.report.outcome import NOT_ENOUGH, outcome_of
from conformance.report.text import printable, verdict_in_words


def tell(config: pytest.Config, document: Document) -> None:
    """Name the outcome among the properties of the file, and add an error where not enough was judged; before pytest writes it.

    Without `--junitxml`, and in a worker of xdist, there is no file.
    """
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    outcome, ended = outcome_of(document), document["ended"]
    xml.add_global_property("outcome", outcome)
    if ended is not None:
        xml.add_global_property("ended", ended["reason"])
    if outcome == NOT_ENOUGH:
        case = xml.node_reporter("outcome")
        case.attrs.update(classname=".".join(filter(None, (xml.prefix, "conformance"))), name="outcome")
        error = ET.Element("error", message=printable(verdict_in_words(document)))
        error.text = printable(_explained(document))
        case.append(error)


def _explained(document: Document) -> str:
    """The sentence of the report and why the run ended early, if it did, or why it could not begin."""
    if document["unusable"] is not None:
        return str(document["unusable"])
    ended = document["ended"]
    return verdict_in_words(document) + (f"\nThe run ended early: {ended['message']}" if ended else "")
