"""What the codes of a results document mean, for a reader who has never seen the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Word:
    """How a verdict is shown: never by its colour alone."""

    label: str
    glyph: str
    meaning: str


VERDICTS: Mapping[str, Word] = MappingProxyType(
    {
        "fail": Word(
            "fail",
            "✗",
            "What a MUST says is broken. Also: a documented parameter is accepted with status 200 and has no effect.",
        ),
        "error": Word(
            "suite error",
            "⚠",
            "The suite itself broke. This says nothing about the target; please report it.",
        ),
        "warn": Word("warn", "!", "What a SHOULD says is broken. It fails a strict run."),
        "inconclusive": Word(
            "inconclusive",
            "?",
            "The target's own noise, a rate limit or a broken precondition hides the answer.",
        ),
        "unsupported": Word(
            "unsupported",
            "○",
            "The target honestly refuses an optional feature with an error. That is not a failure.",
        ),
        "not_run": Word("not run", "·", "The check had nothing to look at; its text says what was missing."),
        "pass": Word("pass", "✓", "The target does what the requirement says."),
    }
)
"""Worst first."""

PROBLEMS = ("fail", "error", "warn")
"""The verdicts that someone has to do something about."""

AUTHORITIES: Mapping[str, str] = MappingProxyType(
    {
        "DOC": "Reference page of the text completions endpoint",
        "OAS": "OpenAI's OpenAPI document",
        "OREF": "OpenAI's API reference",
        "OGUIDE": "OpenAI's completions guide",
        "COOK": "OpenAI Cookbook",
        "PRICE": "OpenAI's pricing and production texts",
        "SDK": "openai-python, OpenAI's client",
        "RFC": "Internet standard",
        "SSE": "WHATWG HTML standard, server-sent events",
        "JSON": "RFC 8259, JSON",
        "CLIENT": "lm-evaluation-harness, a client",
        "OBSERVED": "Observed service",
        "PRACTICE": "Practice of servers",
    }
)
"""Who can say what holds. The codes are those of `spec/requirement.schema.json`."""

AREAS: Mapping[str, str] = MappingProxyType(
    {
        "auth": "Authentication",
        "batch": "Several prompts",
        "best_of": "best_of",
        "echo": "echo",
        "errors": "Errors",
        "finish": "Finish reasons",
        "gateway": "Gateways",
        "generated": "Generated requests",
        "headers": "Headers",
        "http": "HTTP",
        "logprobs": "logprobs",
        "max_tokens": "max_tokens",
        "n": "n",
        "request": "Requests",
        "response": "Responses",
        "sampling": "Sampling",
        "stop": "Stop sequences",
        "stream": "Streams",
        "suffix": "suffix",
        "usage": "Usage",
    }
)
"""Headings of the areas; one that is not named here is headed by its own name."""

SUPPORT: Mapping[str, str] = MappingProxyType(
    {
        "yes": "works",
        "refused": "refused",
        "ignored": "ignored: accepted without effect",
        "broken": "broken",
        "unknown": "unknown",
    }
)
"""What a target does with an optional feature."""


def word(verdict: str) -> Word:
    """How to show a verdict, an unknown one too."""
    return VERDICTS.get(verdict, Word(verdict, "*", ""))


def area_title(area: str) -> str:
    """The heading of an area."""
    return AREAS.get(area, area)


def moment(time: str) -> str:
    """A time of the document, to the minute: `2026-11-23 19:03 UTC`."""
    return f"{time[:10]} {time[11:16]} UTC"
