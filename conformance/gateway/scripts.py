"""What the scripted upstream says: answers that a server may give, chosen by a word in the prompt.

A prompt that holds `gateway-script:NAME` gets the answer of that name, any other the answer `plain`. All are answers of an ordinary server on
an ordinary or on a bad day; none breaks the contract but those whose name says that they break off or fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

MARK = "gateway-script:"
"""What stands before the name of a script in a prompt."""

WORDS = (
    " The", " old", " lantern", "  swings", " above", " the", " quiet", "\nharbour", ",", " and", " nobody", " counts", " its", " turns",
    ";", " a", " gull", " cries", " twice", " over", " the", " empty", " boats", ".",
)  # fmt: skip
"""The tokens of every text but one; with white space that a relay may not touch."""

WIDE_WORDS = ("日本", "語の", "テキスト", " 😀", " naïve", " Grüße", " 👩\N{ZERO WIDTH JOINER}💻", "。")
"""Tokens of two to four bytes a character, for those that cut text by bytes."""

USAGE = MappingProxyType({"prompt_tokens": 41, "completion_tokens": 17, "total_tokens": 58})
"""Numbers that nobody comes to by counting."""

RETRY_AFTER = "3600"
"""Long enough that no client waits for it by itself."""

REFUSAL = MappingProxyType(
    {
        "message": "The scripted upstream refuses this prompt.",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": None,
    }
)
FAILURE = MappingProxyType(
    {
        "message": "The scripted upstream failed in the middle.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
)

_CREATED = 1_700_000_000
_NAME = re.compile(re.escape(MARK) + r"([a-z0-9-]{1,32})")
_PAUSE = 0.03
"""Seconds between two writes where it matters that they do not arrive as one."""
_SLOW_CHUNKS = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as it is written: the pieces of the body one by one, `pause` seconds apart."""

    pieces: tuple[bytes, ...]
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0
    breaks_off: bool = False
    """The connection is closed behind the last piece, before the end that the transfer coding demands."""


Body = Mapping[str, Any]
Script = Callable[[Body], Reply]


def named(body: Body) -> str:
    """The script that a request asks for by its prompt."""
    found = _NAME.search(json.dumps(body.get("prompt"), ensure_ascii=False))
    return found[1] if found and found[1] in SCRIPTS else "plain"


def texts(body: Body, words: Sequence[str] = WORDS) -> tuple[str, ...]:
    """The text of each choice that a request is answered with."""
    return tuple("".join(tokens) for tokens in _tokens(body, words))


def finish_reason(body: Body, words: Sequence[str] = WORDS) -> str:
    """How each of these choices ends."""
    return "length" if _limit(body) < len(words) else "stop"


def logprobs(tokens: Sequence[str]) -> dict[str, Any]:
    """The log probabilities of the tokens of a text."""
    offsets = [len("".join(tokens[:number])) for number in range(len(tokens))]
    values = [-0.25 * (1 + number % 3) for number in range(len(tokens))]
    return {
        "tokens": list(tokens),
        "token_logprobs": values,
        "top_logprobs": [{token: value, " other": -3.5} for token, value in zip(tokens, values, strict=True)],
        "text_offset": offsets,
    }


# -- what the requests ask for -------------------------------------------------------------------------------------------------------------


def _integer(value: object, default: int, most: int) -> int:
    return (
        min(value, most) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
    )


def _limit(body: Body) -> int:
    return _integer(body.get("max_tokens"), 16, len(WORDS))


def _tokens(body: Body, words: Sequence[str]) -> list[tuple[str, ...]]:
    """The tokens of each choice; they differ in their first one by the number of the choice."""
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
    count = _integer(body.get("n"), 1, 8) * (min(len(prompt), 8) if several else 1)  # type: ignore[arg-type]  # a list
    return [(words[0] + (f" {index}" if index else ""), *words[1 : _limit(body)]) for index in range(count)]


def _wants_logprobs(body: Body) -> bool:
    return body.get("logprobs") is not None


def _wants_usage(body: Body) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


# -- the parts of an answer ------------------------------------------------------------------------------------------------------------------


def _envelope(body: Body, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    head = {"id": "cmpl-scripted", "object": "text_completion", "created": _CREATED}
    return {**head, "model": str(body.get("model")), "choices": choices, **more}


def _choice(index: int, text: str, reason: str | None, scores: object = None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": scores, "finish_reason": reason}


def _event(document: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


_DONE = b"data: [DONE]\n\n"


def _chunks(body: Body, words: Sequence[str] = WORDS) -> Iterator[dict[str, Any]]:
    """One chunk a token, choice by choice in turn, and an empty one at the end of each choice."""
    choices = _tokens(body, words)
    for number in range(max(map(len, choices))):
        for index, tokens in enumerate(choices):
            arrays = logprobs(tokens).items() if _wants_logprobs(body) else ()
            scores = {name: values[number : number + 1] for name, values in arrays} or None
            yield _envelope(body, [_choice(index, tokens[number], None, scores)])
    for index in range(len(choices)):
        yield _envelope(body, [_choice(index, "", finish_reason(body, words))])


def _whole(body: Body, words: Sequence[str] = WORDS, **more: Any) -> bytes:
    choices = [
        _choice(
            index,
            "".join(tokens),
            finish_reason(body, words),
            logprobs(tokens) if _wants_logprobs(body) else None,
        )
        for index, tokens in enumerate(_tokens(body, words))
    ]
    return json.dumps(_envelope(body, choices, **more), ensure_ascii=False).encode()


def _stream(events: Iterable[bytes], **details: Any) -> Reply:
    return Reply(tuple(events), content_type="text/event-stream", **details)


# -- the scripts -----------------------------------------------------------------------------------------------------------------------------


def plain(body: Body) -> Reply:
    """An ordinary answer with usage; in a stream only if it is asked for, as the specification says."""
    if body.get("stream") is not True:
        return Reply((_whole(body, usage=dict(USAGE)),))
    events = [_event(chunk) for chunk in _chunks(body)]
    if _wants_usage(body):
        events.append(_event(_envelope(body, [], usage=dict(USAGE))))
    return _stream([*events, _DONE])


def no_usage(body: Body) -> Reply:
    """An answer without usage, as OpenAI's specification permits."""
    if body.get("stream") is not True:
        return Reply((_whole(body),))
    return _stream([*map(_event, _chunks(body)), _DONE])


def usage_on_the_last_text(body: Body) -> Reply:
    """A stream whose last chunk has text, finish reason and usage at once, asked for or not."""
    *most, last, _ = [chunk for chunk in _chunks(body) if chunk["choices"][0]["index"] == 0]
    last["choices"][0]["finish_reason"] = finish_reason(body)
    return _stream([*map(_event, most), _event({**last, "usage": dict(USAGE)}), _DONE])


def usage_on_the_last_choice(body: Body) -> Reply:
    """A stream whose last chunk has no text, but finish reason and usage, asked for or not: llama.cpp's way."""
    *most, last = [chunk for chunk in _chunks(body) if chunk["choices"][0]["index"] == 0]
    return _stream([*map(_event, most), _event({**last, "usage": dict(USAGE)}), _DONE])


def comments(body: Body) -> Reply:
    """A stream with keep-alive comments before, between and behind the events, in several spellings."""
    spelled = (b": keep-alive\n\n", b":\n\n", b": PROCESSING\n\n", b":data: no\n\n")
    events = [
        piece for number, chunk in enumerate(_chunks(body)) for piece in (spelled[number % 4], _event(chunk))
    ]
    return _stream([*events, b": last\n\n", _DONE], pause=0.002)


def lines(body: Body) -> Reply:
    """A stream with CRLF as line ends, without blanks behind the colons, and with chunks whose text is empty."""
    events = []
    for chunk in _chunks(body):
        empty = _envelope(body, [_choice(chunk["choices"][0]["index"], "", None)])
        events += [_event(empty), _event(chunk)]
    written = (event.replace(b"data: ", b"data:", 1).replace(b"\n", b"\r\n") for event in [*events, _DONE])
    return _stream(written)


def unicode(body: Body) -> Reply:
    """Characters of several bytes, which are cut in the middle between two writes."""
    if body.get("stream") is not True:
        return Reply(_inside_characters(_whole(body, WIDE_WORDS, usage=dict(USAGE))), pause=_PAUSE)
    data = b"".join([*map(_event, _chunks(body, WIDE_WORDS)), _DONE])
    return _stream(_inside_characters(data), pause=_PAUSE)


def _inside_characters(data: bytes) -> tuple[bytes, ...]:
    """Pieces of `data`, cut inside of each second character beyond ASCII."""
    cuts = [at for at in range(1, len(data)) if data[at] & 0xC0 == 0x80][::5][:12]  # noqa: PLR2004 - a byte that continues a character
    return tuple(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


def broken(body: Body) -> Reply:
    """A stream that breaks off after some words, without finish reason and without an end."""
    return replace(_stream([_event(chunk) for chunk in _chunks(body)][:4], pause=_PAUSE), breaks_off=True)


def failing(body: Body) -> Reply:
    """A stream that ends in an error event after some words."""
    events = [_event(chunk) for chunk in _chunks(body)][:4]
    return _stream([*events, _event({"error": dict(FAILURE)}), _DONE], pause=_PAUSE)


def slow(body: Body) -> Reply:
    """A stream that takes ten seconds."""
    chunk = _event(_envelope(body, [_choice(0, WORDS[0], None)]))
    end = _event(_envelope(body, [_choice(0, "", "stop")]))
    return _stream([*[chunk] * _SLOW_CHUNKS, end, _DONE], pause=0.05)


def refused(_: Body) -> Reply:
    """A refusal with status 400."""
    return Reply((json.dumps({"error": dict(REFUSAL)}).encode(),), status=400)


def rate_limited(_: Body) -> Reply:
    """A refusal with status 429, which says when to come again."""
    error = {
        "message": "Too many requests.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    return Reply(
        (json.dumps({"error": error}).encode(),), status=429, headers=(("Retry-After", RETRY_AFTER),)
    )


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "plain": plain,
        "no-usage": no_usage,
        "usage-on-the-last-text": usage_on_the_last_text,
        "usage-on-the-last-choice": usage_on_the_last_choice,
        "comments": comments,
        "lines": lines,
        "unicode": unicode,
        "broken": broken,
        "failing": failing,
        "slow": slow,
        "refused": refused,
        "rate-limited": rate_limited,
    }
)
