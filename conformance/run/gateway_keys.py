"""The keys that a gateway under test uses for its upstream stay out of everything, as the run's own do.

The scripted upstream sees them before any answer can hold one; from then on they are taken out of each answer before anybody looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from conformance.contract.verdict import Inconclusive, Reason
from conformance.gateway.keys import GATEWAY_KEY
from conformance.gateway.received import UpstreamSide
from conformance.gateway.scripts import SCRIPTS
from conformance.gateway.upstream import MODEL
from conformance.wire.exchange import Exchange, Fault, FaultKind
from conformance.wire.redact import Redactor
from conformance.wire.secret_values import REMOVED


@dataclass
class GatewayKeys:
    """Takes the keys that `upstream` has seen out of what comes from the gateway; `end` ends the run where that can't be done."""

    upstream: UpstreamSide
    end: Callable[[Reason, str], object] | None = None
    _redactor: Redactor = field(default_factory=Redactor)
    _of_torn: Redactor = field(default_factory=lambda: Redactor(instead=GATEWAY_KEY, takes_fragments=False))
    """Takes out what is left of keys that share a fragment with a secret of the run."""
    _of_all: Redactor = field(default_factory=Redactor)

    async def received(self, exchange: Exchange) -> Exchange:
        """The exchange without them."""
        if exchange.response is None:
            return exchange
        said = "\n".join(value for _, value in exchange.response.headers).encode(errors="surrogatepass")
        try:
            found = await self.upstream.keys_in(b"\n".join((said, exchange.response.body)))
        except Inconclusive as gone:
            if self.end is not None:
                self.end(gone.reason or Reason.TARGET_GONE, str(gone))
            return _withheld(exchange, str(gone))
        torn = frozenset(key for key in found if REMOVED in key)
        if new := torn.difference(self._of_torn.secrets):
            self._of_torn = replace(self._of_torn, secrets=(*self._of_torn.secrets, *sorted(new)))
        if new := found.difference(torn, self._redactor.secrets):
            self._redactor = _of((*self._redactor.secrets, *sorted(new)))
        return self._redactor.received(self._of_torn.received(exchange))

    def added_to(self, redactor: Redactor) -> Redactor:
        """One that takes out these keys, too: what came before the upstream saw them is written without them all the same."""
        if not self._redactor.secrets or not self._redactor.takes_fragments:
            return redactor
        secrets = (*redactor.secrets, *self._redactor.secrets)
        if self._of_all.secrets != secrets:
            self._of_all = replace(redactor, secrets=secrets)
        return self._of_all


def _of(keys: tuple[str, ...]) -> Redactor:
    """What takes them out; where a key is made of words that the scripted upstream says anyway, as a whole only."""
    found = Redactor(keys, instead=GATEWAY_KEY)
    said = _ordinary()
    return found if found.data(said) == said else replace(found, takes_fragments=False)


@cache
def _ordinary() -> bytes:
    """What the scripted upstream says, in short."""
    body = {"model": MODEL, "prompt": ""}
    replies = [SCRIPTS[name](body) for name in SCRIPTS.keys() - {"large", "huge", "slow"}]
    headers = [f"{name}: {value}".encode() for reply in replies for name, value in reply.headers]
    return b"\n".join([*headers, *(piece for reply in replies for piece in reply.pieces)])


def _withheld(exchange: Exchange, why: str) -> Exchange:
    """The exchange without what came: nobody can say whether a key is in it."""
    return replace(
        exchange, response=None, fault=Fault(FaultKind.DROPPED, f"The answer was not kept: {why}.")
    )
