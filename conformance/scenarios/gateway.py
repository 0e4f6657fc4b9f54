"""What a relay may not change, seen from both of its sides: requests and whole answers.

All of this takes the scripted upstream. What refuses or breaks off runs with the hazardous scenarios, since a gateway may keep away from an
upstream for a while after that.
"""

from __future__ import annotations

from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun, Unsupported
from conformance.gateway.scripts import RETRY_AFTER, USAGE, logprobs
from conformance.kit.gateway_relay import LENGTH, expect_content, relay, served
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

_FORMS: tuple[dict[str, Any], ...] = ({}, {"stream": True})
_WITH_USAGE: tuple[dict[str, Any], ...] = ({}, {"stream": True, "stream_options": {"include_usage": True}})

_PARAMETERS: dict[str, dict[str, Any]] = {
    "max_tokens": {"max_tokens": 7},
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.25},
    "n": {"n": 2, "temperature": 1},
    "stop": {"stop": ["never", "ever"]},
    "stop (as a string)": {"stop": "never"},
    "suffix": {"suffix": " at the end"},
    "echo": {"echo": True},
    "stream": {"stream": True},
    "prompt (as a list)": {"prompts": 2},
}


@scenario("GW-001")
async def a_relay_changes_no_content(target: Target) -> None:
    """Text and finish reason are those of the upstream, plain and as a stream."""
    for changes in _FORMS:
        # What the script says depends on what it is asked; that it is asked the same is GW-004's.
        answer, _ = await served(target, "plain", **changes)
        expect_content(answer, {"max_tokens": LENGTH})


@scenario("GW-002")
async def reported_usage_passes_unchanged(target: Target) -> None:
    """The counters that the upstream reports reach the client unchanged."""
    for changes in _WITH_USAGE:
        answer, found = await served(target, "plain", **changes)
        form = "the stream" if answer.streamed else "the answer"
        if answer.streamed and not (found.body.get("stream_options") or {}).get("include_usage"):
            raise Broken("`stream_options` asked for usage, but the upstream was not asked for it")
        if answer.usage is None:
            raise Broken(f"the upstream reported {shown(dict(USAGE))}, but {form} has no usage")
        reported = {name: answer.usage.raw.get(name) for name in USAGE}
        if reported != USAGE:
            raise Broken(f"the upstream reported {shown(dict(USAGE))}, but {form} says {shown(reported)}")


@scenario("GW-003")
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
        raise Broken(f"the upstream reports no usage, and the gateway's own is {shown(usage.raw)}")


@scenario("GW-004")
async def documented_parameters_reach_the_upstream(target: Target) -> None:
    """Every documented parameter reaches the upstream as it was sent."""
    lost, refused = [], []
    for name, changes in _PARAMETERS.items():
        found = await relay(target, "plain", name, **changes)
        if not found.sent:
            refused.append(f"`{name}` ({found.exchange.status}: {error_text(found.exchange)})")
            continue
        # A prompt that did not arrive as it was sent is not found at all.
        wrong = [
            field
            for field, value in changes.items()
            if field != "prompts" and not _same(found.body.get(field), value)
        ]
        lost += [
            f"`{field}` {shown(changes[field])} became {shown(found.body.get(field))}" for field in wrong
        ]
    if len(refused) == len(_PARAMETERS):
        raise Inconclusive(f"the gateway did not ask the scripted upstream even once: {refused[0]}")
    if lost:
        raise Ignored(f"on the way to the upstream {'; '.join(lost)}")
    if refused:
        raise Unsupported(f"requests with these did not reach the upstream: {', '.join(refused)}")


def _same(arrived: object, sent: object) -> bool:
    """Whether a value arrived; one stop sequence may travel as a list of one."""
    return arrived == sent or (isinstance(sent, str) and arrived == [sent])


@scenario("GW-012")
async def log_probabilities_pass_unchanged(target: Target) -> None:
    """The log probabilities that the upstream reports reach the client unchanged."""
    for changes in _FORMS:
        answer, found = await served(target, "plain", "logprobs", logprobs=1, **changes)
        if found.body.get("logprobs") != 1:
            raise Ignored(
                f"`logprobs` 1 became {shown(found.body.get('logprobs'))} on the way to the upstream"
            )
        form = "the stream" if answer.streamed else "the answer"
        here = answer.choice.logprobs
        if here is None:
            raise Broken(f"the upstream reported log probabilities, but {form} has none")
        there = logprobs(list(here.tokens or ()))
        for name, value in there.items():
            if list(getattr(here, name) or ()) != value:
                raise Broken(
                    f"`{name}` of {form} is {shown(getattr(here, name))}, but the upstream's was {shown(value)}"
                )


@scenario("GW-005", phase=Phase.ALONE)
async def client_errors_stay_client_errors(target: Target) -> None:
    """A 4xx of the upstream stays a 4xx with an error object, and a 429 keeps its `Retry-After`."""
    for changes in _FORMS:
        for script in ("refused", "rate-limited"):
            found = await relay(target, script, **changes)
            if not found.sent:
                raise Inconclusive("the gateway did not ask the scripted upstream")
            _expect_client_error(found.exchange, 400 if script == "refused" else 429)
            if script == "rate-limited":
                _expect_retry_after(found.exchange)


def _expect_client_error(exchange: Exchange, status: int) -> None:
    response = exchange.response
    if response is None:
        raise Broken(
            f"the upstream answered {status}, but the gateway did not answer at all: {exchange.fault and exchange.fault.message}"
        )
    # A gateway that keeps its client's mistakes apart from its own may change 400 to 422; a 429 tells how to go on.
    right = response.status == status if status == 429 else 400 <= response.status < 500  # noqa: PLR2004 - statuses
    if not right:
        raise Broken(f"the upstream answered {status}, the gateway {response.status}: {error_text(exchange)}")
    document = response.json
    if not isinstance(document, dict) or not isinstance(document.get("error"), dict):
        raise Broken(
            f"the upstream answered {status} with an error object, the gateway with {error_text(exchange)}"
        )


def _expect_retry_after(exchange: Exchange) -> None:
    found = exchange.response.header("retry-after") if exchange.response else None
    if found is None:
        raise Broken(f"the upstream's 429 had `Retry-After: {RETRY_AFTER}`, but the gateway's has none")
