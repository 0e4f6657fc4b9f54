"""One view of an answer, whether it came plain or as a stream: texts, finish reasons and logprobs by choice index, and usage.

The view is forgiving so that every check can look at whatever part of an answer is there. What it had to forgive is listed in
`Completion.malformed`; judging it is the business of the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeGuard

from conformance.wire import sse
from conformance.wire.exchange import NOT_JSON, Exchange, is_int, parse_json
from conformance.wire.shown import Odd

DONE = "[DONE]"
MAX_TEXT = 100_000
"""Characters of a choice that are looked at: what is asked for fits into a hundredth of it."""
COUNTERS = ("prompt_tokens", "completion_tokens", "total_tokens")
DETAILS = ("prompt_tokens_details", "completion_tokens_details")
FINISH_REASONS = ("stop", "length", "content_filter")
"""Those that are documented."""
_TOO_MANY = 2**63
"""No counter goes so far: most clients read 64 bits."""
_MOST_DEFECTS = 100
_KEPT = "_completion"
_ARRAYS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


@dataclass(frozen=True, slots=True)
class Usage:
    """The three counters; None where one is missing or is no integer that others could read."""

    raw: Mapping[str, Any]
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None

    @classmethod
    def read(cls, raw: object) -> Usage | None:
        """The counters of a `usage` member, None where that is no object."""
        if not isinstance(raw, dict):
            return None
        counters = (raw.get(name) for name in COUNTERS)
        return cls(raw, *(value if is_int(value) and abs(value) < _TOO_MANY else None for value in counters))


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The four parallel arrays of the legacy shape, those of a stream's chunks joined; None where an array never came."""

    tokens: tuple[Any, ...] | None
    token_logprobs: tuple[Any, ...] | None
    top_logprobs: tuple[Any, ...] | None
    text_offset: tuple[Any, ...] | None

    @classmethod
    def join(cls, parts: Sequence[Mapping[str, Any]]) -> Logprobs | None:
        """The arrays of several `logprobs` objects one after the other; None where there is no object."""
        if not parts:
            return None
        joined: dict[str, tuple[Any, ...] | None] = dict.fromkeys(_ARRAYS)
        for part in parts:
            for name in _ARRAYS:
                if isinstance(part.get(name), list):
                    joined[name] = (joined[name] or ()) + tuple(part[name])
        return cls(**joined)


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice, put together from one object (plain) or from all chunks that carry its index (stream)."""

    index: int
    parts: tuple[Mapping[str, Any], ...]
    """The choice objects as they came, in order."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The pieces of text in order, empty ones included."""
        return tuple(part["text"] for part in self.parts if isinstance(part.get("text"), str))

    @property
    def text(self) -> str:
        """The whole text, but for what no answer to a request of the suite goes to."""
        return "".join(self.texts)[:MAX_TEXT]

    @property
    def finish_reasons(self) -> tuple[Any, ...]:
        """Every `finish_reason` that is not null, in order; a sound choice has exactly one."""
        return tuple(part["finish_reason"] for part in self.parts if part.get("finish_reason") is not None)

    @property
    def finish_reason(self) -> str | Odd | None:
        """The last finish reason, or None."""
        reasons = self.finish_reasons
        if not reasons:
            return None
        return reasons[-1] if isinstance(reasons[-1], str) else Odd.of(reasons[-1])

    @property
    def logprobs(self) -> Logprobs | None:
        """The joined logprobs of the legacy shape, or None."""
        return Logprobs.join(
            [part["logprobs"] for part in self.parts if isinstance(part.get("logprobs"), dict)]
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream whose data is a JSON object."""

    event: sse.Event
    document: Mapping[str, Any]
    seconds: float
    """When its last byte arrived, after the request was sent."""

    @property
    def choices(self) -> tuple[Mapping[str, Any], ...]:
        """The choice objects in it."""
        return _choice_objects(self.document)


@dataclass(frozen=True)
class Completion:
    """An answered request for a completion."""

    exchange: Exchange
    streamed: bool
    documents: tuple[Mapping[str, Any], ...]
    """The body (plain) or each chunk (stream)."""
    chunks: tuple[Chunk, ...] = ()
    events: sse.EventStream | None = field(default=None, repr=False)
    malformed: tuple[str, ...] = ()

    @classmethod
    def read(cls, exchange: Exchange) -> Completion:
        """The view of an exchange, made once and kept with it (as `cached_property` does): all rules look at every exchange."""
        kept = vars(exchange)
        if _KEPT in kept:
            found: Completion = kept[_KEPT]
            return found
        response = exchange.response
        read = vars(response).get(_KEPT) if response else None
        # What was read stays true where something else about the exchange becomes known.
        found = cls._read(exchange) if read is None else replace(read, exchange=exchange)
        if response is None or response.is_kept:
            kept[_KEPT] = found
        if response is not None and response.is_kept:
            vars(response)[_KEPT] = found
        return found

    @property
    def reports_an_error(self) -> bool:
        """Whether a document of the answer, such as a chunk of a stream, has an error in it."""
        return any(bool(document.get("error")) for document in self.documents)

    @classmethod
    def _read(cls, exchange: Exchange) -> Completion:
        if exchange.response is None:
            return cls(exchange, exchange.request.streamed, (), malformed=("there is no answer",))
        if is_stream(exchange):
            return cls._read_stream(exchange)
        document = exchange.response.json
        if isinstance(document, dict):
            return cls(
                exchange,
                streamed=False,
                documents=(document,),
                malformed=tuple(islice(_defects(document), _MOST_DEFECTS)),
            )
        what = "not JSON" if document is NOT_JSON else "not a JSON object"
        return cls(exchange, streamed=False, documents=(), malformed=(f"the body is {what}",))

    @classmethod
    def _read_stream(cls, exchange: Exchange) -> Completion:
        assert exchange.response is not None  # noqa: S101 - `read` looked
        events = sse.parse(exchange.response.body)
        arrivals = _Arrivals(exchange)
        chunks, malformed = [], [f"{problem.message} (byte {problem.offset})" for problem in events.problems]
        for event in events.events:
            document = parse_json(event.data)
            if isinstance(document, dict):
                chunks.append(Chunk(event, document, arrivals.at(event.end)))
                malformed += islice(_defects(document), _MOST_DEFECTS - min(_MOST_DEFECTS, len(malformed)))
            elif event.data.strip() != DONE and len(malformed) < _MOST_DEFECTS:
                malformed.append(
                    f"the data of the event at byte {event.start} is neither {DONE} nor a JSON object"
                )
        documents = tuple(chunk.document for chunk in chunks)
        return cls(exchange, True, documents, tuple(chunks), events, tuple(malformed[:_MOST_DEFECTS]))  # noqa: FBT003 - positional like its twin above

    @cached_property
    def choices(self) -> Mapping[int, Choice]:
        """The choices by index, in the order in which the indices first came; a missing index counts as the position."""
        parts: dict[int, list[Mapping[str, Any]]] = {}
        for document in self.documents:
            for position, choice in enumerate(_choice_objects(document)):
                index = choice.get("index")
                parts.setdefault(index if is_int(index) else position, []).append(choice)
        return MappingProxyType({index: Choice(index, tuple(found)) for index, found in parts.items()})

    @property
    def choice(self) -> Choice:
        """Choice 0, an empty one where none came."""
        return self.choices.get(0) or Choice(0, ())

    @property
    def text(self) -> str:
        """The text of choice 0."""
        return self.choice.text

    @property
    def finish_reason(self) -> str | Odd | None:
        """The finish reason of choice 0."""
        return self.choice.finish_reason

    @cached_property
    def usage(self) -> Usage | None:
        """The usage of the whole request: the last `usage` object that came."""
        found = (Usage.read(document.get("usage")) for document in reversed(self.documents))
        return next((usage for usage in found if usage is not None), None)


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value can be the number of something: an integer of at least 0, in the 64 bits that most clients read."""
    return is_int(value) and 0 <= value < _TOO_MANY


def is_chat(choice: Mapping[str, Any]) -> bool:
    """Whether a choice has the keys of a chat in place of its text."""
    return "text" not in choice and ("message" in choice or "delta" in choice)


def reason_is_documented(reason: object, more: Collection[str] = ()) -> bool:
    """Whether a `finish_reason` is one that the contract knows, or one of `more` that a profile lists."""
    return isinstance(reason, str) and reason in (*FINISH_REASONS, *more)


def is_stream(exchange: Exchange) -> bool:
    """Whether the answer is to be read as an event stream: it says so, or a stream was asked for and it is no JSON by name."""
    response = exchange.response
    if response is None:
        return False
    return response.is_event_stream or (
        exchange.served and exchange.request.streamed and response.media_type != "application/json"
    )


def _choice_objects(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    choices = document.get("choices")
    return (
        tuple(choice for choice in choices if isinstance(choice, dict)) if isinstance(choices, list) else ()
    )


def _defects(document: Mapping[str, Any]) -> Iterator[str]:
    choices = document.get("choices")
    if not isinstance(choices, list):
        yield "`choices` is not an array"
        return
    for position, choice in enumerate(choices):
        if not isinstance(choice, dict):
            yield f"choices[{position}] is not an object"
            continue
        if not is_int(choice.get("index")):
            yield f"choices[{position}] has no integer `index`"
        if not isinstance(choice.get("text"), str):
            yield f"choices[{position}] has no string `text`"


class _Arrivals:
    """When each byte of a body arrived."""

    def __init__(self, exchange: Exchange) -> None:
        self._ends: list[tuple[int, float]] = []
        self._next = 0
        end = 0
        for piece in exchange.response.pieces if exchange.response else ():
            end += len(piece.data)
            self._ends.append((end, piece.seconds))

    def at(self, offset: int) -> float:
        """The time at which the byte before `offset` had arrived; offsets are asked for in ascending order."""
        while self._next + 1 < len(self._ends) and self._ends[self._next][0] < offset:
            self._next += 1
        return self._ends[self._next][1] if self._ends else 0.0
