"""The target as a scenario sees it: what it is, what it can do, and the requests that scenarios are written in.

A scenario gets a `Target` of its own. Exchanges are shared through the session's memo, but each `Target` keeps the list of those that
its scenario has looked at: the evidence of the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from conformance.contract.catalogue import Profile
from conformance.contract.openapi import undecided
from conformance.contract.verdict import Broken, Inconclusive, NotRun, NotServed, Reason, Unsupported
from conformance.gateway.received import UpstreamSide
from conformance.kit import symptoms
from conformance.kit.facts import Facts
from conformance.kit.scenario_settings import ScenarioSettings
from conformance.kit.traffic import Incident, Traffic
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, FaultKind, Intent, Request
from conformance.wire.moderation import is_moderated

MAX_TOKENS = 24
"""The length of an ordinary answer: long enough to be cut in several places, short enough to be cheap."""


@dataclass
class Target:
    """What a scenario talks to.

    `attempt` is 0 in the first run of a scenario and counts its confirmations, which see none of the earlier exchanges. `name` is the
    requirement that the scenario checks: what it asks for afresh is its own, while any other request is shared with all others.
    """

    traffic: Traffic
    facts: Facts
    settings: ScenarioSettings
    attempt: int = 0
    name: str = ""
    has_key: bool = False
    upstream: UpstreamSide | None = None
    """The scripted upstream behind a gateway under test, where the run has one."""
    speaker: Callable[[Exchange, str], str | None] = lambda exchange, name: None  # noqa: ARG005 - the signature is the point
    """Gives the requirement, but for the one that is named, that fails by what an exchange shows; None where none does."""
    used: list[Exchange] = field(default_factory=list)
    _fresh: int = field(default=0, init=False)
    """How often something was asked for afresh."""

    @property
    def profile(self) -> Profile:
        """The profile by which the target is judged."""
        return self.settings.profile

    @property
    def concurrency(self) -> int:
        """The most requests that the run sends at a time."""
        return self.traffic.concurrency

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange of the run that has ended, whoever asked for it."""
        return self.traffic.exchanges

    @property
    def incidents(self) -> Sequence[Incident]:
        """The times at which the target stopped answering in this run."""
        return self.traffic.incidents

    def speaker_of(self, exchange: Exchange) -> str | None:
        """The requirement that already fails, in this run, by what an exchange shows; None where no other one does."""
        return self.speaker(exchange, self.name)

    async def still_serves(self, suspects: Sequence[Exchange]) -> bool:
        """Whether the target serves, after waiting for it if need be; where it does not, `suspects` were sent just before."""
        return await self.traffic.still_serves(suspects)

    @property
    def prompt(self) -> str:
        """The prompt that most scenarios use."""
        return self.prompts(1)[0]

    def prompts(self, count: int) -> tuple[str, ...]:
        """Several prompts of clearly different content."""
        if len(self.facts.prompts) < count:
            raise Inconclusive(
                f"fewer than {count} prompts were found that the model continues at any length"
            )
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

    async def send(self, request: Request, *, fresh: bool = False, second: bool = False) -> Exchange:
        """The exchange of any request: remembered where the run has sent it, else sent now.

        `fresh` sends it anew in any case; `second` gives the answer to the same request sent a second time, which the whole run shares
        as it shares the first. Raises `Inconclusive` where the target limits requests to the end.
        """
        if fresh:
            self._fresh += 1
        sample = (self.name, self._fresh) if fresh else int(second)
        exchange = await self.traffic.send(request, attempt=self.attempt, sample=sample)
        if all(exchange is not known for known in self.used):
            self.used.append(exchange)
        if exchange.rate_limited:
            raise Inconclusive(
                f"the target is limiting requests: status {exchange.status} after {exchange.retries} retries",
                Reason.RATE_LIMIT,
            )
        if exchange.fault is not None and exchange.fault.kind is FaultKind.UNSENDABLE:
            raise RuntimeError(exchange.fault.message)
        return exchange

    async def post(
        self,
        *,
        fresh: bool = False,
        second: bool = False,
        once: bool = False,
        intent: Intent = Intent.VALID,
        parameter: str | None = None,
        **changes: Any,
    ) -> Exchange:
        """The exchange of an ordinary greedy request with `changes` (see `params`); `once`: whether it is served at once is the question."""
        request = Request.of(self.params(**changes), intent=intent, parameter=parameter, once=once)
        return await self.send(request, fresh=fresh, second=second)

    async def complete(
        self,
        *,
        fresh: bool = False,
        second: bool = False,
        once: bool = False,
        optional: str | None = None,
        **changes: Any,
    ) -> Completion:
        """The answer to an ordinary greedy request with `changes`, which the contract says is served.

        `optional` names a parameter that a server may refuse: its 4xx then means `Unsupported`.
        """
        return self.read(await self.post(fresh=fresh, second=second, once=once, **changes), optional=optional)

    async def stream(self, *, fresh: bool = False, optional: str | None = None, **changes: Any) -> Completion:
        """The same as a stream."""
        return await self.complete(fresh=fresh, optional=optional, stream=True, **changes)

    # -- reading -----------------------------------------------------------------------------------------------------------------

    def read(self, exchange: Exchange, *, optional: str | None = None) -> Completion:
        """The completion in an exchange. Raises the outcome that fits where there is none.

        What the rules judge on the same exchange (its JSON, its shape) is not judged again: the scenario is then `NotRun`.
        """
        if not exchange.served:
            self.not_served(exchange, optional=optional)
        if not exchange.complete:
            self.no_answer(exchange)
        completion = Completion.read(exchange)
        if not completion.choices:
            raise NotRun(
                f"the answer {exchange.id} can't be read as a completion: {_first(completion.malformed)}; see {_judge_of(completion)}"
            )
        return completion

    def not_served(self, exchange: Exchange, *, optional: str | None = None) -> NoReturn:
        """Raise what it means that a valid request got no 2xx."""
        if exchange.response is None:
            self.no_answer(exchange)
        said = error_text(exchange)
        if is_moderated(exchange):
            raise Inconclusive(f"a moderator refuses the prompt with status {exchange.status}: {said}")
        if exchange.refused and optional is not None:
            raise Unsupported(f"the target refuses `{optional}` with status {exchange.status}: {said}")
        if exchange.refused and (kinds := undecided(exchange.request.params)):
            raise Unsupported(
                f"the target refuses with status {exchange.status} what no authority decides ({kinds[0].description}): {said}"
            )
        if exchange.status in {401, 403}:
            raise Inconclusive(
                f"the target answers {exchange.status} to a request with the key of the run: {said}"
            )
        raise NotServed(
            f"a valid request was answered with status {exchange.status}: {said}", symptoms.of_valid(exchange)
        )

    def no_answer(self, exchange: Exchange) -> NoReturn:
        """Raise what it means that a request got no whole answer."""
        message = exchange.fault.message if exchange.fault else "the answer broke off"
        if exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT:
            raise Inconclusive(f"no connection to the target: {message}", Reason.TRANSIENT)
        raise NotServed(f"a valid request got no complete answer: {message}", symptoms.of_valid(exchange))

    # -- negative requests -------------------------------------------------------------------------------------------------------

    async def valid_twin_is_served(self) -> None:
        """The valid twin of an invalid request is served in the same run; without that a refusal proves nothing."""
        exchange = await self.post(max_tokens=1)
        if exchange.unserved:
            exchange = await self.post(max_tokens=1, fresh=True)
        if not exchange.served:
            raise Inconclusive(
                f"the valid request {exchange.id} of which this check sends invalid variants is not served either"
            )

    async def with_invalid(
        self, parameter: str, *values: Any, intent: Intent = Intent.INVALID
    ) -> Sequence[Exchange]:
        """The exchanges of an ordinary short request in which `parameter` takes each of `values` in turn (`...` leaves it out)."""
        await self.valid_twin_is_served()
        invalid_requests = [{"max_tokens": 1} | {parameter: value} for value in values]
        return [
            await self.post(intent=intent, parameter=parameter, **changes) for changes in invalid_requests
        ]

    def expect_refused(self, exchange: Exchange, what: str) -> None:
        """A request that the contract calls invalid was refused with a 4xx.

        401, 403, 404, 408 and 429 prove nothing about validation, and neither does a 5xx.
        """
        if is_moderated(exchange):
            raise Inconclusive(f"a moderator refuses the prompt of {what}: {error_text(exchange)}")
        if exchange.refused:
            return
        found = symptoms.of_invalid(exchange)
        if exchange.response is None:
            raise NotServed(f"{what} got no answer at all: {error_text(exchange)}", found)
        if exchange.served:
            failed = [document for document in Completion.read(exchange).documents if document.get("error")]
            how = (
                f"answered with status {exchange.status} and then an error"
                if failed
                else f"served with status {exchange.status}"
            )
            raise Broken(f"{what} was {how}", found)
        if exchange.response.status >= 500:  # noqa: PLR2004 - the 5xx class
            raise NotServed(
                f"{what} was answered with status {exchange.status}, which says that the server failed: {error_text(exchange)}",
                found,
            )
        raise Inconclusive(
            f"{what} was answered with status {exchange.status}, which says nothing about the request's form"
        )


def _judge_of(completion: Completion) -> str:
    """The requirement that judges why an answer has no choices."""
    has_failed = completion.reports_an_error
    if completion.streamed != completion.exchange.request.streamed:
        return "STREAM-016" if completion.streamed else "STREAM-001"
    if completion.streamed:
        return "STREAM-023" if has_failed else "STREAM-009" if completion.documents else "STREAM-003"
    return "ERR-006" if has_failed else "RESP-007" if completion.documents else "HTTP-002"


def _first(found: Sequence[str]) -> str:
    return found[0] if found else "it has no choices"
