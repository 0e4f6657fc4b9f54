"""Columns for pytest-html: requirement, level and verdict.

pytest-html puts cells into its page as they are, so what goes in here is escaped. What was found and the `curl` line stand in the log of
the row, which pytest-html escapes itself.
"""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup

from conformance.report.escaping import escape_line
from conformance.report.labels import label_of

_CELL = Markup('<td class="col-{}" title="{}">{}</td>')
_SHOWN_MESSAGE = 300


class Columns:
    """A plugin that is registered in a run of the suite only: the reports of other tests stay as they are."""

    def __init__(self) -> None:
        """Add no cell to a table whose head was made before this plugin was there."""
        self._in_head = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Put the columns after the result."""
        self._in_head = True
        cells[1:1] = [
            f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>'
            for name in ("Verdict", "Requirement", "Level")
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Fill them, with what was found as the title of the verdict; the row of an ordinary test has empty ones."""
        if not self._in_head or not cells:
            return
        found = {
            name: escape_line(value, _SHOWN_MESSAGE) for name, value in getattr(report, "user_properties", ())
        }
        verdict, listed = found.get("verdict", ""), found.get("listed", "")
        level = f"{found.get('tier', '')} {found.get('level', '')}".strip()
        cells[1:1] = [
            str(_CELL.format("verdict", found.get("message", ""), _label(verdict, listed))),
            str(_CELL.format("requirement", found.get("title", ""), found.get("requirement", ""))),
            str(_CELL.format("level", level, level)),
        ]


def _label(verdict: str, listed: str) -> str:
    """The label of a verdict, and how its entry in the list of known failures stands, where it has one."""
    return ", ".join([label_of(verdict).text, *([listed] if listed else [])]) if verdict else ""
