"""The command lines that repeat what a report shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from conformance.report.escaping import escape_line

RESULTS = "results.json"
"""The file of a report that a run goes on with."""
_DEFAULT_PROFILE = "reference"


def pytest_line(document: Mapping[str, Any], requirement: str) -> str:
    """The line that judges one requirement again. What a target named is quoted, and has nothing in it that a terminal acts on."""
    target = document["target"]
    url = "" if target.get("embedded") else target["url"]
    return pytest_line_of(
        requirement, url, target["model"], profile=document["profile"], strict=document["strict"]
    )


def pytest_line_of(requirement: str, url: str, model: str, *, profile: str, strict: bool) -> str:
    """The same where there is no document yet; without a URL it is the suite's own server that is judged."""
    return shlex.join([*_words(url, model, profile=profile, strict=strict), "-k", requirement])


def resume_line(document: Mapping[str, Any], results: str = RESULTS) -> str:
    """The line that goes on where a run ended, whose document lies in the file `results`."""
    target = document["target"]
    words = _words(target["url"], target["model"], profile=document["profile"], strict=document["strict"])
    return shlex.join([*words, f"--resume={escape_line(results)}"])


def _words(url: str, model: str, *, profile: str, strict: bool) -> list[str]:
    """How every such line begins."""
    words = ["pytest"]
    if url:
        words.append(f"--target-url={escape_line(url)}")
    if url and model:
        words.append(f"--model={escape_line(model)}")
    if profile != _DEFAULT_PROFILE:
        words.append(f"--profile={escape_line(profile)}")
    if strict:
        words.append("--strict")
    return words
