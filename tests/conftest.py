"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import httpcore  # noqa: F401 - httpx loads it at its first request; what is first loaded by a pytest within a test is gone after it
import pytest
from hypothesis import settings

from conformance.reference import Reference
from conformance.reference.serve import start
from fixtures.doubles import KEY, MODEL

# The same examples in every run, so that a commit is as green on one machine as on another, and no clock, for machines are busy.
# `pytest tests --hypothesis-profile=default` looks further than that.
settings.register_profile("tests", derandomize=True, deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The base URL of a reference server that wants `KEY`."""
    with start(Reference(MODEL, KEY).app) as running:
        yield f"{running.url}/v1"
