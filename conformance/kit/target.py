"""The target as a scenario sees it: what it is, what it can do, and the requests that scenarios are written in.

A scenario gets a `Target` of its own. Exchanges are shared through the session's memo, but each `Target` keeps the list of those that
its scenario has looked at: the evidence of the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from conformance.contract.catalogue import Profile
from conformance.contract.verdict import Broken, Inconclusive, NotRun, Unsupported
from conformance.gateway.upstream import Upstream
from conformance.run.session import Session
from conformance.wire.completion import Completion
from conformance.wire.exchange import NOT_JSON, Exchange, FaultKind, Intent, Request
from conformance.wire.shown import shown

MAX_TOKENS = 24
"""The length of an ordinary answer: long enough to be cut in several places, short enough to be cheap."""


class Support(StrEnum):
    """What the target does with an optional feature."""

    YES = "yes"
    REFUSED = "refused"
    """It says so with a 4xx."""
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


@dataclass(frozen=True)
class Facts:
    """What the preflight learned about the target."""

    model: str
    server: str = ""
    prompts: tuple[str, ...] = ()
    """Prompts whose greedy answers suit the checks: ASCII, with several words, not ended early."""
    repeats: bool | None = None
    """Whether greedy answers repeat (the *det* gate); None where no selected check needs to know."""
    repeats_note: str = ""
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    context_length: int | None = None


@dataclass
class Target:
    """What a scenario talks to.

    `attempt` is 0 in the first run of a scenario and counts its confirmations, which see none of the earlier exchanges. `name` is the
    requirement that the scenario checks: its samples of a request are its own, while the request itself is shared with all others.
    """

    session: Session
    facts: Facts
    profile: Profile
    attempt: int = 0
    name: str = ""
    has_key: bool = False
    expensive: bool = False
    examples: int = 0
    seed: int = 0
    upstream: Upstream | None = None
    """The scripted upstream behind a gateway under test, where the run serves one."""
    used: list[Exchange] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """The prompt that most scenarios use."""
        return self.prompts(1)[0]

    def prompts(self, count: int) -> tuple[str, ...]:
        """Several prompts of clearly different content."""
        if len(self.facts.prompts) < count:
            raise Inconclusive(f"no {count} prompts were found that the model continues at any length")
        return self.facts.prompts[:count]

    # -- sending -----------------------------------------------------------------------------------------------------------------

    def params(self, **changes: Any) -> dict[str, Any]:
        """The body of an ordinary greedy request with `changes`; a value of `...` leaves the parameter out."""
        params: dict[str, Any] = {
            "model": self.facts.model,
            "prompt": self.facts.prompts[0] if self.facts.prompts else "",
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            **changes,
        }
        return {name: value for name, value in params.items() if value is not ...}

    async def send(self, request: Request, *, sample: int = 0) -> Exchange:
        """The exchange of any request. Raises `Inconclusive` where the target asked for patience to the end."""
        own = (self.name, sample) if sample else 0
        exchange = await self.session.send(request, attempt=self.attempt, sample=own)
        if all(exchange is not known for known in self.used):
            self.used.append(exchange)
        if exchange.rate_limited:
            raise Inconclusive(
                f"the target is limiting requests: status {exchange.status} after {exchange.retries} retries"
            )
        if exchange.fault is not None and exchange.fault.kind is FaultKind.UNSENDABLE:
            raise RuntimeError(exchange.fault.message)
        return exchange

    async def post(
        self, *, sample: int = 0, intent: Intent = Intent.VALID, parameter: str | None = None, **changes: Any
    ) -> Exchange:
        """The exchange of an ordinary greedy request with `changes` (see `params`)."""
        return await self.send(
            Request.of(self.params(**changes), intent=intent, parameter=parameter), sample=sample
        )

    async def complete(self, *, sample: int = 0, optional: str | None = None, **changes: Any) -> Completion:
        """The answer to an ordinary greedy request with `changes`, which the contract says is served.

        `optional` names a parameter that a server may refuse: its 4xx then means `Unsupported`.
        """
        return self.read(await self.post(sample=sample, **changes), optional=optional)

    async def stream(self, *, sample: int = 0, optional: str | None = None, **changes: Any) -> Completion:
        """The same as a stream."""
        return await self.complete(sample=sample, optional=optional, stream=True, **changes)

    # -- reading -----------------------------------------------------------------------------------------------------------------

    def read(self, exchange: Exchange, *, optional: str | None = None) -> Completion:
        """The completion in an exchange. Raises the outcome that fits where there is none.

        What the rules judge on the same exchange (its JSON, its shape) is not judged again: the scenario is then `NotRun`.
        """
        if not exchange.served:
            self.not_served(exchange, optional=optional)
        if not exchange.whole:
            self.no_answer(exchange)
        completion = Completion.read(exchange)
        if not completion.choices:
            raise NotRun(
                f"the answer {exchange.id} can't be read as a completion: {_first(completion.malformed)}"
            )
        return completion

    def not_served(self, exchange: Exchange, *, optional: str | None = None) -> NoReturn:
        """Raise what it means that a valid request got no 2xx."""
        if exchange.response is None:
            self.no_answer(exchange)
        said = error_text(exchange)
        if exchange.refused and optional is not None:
            raise Unsupported(f"the target refuses `{optional}` with status {exchange.status}: {said}")
        if exchange.status in {401, 403}:
            raise Inconclusive(
                f"the target answers {exchange.status} to a request with the key of the run: {said}"
            )
        raise Broken(f"a valid request was answered with status {exchange.status}: {said}")

    def no_answer(self, exchange: Exchange) -> NoReturn:
        """Raise what it means that a request got no whole answer."""
        message = exchange.fault.message if exchange.fault else "the answer broke off"
        if exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT:
            raise Inconclusive(f"no connection to the target: {message}")
        raise Broken(f"a valid request got no whole answer: {message}")

    # -- negative requests -------------------------------------------------------------------------------------------------------

    async def control(self) -> None:
        """The valid twin of a negative request is served in the same run; without that a refusal proves nothing."""
        exchange = await self.post(max_tokens=1)
        if not exchange.served:
            raise Inconclusive(f"the valid request {exchange.id} that this check bends is not served either")

    async def bend(self, parameter: str, *values: Any, intent: Intent = Intent.INVALID) -> Sequence[Exchange]:
        """The exchanges of an ordinary short request in which `parameter` takes each of `values` in turn (`...` leaves it out)."""
        await self.control()
        bent = [{"max_tokens": 1} | {parameter: value} for value in values]
        return [await self.post(intent=intent, parameter=parameter, **changes) for changes in bent]

    def expect_refused(self, exchange: Exchange, what: str) -> None:
        """A request that the contract calls invalid was refused with a 4xx.

        401, 403, 404, 408 and 429 prove nothing about validation, and neither does a 5xx.
        """
        if exchange.refused:
            return
        if exchange.response is None:
            raise Broken(f"{what} got no answer at all: {error_text(exchange)}")
        if exchange.served:
            failed = [document for document in Completion.read(exchange).documents if document.get("error")]
            how = (
                f"answered with status {exchange.status} and then an error"
                if failed
                else f"served with status {exchange.status}"
            )
            raise Broken(f"{what} was {how}")
        if exchange.response.status >= 500:  # noqa: PLR2004 - the 5xx class
            raise Broken(
                f"{what} was answered with status {exchange.status}, which says that the server failed: {error_text(exchange)}"
            )
        raise Inconclusive(
            f"{what} was answered with status {exchange.status}, which says nothing about the request's form"
        )


def error_text(exchange: Exchange) -> str:
    """What an answer says is wrong, in whatever shape it says it; never empty, never long."""
    response = exchange.response
    if response is None:
        return exchange.fault.message if exchange.fault else "no answer"
    found: Any = response.json
    if isinstance(found, dict):
        found = found.get("error", found.get("detail", found.get("message", found)))
    if isinstance(found, dict):
        found = found.get("message", found)
    if found is NOT_JSON:
        found = response.body.decode("utf-8", "replace")
    return shown(found) if found else "(no text)"


def _first(found: Sequence[str]) -> str:
    return found[0] if found else "it has no choices"
