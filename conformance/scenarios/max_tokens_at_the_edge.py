"""What becomes of limits at and beyond their edge: zero, the whole context, and more than that."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import accepted
from conformance.contract.verdict import Broken, BrokenShould, Inconclusive, NotRecorded, NotRun
from conformance.kit.capabilities import NONCE, SOME_IDS, has
from conformance.kit.context_length import FAR_TOO_MANY, context_length, impossible_limit, named_limits
from conformance.kit.full_context import RESERVED, filling, room
from conformance.kit.invalid_requests import survived
from conformance.kit.target import Target
from conformance.kit.telling import scores_wanted
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.shown import shown

_FEW_EVENTS = 4
_LONGEST_PROMPT = 300_000
"""Tokens; a longer prompt is not sent."""
_BEYOND = 100
"""So many tokens more than the context a prompt has that is too long."""
_ABOUT_LENGTH = (
    "length",
    "token",
    "context",
    "limit",
    "maximum",
    "too large",
    "too long",
    "exceed",
    str(FAR_TOO_MANY),
)


async def _zero(target: Target) -> Exchange:
    """The exchange of a stream with `max_tokens` 0, left after a few events: a server may take 0 for no limit."""
    params = target.params(max_tokens=0, stream=True)
    return await target.send(
        Request.of(params, intent=Intent.OPEN, parameter="max_tokens", close_after=_FEW_EVENTS)
    )


@scenario("MAXTOK-006", phase=Phase.ALONE)
async def echo_with_a_limit_of_zero_is_the_prompt(target: Target) -> None:
    """With `echo` and `max_tokens` 0 the text is exactly the prompt."""
    if Completion.read(await _zero(target)).text:
        raise NotRun("max_tokens 0 generates text; see MAXTOK-007")
    request: dict[str, Any] = {"prompt": NONCE, "echo": True, "max_tokens": 0}
    asked: dict[str, Any] = {"intent": Intent.OPEN, "parameter": "max_tokens"}
    exchange = None
    with suppress(NotRecorded):  # by a run of before scores were asked for, too
        # Scores of a prompt alone are asked for in just this way; what is refused with them may be served without.
        exchange = await target.post(**asked, **request, **await scores_wanted(target))
        survived(exchange, "`echo` with `logprobs` and max_tokens 0")
    if exchange is None or exchange.refused:
        exchange = await target.post(**asked, **request)
    answer = target.read(exchange, optional="echo with max_tokens 0")
    if answer.text != NONCE:
        raise Broken(f"the prompt is {shown(NONCE)}, its echo with max_tokens 0 is {shown(answer.text)}")


@scenario("MAXTOK-007", phase=Phase.MALFORMED, shows=accepted("max_tokens"))
async def a_limit_of_zero_generates_nothing(target: Target) -> None:
    """`max_tokens` 0 is refused, or the text is empty."""
    await target.valid_twin_is_served()
    exchange = await _zero(target)
    if not exchange.served:
        target.expect_refused(exchange, "max_tokens 0")
        return
    survived(exchange, "max_tokens 0")
    text = Completion.read(exchange).text
    if text:
        raise Broken(f"max_tokens 0 was answered with a stream that begins {shown(text)}")


@scenario("MAXTOK-008", phase=Phase.MALFORMED)
async def an_impossible_limit_is_refused(target: Target) -> None:
    """A `max_tokens` beyond every context is refused with a message about the length."""
    await target.valid_twin_is_served()
    exchange = await impossible_limit(target)
    if exchange.served:
        raise Broken(f"max_tokens {FAR_TOO_MANY} was served with status {exchange.status}")
    target.expect_refused(exchange, f"max_tokens {FAR_TOO_MANY}")
    body = exchange.response.body.decode("utf-8", "replace").lower() if exchange.response else ""
    if not any(word in body for word in _ABOUT_LENGTH):
        raise Broken(f"max_tokens {FAR_TOO_MANY} was refused, but not for its length: {error_text(exchange)}")


@scenario("MAXTOK-009", phase=Phase.MALFORMED)
async def a_prompt_beyond_the_context_causes_no_failure(target: Target) -> None:
    """A prompt that is longer than the context is refused, not answered with a 5xx or a shortened prompt."""
    length = await context_length(target)
    if length > _LONGEST_PROMPT:
        raise NotRun(f"the context of {length} tokens is too long to be filled")
    await target.valid_twin_is_served()
    many = length + _BEYOND
    # A number has at least one token in every vocabulary that splits words.
    prompts: list[tuple[str, Any]] = [("at least ", " ".join(map(str, range(many))))]
    if await has(target, "token_prompt"):
        prompts.append(("", [SOME_IDS[0]] * many))
    for count, prompt in prompts:
        what = f"a prompt of {count}{many} tokens, where the context has {length},"
        exchange = await target.post(prompt=prompt, max_tokens=1, intent=Intent.INVALID, parameter="prompt")
        _expect_no_room(target, exchange, what, length)


def _expect_no_room(target: Target, exchange: Exchange, what: str, length: int) -> None:
    """A prompt that is longer than the context was refused, in an orderly way."""
    survived(exchange, what)
    if not exchange.served:
        target.expect_refused(exchange, what)
        return
    usage = Completion.read(exchange).usage
    if usage is not None and (usage.prompt_tokens or 0) > length:
        raise Inconclusive(
            f"{what} was served as a prompt of {usage.prompt_tokens} tokens: the context is longer than stated"
        )
    raise BrokenShould(f"{what} was served with status {exchange.status}: the prompt was shortened silently")


@scenario("MAXTOK-011", phase=Phase.ALONE)
async def a_limit_that_just_fits_is_accepted(target: Target) -> None:
    """A request whose prompt and `max_tokens` fill the context exactly is accepted."""
    largest = await room(target)
    if (await filling(target, largest)).served:
        return
    # Not for what else that request asks for.
    exchange = await filling(target, largest, plainly=True)
    if exchange.served:
        return
    survived(exchange, f"max_tokens {largest}")
    length = await context_length(target)
    prompt = length - largest
    for limit in named_limits(exchange, below=largest, besides=prompt):
        # A vendor may bound its output below what the context leaves; a number in a message is such a bound where it acts as one.
        if (await filling(target, limit, plainly=True)).served and (
            await filling(target, limit + 1, plainly=True)
        ).refused:
            raise NotRun(
                f"the target generates at most {limit} tokens, fewer than a context of {length} leaves: {error_text(exchange)}"
            )
    message = f"the context has {length} tokens and the prompt {prompt}; max_tokens {largest} was refused: {error_text(exchange)}"
    if (await filling(target, largest - RESERVED, plainly=True)).served:
        raise BrokenShould(f"{message}; with {RESERVED} less it is served")
    raise Broken(message)
