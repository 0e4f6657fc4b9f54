"""What shows that something is wrong, in a form that findings can be compared by: two with the same symptom have one cause.

A check states its symptom as a value, `ignored("echo")`; nobody reads it out of a message later. `causes.py` says which findings it joins.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What is wrong."""

    SERVER_ERROR = "server_error"
    """A request was answered with a 5xx, which says that the server failed."""
    NOT_SERVED = "not_served"
    """A request got no answer, or only a part of one."""
    REFUSED = "refused"
    """What is valid was refused."""
    ACCEPTED = "accepted"
    """What is invalid was served."""
    IGNORED = "ignored"
    """A parameter was taken and had no effect."""
    MISSING = "missing"
    """A field that has to be there is not."""
    MALFORMED = "malformed"
    """A field is there and is not what it has to be."""
    ENDS_WRONGLY = "ends_wrongly"
    """An answer goes on too long, or is cut, or does not say why it ended."""
    COUNT_DIFFERS = "count_differs"
    """Tokens are counted wrongly."""
    TEXT_DIFFERS = "text_differs"
    """Two texts that should be equal are not."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """What is wrong, and where: any of several places where it can't be told which, none where the place makes no difference."""

    what: What
    where: tuple[str, ...] = ()

    def is_explained_by(self, other: Symptom) -> bool:
        """Whether what shows `other` may be why this shows, too."""
        if self.what is not other.what:
            return False
        return (
            self.what in _ANYWHERE or self.where == other.where or not {*self.where}.isdisjoint(other.where)
        )


_ANYWHERE = frozenset({What.SERVER_ERROR, What.NOT_SERVED, What.COUNT_DIFFERS})
"""One cause wherever they show: a server that validates nothing fails at every parameter, what raises closes its connection, and an estimate
of usage is wrong in all its counts."""


def server_error() -> Symptom:
    """A request was answered with a 5xx."""
    return Symptom(What.SERVER_ERROR)


def not_served(*parameters: str) -> Symptom:
    """A request with these parameters got no whole answer."""
    return Symptom(What.NOT_SERVED, parameters)


def refused(*parameters: str) -> Symptom:
    """A valid request with these parameters was refused."""
    return Symptom(What.REFUSED, parameters)


def accepted(parameter: str) -> Symptom:
    """A request in which this was invalid was served."""
    return Symptom(What.ACCEPTED, (parameter,))


def ignored(parameter: str) -> Symptom:
    """A parameter had no effect."""
    return Symptom(What.IGNORED, (parameter,))


def missing(field: str) -> Symptom:
    """A field is not there."""
    return Symptom(What.MISSING, (field,))


def malformed(field: str) -> Symptom:
    """A field is not what it has to be."""
    return Symptom(What.MALFORMED, (field,))


def ends_wrongly(circumstance: str) -> Symptom:
    """Answers of this kind do not end as they have to."""
    return Symptom(What.ENDS_WRONGLY, (circumstance,))


def count_differs() -> Symptom:
    """A count of tokens is wrong."""
    return Symptom(What.COUNT_DIFFERS)


def text_differs(circumstance: str) -> Symptom:
    """A text is another one in this circumstance."""
    return Symptom(What.TEXT_DIFFERS, (circumstance,))
