"""What the tests of reports share: a browser, and reports that were written once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.report.files import write_report

from . import browser, documents


@pytest.fixture(scope="package")
def chromium() -> Iterator[browser.Browser]:
    """A headless browser."""
    with browser.started() as running:
        yield running


@pytest.fixture(scope="package")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the report of `small`, `large` or `hostile`, written when it is first asked for."""
    written: dict[str, Path] = {}

    def report(name: str) -> Path:
        if name not in written:
            folder = tmp_path_factory.mktemp(name)
            with pytest.MonkeyPatch.context() as patch:
                patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
                write_report(getattr(documents, name)(), folder)
            written[name] = folder
        return written[name]

    return report
