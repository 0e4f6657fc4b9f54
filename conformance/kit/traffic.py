"""What carries a scenario's requests: the part of a run's session that scenarios may see, and no more."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from conformance.wire.exchange import Exchange, Request


@dataclass(frozen=True, slots=True)
class Incident:
    """A time at which the target stopped answering, and what it had been sent just before."""

    message: str
    suspects: tuple[Exchange, ...]
    recovered: bool
    canary: Exchange | None = None
    """The small valid request that was no longer served."""


class Traffic(Protocol):
    """Sends requests and remembers their answers; `conformance.run.session.Session` is one."""

    @property
    def concurrency(self) -> int:
        """The most requests at a time."""

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange of the run that has ended."""

    @property
    def incidents(self) -> Sequence[Incident]:
        """The times at which the target stopped answering."""

    async def send(self, request: Request, *, attempt: int = 0, sample: Hashable = 0) -> Exchange:
        """The exchange of `request`, sent now or remembered. Raises `Inconclusive` where nothing more is sent."""

    async def still_serves(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; where it does not, `suspects` were sent just before."""
