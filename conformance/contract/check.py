"""Checks: how a function is tied to the requirement that it implements, and how all of them are found.

A *scenario* sends requests and compares what comes back; it is a coroutine of one argument, the `Target`. A *rule* looks at evidence that
is already there: at one completion, one refusal, one exchange, or at all completions of the run; it sends nothing. Both carry their
requirement id in the decorator and state the fact in the first sentence of their docstring.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any, Final, TypeVar

from conformance.contract.symptom import Symptom
from conformance.wire.exchange import Exchange

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__conformance_check__"


class Scope(StrEnum):
    """What a check looks at."""

    SCENARIO = "scenario"
    """It sends requests of its own."""
    EXCHANGE = "exchange"
    """Every exchange."""
    ANSWER = "answer"
    """Every exchange with a response that was read to its end."""
    COMPLETION = "completion"
    """Every 2xx answer that was read to its end, plain or streamed."""
    PLAIN = "plain"
    """Every 2xx answer to a request that asked for no stream."""
    STREAM = "stream"
    """Every 2xx answer to a request that asked for a stream."""
    CHUNKS = "chunks"
    """The same, and those that the suite itself left before their end: what holds of each chunk."""
    REFUSAL = "refusal"
    """Every 4xx and 5xx answer."""
    TRIES = "tries"
    """All exchanges of the run, those included that were not served and then were."""
    RUN = "run"
    """All completions of the run, in the order in which they were asked for."""


class Phase(StrEnum):
    """When a scenario runs. The phases of a run follow one another; within a phase the catalogue's order counts, never a file's name."""

    SHARED = "shared"
    """Side by side with others: it sends valid requests, and nothing that others send at the same time changes what it sees."""
    ALONE = "alone"
    """Its requests are valid, but it wants the target for itself, or a weak server may not survive them."""
    MALFORMED = "malformed"
    """It sends what a server may die of: malformed requests, and generated ones, of which nobody knows. Alone, too."""
    DEADLY = "deadly"
    """Servers have died of just this request (the check says which): what can be judged before is judged before."""
    LAST = "last"
    """When everything else has been sent."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's objection to its evidence."""

    message: str
    at: int | None = None
    """The offset of the offending byte in the body, where there is one."""
    evidence: tuple[Exchange, ...] = ()
    """The exchanges that contradict each other, for a rule that looks at a whole run."""
    only_should: bool = False
    """Only the SHOULD part of the requirement is broken."""
    symptoms: tuple[Symptom, ...] = ()
    """What shows it; where none is stated, it is that of the check."""


def broken(
    message: str, *symptoms: Symptom, at: int | None = None, evidence: Iterable[Exchange] = ()
) -> Finding:
    """The evidence contradicts the requirement."""
    return Finding(message, at, tuple(evidence), symptoms=symptoms)


def broken_should(message: str, *symptoms: Symptom, at: int | None = None) -> Finding:
    """The evidence contradicts the part of the requirement that is only a SHOULD: never more than a warning."""
    return Finding(message, at, only_should=True, symptoms=symptoms)


class _NotApplicable(StrEnum):
    NOT_APPLICABLE = "not applicable"


NOT_APPLICABLE: Final = _NotApplicable.NOT_APPLICABLE
"""What a rule returns for evidence that its requirement does not speak of."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a rule returns for evidence that is so broken that another requirement speaks of it."""

    requirement_id: str


Judgement = Finding | Elsewhere | _NotApplicable | None
"""What a rule returns; None is agreement."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a function and the requirement that it implements."""

    requirement_id: str
    scope: Scope
    function: Callable[..., Any]
    phase: Phase = Phase.SHARED
    shows: tuple[Symptom, ...] = ()
    """What shows that the requirement is broken, where a finding does not say it better."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def place(self) -> str:
        """Where the function is: `module:function`."""
        return f"{self.function.__module__}:{self.function.__name__}"

    @property
    def is_rule(self) -> bool:
        """Whether it looks at evidence that is there already, and sends nothing."""
        return self.scope is not Scope.SCENARIO

    @property
    def fact(self) -> str:
        """The first sentence of the docstring."""
        return (inspect.getdoc(self.function) or self.name).partition("\n")[0]

    @property
    def wants_profile(self) -> bool:
        """Whether a rule takes the profile as its second argument."""
        return len(inspect.signature(self.function).parameters) > 1


def scenario(
    requirement_id: str, *, phase: Phase = Phase.SHARED, shows: Symptom | None = None
) -> Callable[[Callable[[Any], Awaitable[None]]], Callable[[Any], Awaitable[None]]]:
    """Mark a coroutine function as the scenario that checks a requirement."""
    return _mark(requirement_id, Scope.SCENARIO, phase, shows)


def rule(requirement_id: str, scope: Scope, *, shows: Symptom | None = None) -> Callable[[_F], _F]:
    """Mark a function as the rule that checks a requirement on everything within `scope`."""
    return _mark(requirement_id, scope, shows=shows)


def _mark(
    requirement_id: str, scope: Scope, phase: Phase = Phase.SHARED, shows: Symptom | None = None
) -> Callable[[_F], _F]:
    def mark(function: _F) -> _F:
        setattr(function, _MARK, Check(requirement_id, scope, function, phase, (shows,) if shows else ()))
        return function

    return mark


def check_of(value: object) -> Check | None:
    """The check that a decorated function is, else None."""
    found = getattr(value, _MARK, None)
    return found if isinstance(found, Check) else None


def checks_in(module: ModuleType) -> Iterator[Check]:
    """The checks that are defined (not just imported) in a module, in the order of their definition."""
    for value in vars(module).values():
        found = check_of(value)
        if found is not None and found.function.__module__ == module.__name__:
            yield found


def checks_of(package: ModuleType) -> Iterator[Check]:
    """The checks of all modules of a package, by file."""
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield from checks_in(importlib.import_module(info.name))
