"""What the scripted upstream says: answers that a server may give, chosen by a word in the prompt.

A prompt that holds `gateway-script:NAME` gets the answer of that name, any other the answer `plain`. All are answers of an ordinary server on
an ordinary or on a bad day; none breaks the contract but those whose name says that they break off or fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from conformance.gateway.answers import (
    DONE,
    USAGE,
    WIDE_WORDS,
    WORDS,
    Body,
    Reply,
    choice,
    chunks,
    echoed_chunks,
    echoed_tokens,
    envelope,
    event,
    events,
    finish_reason,
    logprobs,
    no_usage,
    plain_reply,
    stream_reply,
    wants_usage,
    whole,
)
from conformance.gateway.refusals import REFUSALS

MARK = "gateway-script:"
"""What stands before the name of a script in a prompt."""

FAILURE = MappingProxyType(
    {
        "message": "The scripted upstream failed in the middle.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
)
LARGE, HUGE = 70_000, 1_100_000
"""Characters of a text that makes an event larger than 64 KiB, and than 1 MiB."""

FINGERPRINT = "fp_scripted"
DETAILS = MappingProxyType(
    {
        **USAGE,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
)
"""Usage with its details."""

_NAME = re.compile(re.escape(MARK) + r"([a-z0-9-]{1,32})")
_PAUSE = 0.03
"""Seconds between two writes where it matters that they do not arrive as one."""
_SLOW_CHUNKS = 200
CLIENTS = 8
"""So many requests are waited for where they are to be answered together."""

Script = Callable[[Body], Reply]


def named(body: Body) -> str:
    """The script that a request asks for by its prompt, or, where that is of tokens, by its user."""
    asked = json.dumps([body.get("prompt"), body.get("user")], ensure_ascii=False)
    found = _NAME.search(asked)
    return found[1] if found and found[1] in SCRIPTS else "plain"


def is_scripted(body: bytes) -> bool:
    """Whether a request is one that asks for a script."""
    return MARK.encode() in body


# -- ordinary answers ------------------------------------------------------------------------------------------------------------------------


def plain(body: Body) -> Reply:
    """An ordinary answer with usage; in a stream only if it is asked for, as the specification says."""
    if body.get("stream") is not True:
        return plain_reply(whole(body, usage=dict(USAGE)))
    usage = [event(envelope(body, [], usage=dict(USAGE)))] if wants_usage(body) else []
    return stream_reply([*events(body), *usage, DONE])


def as_json(body: Body) -> Reply:
    """A plain answer, whatever was asked for."""
    return plain_reply(whole(body, usage=dict(USAGE)))


def compressed(body: Body) -> Reply:
    """An ordinary answer in gzip, for whoever takes that."""
    return replace(plain(body), compressed=True)


def rare(body: Body) -> Reply:
    """An answer that a filter has ended before its first word, with members that not every server has."""
    more = {"system_fingerprint": FINGERPRINT}
    ended = choice(0, "", "content_filter")
    if body.get("stream") is not True:
        document = envelope(body, [ended], usage=dict(DETAILS), **more)
        return plain_reply(json.dumps(document).encode())
    begun = envelope(body, [choice(0, "", None)], **more)
    usage = envelope(body, [], usage=dict(DETAILS), **more)
    said = [begun, envelope(body, [ended], **more), *([usage] if wants_usage(body) else [])]
    return stream_reply([*map(event, said), DONE])


def echoed(body: Body) -> Reply:
    """An answer that begins with its prompt, with log probabilities, the first of which is null: nothing comes before that token."""
    if body.get("stream") is True:
        return stream_reply([*map(event, echoed_chunks(body)), DONE])
    tokens = echoed_tokens(body)
    said = choice(0, "".join(tokens), finish_reason(body), logprobs(tokens, echoed=True))
    return plain_reply(json.dumps(envelope(body, [said], usage=dict(USAGE)), ensure_ascii=False).encode())


def one_by_one(body: Body) -> Reply:
    """A stream each of whose events waits until the run lets it go."""
    return stream_reply([*events(body, WORDS[:3]), DONE], one_by_one=True)


def together(body: Body) -> Reply:
    """An ordinary answer to each of several requests, once they are all here."""
    return replace(plain(body), together=CLIENTS)


def late(body: Body) -> Reply:
    """An ordinary answer whose first byte takes more than a minute."""
    return replace(plain(body), late=True)


def held(body: Body) -> Reply:
    """An answer that takes ten seconds."""
    return replace(plain(body), held=True)


# -- legal streams of every spelling -----------------------------------------------------------------------------------------------------------


def usage_on_the_last_text(body: Body) -> Reply:
    """A stream whose last chunk has text, finish reason and usage at once, asked for or not."""
    *most, last, _ = [chunk for chunk in chunks(body) if chunk["choices"][0]["index"] == 0]
    last["choices"][0]["finish_reason"] = finish_reason(body)
    return stream_reply([*map(event, most), event({**last, "usage": dict(USAGE)}), DONE])


def usage_on_the_last_choice(body: Body) -> Reply:
    """A stream whose last chunk has no text, but finish reason and usage, asked for or not: llama.cpp's way."""
    *most, last = [chunk for chunk in chunks(body) if chunk["choices"][0]["index"] == 0]
    return stream_reply([*map(event, most), event({**last, "usage": dict(USAGE)}), DONE])


def comments(body: Body) -> Reply:
    """A stream with keep-alive comments before, between and behind the events, in several spellings."""
    spelled = (b": keep-alive\n\n", b":\n\n", b": PROCESSING\n\n", b":data: no\n\n")
    pieces = [piece for number, one in enumerate(events(body)) for piece in (spelled[number % 4], one)]
    return stream_reply([*pieces, b": last\n\n", DONE], pause=0.002)


def lines(body: Body) -> Reply:
    """A stream with CRLF as line ends, without blanks behind the colons, and with chunks whose text is empty."""
    said = []
    for chunk in chunks(body):
        empty = envelope(body, [choice(chunk["choices"][0]["index"], "", None)])
        said += [event(empty), event(chunk)]
    written = (one.replace(b"data: ", b"data:", 1).replace(b"\n", b"\r\n") for one in [*said, DONE])
    return stream_reply(written)


def fields(body: Body) -> Reply:
    """A stream whose events have names and numbers, and which says how long to wait before coming again."""
    named_events = (
        b"event: completion\nid: %d\n%b" % (number, one) for number, one in enumerate(events(body))
    )
    return stream_reply([b"retry: 3000\n\n", *named_events, DONE])


def several_lines(body: Body) -> Reply:
    """A stream whose events have their data in two lines, as the format permits between any two tokens of JSON."""
    return stream_reply([*map(_in_two_lines, events(body)), DONE])


def _in_two_lines(one: bytes) -> bytes:
    return one.replace(b', "choices"', b',\ndata: "choices"', 1)


def byte_order_mark(body: Body) -> Reply:
    """A stream that begins with a byte order mark."""
    return stream_reply([b"\xef\xbb\xbf" + events(body)[0], *events(body)[1:], DONE])


def in_one_chunk(body: Body) -> Reply:
    """A stream whose chunks hold a part of every choice."""
    by_choice: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks(body):
        by_choice.setdefault(chunk["choices"][0]["index"], []).append(chunk["choices"][0])
    joined = (envelope(body, list(parts)) for parts in zip(*by_choice.values(), strict=True))
    return stream_reply([*map(event, joined), DONE])


def every_spelling(body: Body) -> Reply:
    """All of these at once: a mark, names, numbers, data in two lines, and chunks that hold a part of every choice."""
    first, *others, _ = in_one_chunk(body).pieces
    begun = b"\xef\xbb\xbf" + _in_two_lines(first).removesuffix(b"\n") + b"event: completion\nid: 0\n\n"
    spelled = (
        b"event: completion\nid: %d\n%b" % (number, _in_two_lines(one))
        for number, one in enumerate(others, 1)
    )
    return stream_reply([begun, b"retry: 3000\n\n", *spelled, DONE])


def large(body: Body, size: int) -> Reply:
    """A stream whose second event holds a text of `size` characters."""
    return stream_reply([*events(body, large_words(size)), DONE])


def large_words(size: int) -> tuple[str, ...]:
    """The words of such a stream."""
    return (WORDS[0], " lantern" * (size // len(" lantern")), WORDS[2])


def unicode(body: Body) -> Reply:
    """Characters of several bytes, which are cut in the middle between two writes."""
    if body.get("stream") is not True:
        return Reply(_inside_characters(whole(body, WIDE_WORDS, usage=dict(USAGE))), pause=_PAUSE)
    return stream_reply(_inside_characters(b"".join([*events(body, WIDE_WORDS), DONE])), pause=_PAUSE)


def _inside_characters(data: bytes) -> tuple[bytes, ...]:
    """Pieces of `data`, cut inside of each second character beyond ASCII."""
    cuts = [at for at in range(1, len(data)) if data[at] & 0xC0 == 0x80][::5][:12]  # noqa: PLR2004 - a byte that continues a character
    return tuple(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


# -- streams that end otherwise ----------------------------------------------------------------------------------------------------------------


def broken(body: Body) -> Reply:
    """A stream that breaks off after some words, without finish reason and without an end."""
    return stream_reply(events(body)[:4], pause=_PAUSE, breaks_off=True)


def cut(body: Body) -> Reply:
    """A stream that comes to a clean end after some words, without finish reason and without `[DONE]`."""
    return stream_reply(events(body)[:4])


def failing(body: Body) -> Reply:
    """A stream that ends in an error event after some words."""
    return stream_reply([*events(body)[:4], event({"error": dict(FAILURE)}), DONE], pause=_PAUSE)


def done_twice(body: Body) -> Reply:
    """A stream that ends with `[DONE]`, and once more."""
    return stream_reply([*events(body), DONE, DONE])


def never_done(body: Body) -> Reply:
    """A stream that has its finish reason, and no `[DONE]`."""
    return stream_reply(events(body))


def slow(body: Body) -> Reply:
    """A stream that takes ten seconds."""
    chunk = event(envelope(body, [choice(0, WORDS[0], None)]))
    end = event(envelope(body, [choice(0, "", "stop")]))
    return stream_reply([*[chunk] * _SLOW_CHUNKS, end, DONE], pause=0.05)


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "plain": plain,
        "no-usage": no_usage,
        "json": as_json,
        "compressed": compressed,
        "rare": rare,
        "echoed": echoed,
        "one-by-one": one_by_one,
        "together": together,
        "late": late,
        "held": held,
        "usage-on-the-last-text": usage_on_the_last_text,
        "usage-on-the-last-choice": usage_on_the_last_choice,
        "comments": comments,
        "lines": lines,
        "fields": fields,
        "several-lines": several_lines,
        "byte-order-mark": byte_order_mark,
        "in-one-chunk": in_one_chunk,
        "every-spelling": every_spelling,
        "large": partial(large, size=LARGE),
        "huge": partial(large, size=HUGE),
        "unicode": unicode,
        "broken": broken,
        "cut": cut,
        "failing": failing,
        "done-twice": done_twice,
        "never-done": never_done,
        "slow": slow,
        **REFUSALS,
    }
)
