"""What several rules need to see of an answer, and how they show what they saw.

Nothing here trusts a type: whatever JSON a target sends, these functions give a value or None, and none of them raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from conformance.wire.completion import DONE, Chunk, Completion
from conformance.wire.exchange import Exchange, Intent, Request, is_int
from conformance.wire.sse import Event

_DEEPEST = 20


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a JSON value is a number that a double can hold: `true` is none, and `1e999` has become infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


# -- what was asked for ------------------------------------------------------------------------------------------------------------


def promised(request: Request) -> int | None:
    """How many choices the contract promises for a request; None where it is not valid, or its prompt has no legal form."""
    n = request.params.get("n")
    valid = request.intent is Intent.VALID and request.prompts and (n is None or (is_int(n) and n > 0))
    return request.choices if valid else None


def is_given(request: Request, *names: str) -> bool:
    """Whether any of these parameters is in the request with a value other than null."""
    return any(request.params.get(name) is not None for name in names)


def echoes(request: Request) -> bool:
    """Whether the request asks for its prompt back."""
    return request.params.get("echo") not in (None, False)


def generated(request: Request, text: str) -> str | None:
    """What was generated of a choice's text: all of it, or with `echo` what follows the prompt; None where that can't be told."""
    if not echoes(request):
        return text
    found = [prompt for prompt in request.prompts if isinstance(prompt, str) and text.startswith(prompt)]
    return text[len(max(found, key=len)) :] if found else None


def without_suffix(request: Request, text: str) -> str:
    """What comes before a suffix that the server has appended, which nobody generated."""
    suffix = request.params.get("suffix")
    appended = suffix.strip() if isinstance(suffix, str) else ""
    return text.rstrip().removesuffix(appended)


def asked_for_usage(request: Request) -> bool:
    """Whether the request asks for the usage chunk of a stream."""
    options = request.params.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def declines_usage(request: Request) -> bool:
    """Whether the request plainly does not ask for the usage chunk of a stream. What a word in its place asks for is STREAM-029's business."""
    options = request.params.get("stream_options")
    given = options.get("include_usage") if isinstance(options, dict) else options
    return given is None or given is False


# -- plain answers -----------------------------------------------------------------------------------------------------------------


def plain(completion: Completion) -> Mapping[str, Any] | None:
    """The JSON object of a plain answer; None for a stream, for what is no object, and for an error in the place of an answer."""
    if completion.streamed or not completion.documents:
        return None
    document = completion.documents[0]
    return None if document.get("error") is not None and "choices" not in document else document


def choices_of(document: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The choices of a document where they are an array of objects, else none."""
    found = document.get("choices") if document is not None else None
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else []


# -- streams -----------------------------------------------------------------------------------------------------------------------


def is_framed(completion: Completion) -> bool:
    """Whether there is an event stream to look at; what neither calls itself one nor has a chunk is the business of STREAM-001."""
    response = completion.exchange.response
    return (
        completion.streamed and response is not None and (response.is_event_stream or bool(completion.chunks))
    )


def events_of(completion: Completion) -> tuple[Event, ...]:
    """All events, one that lacks only its blank line at the end of the stream included."""
    stream = completion.events
    if stream is None:
        return ()
    return stream.events if stream.unfinished is None else (*stream.events, stream.unfinished)


def has_failed(completion: Completion) -> bool:
    """Whether a stream reports an error: what a sound stream has to have is then not to be expected."""
    return any(bool(chunk.document.get("error")) for chunk in completion.chunks)


def sound_chunks(completion: Completion) -> Iterator[Chunk]:
    """The chunks that report no error."""
    return (chunk for chunk in completion.chunks if not chunk.document.get("error"))


def is_done(completion: Completion) -> bool:
    """Whether the stream has its terminator."""
    return any(event.data.strip() == DONE for event in events_of(completion))


def missing_indices(completion: Completion) -> list[int]:
    """The choice indices that were promised and never came in a stream.

    One choice where several were asked for is `n` or the list of prompts ignored, which N-001 and MULTI-001 judge.
    """
    count, seen = promised(completion.exchange.request), completion.choices
    if count is None or any(index not in range(count) for index in seen):
        return []
    if set(seen) == {0} and len(seen[0].finish_reasons) <= 1:
        return []
    return [index for index in range(min(count, len(seen) + 1)) if index not in seen]


# -- refusals ----------------------------------------------------------------------------------------------------------------------


def is_of_endpoint(exchange: Exchange) -> bool:
    """Whether the endpoint itself answered: other methods and paths are answered by what stands before it."""
    return exchange.request.method == "POST" and exchange.request.path == "/completions"


def strings_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text within a JSON value, keys left out, as deep as an error body may reasonably nest."""
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from strings_in(member, depth + 1)
