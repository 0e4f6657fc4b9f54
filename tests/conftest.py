"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.reference import Reference
from conformance.reference.serve import start
from fixtures.doubles import KEY, MODEL


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The base URL of a reference server that wants `KEY`."""
    with start(Reference(MODEL, KEY).app) as running:
        yield f"{running.url}/v1"
