"""What the scripts of the upstream are written with: the words that it says, and the parts of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

WORDS = (
    " The", " old", " lantern", "  swings", " above", " the", " quiet", "\nharbour", ",", " and", " nobody", " counts", " its", " turns",
    ";", " a", " gull", " cries", " twice", " over", " the", " empty", " boats", ".",
)  # fmt: skip
"""The tokens of every text but a few; with white space that a relay may not touch."""

WIDE_WORDS = ("日本", "語の", "テキスト", " 😀", " naïve", " Grüße", " 👩\N{ZERO WIDTH JOINER}💻", "。")
"""Tokens of two to four bytes a character, for those that cut text by bytes."""

USAGE = MappingProxyType({"prompt_tokens": 41, "completion_tokens": 17, "total_tokens": 58})
"""Numbers that nobody comes to by counting."""

KEY_PLACE = "THE-KEY-OF-THE-REQUEST"

_CREATED = 1_700_000_000

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as it is written: the pieces of the body one by one, `pause` seconds apart."""

    pieces: tuple[bytes, ...]
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0
    breaks_off: bool = False
    """The connection is closed after the last piece, before the end that the transfer coding demands."""
    compressed: bool = False
    """The body is sent with gzip to whoever says that they take it."""
    one_by_one: bool = False
    """Each piece after the first waits until the run lets it go."""
    together: int = 0
    """Nothing is written before so many requests for this script are here at the same time, or none comes any more."""
    mentions_key: bool = False
    """`KEY_PLACE` in it stands for the key that the request came with."""
    late: bool = False
    """Nothing is written for more than a minute."""
    held: bool = False
    """Nothing is written until the other side has gone, for as long as a slow answer takes."""


def texts(body: Body, words: Sequence[str] = WORDS) -> tuple[str, ...]:
    """The text of each choice that a request is answered with."""
    return tuple("".join(tokens) for tokens in _tokens(body, words))


def finish_reason(body: Body, words: Sequence[str] = WORDS) -> str:
    """How each of these choices ends."""
    return "length" if _limit(body) < len(words) else "stop"


def logprobs(tokens: Sequence[str], *, echoed: bool = False) -> dict[str, Any]:
    """The log probabilities of the tokens of a text; the first of an echoed prompt has none, since nothing comes before it."""
    offsets = [len("".join(tokens[:number])) for number in range(len(tokens))]
    values = [-0.25 * (1 + number % 3) for number in range(len(tokens))]
    found: dict[str, Any] = {
        "tokens": list(tokens),
        "token_logprobs": values,
        "top_logprobs": [{token: value, " other": -3.5} for token, value in zip(tokens, values, strict=True)],
        "text_offset": offsets,
    }
    if echoed:
        found["token_logprobs"][0] = found["top_logprobs"][0] = None
    return found


def echoed_tokens(body: Body) -> tuple[str, ...]:
    """The tokens of an answer that begins with its prompt, which is one token."""
    return (str(body.get("prompt")), *WORDS[: _limit(body)])


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


def wants_usage(body: Body) -> bool:
    """Whether a stream is to have usage at its end."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


# -- the parts of an answer ------------------------------------------------------------------------------------------------------------------


def envelope(body: Body, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A whole answer, or a chunk of a stream, with these choices."""
    head = {"id": "cmpl-scripted", "object": "text_completion", "created": _CREATED}
    return {**head, "model": str(body.get("model")), "choices": choices, **more}


def choice(index: int, text: str, reason: str | None, scores: object = None) -> dict[str, Any]:
    """One choice, or a part of one."""
    return {"index": index, "text": text, "logprobs": scores, "finish_reason": reason}


def event(document: Mapping[str, Any]) -> bytes:
    """The event of a stream that carries a document."""
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def chunks(body: Body, words: Sequence[str] = WORDS) -> Iterator[dict[str, Any]]:
    """One chunk a token, choice by choice in turn, and an empty one at the end of each choice."""
    choices = _tokens(body, words)
    for number in range(max(map(len, choices))):
        for index, tokens in enumerate(choices):
            scores = _of_token(logprobs(tokens), number) if _wants_logprobs(body) else None
            yield envelope(body, [choice(index, tokens[number], None, scores)])
    for index in range(len(choices)):
        yield envelope(body, [choice(index, "", finish_reason(body, words))])


def _of_token(scores: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Of the log probabilities of a text those of one token."""
    return {name: values[number : number + 1] for name, values in scores.items()}


def echoed_chunks(body: Body) -> Iterator[dict[str, Any]]:
    """One chunk a token of an answer that begins with its prompt, and an empty one at its end."""
    tokens = echoed_tokens(body)
    scores = logprobs(tokens, echoed=True)
    for number, token in enumerate(tokens):
        yield envelope(body, [choice(0, token, None, _of_token(scores, number))])
    yield envelope(body, [choice(0, "", finish_reason(body))])


def events(body: Body, words: Sequence[str] = WORDS) -> list[bytes]:
    """The same as events."""
    return [event(chunk) for chunk in chunks(body, words)]


def whole(body: Body, words: Sequence[str] = WORDS, **more: Any) -> bytes:
    """A plain answer."""
    choices = [
        choice(
            index,
            "".join(tokens),
            finish_reason(body, words),
            logprobs(tokens) if _wants_logprobs(body) else None,
        )
        for index, tokens in enumerate(_tokens(body, words))
    ]
    return json.dumps(envelope(body, choices, **more), ensure_ascii=False).encode()


def plain_reply(data: bytes, **details: Any) -> Reply:
    """A plain answer in one piece."""
    return Reply((data,), **details)


def json_reply(document: object, **details: Any) -> Reply:
    """A plain answer that is a JSON document."""
    return plain_reply(json.dumps(document).encode(), **details)


def stream_reply(pieces: Iterable[bytes], **details: Any) -> Reply:
    """A stream."""
    return Reply(tuple(pieces), content_type="text/event-stream", **details)


def no_usage(body: Body) -> Reply:
    """An ordinary answer without usage, as OpenAI's specification permits."""
    if body.get("stream") is not True:
        return plain_reply(whole(body))
    return stream_reply([*events(body), DONE])
