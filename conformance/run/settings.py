"""What a run is to do: the target, the lens, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from conformance.contract.known_failures import KnownFailures
from conformance.kit.scenario_settings import ScenarioSettings
from conformance.run.rate import Rate
from conformance.wire.record import KEY_VARIABLE
from conformance.wire.redact import Redactor
from conformance.wire.secret_values import secrets_of_header


@dataclass(frozen=True)
class Settings(ScenarioSettings):
    """What a run is to do. Scenarios see the part that they inherit from `ScenarioSettings`, and nothing of the rest."""

    url: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    key_variable: str = KEY_VARIABLE
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every request; what in them may be secret is treated as such."""
    public_headers: tuple[tuple[str, str], ...] = ()
    """The same, but nothing in them is secret."""
    name: str = ""
    """What the report calls the target; what the target calls itself, where it is empty."""
    embedded: bool = False
    """No target was named: the reference server of the suite stands in for one."""
    strict: bool = False
    known: KnownFailures = field(default_factory=KnownFailures)
    quick: bool = False
    """Only what is worth most for few requests is judged."""
    concurrency: int = 8
    rate: Rate | None = None
    """How fast requests may go out; without it, it is learned from the target."""
    max_requests: int | None = None
    max_tokens: int | None = None
    """The most generated tokens."""
    max_cost: float | None = None
    """By `price`."""
    price: tuple[float, float] | None = None
    """What a million prompt tokens and a million generated tokens cost."""
    wait_ready: float | None = None
    """Seconds that a target which is still starting is polled for."""
    request_timeout: float = 60.0
    run_timeout: float | None = None
    """Seconds after which the run ends, whatever is left to be judged; None is no bound."""
    gateway_upstream_port: int | None = None
    """The port of the loopback interface on which the run serves the upstream of a gateway under test."""
    gateway_upstream_url: str | None = None
    """Where that upstream is up already, in a process of its own on this machine."""
    recovery: float = 20.0
    """Seconds that a target which stopped answering gets to come back."""

    @property
    def is_bounded(self) -> bool:
        """Whether the run may end before all is judged, so that what is worth most comes first."""
        return any(
            bound is not None
            for bound in (self.max_requests, self.max_tokens, self.max_cost, self.run_timeout)
        )

    @cached_property
    def redactor(self) -> Redactor:
        """Removes the key, and what is secret in extra headers, from all that comes from a target and all that is written."""
        secrets = [secret for header in self.headers for secret in secrets_of_header(*header)]
        return Redactor(
            tuple(secret for secret in (self.key, *secrets) if secret), key_header=self.api_key_header
        )
