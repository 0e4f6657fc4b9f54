"""One run of one scenario: what it found, and what it looked at."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from http import HTTPStatus

from conformance.contract.check import Check
from conformance.contract.symptom import What
from conformance.contract.verdict import Broken, NotServed, Outcome
from conformance.kit.target import Target
from conformance.wire.exchange import Exchange, Intent

_OF_NOT_SERVING = frozenset({What.NOT_SERVED, What.SERVER_ERROR})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a scenario: its outcome (None is a pass, a text is a traceback), its evidence, its duration."""

    outcome: Outcome | str | None
    used: tuple[Exchange, ...]
    seconds: float

    @property
    def all_complete(self) -> bool:
        """Whether every request got a complete answer, whatever it says."""
        return all(exchange.complete for exchange in self.used)

    @property
    def healthy(self) -> bool:
        """Whether the target answered as one does that is well: all of it, complete, and never with a 5xx."""
        return self.all_complete and all(
            exchange.status is not None and exchange.status < HTTPStatus.INTERNAL_SERVER_ERROR
            for exchange in self.used
        )

    @property
    def unserved(self) -> tuple[Exchange, ...]:
        """What the target did not serve."""
        return tuple(exchange for exchange in self.used if exchange.unserved)

    @property
    def times_unserved(self) -> int | None:
        """How often in a row each request was met by an error of the server's that this attempt blames; None where it blames something else.

        A connection that broke is not counted: what brings a server down brings down others' requests, too.
        """
        if not isinstance(self.outcome, NotServed) or not self.all_complete:
            return None
        return min((exchange.unserved for exchange in self.unserved), default=None)

    @property
    def blames_not_serving(self) -> bool:
        """Whether this attempt failed since something was not served, and for nothing else."""
        if not isinstance(self.outcome, Broken) or not self.unserved:
            return False
        shown = {symptom.what for symptom in self.outcome.symptoms}
        return isinstance(self.outcome, NotServed) or (bool(shown) and shown <= _OF_NOT_SERVING)

    @property
    def left_a_valid_request_unserved(self) -> bool:
        """Whether a valid request was neither served to the end nor refused for what it asks."""
        return any(
            exchange.request.intent is Intent.VALID
            and not exchange.closed_by_us
            and not (exchange.complete and (exchange.served or exchange.refused))
            for exchange in self.used
        )


async def attempt(check: Check, target: Target) -> Attempt:
    """Run a scenario once. Never raises: a defect of the suite becomes a traceback, and later a verdict of its own."""
    started = time.monotonic()
    try:
        await check.function(target)
    except Outcome as outcome:
        found: Outcome | str | None = outcome
    except Exception:  # noqa: BLE001 - see above
        found = traceback.format_exc()
    else:
        found = None
    return Attempt(found, tuple(target.used), time.monotonic() - started)
