"""What optional features the target has: one probe each, with a request that the checks of the feature send anyway.

A probe never judges. That a feature is refused, ignored or broken is the verdict of the requirement that speaks of it (`JUDGED_BY`); the
other requirements that need the feature are then not run, so that one defect makes one failure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from conformance.contract.verdict import Inconclusive, NotRecorded, NotRun, Outcome, Reason
from conformance.kit.facts import Capability, Support
from conformance.kit.stopped_answers import stop_support
from conformance.kit.suffix_mode import Mode, suffix_support
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent
from conformance.wire.moderation import is_moderated

Probe = Callable[[Target], Awaitable[Capability]]

NONCE = "Zebra-47 quokka lantern:"
"""A prompt that no model says by itself, so that its echo can be told from a continuation."""

_TELLING = 8
"""So many characters of it at the beginning of a text are no chance."""

NO_SUCH_MODEL = "no-such-model-7f3a"

SOME_IDS = (300, 301, 302)
"""Token ids that any vocabulary has and that are special in none that we know."""

JUDGED_BY: Mapping[str, str] = MappingProxyType(
    {
        "n": "N-001",
        "multi_prompt": "MULTI-001",
        "token_prompt": "REQ-009",
        "echo": "ECHO-001",
        "logprobs": "LOGP-001",
        "best_of": "BEST-004",
        "stream": "STREAM-001",
        "stream_usage": "STREAM-019",
        "stop": "STOP-002",
        "suffix": "SUF-002",
        "suffix_append": "SUF-002",
        "suffix_insert": "SUF-002",
        "suffix_reject": "SUF-002",
        "usage": "RESP-012",
        "max_tokens_zero": "MAXTOK-006",
    }
)
"""The requirement that judges whether a capability is honoured."""

JUDGED_WHERE_SERVED = frozenset({"stream", "stream_usage", "usage"})
"""Capabilities whose requirement looks at answers: where each request for them fails there is none, and HTTP-021 speaks."""


async def learn(target: Target, wanted: Iterable[str]) -> Mapping[str, Capability]:
    """What the target does with each of the wanted features that there is a probe for.

    One probe after the other: servers have died of a valid request for a feature that they lack, and the report is to say which it was.
    """
    found = {name: await _probe(target, name) for name in sorted(set(wanted)) if name in PROBES}
    return MappingProxyType({name: one for name, one in found.items() if one is not None})


async def support(target: Target, name: str) -> Capability:
    """What the target does with an optional feature, found out now where the run has not needed to know it."""
    known = target.facts.capabilities.get(name) or (await learn(target, [name])).get(name)
    return known or Capability(Support.UNKNOWN, "there is no way to find out")


async def has(target: Target, capability: str) -> bool:
    """Whether an optional feature works, found out now where the run has not needed to know it."""
    return (await support(target, capability)).support is Support.YES


async def expect_streams(target: Target) -> None:
    """Return where streams work; raises `NotRun` where what may have no end can't be left early."""
    found = await support(target, "stream")
    if found.support is not Support.YES:
        raise NotRun(
            f"it is asked for in a stream, which can be left early, and streams do not work: {found.note}"
        )


async def learn_what_is_in_doubt(target: Target) -> Mapping[str, Capability]:
    """All capabilities, with what the target does with those that are in doubt: a second request tells."""
    known = dict(target.facts.capabilities)
    for name in sorted(name for name in known if known[name].in_doubt):
        known[name] = await _probe_once(replace(target, attempt=target.attempt + 1), name)
        if known[name].support is Support.BROKEN:
            await target.still_serves(target.used[-1:])
    return MappingProxyType(known)


async def _probe(target: Target, name: str) -> Capability | None:
    """What a probe finds out; None where recorded traffic is judged that does not show it: each check then sees for itself."""
    try:
        found = await _probe_once(target, name)
        if found.support not in {Support.BROKEN, Support.UNKNOWN} or not target.used:
            return found
        last = target.used[-1]
        if not await target.still_serves([last]) or not last.unserved:
            return found
        if not last.complete:
            # What a server has closed the connection for once, it may die of the next time.
            return Capability(Support.UNKNOWN, f"{found.note}, once", last.id, Reason.TRANSIENT)
        # That was the weather, or it is the feature: a second request tells.
        return await _probe_once(replace(target, attempt=target.attempt + 1), name)
    except NotRecorded:
        return None


async def _probe_once(target: Target, name: str) -> Capability:
    try:
        return await PROBES[name](target)
    except NotRecorded:
        raise
    except Outcome as outcome:
        reason = outcome.reason if isinstance(outcome, Inconclusive) else None
        return Capability(Support.UNKNOWN, str(outcome), reason=reason)


def _unserved(exchange: Exchange) -> Capability | None:
    """What a probe that got no 2xx says, None where it got one."""
    if exchange.served:
        return None
    if is_moderated(exchange):
        return Capability(
            Support.UNKNOWN, f"a moderator refuses the prompt: {error_text(exchange)}", exchange.id
        )
    if exchange.refused:
        return Capability(
            Support.REFUSED, f"refused with status {exchange.status}: {error_text(exchange)}", exchange.id
        )
    what = f"status {exchange.status}" if exchange.response else "no answer"
    return Capability(Support.BROKEN, f"{what}: {error_text(exchange)}", exchange.id)


def _verdict(exchange: Exchange, *, works: bool, ignored: bool, note: str) -> Capability:
    if works:
        return Capability(Support.YES, exchange=exchange.id)
    return Capability(Support.IGNORED if ignored else Support.BROKEN, note, exchange.id)


async def _feature(
    target: Target, judge: Callable[[Completion], tuple[bool, bool, str]], **changes: Any
) -> Capability:
    """Send one request and let `judge` say whether the feature works, whether it is ignored, and what was seen."""
    exchange = await target.post(**changes)
    unserved = _unserved(exchange)
    if unserved is not None:
        return unserved
    works, ignored, note = judge(Completion.read(exchange))
    return _verdict(exchange, works=works, ignored=ignored, note=note)


def _choices(wanted: int) -> Callable[[Completion], tuple[bool, bool, str]]:
    def judge(completion: Completion) -> tuple[bool, bool, str]:
        count = len(completion.choices)
        return count == wanted, count == 1 < wanted, f"{count} choices came where {wanted} were asked for"

    return judge


async def _n(target: Target) -> Capability:
    # Temperature 1: some servers refuse several choices of a greedy answer, which is the same text twice.
    return await _feature(target, _choices(2), n=2, temperature=1, max_tokens=8)


async def _multi_prompt(target: Target) -> Capability:
    return await _feature(target, _choices(3), prompt=list(target.prompts(3)), max_tokens=8)


async def _token_prompt(target: Target) -> Capability:
    return await _feature(target, _choices(1), prompt=list(SOME_IDS), max_tokens=1)


async def _best_of(target: Target) -> Capability:
    return await _feature(target, _choices(1), best_of=3, n=1, temperature=1, max_tokens=4)


async def _echo(target: Target) -> Capability:
    unasked = await comes_unasked(target)

    def judge(completion: Completion) -> tuple[bool, bool, str]:
        text = completion.text
        if text.startswith(NONCE) and unasked and NONCE not in text[len(NONCE) :]:
            return False, True, "the text begins with the prompt without `echo` too"
        return text.startswith(NONCE), True, "the text does not begin with the prompt"

    return await _feature(target, judge, prompt=NONCE, echo=True, max_tokens=4)


async def comes_unasked(target: Target) -> bool:
    """Whether the target repeats its prompt without `echo`, as simulators do whose text is the prompt.

    An ordinary answer shows it, which is there; only where that begins with its prompt, which a model may do once, a prompt that no model
    repeats is sent.
    """
    exchange = await target.post()
    if not exchange.served or not Completion.read(exchange).text.lstrip().startswith(target.prompt):
        return False
    exchange = await target.post(prompt=NONCE, max_tokens=4)
    # The limit may cut it.
    text = Completion.read(exchange).text.strip() if exchange.served else ""
    return len(text) >= _TELLING and (text.startswith(NONCE) or NONCE.startswith(text))


async def _logprobs(target: Target) -> Capability:
    def judge(completion: Completion) -> tuple[bool, bool, str]:
        found = completion.choice.parts[0].get("logprobs") if completion.choice.parts else None
        works = isinstance(found, dict) and isinstance(found.get("tokens"), list)
        return works, found is None, "`logprobs` does not hold arrays of the completions form"

    return await _feature(target, judge, logprobs=2, max_tokens=8)


async def _stream(target: Target) -> Capability:
    def judge(completion: Completion) -> tuple[bool, bool, str]:
        response = completion.exchange.response
        # A stream in which no event can be found is one all the same: what is wrong with it is for the rules about streams to say.
        named = response is not None and response.is_event_stream
        return (
            completion.streamed and (bool(completion.chunks) or named),
            not completion.streamed,
            "no event stream came",
        )

    return await _feature(target, judge, stream=True)


async def _stream_usage(target: Target) -> Capability:
    def judge(completion: Completion) -> tuple[bool, bool, str]:
        unread = "; a part of the stream can't be read, see STREAM-003" if completion.malformed else ""
        return completion.usage is not None, True, f"no chunk carries `usage`{unread}"

    return await _feature(target, judge, stream=True, stream_options={"include_usage": True}, max_tokens=8)


async def _usage(target: Target) -> Capability:
    def judge(completion: Completion) -> tuple[bool, bool, str]:
        return completion.usage is not None, True, "the answer has no `usage`"

    return await _feature(target, judge)


async def _usage_exact(target: Target) -> Capability:
    """Whether the counters come from the engine: answers that are cut at their limits are then as long as the limits.

    Off by the same number each time is no estimate but a defect, which the rules are to find.
    """
    exchanges = [await target.post(), await target.post(max_tokens=8)]
    for exchange in exchanges:
        unserved = _unserved(exchange)
        if unserved is not None:
            return unserved
    cut = [view for view in map(Completion.read, exchanges) if view.finish_reason == "length"]
    counted = [view.usage.completion_tokens if view.usage else None for view in cut]
    limits = [view.exchange.request.integer("max_tokens", 0) for view in cut]
    off = {count and count - limit for count, limit in zip(counted, limits, strict=True)}
    note = f"answers cut at {limits} tokens count {counted} completion_tokens, which looks like an estimate"
    return _verdict(
        exchanges[0], works=len(off) < len(exchanges) and None not in off, ignored=True, note=note
    )


async def _taken(target: Target, **changes: Any) -> Capability:
    """Whether a parameter is taken at all; whether it has an effect is for the checks to say."""
    return await _feature(target, lambda _: (True, False, ""), **{"max_tokens": 1, **changes})


async def _seed(target: Target) -> Capability:
    return await _taken(target, seed=1234)


async def _logit_bias(target: Target) -> Capability:
    # What REQ-030 sends as well.
    return await _taken(target, logit_bias={str(SOME_IDS[0]): 100}, max_tokens=4)


async def _max_tokens_zero(target: Target) -> Capability:
    return await _feature(target, lambda _: (True, False, ""), prompt=NONCE, echo=True, max_tokens=0)


def no_such_model(target: Target) -> str:
    """The name of a model that nobody has, in the form of the one that is judged: gateways read who serves it from what stands before."""
    *before, _ = target.facts.model.rpartition("/")
    return "".join([*before, NO_SUCH_MODEL])


async def _model_validation(target: Target) -> Capability:
    exchange = await target.post(
        model=no_such_model(target), max_tokens=1, intent=Intent.INVALID, parameter="model"
    )
    if exchange.served:
        return Capability(Support.ABSENT, "it serves any model name", exchange.id)
    return Capability(Support.YES, exchange=exchange.id)


async def _auth(target: Target) -> Capability:
    if target.has_key:
        return Capability(Support.YES)
    return Capability(Support.ABSENT, "the run has no key")


PROBES: Mapping[str, Probe] = MappingProxyType(
    {
        "auth": _auth,
        "best_of": _best_of,
        "echo": _echo,
        "logit_bias": _logit_bias,
        "logprobs": _logprobs,
        "max_tokens_zero": _max_tokens_zero,
        "model_validation": _model_validation,
        "multi_prompt": _multi_prompt,
        "n": _n,
        "seed": _seed,
        "stop": stop_support,
        "stream": _stream,
        "stream_usage": _stream_usage,
        "suffix": suffix_support,
        "suffix_append": partial(suffix_support, wanted=Mode.APPEND),
        "suffix_insert": partial(suffix_support, wanted=Mode.INSERT),
        "suffix_reject": partial(suffix_support, wanted=Mode.REJECT),
        "token_prompt": _token_prompt,
        "usage": _usage,
        "usage_exact": _usage_exact,
    }
)
