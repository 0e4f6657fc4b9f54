"""Errors: what a client can read from a refusal, and that its own faults are reported as such."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Elsewhere, Judgement, Scope, broken, rule
from conformance.contract.symptom import malformed, server_error
from conformance.rules._shapes import is_of_endpoint, strings_in
from conformance.wire.completion import Completion
from conformance.wire.exchange import NOT_JSON, Exchange, Intent, is_int
from conformance.wire.moderation import is_moderated
from conformance.wire.shown import shown

_UNAUTHORIZED, _TOO_MANY_REQUESTS, _SERVER_ERROR = 401, 429, 500
_TEXT_KEYS = ("error", "message", "detail", "msg", "title")
_DEEPEST = 5
_LONGEST_TEXT = 100_000
_CONTEXT = ("context_length", "context_size", "context_window")
"""What a prompt or a limit that does not fit is refused for: OpenAI's message says "maximum context length", and names no parameter."""

_TRACES = (
    re.compile(r"Traceback \(most recent call last\)"),
    re.compile(r'File "[^"\n]{1,300}", line \d'),
    re.compile(r"\bpanic: |\bgoroutine \d+ \[|\bpanicked at "),
    # Only from the beginning of a path, so that a long one is not read again from each of its parts.
    re.compile(
        r"(?<![\w.@:/\\-])(?:[A-Z]:\\|/)(?:[\w.@-]+[/\\])+[\w.@-]+\.(?:py|js|ts|go|rs|rb|java|c|cc|cpp|h|hpp|so)\b"
    ),
)
_URL = re.compile(r"\b[a-z]{2,10}://[^\s\"'<>]+")


@rule("ERR-001", Scope.REFUSAL, shows=malformed("error"))
def an_error_is_an_object_under_error(exchange: Exchange) -> Judgement:
    """An answer with a status of 400 or more is a JSON object with an object under `error`."""
    # AUTH-004 speaks of 401; a client's fault that is answered with 5xx is ERR-004's, and often a proxy's page.
    if not is_of_endpoint(exchange) or exchange.status == _UNAUTHORIZED or _is_blamed_on_server(exchange):
        return NOT_APPLICABLE
    body = _body(exchange)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        return None
    what = f"not JSON but {shown(_raw(exchange))}" if body is NOT_JSON else shown(body)
    return broken(f"the body of the answer with status {exchange.status} is {what}")


@rule("ERR-002", Scope.REFUSAL)
def an_error_says_what_is_wrong(exchange: Exchange) -> Judgement:
    """The text of an error, wherever the body has it, is a string with content."""
    if not is_of_endpoint(exchange):
        return NOT_APPLICABLE
    body = _body(exchange)
    text = _raw(exchange) if body is NOT_JSON else _text(body)
    if isinstance(text, str) and text.strip():
        return None
    said = f"says {shown(text)}" if text is not None else f"has no text: {shown(body)}"
    return broken(f"the answer with status {exchange.status} {said}")


@rule("ERR-003", Scope.REFUSAL)
def an_error_has_type_param_and_code(exchange: Exchange) -> Judgement:
    """`error.type` is a string, and `error.param` and `error.code` are present, each a string or null."""
    body = _body(exchange)
    error = body.get("error") if isinstance(body, dict) else None
    if not is_of_endpoint(exchange) or _is_blamed_on_server(exchange):
        return NOT_APPLICABLE
    if not isinstance(error, dict):
        return Elsewhere("ERR-001" if exchange.status != _UNAUTHORIZED else "AUTH-004")
    wrong = {} if isinstance(error.get("type"), str) else {"type": f"`type` is {_member(error, 'type')}"}
    for name in ("param", "code"):
        value = error.get(name)
        # vLLM, llama.cpp and others send a number as code, which hurts nobody.
        fits = value is None or isinstance(value, str) or (name == "code" and is_int(value))
        if name not in error or not fits:
            wrong[name] = f"`{name}` is {_member(error, name)}"
    if not wrong:
        return None
    said = f"in the error with status {exchange.status} {', '.join(wrong.values())}"
    return broken(said, *(malformed(f"error.{name}") for name in wrong))


@rule("ERR-004", Scope.REFUSAL)
def a_client_fault_is_no_server_error(exchange: Exchange) -> Judgement:
    """A fault of the client is never answered with a 5xx status."""
    # Whether what is left open is a fault nobody says; that it is survived is judged by whoever sent it, at a level of its own.
    if exchange.request.intent is not Intent.INVALID or not is_of_endpoint(exchange) or exchange.rate_limited:
        return NOT_APPLICABLE
    if not _is_blamed_on_server(exchange):
        return None
    parameter = exchange.request.parameter
    what = f"a request with a fault in `{parameter}`" if parameter else "a faulty request"
    text = _text(_body(exchange)) or _raw(exchange)
    return broken(f"{what} was answered with status {exchange.status}: {shown(text)}", server_error())


@rule("ERR-006", Scope.COMPLETION)
def success_carries_no_error(completion: Completion, profile: Profile) -> Judgement:
    """The JSON body of a 2xx answer has no top-level `error` other than null."""
    if completion.streamed or not completion.documents or profile.errors_in_200.value:
        return NOT_APPLICABLE
    error = completion.documents[0].get("error")
    if error is None:
        return None
    return broken(f"an answer with status {completion.exchange.status} has the error {shown(error)}")


@rule("ERR-007", Scope.REFUSAL)
def a_refusal_names_its_parameter(exchange: Exchange) -> Judgement:
    """A refusal because of one parameter names it, in `error.param` or in the message."""
    parameter = exchange.request.parameter
    if parameter is None or exchange.request.intent is not Intent.INVALID or not exchange.refused:
        return NOT_APPLICABLE
    if is_moderated(exchange):  # it speaks of the prompt
        return NOT_APPLICABLE
    # What is wrong may as well be a member of the parameter, such as `include_usage`.
    sent = exchange.request.params.get(parameter)
    names = [parameter, *(sent if isinstance(sent, dict) else ())]
    if parameter in {"max_tokens", "prompt"}:
        names += _CONTEXT
    pattern = re.compile(rf"(?<![^\W_])({'|'.join(map(_spelled, names))})(?![^\W_])", re.IGNORECASE)
    body = _body(exchange)
    error = body.get("error") if isinstance(body, dict) else None
    blamed = error.get("param") if isinstance(error, dict) else None
    # An optional parameter that the server does not know at all may be what it refuses first.
    if isinstance(blamed, str) and blamed != parameter and blamed in exchange.request.params:
        return NOT_APPLICABLE
    texts = [_raw(exchange)] if body is NOT_JSON else list(strings_in(body))
    if any(pattern.search(text[:_LONGEST_TEXT]) for text in texts):
        return None
    return broken(
        f"a request with a fault in `{parameter}` was refused with {shown(_text(body) or _raw(exchange))}"
    )


def _spelled(name: str) -> str:
    """A pattern for a name in any spelling: "max tokens" is as good as `max_tokens`; `n` is no word in "unknown"."""
    return r"[\W_]*".join(map(re.escape, name.split("_")))


@rule("ERR-008", Scope.REFUSAL)
def an_error_reveals_no_internals(exchange: Exchange) -> Judgement:
    """The text of an error contains no stack trace and no path of a source file."""
    body = _body(exchange)
    for whole in [_raw(exchange)] if body is NOT_JSON else strings_in(body):
        text = _URL.sub("", whole[:_LONGEST_TEXT])
        for trace in _TRACES:
            if found := trace.search(text):
                return broken(
                    f"the text of an error shows {shown(text[found.start() : found.start() + 100])}"
                )
    return None


@rule("ERR-010", Scope.REFUSAL)
def a_rate_limit_says_when_to_retry(exchange: Exchange) -> Judgement:
    """An answer with status 429 carries `Retry-After`, as a whole number of seconds or a date."""
    response = exchange.response
    if response is None or response.status != _TOO_MANY_REQUESTS:
        return NOT_APPLICABLE
    value = response.header("retry-after")
    if value is None:
        return broken("an answer with status 429 came without Retry-After")
    text = value.strip()
    fits = (text.isascii() and text.isdigit()) or _is_date(text)
    return None if fits else broken(f"an answer with status 429 came with Retry-After {shown(value)}")


@rule("ERR-011", Scope.REFUSAL)
def an_error_carries_no_choices(exchange: Exchange) -> Judgement:
    """The body of an error has no `choices`."""
    body = _body(exchange)
    if not isinstance(body, dict):
        return NOT_APPLICABLE
    choices = body.get("choices")
    if choices is None:  # a null misleads nobody
        return None
    return broken(f"an answer with status {exchange.status} has the choices {shown(choices)}")


def _body(exchange: Exchange) -> Any:
    return NOT_JSON if exchange.response is None else exchange.response.json


def _raw(exchange: Exchange) -> str:
    body = b"" if exchange.response is None else exchange.response.body
    return body[:_LONGEST_TEXT].decode("utf-8", "replace")


def _text(body: Any, depth: int = 0) -> Any:
    """The text of an error, in whatever shape the body has it; None where there is none, something else where it is no text."""
    if isinstance(body, list) and depth < _DEEPEST:  # FastAPI lists several faults
        return next((text for text in (_text(item, depth + 1) for item in body[:_DEEPEST]) if text), None)
    if isinstance(body, dict) and depth < _DEEPEST:
        name = next((name for name in _TEXT_KEYS if body.get(name) is not None), None)
        return None if name is None else _text(body[name], depth + 1)
    return None if body is NOT_JSON else body


def _member(document: dict[str, Any], name: str) -> str:
    return shown(document[name]) if name in document else "missing"


def _is_blamed_on_server(exchange: Exchange) -> bool:
    """Whether a request that is the client's fault was answered as if the server had failed."""
    status = exchange.status or 0
    return exchange.request.intent is not Intent.VALID and status >= _SERVER_ERROR


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return False
    return True
