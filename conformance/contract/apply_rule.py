"""Applies a rule to evidence. Pure: the same exchanges give the same judgement, whether they were made a moment ago or recorded last year."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Check, Elsewhere, Finding, Scope
from conformance.contract.verdict import Reason
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange
from conformance.wire.quota import quota_words

_CLIENT_ERROR = 400

_FEW = 3
"""So many broken connections, or answers of gateways, prove nothing yet: they come by themselves now and then."""

_SOFT = frozenset({408, 425, 429, 502, 503, 504, 529})
"""Statuses that need not speak of the request: what was wrong with such an answer once may be the weather."""


@dataclass(frozen=True, slots=True)
class Objection:
    """A finding and the exchange that it is about."""

    exchange: Exchange
    finding: Finding


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule makes of all the evidence: how much it looked at, and what it objects to."""

    looked_at: int
    objections: tuple[Objection, ...] = ()
    unconfirmed: str | None = None
    """Why the only objection is no verdict: it was not seen again."""
    reason: Reason | None = None
    """Which kind of why that is."""
    elsewhere: str | None = None
    """The requirement that speaks of what this one could not look at."""


def needs_confirmation(check: Check, judged: RuleResult) -> bool:
    """Whether what a rule objects to proves nothing until it comes again.

    What stands in the bytes of a complete answer is proved, were it one in a thousand: no good answer before or after takes it back.
    """
    objections = judged.objections
    if check.scope in {Scope.RUN, Scope.TRIES} or not 0 < len(objections) <= _FEW:
        return False
    return check.scope is Scope.EXCHANGE or all(one.exchange.status in _SOFT for one in objections)


def apply_rule(check: Check, exchanges: Iterable[Exchange], profile: Profile) -> RuleResult:
    """The judgement of a rule on every exchange within its scope.

    What says that the money is at its end has no scope: it is about the account, and vendors say it with any status. What was transient
    says nothing of a request, and is judged as a whole by those that look at all tries.
    """
    more = (profile,) if check.wants_profile else ()
    exchanges = [exchange for exchange in exchanges if quota_words(exchange) is None]
    if check.scope is Scope.TRIES:
        return _of_all(check, exchanges, check.function(exchanges, *more))
    exchanges = [exchange for exchange in exchanges if not exchange.transient]
    if check.scope is Scope.RUN:
        completions = [view for view in map(_completion, exchanges) if view is not None]
        judgement = check.function(completions, *more) if completions else NOT_APPLICABLE
        return _of_all(check, [completion.exchange for completion in completions[::-1]], judgement)
    evidence = (
        (exchange, view) for exchange in exchanges if (view := _view(check.scope, exchange)) is not None
    )
    return _judged(check, ((exchange, check.function(view, *more)) for exchange, view in evidence))


def _of_all(check: Check, exchanges: Sequence[Exchange], judgement: Any) -> RuleResult:
    """One judgement on all exchanges: one objection, which the first few that it names show."""
    if judgement is NOT_APPLICABLE:
        return RuleResult(0)
    result = _judged(check, [(exchange, judgement) for exchange in exchanges[:1]])
    return RuleResult(len(exchanges), result.objections)


def _judged(check: Check, judgements: Iterable[tuple[Exchange, Any]]) -> RuleResult:
    looked_at, objections, elsewhere = 0, [], None
    for exchange, judgement in judgements:
        if judgement is NOT_APPLICABLE:
            continue
        if isinstance(judgement, Elsewhere):
            elsewhere = elsewhere or judgement.requirement_id
            continue
        looked_at += 1
        if isinstance(judgement, Finding):
            objections += [Objection(found, judgement) for found in judgement.evidence or (exchange,)]
        elif judgement is not None:
            raise TypeError(f"{check.place} returned {judgement!r}")
    return RuleResult(looked_at, tuple(objections), elsewhere=elsewhere)


def _view(scope: Scope, exchange: Exchange) -> Exchange | Completion | None:
    """What a rule of that scope sees of an exchange; None where the exchange is outside of it."""
    if scope is Scope.EXCHANGE:
        return exchange
    if scope is Scope.ANSWER:
        return exchange if exchange.complete else None
    if scope is Scope.REFUSAL:
        status = exchange.status
        return exchange if exchange.complete and status is not None and status >= _CLIENT_ERROR else None
    if scope is Scope.CHUNKS:
        return _completion(exchange, cut=True) if exchange.request.streamed else None
    view = _completion(exchange)
    if view is None or scope is Scope.COMPLETION:
        return view
    return view if exchange.request.streamed is (scope is Scope.STREAM) else None


def _completion(exchange: Exchange, *, cut: bool = False) -> Completion | None:
    """The completion in a 2xx answer that was read to its end, or to where the suite `cut` it; None where there is none."""
    request = exchange.request
    return (
        Completion.read(exchange)
        if exchange.served
        and (exchange.complete or (cut and exchange.closed_by_us))
        and request.method == "POST"
        and request.path == "/completions"
        else None
    )
