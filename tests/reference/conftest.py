"""One reference, in process and on a loopback port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.reference import Reference, Running, start

from .asker import Asker


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Give the reference server with its default settings."""
    return Reference()


@pytest.fixture(scope="session")
def ask(reference: Reference) -> Asker:
    """Give a function that sends a request to the reference."""
    return Asker(reference)


@pytest.fixture(scope="session")
def server(reference: Reference) -> Iterator[Running]:
    """Give the reference on a loopback port."""
    with start(reference) as running:
        yield running
