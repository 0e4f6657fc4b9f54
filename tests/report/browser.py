"""A headless Chromium for tests: taken from the machine, so that nothing is downloaded. Where there is none, the tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = f"no Chromium on this machine ({', '.join(NAMES)}; on Debian: apt-get install chromium)"


def executable() -> str | None:
    """The browser of this machine, or the one that $CHROMIUM names."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watched:
    """A page, and everything about it that must not happen."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, errors of scripts, dialogs."""
    requests: list[str] = field(default_factory=list)
    """URLs that were asked for besides the page's own."""

    def open(self, path: Path, fragment: str = "") -> Any:
        """Load a file, or go to a place in it."""
        self.page.goto(f"{path.as_uri()}{fragment and '#'}{fragment}")
        return self.page


class Browser:
    """Opens watched pages in one Chromium."""

    def __init__(self, chromium: Any) -> None:
        """Use a browser that playwright started."""
        self._chromium = chromium

    @contextmanager
    def page(self, **options: Any) -> Iterator[Watched]:
        """A page in a context of its own."""
        context = self._chromium.new_context(**options)
        try:
            yield _watch(context.new_page())
        finally:
            context.close()


def _watch(page: Any) -> Watched:
    watched = Watched(page)

    def dialog(found: Any) -> None:
        watched.complaints.append(found.message)
        found.dismiss()

    def request(found: Any) -> None:
        if not found.is_navigation_request():
            watched.requests.append(found.url)

    page.on(
        "console",
        lambda found: watched.complaints.append(found.text) if found.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda found: watched.complaints.append(str(found)))
    page.on("dialog", dialog)
    page.on("request", request)
    return watched


@contextmanager
def started() -> Iterator[Browser]:
    """A running browser; skips the test where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install -e '.[test]')"
    )
    path = executable()
    if path is None:
        pytest.skip(MISSING)
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield Browser(chromium)
        finally:
            chromium.close()
