"""What a relay may not change: streams, sound and broken, of the scripted upstream."""

from __future__ import annotations

from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.gateway.scripts import FAILURE, WIDE_WORDS
from conformance.kit.gateway_relay import LENGTH, expect_content, relay, served
from conformance.kit.target import Target
from conformance.wire.completion import DONE, Completion
from conformance.wire.error_text import error_text
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


@scenario("GW-006")
async def the_last_chunk_is_not_swallowed(target: Target) -> None:
    """A last upstream chunk with usage and text or finish reason reaches a client that did not ask for usage."""
    for script in ("usage-on-the-last-text", "usage-on-the-last-choice"):
        answer, _ = await served(target, script, stream=True)
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
        answer, _ = await served(target, "unicode", **_LONG, **changes)
        expect_content(answer, _LONG, WIDE_WORDS)


@scenario("GW-011")
async def every_legal_spelling_of_a_stream_passes(target: Target) -> None:
    """A stream with CRLF, without spaces after its colons, with empty texts and with choices in turn arrives in full."""
    one, _ = await served(target, "lines", stream=True)
    expect_content(one, _ORDINARY)
    answer, found = await served(target, "lines", stream=True, n=2, temperature=1)
    if found.body.get("n") != 2:  # noqa: PLR2004 - what was asked for
        raise NotRun("`n` does not reach the upstream; see GW-004")
    expect_content(answer, {**_ORDINARY, "n": 2})


@scenario("GW-014", phase=Phase.ALONE)
async def a_client_that_leaves_ends_the_upstreams_work(target: Target) -> None:
    """When a client closes its stream the gateway closes the upstream's, within seconds."""
    found = await relay(target, "slow", stream=True, close_after=2)
    if not found.sent or not found.exchange.closed_by_us:
        raise Inconclusive("no stream came that could be closed in the middle")
    if not found.left:
        raise Broken(
            "a client closed its stream after two events, and five seconds later the upstream still wrote to the gateway"
        )


@scenario("GW-008", phase=Phase.ALONE)
async def a_broken_upstream_stream_shows(target: Target) -> None:
    """A stream of the upstream that breaks off does not look complete to the client."""
    answer = await _ended_badly(target, "broken")
    if answer is not None and _looks_complete(answer):
        raise Broken(
            f"the upstream's stream broke off after {shown(answer.text)}; the gateway's ends with {DONE} as if it were complete"
        )


@scenario("GW-013", phase=Phase.ALONE)
async def a_failing_upstream_stream_shows(target: Target) -> None:
    """An error event of the upstream's stream reaches the client as an error, not as text or as an ordinary end."""
    answer = await _ended_badly(target, "failing")
    if answer is None:
        return
    if str(FAILURE["message"]) in answer.text:
        raise Broken(f"the upstream's error reaches the client as generated text: {shown(answer.text)}")
    if _looks_complete(answer):
        raise Broken(
            f"the upstream's stream failed after {shown(answer.text)}; the gateway's ends with {DONE} and no error"
        )


async def _ended_badly(target: Target, script: str) -> Completion | None:
    """What a client saw of a stream that went wrong upstream; None where it is told by status or by a broken connection."""
    found = await relay(target, script, stream=True)
    exchange = found.exchange
    if not found.sent:
        raise Inconclusive(f"the gateway did not ask the scripted upstream: {error_text(exchange)}")
    if not (exchange.served and exchange.complete):
        return None
    return Completion.read(exchange)


def _looks_complete(answer: Completion) -> bool:
    """Whether a stream ends in the ordinary way, without an error."""
    events = answer.events.events if answer.events else ()
    done = bool(events) and events[-1].data.strip() == DONE
    return done and not any(chunk.document.get("error") for chunk in answer.chunks)
