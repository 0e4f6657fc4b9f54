"""What a relay may not change of sound streams, whatever the spelling, of the scripted upstream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, NotRun, NotServed
from conformance.gateway.answers import WIDE_WORDS, WORDS
from conformance.gateway.scripts import HUGE, LARGE, large_words
from conformance.kit.gateway_relay import LENGTH, expect_content, expect_ordinary, expect_two_choices, served
from conformance.kit.target import Target
from conformance.wire.completion import DONE
from conformance.wire.exchange import NOT_JSON, parse_json
from conformance.wire.shown import shown

_ORDINARY: dict[str, Any] = {"max_tokens": LENGTH}
_LONG: dict[str, Any] = {"max_tokens": 24}
_FORMS: tuple[dict[str, Any], ...] = ({}, {"stream": True})
_OWN_CHUNKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("no-usage", {}),
    ("no-usage", {"stream_options": {"include_usage": True}}),
    ("usage-on-the-last-choice", {}),
)
"""Where a gateway may add a chunk of its own: there is no usage, or it comes in a way that it does not expect."""
_WITH_THE_END = {
    "usage-on-the-last-text": "text and finish_reason",
    "usage-on-the-last-choice": "the finish_reason",
}
"""Scripts whose last chunk carries usage, and what else it does."""
_LINES = "the upstream's stream came with CRLF, without spaces after its colons, and with empty texts"
_DECLINED: tuple[dict[str, Any], ...] = ({"include_usage": False}, {})
_TWO_CHOICES: dict[str, Any] = {"stream": True, "n": 2, "temperature": 1}
_SPELLINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "events with the fields `event`, `id` and `retry`": ("fields", {"stream": True}),
    "events whose data has two lines": ("several-lines", {"stream": True}),
    "a byte order mark at its beginning": ("byte-order-mark", {"stream": True}),
    "two choices in each chunk": ("in-one-chunk", _TWO_CHOICES),
}


@scenario("GW-006")
async def the_last_chunk_is_not_swallowed(target: Target) -> None:
    """A last upstream chunk with usage and text or finish reason reaches a client that did not ask for usage."""
    for script, last in _WITH_THE_END.items():
        answer, _ = await served(target, script, stream=True)
        with _told_of(
            f"nobody asked for usage, and the last chunk of the upstream's stream carried it together with {last}"
        ):
            expect_content(answer, _ORDINARY)


@contextlib.contextmanager
def _told_of(circumstance: str) -> Iterator[None]:
    """Say of what is found within what was special about it."""
    try:
        yield
    except Broken as found:
        raise type(found)(f"{circumstance}: {found}", *found.symptoms) from found


@scenario("GW-022")
async def declining_usage_loses_nothing_else(target: Target) -> None:
    """A last upstream chunk with usage and text or finish reason reaches a client that declined usage."""
    for script in _WITH_THE_END:
        try:
            expect_content((await served(target, script, stream=True))[0], _ORDINARY)
        except Broken as lost:
            raise NotRun("the end is lost whether usage is declined or not; see GW-006") from lost
        for options in _DECLINED:
            answer, _ = await served(target, script, stream=True, stream_options=options)
            with _told_of(f"with `stream_options` {shown(options)}, and not without"):
                expect_content(answer, _ORDINARY)


@scenario("GW-007")
async def own_chunks_are_text_completions(target: Target) -> None:
    """Chunks that the gateway adds are text completions, without keys of chat."""
    for script, changes in _OWN_CHUNKS:
        answer, _ = await served(target, script, stream=True, **changes)
        for chunk in answer.chunks:
            chat = any("delta" in choice or "message" in choice for choice in chunk.choices)
            if chunk.document.get("object") != "text_completion" or chat:
                raise Broken(
                    f"the upstream sent text completions, and a chunk of the stream is {shown(dict(chunk.document), 300)}"
                )


@scenario("GW-009")
async def comments_are_never_data(target: Target) -> None:
    """Comments in the upstream's stream are dropped or passed on as comments, and every event's data is JSON."""
    answer, _ = await served(target, "comments", stream=True)
    events = answer.events.events if answer.events else ()
    foreign = [
        event.data for event in events if event.data.strip() != DONE and parse_json(event.data) is NOT_JSON
    ]
    if foreign:
        raise Broken(
            f"the upstream's stream had comments, and an event of the gateway's has the data {shown(foreign[0])}"
        )
    expect_content(answer, _ORDINARY)


@scenario("GW-010")
async def split_characters_arrive_whole(target: Target) -> None:
    """Characters whose bytes the upstream sends in two pieces reach the client whole."""
    for changes in _FORMS:
        await expect_ordinary(target, **changes)
        answer, _ = await served(target, "unicode", **_LONG, **changes)
        with _told_of("the upstream wrote some characters in two pieces, which are cut between their bytes"):
            expect_content(answer, _LONG, WIDE_WORDS)


@scenario("GW-011")
async def every_legal_spelling_of_a_stream_passes(target: Target) -> None:
    """A stream with CRLF, without spaces after its colons, with empty texts and with choices in turn arrives in full."""
    if not await _has_two_choices(target):
        await expect_ordinary(target, stream=True)
        with _told_of(_LINES):
            expect_content((await served(target, "lines", stream=True))[0], _ORDINARY)
        raise NotRun("an ordinary stream of two choices does not arrive either; see GW-001")
    answer, found = await served(target, "lines", **_TWO_CHOICES)
    with _told_of(f"{_LINES}, and with two choices in turn"):
        expect_content(answer, {**_ORDINARY, "n": found.body.get("n")})


async def _has_two_choices(target: Target) -> bool:
    with contextlib.suppress(Broken):
        await expect_two_choices(target)
        return True
    return False


@scenario("GW-019")
async def every_legal_event_is_read(target: Target) -> None:
    """A stream with more of what the format of event streams permits arrives in full."""
    await expect_ordinary(target, stream=True)
    several = await _has_two_choices(target)
    # All of it at once; only where that is not read it is asked which it is.
    try:
        together = await _lost(target, "every-spelling", _TWO_CHOICES if several else {"stream": True})
    except NotServed as failed:
        together = str(failed)
    if together is None:
        return
    lost = []
    for what, (script, changes) in _SPELLINGS.items():
        if several or "n" not in changes:
            with _told_of(f"the upstream's stream had {what}"):
                how = await _lost(target, script, changes)
            lost += [f"{what}: {how}"] if how is not None else []
    raise Broken(
        f"the upstream's stream had {'; it had '.join(lost or [f'all of these at once: {together}'])}"
    )


async def _lost(target: Target, script: str, changes: dict[str, Any]) -> str | None:
    """What of a stream does not arrive as it was sent, in words. Raises `NotServed` where it is not served."""
    try:
        answer, found = await served(target, script, **changes)
        expect_content(answer, {**_ORDINARY, "n": found.body.get("n")}, WORDS)
    except NotServed:
        raise
    except Broken as broken:
        return str(broken)
    return None


@scenario("GW-018")
async def large_events_pass(target: Target) -> None:
    """Events of more than 64 KiB, and of more than 1 MiB, reach the client in full."""
    if (lost := await _lost_of_large(target, "huge", HUGE)) is None:
        return
    # Whoever does not pass on the smaller one either is told of that.
    raise Broken(await _lost_of_large(target, "large", LARGE) or lost)


async def _lost_of_large(target: Target, script: str, size: int) -> str | None:
    """What of a stream with an event of that size does not reach the client, in words; None where all of it does."""
    answer, _ = await served(target, script, stream=True)
    wanted = "".join(large_words(size))
    # Longer than any text that is looked at elsewhere.
    text = "".join(answer.choice.texts)
    if text != wanted or answer.finish_reason != "stop":
        return (
            f"the upstream's stream says three words, the second of which makes an event of {size} bytes and more; its texts have"
            f" {len(wanted)} characters in all, and its finish_reason is stop. What reached the client of it has {len(text)} characters,"
            f" and the finish_reason {shown(answer.finish_reason)}"
        )
    if not answer.events or not answer.events.events or answer.events.events[-1].data.strip() != DONE:
        return (
            f"the upstream's stream has an event of {size} bytes and more, and ended with {DONE}; the gateway's has all of the text, and no"
            f" {DONE}"
        )
    return None
