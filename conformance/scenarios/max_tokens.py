"""How long a completion may become: `max_tokens` within the ordinary."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import count_differs
from conformance.contract.verdict import Broken, Inconclusive, NotRun, Unsupported
from conformance.kit.capabilities import has
from conformance.kit.same_text import begins, goes_on, normalised, same
from conformance.kit.several_choices import LENGTH, served_forms
from conformance.kit.target import MAX_TOKENS, Target
from conformance.kit.telling import usage_option
from conformance.kit.twins import ENOUGH_EVENTS, unlimited
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.shown import shown

_LIMITS = (1, 2, 4, 8)


def _count(answer: Completion) -> int | None:
    return answer.usage.completion_tokens if answer.usage is not None else None


@scenario("MAXTOK-002")
async def one_token_is_at_most_one_token(target: Target) -> None:
    """With `max_tokens` 1 at most one token is generated."""
    one, whole = await asyncio.gather(target.complete(max_tokens=1), target.complete())
    most = 1 + target.profile.completion_tokens_slack.value
    cut = whole.finish_reason == "length"
    if cut and len(normalised(one.text)) >= len(normalised(whole.text)) > most:
        raise Broken(
            f"max_tokens 1 gives {shown(one.text)}, no less than max_tokens {MAX_TOKENS}: {shown(whole.text)}"
        )
    # A count is proof by itself, unless an answer that was cut shows that counts are estimated here, or off (MAXTOK-001, USAGE-010).
    count = _count(one)
    believed = (
        count is not None
        and await has(target, "usage_exact")
        and _count(whole) in ((MAX_TOKENS,) if cut else range(MAX_TOKENS + 1))
    )
    if believed and count is not None and count > most:
        raise Broken(
            f"max_tokens 1 was answered with completion_tokens {count} and the text {shown(one.text)}"
        )
    if not cut and not believed:
        raise NotRun(
            f"the answer to max_tokens {MAX_TOKENS} ends by itself, and no count of tokens says how long that to max_tokens 1 is"
        )


@scenario("MAXTOK-003")
async def a_smaller_limit_only_cuts(target: Target) -> None:
    """For a smaller `max_tokens` the text is the beginning of the text for a larger one, with a stop sequence in sight too."""
    whole, *shorter = await asyncio.gather(
        target.complete(), *(target.complete(max_tokens=limit) for limit in _LIMITS)
    )
    cuts = dict(zip(_LIMITS, shorter, strict=True))
    for limit, cut in cuts.items():
        if not begins(whole.text, cut.text):
            raise Broken(
                f"max_tokens {limit} gives {shown(cut.text)}, which is not how max_tokens {MAX_TOKENS} begins: {shown(whole.text)}"
            )
    compared = await _prefixes_with_a_stop(target, whole.text, cuts[4].text)
    if not compared and not any(normalised(cut.text) for cut in shorter):
        raise NotRun(f"no text of at most {_LIMITS[-1]} tokens has anything in it to compare")


async def _prefixes_with_a_stop(target: Target, whole: str, cut: str) -> bool:
    """The same with a stop sequence that lies across the limit of 4: neither limit nor stop brings anything else to light.

    Whether anything was compared: a target may refuse the sequence, or spoil the text with it.

    Engines that accept several tokens in one step have tested the limit before the sequence (sgl-project/sglang#31599).
    """
    stop = whole[max(0, len(cut) - 3) : len(cut) + 3]
    exchanges = [await target.post(max_tokens=limit, stop=[stop]) for limit in (MAX_TOKENS, 4) if stop]
    if not exchanges or not all(exchange.served for exchange in exchanges):
        return False
    texts = [target.read(exchange).text for exchange in exchanges]
    if not all(begins(whole, text) for text in texts[:1]):
        return False  # the sequence by itself spoils the text; see STOP-002
    for limit, text in zip((4,), texts[1:], strict=False):
        if not begins(whole, text):
            raise Broken(
                f"max_tokens {limit} with the stop sequence {shown(stop)} gives {shown(text)}, which is not how the text without them begins: {shown(whole)}"
            )
    return any(map(normalised, texts))


@scenario("MAXTOK-004")
async def the_default_limit_is_the_declared_one(target: Target) -> None:
    """Without `max_tokens` a completion ends at the default limit, and says so."""
    default = target.profile.default_max_tokens.value
    if default is None:
        raise NotRun("the profile declares that there is no default limit")
    if default > ENOUGH_EVENTS and not target.settings.expensive:
        raise NotRun(
            f"the profile declares a default of {default} tokens, which costs too much; --expensive runs it"
        )
    target.prompts(1)
    for prompt in target.facts.prompts:
        limited, free = await asyncio.gather(
            target.complete(prompt=prompt, max_tokens=default), _unlimited(target, default, prompt=prompt)
        )
        if limited.finish_reason == "length" and normalised(limited.text):
            return _compare_default(limited, free, default)
    raise Inconclusive(f"no text reaches {default} tokens")


def _compare_default(limited: Completion, free: Completion, default: int) -> None:
    what = f"without max_tokens the text is {shown(free.text)}, with max_tokens {default} it is {shown(limited.text)}"
    if goes_on(free.text, limited.text):
        raise Broken(f"{what}: the default limit is larger than {default}")
    if free.exchange.closed_by_us:
        raise Inconclusive(f"{what}, and the suite left the stream before its end")
    if not begins(limited.text, free.text):
        raise Inconclusive(f"{what}, which can't be compared")
    # Cut earlier than at the default or right there: in both cases the text would go on.
    if free.finish_reason != "length":
        raise Broken(f"{what}; the finish_reason is {shown(free.finish_reason)}, not length")


async def _unlimited(target: Target, events: int = 0, **changes: Any) -> Completion:
    """The stream of a request without a limit, left after some events: a default there may be, an end there need not be."""
    exchange = await unlimited(target, events=max(ENOUGH_EVENTS, 2 * events), **changes)
    if exchange.served and exchange.closed_by_us:
        return Completion.read(exchange)
    return target.read(exchange)


@scenario("MAXTOK-005")
async def a_limit_of_null_is_the_default(target: Target) -> None:
    """`max_tokens` null means the same as no `max_tokens`."""
    null, absent = await asyncio.gather(_unlimited(target, max_tokens=None), _unlimited(target))
    # A stream that was left says nothing of what comes after; one that ended says that nothing does.
    alike = begins(null.text, absent.text) or begins(absent.text, null.text)
    for answer, other in ((null, absent), (absent, null)):
        alike = alike and (answer.exchange.closed_by_us or not goes_on(other.text, answer.text))
    if not alike:
        raise Broken(f"max_tokens null gives {shown(null.text)}, no max_tokens gives {shown(absent.text)}")


@scenario("MAXTOK-010", shows=count_differs())
async def the_limit_holds_for_each_choice(target: Target) -> None:
    """In a stream with several choices `max_tokens` bounds each of them."""
    requests = await served_forms(target)
    if not requests:
        raise NotRun("the target has neither several choices nor several prompts")
    counted = await _counted(target)
    exchanges = await asyncio.gather(*(target.post(**changes, **counted) for changes in requests))
    if all(exchange.refused for exchange in exchanges):
        raise Unsupported(f"the target refuses several choices in a stream: {error_text(exchanges[0])}")
    for exchange in exchanges:
        if not exchange.refused:
            _bounded(target.read(exchange), target.profile.completion_tokens_slack.value)


async def _counted(target: Target) -> dict[str, Any]:
    """What a stream has to be asked for so that its tokens can be counted: for each choice if possible, else in all."""
    if await has(target, "logprobs"):
        return {"logprobs": 2, "stream": True, **await usage_option(target)}
    if not await has(target, "stream_usage"):
        raise Inconclusive("neither logprobs nor the usage of a stream tells how many tokens came")
    if not await has(target, "usage_exact"):
        raise NotRun("only usage could tell how many tokens came, and it is an estimate")
    usage: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    plain, stream = await asyncio.gather(
        target.complete(max_tokens=LENGTH), target.complete(max_tokens=LENGTH, **usage)
    )
    if _count(plain) != _count(stream):
        raise NotRun(
            f"completion_tokens is {_count(plain)} in a plain answer, and {_count(stream)} in the same as a stream; see USAGE-009"
        )
    return usage


def _bounded(answer: Completion, slack: int) -> None:
    request = answer.exchange.request
    most = request.integer("max_tokens", 0) + slack
    if len(answer.choices) != request.choices:
        raise NotRun(f"the indices of the stream are {sorted(answer.choices)}; see STREAM-013")
    for choice in answer.choices.values():
        tokens = choice.logprobs.tokens if choice.logprobs is not None else None
        if tokens is None or len(tokens) <= most:
            continue
        if not _spell(tokens, choice.text):
            raise NotRun(
                f"the {len(tokens)} tokens in the logprobs of the choice with index {choice.index} do not join to its text,"
                f" {shown(choice.text)}; see LOGP-012"
            )
        raise Broken(
            f"max_tokens {most - slack}: the choice with index {choice.index} has {len(tokens)} tokens in its logprobs"
        )
    if request.params.get("logprobs") is not None and all(
        choice.logprobs is None or choice.logprobs.tokens is None for choice in answer.choices.values()
    ):
        raise NotRun("no choice of the stream has tokens in its logprobs; see LOGP-012")
    count = _count(answer)
    if request.params.get("logprobs") is None and count is not None and count > most * request.choices:
        raise Broken(
            f"max_tokens {most - slack} and {request.choices} choices: the stream reports completion_tokens {count}"
        )


def _spell(tokens: Sequence[Any], text: str) -> bool:
    """Whether tokens join to a text, as far as they are texts: more of them than that are counted more than once."""
    return same("".join(token for token in tokens if isinstance(token, str)), text)
