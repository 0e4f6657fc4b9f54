"""What a run is to do: the target, the lens, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from conformance.contract.catalogue import Profile
from conformance.contract.known_failures import KnownFailures
from conformance.run.session import Budget
from conformance.wire.record import KEY_VARIABLE
from conformance.wire.redact import Redactor, is_credential


@dataclass(frozen=True)
class Settings:
    """What a run is to do: the target and the limits."""

    url: str
    profile: Profile
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    key_variable: str = KEY_VARIABLE
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    name: str = ""
    """What the report calls the target; what the target calls itself, where it is empty."""
    strict: bool = False
    known: KnownFailures = field(default_factory=KnownFailures)
    concurrency: int = 8
    budget: Budget = field(default_factory=Budget)
    request_timeout: float = 60.0
    run_timeout: float | None = None
    """Seconds after which the run ends, whatever is left to be judged; None is no bound."""
    expensive: bool = False
    examples: int = 0
    """How many requests are generated; a front end's default is 30."""
    seed: int = 0
    """What the generated requests are drawn with."""
    gateway_port: int | None = None
    """The port of the loopback interface on which the run serves the upstream of a gateway under test."""
    recovery: float = 20.0
    """Seconds that a target which stopped answering gets to come back."""

    @cached_property
    def redactor(self) -> Redactor:
        """Removes the key, and the values of extra headers that look like credentials, from all that is written."""
        secrets = [value for name, value in self.headers if is_credential(name)]
        return Redactor(tuple(secret for secret in (self.key, *secrets) if secret))
