"""One request and everything that came back, as frozen values.

An exchange is the only evidence that a verdict rests on, so it keeps what crossed the wire: the request as it was sent, the
answer as raw bytes with their arrival times, or the fault that stood in the answer's place. `record.py` writes it down and reads
it back.

The target's key is no part of an exchange: `Request.auth` says *that* the key was sent, the HTTP layer alone knows its value. A target
may repeat the key in an answer, though, so everything that is written down passes through the `Redactor` of `redact.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")

_SUCCESS = 2
_CLIENT_ERROR = 4
"""Classes of status codes: their first digit."""

_NOT_ABOUT_THE_BODY = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals for want of a key, a route, or patience."""

OVERLOADED = 529
"""No status of an RFC. Anthropic and those after it say "overloaded" with it, which is what a 503 says."""

_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, OVERLOADED})

_MOST_VALUES = 200_000
_LONGEST_INTEGER = 308
"""Digits, and so many has the largest double, less one: what is longer is no number to most clients."""

DEFAULT_MAX_TOKENS = 16
"""What OpenAI's specification says of a request without `max_tokens`."""


class Intent(StrEnum):
    """What the suite meant by a request; rules about refusals judge only what was meant to be refused."""

    VALID = "valid"
    """The contract says that this is served."""

    INVALID = "invalid"
    """A valid request with one defect: the contract says that this is refused."""

    OPEN = "open"
    """The authorities disagree; serving and refusing are both fine."""


class Auth(StrEnum):
    """Which credentials a request carries."""

    KEY = "key"
    """The target's own key, when it has one."""

    LONGER = "longer"
    """That key with something behind it, which makes it a wrong one."""

    NONE = "none"
    """No key; an `Authorization` header of the check's own may be among the headers."""


class FaultKind(StrEnum):
    """Why there is no whole answer."""

    CONNECT = "connect"
    """No connection came about: no such host, refused, TLS."""

    DROPPED = "dropped"
    """The connection was closed before the answer was whole."""

    PROTOCOL = "protocol"
    """What came is not HTTP/1.1, or not in its content coding."""

    TIMEOUT = "timeout"
    """A limit on time passed; the message names which."""

    TOO_LARGE = "too_large"
    """More came than is read."""

    UNSENDABLE = "unsendable"
    """The request itself could not be written: a defect of the suite, not of the target."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong below HTTP, in words for a person."""

    kind: FaultKind
    message: str


@dataclass(frozen=True)
class Request:
    """A request as it goes out, `path` being relative to the target's base URL."""

    body: bytes = b""
    method: str = "POST"
    path: str = "/completions"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    auth: Auth = Auth.KEY
    intent: Intent = Intent.VALID
    parameter: str | None = None
    """The one parameter in which an invalid request differs from its valid twin, by its name in the body."""
    close_after: int | None = None
    """Close the connection after this many events of a stream instead of reading to the end; 0: as soon as the request is sent."""
    stays: float = field(default=0.0, compare=False)
    """Seconds for which a client stays that leaves before there is an answer (`close_after` of 0), so that the request gets where it goes."""
    waits: float = field(default=0.0, compare=False)
    """Seconds to wait for the first byte, where that is longer than the run's patience."""
    new_connection: bool = False
    """Do not take a connection from the pool."""
    takes_any_answer: bool = False
    """Whatever comes is the answer, "later" and "no money" too: a script says so."""
    at_once: bool = field(default=False, compare=False)
    """How many the target takes at a time is the question: what was learned of its limits does not hold the request back."""
    once: bool = field(default=False, compare=False)
    """Whether it is served the first time is what the request is for."""

    @classmethod
    def of(cls, params: Mapping[str, Any], **fields: Any) -> Request:
        """A request whose body is `params` as JSON."""
        return cls(body=json.dumps(params, ensure_ascii=True, separators=(",", ":")).encode(), **fields)

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty where the body is none (malformed on purpose)."""
        found = parse_json(self.body)
        return found if isinstance(found, dict) else {}

    @property
    def streamed(self) -> bool:
        """Whether the request asks for a stream."""
        return self.params.get("stream") is True

    @cached_property
    def prompts(self) -> tuple[str | tuple[int, ...], ...]:
        """The prompts that the request carries, each a text or token ids; empty where the form is not a legal one."""
        prompt = self.params.get("prompt")
        if isinstance(prompt, str):
            return (prompt,)
        if not isinstance(prompt, list) or not prompt:
            return ()
        if all(isinstance(item, str) for item in prompt):
            return tuple(prompt)
        if all(is_int(item) for item in prompt):
            return (tuple(prompt),)
        if all(isinstance(item, list) and item and all(is_int(token) for token in item) for item in prompt):
            return tuple(tuple(item) for item in prompt)
        return ()

    @property
    def stops(self) -> list[str]:
        """The stop sequences of the request, whatever form they have; an empty one is none."""
        given = self.params.get("stop")
        return [
            one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str) and one
        ]

    def integer(self, name: str, default: int) -> int:
        """The parameter `name` where it is an integer, else `default` (absent, null, or bent on purpose)."""
        value = self.params.get(name)
        return value if is_int(value) else default

    @property
    def most_tokens(self) -> int:
        """How many tokens the choices that are returned may have in all; without `max_tokens` OpenAI's default counts."""
        return self.integer("max_tokens", DEFAULT_MAX_TOKENS) * self.choices

    @property
    def choices(self) -> int:
        """How many choices the contract promises for this request: `n` for each prompt."""
        return max(1, len(self.prompts)) * self.integer("n", 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a body and when they arrived, in seconds after the request was sent."""

    seconds: float
    data: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP response. `complete` says that it was read to the end that the server gave it.

    Header names and values are the server's, decoded as UTF-8 where they are that and as Latin-1 else.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[Piece, ...] = ()
    complete: bool = True
    wire_bytes: int = 0
    """Size of the body on the wire, before any content coding was undone; chunk framing is not counted."""
    closed_by_us: bool = False
    """The suite closed the connection before the end, as `Request.close_after` asked: not complete, and nobody's fault."""
    is_kept: bool = field(default=True, compare=False)
    """Whether what is read in it is kept: where there is too much, it is read each time."""

    @property
    def body(self) -> bytes:
        """The body, content coding undone."""
        if len(self.pieces) == 1:
            return self.pieces[0].data
        return self._kept("_body", lambda: b"".join(piece.data for piece in self.pieces))

    @property
    def json(self) -> Any:
        """The body as strict JSON, or `NOT_JSON`."""
        return self._kept("_json", lambda: parse_json(self.body))

    def _kept(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, which is kept where there is room for it."""
        kept = vars(self)
        if name in kept:
            found: T = kept[name]
            return found
        found = read()
        if self.is_kept:
            kept[name] = found
        return found

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return self._first.get(name.lower())

    @cached_property
    def _first(self) -> Mapping[str, str]:
        """The first header of each name, in lower case."""
        return {key.lower(): value for key, value in reversed(self.headers)}

    @property
    def media_type(self) -> str:
        """The media type in lower case, without parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def is_event_stream(self) -> bool:
        """Whether the response calls itself an event stream."""
        return self.media_type == "text/event-stream"


@dataclass(frozen=True)
class Exchange:
    """One request and everything that came back: a response, a fault, or both where a body broke off.

    It has neither where the suite went away before an answer came (`Request.close_after` of 0).
    """

    request: Request
    response: Response | None = None
    fault: Fault | None = None
    id: str = ""
    started: float = 0.0
    """Unix time at which this try at the request began."""
    seconds: float = 0.0
    """From the moment the request was sent to the last byte or the fault; from `started` where it never was sent."""
    retries: int = 0
    """How often the target put this request off (429, 503, …) before this answer, and it was sent again."""
    url: str = ""
    """The full URL that the request went to."""
    transient: bool = False
    """It was not served, and the same request was when it was sent again: this says nothing about the request."""
    unserved: int = 0
    """How often in a row the request was not served, this time included."""
    occasion: str = ""
    """Which of the times at which the run sent this very request it was, and for whom: a run that is judged again, or goes on, finds its answer
    by it. Empty where nobody wrote it down."""

    @property
    def status(self) -> int | None:
        """The status code, if there was an answer."""
        return self.response.status if self.response else None

    @property
    def complete(self) -> bool:
        """Whether an answer came and was read to its end, whatever it says."""
        return self.response is not None and self.response.complete

    @property
    def served(self) -> bool:
        """Whether a 2xx status came."""
        return self.status is not None and self.status // 100 == _SUCCESS

    @property
    def refused(self) -> bool:
        """Whether the server said no to the request itself: 4xx, but not for want of a key, a route, or patience.

        401, 403, 404, 408 and 429 say nothing about the parameter that was bent, so they never prove validation.
        """
        status = self.status
        return status is not None and status // 100 == _CLIENT_ERROR and status not in _NOT_ABOUT_THE_BODY

    @property
    def rate_limited(self) -> bool:
        """Whether the answer says "later" and cannot mean anything else: 429, 529, or 503 with a time."""
        if self.response is None:
            return False
        return self.response.status in _LATER or (
            self.response.status == HTTPStatus.SERVICE_UNAVAILABLE
            and self.response.header("retry-after") is not None
        )

    @property
    def closed_by_us(self) -> bool:
        """Whether the suite closed the connection itself, as `Request.close_after` asked."""
        if self.response is None:
            return self.fault is None
        return self.response.closed_by_us


class NotJson:
    """Marks a body that is not strict JSON; a class of its own, as `None` is what JSON's `null` becomes."""

    def __repr__(self) -> str:
        """`NOT_JSON`."""
        return "NOT_JSON"


NOT_JSON = NotJson()


def parse_json(text: bytes | str) -> Any:
    """The JSON value of `text`, or `NOT_JSON`.

    Strict where Python's decoder is not: RFC 8259 has no `NaN` and no `Infinity`, and wants UTF-8. White space around the value is
    legal. Never raises: what is nested too deep, has more values than any answer needs, or a number beyond a double, is not JSON that a client
    could use either. A text in the value may hold lone surrogates (RFC 8259, 8.2, permits their escapes), which UTF-8 can not encode.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        if len(decoded) > _MOST_VALUES and sum(map(decoded.count, ",[{")) > _MOST_VALUES:
            return NOT_JSON
        return _STRICT.decode(decoded)
    except (ValueError, RecursionError):
        return NOT_JSON


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _printable(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(digits)
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


_STRICT = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, parse_int=_printable)
"""Made once: that takes longer than to read a short answer."""


def is_int(value: object) -> TypeGuard[int]:
    """Whether a JSON value is an integer; Python takes `true` for one, JSON does not."""
    return isinstance(value, int) and not isinstance(value, bool)
