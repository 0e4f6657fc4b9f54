"""The suite for Python programs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.options import OPTIONS, OptionError
from conformance.run.configure import recorded_traffic, settings
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.worth import load_worth

_NOT_HERE = frozenset({"target-url", "plan", "report", "record", "replay"})
"""Options of a front end: what is written, and where."""


def judge(target_url: str, *, ids: Collection[str] = (), **options: Any) -> Results:
    """The results of a run against the server at `target_url`, such as https://host/v1; of all requirements, or of those with these ids.

    `options` are those of the command line, by the same names with underscores: `model="tiny"`, `max_requests=60`, `strict=True`,
    `header=["X-Team: conformance"]`. The key comes from the environment, as there. Nothing is written.

    Raises `OptionError` (a `ValueError`) for an option or an id that there is not, and for a bad value, before anything is sent.
    """
    known = {option.field for option in OPTIONS if option.name not in _NOT_HERE}
    for name in options:
        if name not in known:
            raise OptionError(f"there is no option {name!r}; there is: {', '.join(sorted(known))}")
    given = {"target_url": target_url, **options}
    checks = [check for check in all_checks() if not ids or check.requirement_id in ids]
    for requirement_id in ids:
        if requirement_id not in {check.requirement_id for check in checks}:
            raise OptionError(f"no check has the id {requirement_id!r}")

    def get(name: str) -> Any:
        return given.get(name.replace("-", "_"))

    chosen = settings(get)
    checks = load_worth().quick(checks) if chosen.quick else checks
    recorded = recorded_traffic(get, chosen)
    return asyncio.run(Engine(chosen, load_catalogue(), checks, recorded=recorded).run())
