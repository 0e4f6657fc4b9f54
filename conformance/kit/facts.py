"""What a run has found out about its target: values, filled before the first scenario starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract.verdict import Reason

DET_RUNS = 3
"""How often a greedy request is repeated before its answers are taken to repeat."""


class Support(StrEnum):
    """What the target does with an optional feature."""

    YES = "yes"
    REFUSED = "refused"
    """It says so with a 4xx."""
    ABSENT = "absent"
    """It is not there, though nothing was refused: the run has no key, or the target does it in another way that is as right."""
    IGNORED = "ignored"
    """It takes the parameter with 200 and nothing happens."""
    BROKEN = "broken"
    """It takes the parameter and answers something else than the contract says."""
    UNKNOWN = "unknown"
    """The run could not find out."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What was found out about one optional feature, and where."""

    support: Support
    note: str = ""
    exchange: str | None = None
    reason: Reason | None = None
    """Why the run could not find out, where it could not."""

    @property
    def has_failed(self) -> bool:
        """Whether the server failed at it: its note then begins with a status of 5xx."""
        return self.note.startswith("status 5")

    @property
    def in_doubt(self) -> bool:
        """Whether the target closed the connection when it was first asked, and serves others: it is asked again when all else is judged."""
        return self.support is Support.UNKNOWN and self.reason is Reason.TRANSIENT


@dataclass(frozen=True)
class Facts:
    """What the preflight learned about the target."""

    model: str
    server: str = ""
    prompts: tuple[str, ...] = ()
    """Prompts whose greedy answers suit the checks: ASCII, with several words, not ended early."""
    repeats: bool | None = None
    """Whether greedy answers repeat (the *det* precondition); None where no selected check needs to know."""
    repeats_note: str = ""
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    context_length: int | None = None
