"""The symptom that an exchange itself shows, for the checks that only ask whether it was served or refused."""

from __future__ import annotations

from http import HTTPStatus

from conformance.contract.symptom import Symptom, accepted, not_served, refused, server_error
from conformance.wire.exchange import Exchange, Request

_ORDINARY = frozenset({"model", "max_tokens", "temperature"})


def of_valid(exchange: Exchange) -> Symptom:
    """What it shows that a valid request was not served."""
    return _of_failure(exchange) or refused(*_special(exchange.request))


def of_invalid(exchange: Exchange) -> Symptom:
    """What it shows that an invalid request was not refused."""
    return _of_failure(exchange) or accepted(exchange.request.parameter or "body")


def _of_failure(exchange: Exchange) -> Symptom | None:
    """The server failed, or nothing whole came; None where a whole answer says something else."""
    response = exchange.response
    if response is not None and response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return server_error()
    whole = exchange.complete or exchange.closed_by_us
    return None if whole else not_served(*_special(exchange.request))


def _special(request: Request) -> tuple[str, ...]:
    """The parameters that set a request apart from the ordinary one: any of them may be why it is not served."""
    names = {name for name, value in request.params.items() if value is not None} - _ORDINARY
    prompt = request.params.get("prompt")
    if isinstance(prompt, str) and prompt:
        names.discard("prompt")
    return tuple(sorted(names))
