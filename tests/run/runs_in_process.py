"""Whole runs in this process and in virtual time, their documents, and what becomes of those when they are read again."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import Profile, load_catalogue, load_profile
from conformance.reference.serve import App
from conformance.run.engine import Engine
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.recording import load_recording
from conformance.run.results_document import to_document
from conformance.run.settings import Settings
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped

Document = dict[str, Any]

PATIENCE = 60.0
"""Virtual seconds for a request."""


@cache
def reference_profile() -> Profile:
    """The profile that runs have without another."""
    return load_profile("reference")


def run(app: App, recorded: RecordedTraffic | None = None, **settings: Any) -> Document:
    """The document of a run of all checks against `app`; what is `recorded` is gone on with."""
    fields = {"profile": reference_profile(), "recovery": 5.0, "examples": 0, **settings}
    chosen = Settings(BASE_URL, MODEL, KEY, **fields)
    engine = Engine(chosen, load_catalogue(), checks(), InProcess(app, KEY, PATIENCE).send, recorded=recorded)
    return to_document(virtual_time.run(engine.run()))


def shaped_run(shape: Shape = Shape(), recorded: RecordedTraffic | None = None, **settings: Any) -> Document:  # noqa: B008 - frozen
    """The same against a reference server behind a shaper."""
    return run(shaped(shape), recorded, **settings)


def read_back(document: Document, folder: Path, *, goes_on: bool = False) -> RecordedTraffic:
    """The traffic of a run, by way of its file."""
    path = folder / "results.json"
    path.write_text(json.dumps(document))
    return RecordedTraffic(load_recording(path), goes_on=goes_on)


def judged(recorded: RecordedTraffic, profile: Profile | None = None) -> Document:
    """The document of judging a recording; nothing can be sent."""
    settings = Settings("", profile=profile or reference_profile())
    return to_document(
        virtual_time.run(Engine(settings, load_catalogue(), checks(), recorded=recorded).run())
    )


def verdicts(document: Document) -> dict[str, tuple[str, str | None]]:
    """Verdicts and their reasons, by requirement."""
    return {one["id"]: (one["verdict"], one["reason"]) for one in document["requirements"]}
