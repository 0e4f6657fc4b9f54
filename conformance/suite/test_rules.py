"""The rules: every check that looks at answers which are there already.

Each rule of `conformance/rules/` is one test. It sends nothing by itself: the engine applies it to every exchange of the run, those that
the scenarios made and, where few of these were selected, some typical ones (`traffic.py`). The plugin collects `test_rules` as it collects
the coroutines of the other files.
"""

from __future__ import annotations

import importlib
import pkgutil

from conformance import rules
from conformance.checks import Check, checks_in


def _all() -> tuple[Check, ...]:
    modules = (
        importlib.import_module(info.name)
        for info in pkgutil.iter_modules(rules.__path__, f"{rules.__name__}.")
    )
    return tuple(check for module in modules for check in checks_in(module))


test_rules: tuple[Check, ...] = _all()
