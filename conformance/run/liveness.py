"""When the target is asked whether it still serves: after what may have brought it down, and no oftener, for each question costs a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.run.confirmation import Attempt
from conformance.run.session import Session, serves_as_ever
from conformance.wire.exchange import Exchange, Intent

_CHECKS_UNASKED = 7
"""After so many checks with malformed requests the target is asked, even if nothing seems wrong."""

_PROOFS = 3
"""A target that has served as before after so many checks in which it answered with 5xx is known to survive its own errors."""


@dataclass
class Vigil:
    """Keeps an eye on the target while malformed requests are sent to it."""

    session: Session
    _suspects: list[Exchange] = field(default_factory=list)
    _unasked: int = 0
    _survived: int = 0

    async def after(self, attempt: Attempt) -> None:
        """Ask the target after a check with malformed requests, unless that can wait, or it has just served a valid request."""
        self._suspects += [
            exchange for exchange in attempt.used if exchange.request.intent is not Intent.VALID
        ]
        self._unasked += 1
        if not self._suspects or self.session.gone is not None:
            return
        if all(map(serves_as_ever, self.session.exchanges[-1:])):
            self._forget()
        elif not self._can_wait(attempt):
            serves = await self.session.revive(self._suspects)
            self._survived += serves and not attempt.calm
            self._forget()

    def _can_wait(self, attempt: Attempt) -> bool:
        well = attempt.calm or (attempt.answered and self._survived >= _PROOFS)
        return well and self._unasked < _CHECKS_UNASKED

    def _forget(self) -> None:
        self._suspects, self._unasked = [], 0
