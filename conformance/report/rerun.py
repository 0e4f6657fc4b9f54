"""The command lines that repeat what a report shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from conformance.report.escaping import escape_line

_DEFAULT_PROFILE = "reference"


def pytest_line(document: Mapping[str, Any], requirement: str) -> str:
    """The line that judges one requirement again. What a target named is quoted, and has nothing in it that a terminal acts on."""
    target = document["target"]
    words = ["pytest", f"--target-url={escape_line(target['url'])}"]
    if target["model"]:
        words.append(f"--model={escape_line(target['model'])}")
    if document["profile"] != _DEFAULT_PROFILE:
        words.append(f"--profile={escape_line(document['profile'])}")
    if document["strict"]:
        words.append("--strict")
    return shlex.join([*words, "-k", requirement])
