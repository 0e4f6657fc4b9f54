"""Recorded exchanges in the place of a target, or before one: a recording is a transport.

The session asks here before it asks the target. The answer to a request is that of the recorded exchange with the same method, path, headers,
credentials and body, closed after as many events, and made on the same *occasion*: the first attempt or a confirmation, the shared answer or
a fresh one of a certain check. Where occasions were not written down, or the suite has changed since, the answers to a request come in the
order in which they were recorded, each once. An answer costs nothing, waits for nothing, and is final: what was asked again because the target
said "later" is not in a recording, only the last answer is.

What is missing goes to the target where a run goes on (`goes_on`); what it died of, or may have, last of all. Where a recording is judged, whatever needed it is not judged, and says
that the recording has no answer; or, where the recorded run had ended early, what it lost this to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from conformance.contract.verdict import Inconclusive, NotRecorded, Outcome, Reason
from conformance.gateway.scripts import is_scripted
from conformance.kit.traffic import Incident
from conformance.run.delivery import said_of_money
from conformance.run.liveness import is_canary, serves_as_ever
from conformance.run.recording import Recording
from conformance.run.results import End
from conformance.run.results_document import this_suite
from conformance.wire.exchange import Auth, Exchange, FaultKind, Request
from conformance.wire.redact import Redactor
from conformance.wire.retry import is_turned_away

MISSING = "the recording has no answer to this request"
_NO_SECRETS = Redactor()
_CUT_OFF = "the recorded run was cut off before this was sent"


class RecordedTraffic:
    """Answers requests from a recording. `redactor` is the one of this run: what was recorded has been redacted, too."""

    def __init__(
        self, recording: Recording, redactor: Redactor = _NO_SECRETS, *, goes_on: bool = False
    ) -> None:
        """Take over the exchanges; where the run goes on, only those in which the target has answered."""
        self.recording, self.goes_on = recording, goes_on
        alive, after = _split(recording) if goes_on else (recording.exchanges, ())
        self.exchanges = tuple(filter(_is_answered, alive)) if goes_on else alive
        well = {_on_the_wire(one.request) for one in alive if one.served}
        self._suspects = {_on_the_wire(one.request) for one in after} - well
        self._redactor = redactor
        self._positions = {exchange.id: number for number, exchange in enumerate(self.exchanges)}
        self._incidents = [one for one in recording.incidents if one.canary and self.holds(one.canary)]
        self._reached = -1
        self._left: dict[object, list[Exchange]] = {}
        for exchange in self.exchanges:
            self._left.setdefault(_on_the_wire(exchange.request), []).append(exchange)
        same_suite = goes_on or recording.suite == this_suite()
        self._only_the_same_occasion = same_suite and any(one.occasion for one in self.exchanges)

    @property
    def ended(self) -> End | None:
        """Why the recorded run sent no more; None where nothing kept it from doing so, or a run goes on with it."""
        return None if self.goes_on else self.recording.ended or _end_of(self.recording)

    @property
    def had_key(self) -> bool:
        """Whether the recorded run had a key. Only a run with one sends requests without."""
        if self.recording.inputs is not None:
            return self.recording.inputs.key
        return any(exchange.request.auth is Auth.NONE for exchange in self.exchanges)

    def take(self, request: Request, occasion: str) -> Exchange | None:
        """The answer to `request`, which is then used up; None where there is none left."""
        left = self._left.get(_on_the_wire(self._redactor.request(request)), [])
        fit = [one for one in left if one.occasion == occasion or not self._only_the_same_occasion]
        if not fit:
            return None
        found = min(fit, key=lambda one: (one.occasion != occasion, _meaning(one) != _meaning(request)))
        left.remove(found)
        self._reached = max(self._reached, self._positions[found.id])
        return found

    def why_missing(self) -> Outcome:
        """What a check says whose request has no answer here: where the recorded run had ended by then, that is its whole story."""
        ended = self.ended
        self._reached = len(self.exchanges) if ended else self._reached
        return Inconclusive(ended.message, ended.reason) if ended else NotRecorded(MISSING)

    def is_suspect(self, request: Request) -> bool:
        """Whether the target was gone after this request, which it had never served."""
        return _on_the_wire(self._redactor.request(request)) in self._suspects

    def why_unanswered(self, exchange: Exchange) -> Inconclusive | None:
        """What the recorded run said of an exchange in which the target did not speak of the request; None where it did."""
        money, ended = said_of_money(exchange), self.ended
        if money is not None:
            of_the_run = ended is not None and ended.reason is Reason.QUOTA
            return Inconclusive(ended.message if ended and of_the_run else money, Reason.QUOTA)
        if ended is not None and ended.reason is Reason.RATE_LIMIT and _is_turned_away(exchange):
            return Inconclusive(ended.message, ended.reason)
        return None

    # -- whether the target still served -----------------------------------------------------------------------------------------------

    def holds(self, exchange: Exchange) -> bool:
        """Whether an exchange was recorded."""
        return exchange.id in self._positions

    @property
    def incidents(self) -> Sequence[Incident]:
        """The times at which the target had stopped answering before the last answer that was taken from here."""
        return [
            one for one in self._incidents if one.canary and self._positions[one.canary.id] <= self._reached
        ]

    def still_served(self) -> bool:
        """Whether the target served after the last answer that was taken, as far as it was asked then."""
        canaries = takewhile(lambda one: is_canary(one.request), self.exchanges[self._reached + 1 :])
        self._reached += len(list(canaries))
        return all(incident.recovered for incident in self.incidents)


def _on_the_wire(request: Request) -> object:
    """What of a request the target could see; what the run adds to every request is not in it."""
    return (
        request.method,
        request.path,
        request.headers,
        request.auth,
        request.body,
        request.close_after,
    )


def _meaning(asked: Request | Exchange) -> object:
    """What a request was meant for."""
    request = asked.request if isinstance(asked, Exchange) else asked
    return request.intent, request.parameter, request.new_connection


def _end_of(recording: Recording) -> End | None:
    """Why a recorded run ended, as far as its exchanges show it: older recordings do not say."""
    for exchange in recording.exchanges:
        if is_canary(exchange.request) and (said := said_of_money(exchange)) is not None:
            return End(Reason.QUOTA, said, exchange.id)
    for incident in recording.incidents:
        if not incident.recovered:
            return End(Reason.TARGET_GONE, incident.message)
    return None if recording.complete else End(Reason.INTERRUPTED, _CUT_OFF)


def _split(recording: Recording) -> tuple[Sequence[Exchange], Sequence[Exchange]]:
    """The exchanges of a run that can be gone on with, and those after which the target was gone."""
    exchanges: Sequence[Exchange] = () if recording.unusable else recording.exchanges
    ended = recording.ended or _end_of(recording)
    if ended is None:
        return exchanges, ()
    if ended.reason is Reason.RATE_LIMIT:
        return [one for one in exchanges if not _is_turned_away(one)], ()
    if ended.reason is not Reason.TARGET_GONE:
        return exchanges, ()
    after = len(list(takewhile(lambda one: not serves_as_ever(one), reversed(exchanges))))
    border = len(exchanges) - after
    # What was in flight at that time is lost as well, and has not been answered since.
    served = {_on_the_wire(one.request) for one in exchanges if one.served and one.complete}
    return [
        one for one in exchanges[:border] if one.fault is None or _on_the_wire(one.request) in served
    ], exchanges[border:]


def _is_answered(exchange: Exchange) -> bool:
    """Whether the target spoke of the request. What asks for a script of a gateway's upstream is asked anew: that has to see it."""
    never_left = exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT
    for_the_upstream = is_scripted(exchange.request.body)
    put_off = exchange.rate_limited or said_of_money(exchange) is not None
    return not (never_left or for_the_upstream or put_off)


def _is_turned_away(exchange: Exchange) -> bool:
    return exchange.response is not None and is_turned_away(exchange.response)
