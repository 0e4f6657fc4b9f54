"""Why a completion ended: `finish_reason`."""

from __future__ import annotations

import asyncio

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.kit.same_text import goes_on, same
from conformance.kit.target import MAX_TOKENS, Target
from conformance.kit.twins import Twins, twins
from conformance.wire.shown import shown

_SHORT = 2


@scenario("FIN-003")
async def a_completion_that_the_limit_cuts_says_length(target: Target) -> None:
    """A completion that `max_tokens` cuts short has the finish_reason `length`."""
    target.prompts(1)
    for prompt in target.facts.prompts:
        cut, whole = await asyncio.gather(
            target.complete(prompt=prompt, max_tokens=_SHORT), target.complete(prompt=prompt)
        )
        # Only a text that is seen to go on was cut: where the natural end falls together with the limit, no authority decides.
        if goes_on(whole.text, cut.text):
            if cut.finish_reason != "length":
                raise Broken(
                    f"max_tokens {_SHORT} cut {shown(whole.text)} to {shown(cut.text)}, and the finish_reason is {shown(cut.finish_reason)}"
                )
            return
    raise Inconclusive(f"no text with max_tokens {MAX_TOKENS} continues the text with max_tokens {_SHORT}")


@scenario("FIN-004")
async def stream_and_plain_end_for_the_same_reason(target: Target) -> None:
    """A streamed completion ends for the same reason as its plain twin, whether at the limit or at a stop sequence."""
    compared = 0
    for limit in (MAX_TOKENS, _SHORT):
        plain, stream = await asyncio.gather(
            target.complete(max_tokens=limit), target.stream(max_tokens=limit)
        )
        # Different texts may end for different reasons (STREAM-014), and a lost reason is the business of STREAM-011.
        if not same(plain.text, stream.text) or None in (plain.finish_reason, stream.finish_reason):
            continue
        compared += 1
        if plain.finish_reason != stream.finish_reason:
            raise Broken(
                f"{shown(plain.text)} ends with {shown(plain.finish_reason)}, but as a stream with {shown(stream.finish_reason)}"
            )
    async for pair in twins(target):
        if not (pair.is_stopped and pair.plain.finish_reason == "stop"):  # STOP-017
            compared += 1
            _expect_the_same_reasons(pair)
    if not compared:
        raise NotRun(
            "no stream has the text of its plain twin and a finish_reason; see STREAM-014 and STREAM-011"
        )


def _expect_the_same_reasons(pair: Twins) -> None:
    for index, choice in pair.plain.choices.items():
        other = pair.stream.choices.get(index)
        if other is None or not same(choice.text, other.text):
            continue
        reasons = choice.finish_reason, other.finish_reason
        if None not in reasons and reasons[0] != reasons[1]:
            raise Broken(
                f"{pair.what}, {shown(choice.text)} ends with {shown(reasons[0])}, but as a stream with {shown(reasons[1])}"
            )
