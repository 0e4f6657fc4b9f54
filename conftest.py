"""Says what is missing where someone runs pytest in a checkout that is not installed.

Installing registers the suite's entry point, which loads the suite in a checkout; without it pytest knows neither options nor checks.
"""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Stop before pytest complains of options that it does not know."""
    if not config.pluginmanager.hasplugin("conformance.entry"):
        raise pytest.UsageError("the suite is not installed in this environment: pip install -e .")
