"""What a relay may not change of answers, seen from both of its sides. All of this takes the scripted upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import count_differs, malformed, missing
from conformance.contract.verdict import Broken, Ignored, NotRun
from conformance.gateway.answers import USAGE, WORDS, echoed_tokens, logprobs, texts
from conformance.gateway.scripts import DETAILS, FINGERPRINT
from conformance.kit.gateway_relay import (
    LENGTH,
    arrived,
    expect_arrived,
    expect_content,
    expect_ordinary,
    expect_two_choices,
    relay,
    served,
)
from conformance.kit.target import Target
from conformance.wire.completion import Completion, is_chat
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

_STREAM: dict[str, Any] = {"stream": True}
_WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
_FORMS: tuple[dict[str, Any], ...] = ({}, _STREAM)
_ORDINARY: dict[str, Any] = {"max_tokens": LENGTH}
_LITTLE = 8
"""Tokens by which two estimates of prompts may differ that are equally long, and not the same."""


@scenario("GW-001")
async def a_relay_changes_no_content(target: Target) -> None:
    """Text and finish reason are those of the upstream: plain, as a stream, of several choices, for a list of prompts, and without usage."""
    for changes in _FORMS:
        # What the script says depends on what it is asked; that it is asked the same is GW-004's.
        answer, _ = await served(target, "plain", **changes)
        expect_content(answer, _ORDINARY)
    answer, found = await served(target, "plain", prompts=2)
    if isinstance(found.body.get("prompt"), list):
        expect_content(answer, {**_ORDINARY, "prompt": found.body["prompt"]})
    await expect_two_choices(target)
    expect_content((await served(target, "no-usage"))[0], _ORDINARY)


@scenario("GW-002", shows=count_differs())
async def reported_usage_passes_unchanged(target: Target) -> None:
    """The counters that the upstream reports reach the client unchanged."""
    for changes in ({}, _WITH_USAGE):
        answer, found = await served(target, "plain", **changes)
        form = "the stream" if answer.streamed else "the answer"
        if answer.streamed and not (found.body.get("stream_options") or {}).get("include_usage"):
            raise Broken("`stream_options` asked for usage, but the upstream was not asked for it")
        if answer.usage is None:
            raise Broken(f"the upstream reported {shown(dict(USAGE))}, but {form} has no usage")
        reported = {name: answer.usage.raw.get(name) for name in USAGE}
        if reported != USAGE:
            raise Broken(f"the upstream reported {shown(dict(USAGE))}, but {form} says {shown(reported)}")


@scenario("GW-003", shows=count_differs())
async def estimated_usage_is_consistent(target: Target) -> None:
    """The gateway's own numbers are complete, add up, are above zero, and grow with the prompt."""
    short, _ = await served(target, "no-usage")
    longer, _ = await served(target, "no-usage", "of a prompt that is a good deal longer than the other one")
    for answer in (short, longer):
        _expect_sound(answer)
    if short.usage is None or longer.usage is None:
        raise NotRun("where the upstream reports no usage, the gateway reports none either")
    if not (short.usage.prompt_tokens or 0) < (longer.usage.prompt_tokens or 0):
        raise Broken(
            f"the gateway counts {short.usage.prompt_tokens} tokens in one prompt and {longer.usage.prompt_tokens} in one of twice its length"
        )


def _expect_sound(answer: Completion) -> None:
    usage = answer.usage
    if usage is None:
        return
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if prompt is None or completion is None or total is None:
        raise Broken(
            f"the upstream reports no usage, and the gateway's own is incomplete: {shown(usage.raw)}"
        )
    if min(prompt, completion) <= 0 or total != prompt + completion:
        fault = "has no tokens for a text" if min(prompt, completion) <= 0 else "does not add up"
        raise Broken(f"the upstream reports no usage, and the gateway's own {fault}: {shown(usage.raw)}")


@scenario("GW-032", shows=count_differs())
async def estimated_usage_of_streams_is_consistent(target: Target) -> None:
    """Usage in a stream comes where it was asked for, and the gateway's own is sound, and fits that of the plain answer."""
    ordinary, _ = await served(target, "plain", **_STREAM)
    if ordinary.usage is not None:
        raise Broken(
            f"nobody asked for usage, but the stream has {shown(ordinary.usage.raw)}: the upstream says so only where it is asked"
        )
    unasked, _ = await served(target, "no-usage", **_STREAM)
    if unasked.usage is not None:
        raise Broken(
            f"nobody asked for usage and the upstream reported none, but the gateway adds {shown(unasked.usage.raw)} to the stream"
        )
    asked, _ = await served(target, "no-usage", **_WITH_USAGE)
    if asked.usage is None:
        raise NotRun("where the upstream reports no usage, the gateway reports none either")
    _expect_sound(asked)
    plain, _ = await served(target, "no-usage")
    here, there = asked.usage.prompt_tokens or 0, (plain.usage and plain.usage.prompt_tokens) or 0
    if there and abs(here - there) > _LITTLE:
        raise Broken(
            f"the gateway counts {here} tokens in the prompt of a stream and {there} in one as long of a plain answer"
        )


@scenario("GW-012")
async def log_probabilities_pass_unchanged(target: Target) -> None:
    """The log probabilities that the upstream reports reach the client unchanged, and so does the null at the beginning of an echo."""
    for changes in _FORMS:
        form = "the stream" if changes else "the answer"
        asked = await relay(target, "echoed", logprobs=1, echo=True, **changes)
        if asked.arrived:
            answer, found = await served(target, "echoed", logprobs=1, echo=True, **changes)
            sent = logprobs(echoed_tokens(found.body), echoed=True)
        else:  # `echo` is optional
            asked = await relay(target, "plain", logprobs=1, **changes)
            await expect_arrived(target, asked, "`logprobs` as an integer")
            answer, found = await served(target, "plain", logprobs=1, **changes)
            sent = logprobs(WORDS[:LENGTH])
        if found.body.get("logprobs") != 1:
            raise Ignored(f"`logprobs` 1 became {arrived(found.body, 'logprobs')} on the way to the upstream")
        _expect_scores(answer, sent, form)


def _expect_scores(answer: Completion, sent: Mapping[str, Any], form: str) -> None:
    here = answer.choice.logprobs
    if here is None:
        raise Broken(f"the upstream reported log probabilities, but {form} has none")
    for name, value in sent.items():
        came = list(getattr(here, name) or ())
        if came != value:
            raise Broken(f"`{name}` of {form} is {shown(came)}, but the upstream's was {shown(value)}")


@scenario("GW-029")
async def a_plain_answer_is_no_empty_stream(target: Target) -> None:
    """A plain answer of the upstream to a request for a stream reaches the client in one form or the other, or as an error."""
    found = await relay(target, "json", **_STREAM)
    exchange = found.exchange
    await expect_arrived(target, found, "a stream")
    if not (exchange.served and exchange.complete):
        return
    answer = Completion.read(exchange)
    failed = any(document.get("error") for document in answer.documents)
    wanted = texts(_ORDINARY)[0]
    if failed and not answer.streamed:
        raise Broken(
            f"the upstream answered a request for a stream with plain JSON; the gateway made of it an error, and answers it with status"
            f" {exchange.status}: {error_text(exchange)}"
        )
    if not failed and answer.text != wanted:
        form = "a stream" if answer.streamed else "an answer"
        raise Broken(
            f"the upstream answered a request for a stream with plain JSON, whose text is {shown(wanted)}; the gateway made of it"
            f" {form} of status {exchange.status} with the text {shown(answer.text)}"
        )


@scenario("GW-030")
async def compressed_answers_arrive_readable(target: Target) -> None:
    """An answer in gzip, which the gateway says that it takes, reaches the client so that it can be read."""
    compressed = False
    for changes in _FORMS:
        found = await relay(target, "compressed", **changes)
        await expect_arrived(target, found, "an ordinary request")
        if not found.arrived[-1].asked.takes_gzip:
            continue
        compressed = True
        twin, _ = await served(target, "plain", **changes)
        if not found.exchange.complete or Completion.read(found.exchange).text != twin.text:
            form = "a stream" if changes else "an answer"
            raise Broken(
                f"the upstream compressed {form} with gzip, which the gateway had said that it takes, and what comes of it can't be"
                f" read: {_unreadable(found.exchange)}"
            )
    if not compressed:
        raise NotRun("the gateway does not tell its upstream that it takes gzip")


def _unreadable(exchange: Exchange) -> str:
    """What a client sees of an answer that it can't read."""
    if exchange.fault is not None:
        return exchange.fault.message
    return f"status {exchange.status} with the text {shown(Completion.read(exchange).text)}, of {error_text(exchange)}"


@scenario("GW-033")
async def rare_members_pass_unchanged(target: Target) -> None:
    """A filtered answer reaches the client with its reason, its empty text, and all that it carries besides."""
    for changes in ({}, _WITH_USAGE):
        await expect_ordinary(target, **changes)
        answer, _ = await served(target, "rare", **changes)
        form = "the stream" if answer.streamed else "the answer"
        _expect_members(answer, form)
        if answer.finish_reason != "content_filter":
            raise Broken(
                f"the upstream ended with the finish_reason content_filter, but {form} has {shown(answer.finish_reason)}"
            )
        first = answer.documents[0]
        if first.get("system_fingerprint") != FINGERPRINT:
            raise Broken(
                f"the upstream sent `system_fingerprint` {FINGERPRINT}, but that of {form} is {shown(first.get('system_fingerprint'))}",
                missing("system_fingerprint"),
            )
        # Members that are more than came, as where a class writes its unset ones as null, change nothing of what did come.
        details = {} if answer.usage is None else answer.usage.raw
        for name, sent, came in altered(DETAILS, details) if answer.usage is not None else ():
            raise Broken(
                f"the upstream reported `{name}` {sent} in its usage, but {form} says {shown(came)}",
                count_differs(),
            )
    _expect_members((await served(target, "plain", **_STREAM))[0], "the stream")


def altered(
    sent: Mapping[str, Any], came: Mapping[str, Any], within: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """The members of an object, and of the objects in it, that did not come as they were sent: path, what was sent, and what came, or None."""
    for name, value in sent.items():
        found = came.get(name)
        if isinstance(value, Mapping):
            yield from altered(value, found if isinstance(found, Mapping) else {}, f"{within}{name}.")
        elif found != value:
            yield f"{within}{name}", value, found


def _expect_members(answer: Completion, form: str) -> None:
    """Every document says when it was made, every choice has a text, and a reason only where it ends."""
    for document in answer.documents:
        if not isinstance(document.get("created"), int):
            raise Broken(
                f"the upstream sent `created` as a number, but in {form} it is {shown(document.get('created'))}",
                missing("created"),
            )
    for choice in answer.choices.values():
        for part in choice.parts:
            if is_chat(part):
                continue  # GW-007
            if not isinstance(part.get("text"), str):
                raise Broken(
                    f"every choice of the upstream's has a `text`, but one of {form} has none: {shown(dict(part))}",
                    missing("text"),
                )
            if part.get("finish_reason") == "":
                raise Broken(
                    f"before its end a finish_reason of {form} is an empty text, where the upstream's is null: {shown(dict(part))}",
                    malformed("finish_reason"),
                )


@scenario("GW-036")
async def the_models_name_may_be_an_alias(target: Target) -> None:
    """An answer names the model that was asked for, or the one that the upstream was asked for."""
    for changes in _FORMS:
        answer, found = await served(target, "plain", **changes)
        known = [found.exchange.request.params["model"], found.body.get("model")]
        named = [document.get("model") for document in answer.documents]
        if odd := [name for name in named if name not in known]:
            raise Broken(
                f"the client asked for {shown(known[0])}, the gateway its upstream for {shown(known[1])}, and the answer is of {shown(odd[0])}"
            )
