"""The embedded target: the reference server in this process, for a run that names no other target."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from conformance.reference import Reference
from conformance.reference.serve import Running, start

MODEL = "reference-1"


@dataclass(frozen=True)
class Embedded:
    """A running reference server that wants a key, as a vendor does."""

    url: str
    model: str
    key: str = field(repr=False)
    _running: Running = field(repr=False)

    @classmethod
    def start(cls) -> Embedded:
        """Serve on a free loopback port; it listens when this returns."""
        key = f"sk-{secrets.token_hex(16)}"
        running = start(Reference(MODEL, key).app)
        return cls(f"{running.url}/v1", MODEL, key, running)

    def stop(self) -> None:
        """End the server."""
        self._running.stop()
