"""Log probabilities of what was generated: that they are there, and that they say the same in every way of asking."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ignored, malformed
from conformance.contract.verdict import Broken, BrokenShould, Ignored, Inconclusive, NotRun
from conformance.kit.capabilities import NONCE, has
from conformance.kit.invalid_requests import completes, survived, survives
from conformance.kit.logprobs import Scores, difference, expected_same, in_common, scores
from conformance.kit.same_text import recounted, same
from conformance.kit.several_choices import BY_N
from conformance.kit.target import Target
from conformance.kit.twins import Twins, twins
from conformance.scenarios.usage import expect_counts_to_repeat
from conformance.wire.completion import Choice, Completion
from conformance.wire.exchange import Intent, is_int
from conformance.wire.greedy import fingerprint
from conformance.wire.shown import shown

_SHORT = 8
_MOST = 5
"""The documented maximum of `logprobs`."""

_REQUIRED = ("tokens", "token_logprobs")
_TOLERATED = ("top_logprobs", "text_offset")
"""Arrays that a server may leave out as a whole, with a warning: MLC writes no offsets, others no alternatives."""


async def _ordinary(target: Target, k: int = 2, **changes: Any) -> Completion:
    return await target.complete(optional="logprobs", logprobs=k, **{"max_tokens": _SHORT, **changes})


@scenario("LOGP-001", shows=malformed("logprobs"))
async def logprobs_are_four_arrays_of_equal_length(target: Target) -> None:
    """`logprobs: 2` gives every choice an object with four arrays of equal length, or is refused."""
    answers = [await _ordinary(target)]
    # At temperature 1 the generated token is not always the best one, which is what the rules about single answers need to see.
    several = dict(BY_N) if await has(target, "n") else {"temperature": 1, "max_tokens": 2 * _SHORT}
    answers.append(await _ordinary(target, **several))
    shortfalls = [
        broken_should
        for answer in answers
        for choice in answer.choices.values()
        for broken_should in _expect_arrays(choice)
    ]
    if shortfalls:
        raise BrokenShould(shortfalls[0])


def _expect_arrays(choice: Choice) -> list[str]:
    """The four arrays are there and equally long; what of them is missing but tolerated."""
    found = choice.parts[0].get("logprobs") if choice.parts else None
    if found is None:
        raise Ignored(
            f"`logprobs` was 2, and choice {choice.index} has none: {shown(dict(choice.parts[0]))}",
            ignored("logprobs"),
        )
    if not isinstance(found, dict):
        raise Broken(f"`logprobs` of choice {choice.index} is {shown(found)}, not an object")
    for name in (*_REQUIRED, *_TOLERATED):
        tolerated = name in _TOLERATED and found.get(name) is None and "content" not in found
        if not isinstance(found.get(name), list) and not tolerated:
            raise Broken(
                f"`logprobs` of choice {choice.index} has no array `{name}`; it is {shown(found, 300)}"
            )
    lengths = {name: len(found[name]) for name in (*_REQUIRED, *_TOLERATED) if found.get(name) is not None}
    if len(set(lengths.values())) > 1:
        raise Broken(f"the arrays of choice {choice.index} have the lengths {shown(lengths)}")
    if not found["tokens"] and choice.text:
        raise Broken(f"the arrays of choice {choice.index} are empty, and its text is {shown(choice.text)}")
    return [f"`logprobs.{name}` is null" for name in _TOLERATED if found.get(name) is None]


@scenario("LOGP-005")
async def zero_asks_for_the_token_alone(target: Target) -> None:
    """`logprobs: 0` gives the log probabilities of the generated tokens and at most one alternative each."""
    answer = await target.complete(logprobs=0, max_tokens=_SHORT)
    logprobs = answer.choice.logprobs
    if logprobs is None:
        raise Ignored(
            f"`logprobs` was 0, which asks for the log probability of each token, and `logprobs` is"
            f" {shown(answer.choice.parts[0].get('logprobs'))}, as without it"
        )
    if not logprobs.token_logprobs:
        raise Broken(
            f"`logprobs` was 0, and there are no `token_logprobs`: {shown(answer.choice.parts[0]['logprobs'])}"
        )
    for number, top in enumerate(logprobs.top_logprobs or ()):
        if isinstance(top, dict) and len(top) > 1:
            raise Broken(f"`logprobs` was 0, and token {number} has {len(top)} alternatives: {shown(top)}")


@scenario("LOGP-012")
async def streamed_logprobs_join_to_the_plain_ones(target: Target) -> None:
    """The arrays of a stream, joined, are those of the plain answer."""
    compared = 0
    async for pair in twins(target):
        # An echo is LOGP-027's.
        if pair.plain.exchange.request.params.get("echo"):
            continue
        for index, choice in pair.plain.choices.items():
            other = pair.stream.choices.get(index)
            if other is not None and same(choice.text, other.text) and choice.text:
                compared += _expect_the_same_scores(pair, index)
    if not compared:
        raise NotRun(
            "no stream has the text of its plain twin, both with log probabilities; see STREAM-014 and LOGP-001"
        )


def _expect_the_same_scores(pair: Twins, index: int) -> bool:
    """Whether there was anything to compare."""
    try:
        one = scores(pair.plain, index)
    except NotRun:
        return False  # LOGP-030
    if pair.stream.choices[index].logprobs is None:
        raise Ignored(
            f"{pair.what}, the plain answer has log probabilities, but no chunk of the same request's stream has"
        )
    try:
        other = scores(pair.stream, index)
    except NotRun:
        return False  # LOGP-030
    if one.tokens != other.tokens:
        raise Broken(
            f"{pair.what}, the tokens are {shown(one.tokens)}, and those of the stream {shown(other.tokens)}"
        )
    differs = expected_same(one, other) or _different_alternatives(one, other)
    if differs:
        raise Broken(f"{pair.what}, plain and in the stream {differs}")
    if index == 0:
        _expect_the_same_base(pair.plain, pair.stream)
    return True


def _different_alternatives(one: Scores, other: Scores) -> str | None:
    """What differs between alternatives that both have, or where only one of them has any; in words."""
    common: list[tuple[int, str]] = []
    for number, (top, second) in enumerate(zip(one.tops, other.tops, strict=False)):
        if bool(top) != bool(second):
            return f"the alternatives of token {number} are {shown(top)} and {shown(second)}"
        common += [(number, token) for token in top if token in second]
    found = difference(*([each.tops[number][token] for number, token in common] for each in (one, other)))
    if found is None:
        return None
    place, value, otherwise = found
    number, token = common[place]
    return f"the alternative {shown(token)} of token {number} has {value:.4f} and {otherwise:.4f}"


def _expect_the_same_base(plain: Completion, stream: Completion) -> None:
    """The offsets begin at the same number. That they advance in ASCII is LOGP-009's, that they go on over chunks LOGP-013's."""
    one, other = _offsets(plain), _offsets(stream)
    if one and not other:
        raise Broken("the plain answer has `text_offset`, but the stream has none")
    if one and other and one[0] != other[0]:
        raise Broken(f"the offsets begin at {one[0]}, those of the stream at {other[0]}")
    if len(one) == len(other) and one != other and not plain.text.isascii():
        raise Broken(
            f"the offsets after {shown(plain.text)} are {shown(one)}, and those of the stream {shown(other)}"
        )


def _offsets(answer: Completion) -> tuple[int, ...]:
    logprobs = answer.choice.logprobs
    found = (logprobs.text_offset if logprobs else None) or ()
    return tuple(found) if all(map(is_int, found)) else ()


@scenario("LOGP-014")
async def asking_for_logprobs_changes_no_answer(target: Target) -> None:
    """`logprobs` changes neither the text nor the finish reason nor the usage of a greedy completion."""
    without, with_them = await asyncio.gather(target.complete(max_tokens=_SHORT), _ordinary(target))
    if fingerprint(without.exchange) != fingerprint(with_them.exchange):
        raise Broken(
            f"with `logprobs` the answer is {shown(with_them.text)} ({shown(with_them.finish_reason)}),"
            f" without {shown(without.text)} ({shown(without.finish_reason)})"
        )
    if changed := recounted(with_them.usage, without.usage):
        name, one, other = changed
        expect_counts_to_repeat(target, name)
        raise Broken(f"`{name}` is {one} with `logprobs`, and {other} without")


@scenario("LOGP-015")
async def more_alternatives_contain_fewer(target: Target) -> None:
    """What `logprobs: 1` calls the most probable token is among those of `logprobs: 3`, with the same value."""
    few, many = map(scores, await asyncio.gather(_ordinary(target, 1), _ordinary(target, 3)))
    best = [
        (number, max(top, key=top.__getitem__))
        for number, top in enumerate(few.tops[: in_common(few, many)])
        if top and many.tops[number]
    ]
    for number, token in best:
        if token not in many.tops[number]:
            raise Broken(
                f"with `logprobs` 1 the best for token {number} is {shown(token)}, which is not among those of"
                f" `logprobs` 3: {shown(many.tops[number])}"
            )
    found = difference(*([each.tops[number][token] for number, token in best] for each in (few, many)))
    if found:
        raise Broken(
            f"the best alternative for token {best[found[0]][0]}, {shown(best[found[0]][1])}, has {found[1]:.4f} with"
            f" `logprobs` 1 and {found[2]:.4f} with 3"
        )


@scenario("LOGP-017", phase=Phase.MALFORMED)
async def more_than_five_are_refused_or_answered_soundly(target: Target) -> None:
    """`logprobs: 6` is refused, or answered with 1 to 7 alternatives for each token."""
    await target.valid_twin_is_served()
    exchange = await target.post(intent=Intent.OPEN, parameter="logprobs", logprobs=_MOST + 1, max_tokens=2)
    survived(exchange, "`logprobs` 6")
    completes(target, exchange, "`logprobs` 6")
    if not exchange.served:
        return
    answer = target.read(exchange)
    if answer.choice.logprobs is None:
        raise Ignored("`logprobs` 6 was served, and the answer has no log probabilities")
    for number, top in enumerate(scores(answer).tops):
        if not 1 <= len(top) <= _MOST + 2:
            raise Broken(f"`logprobs` was 6, and token {number} has {len(top)} alternatives")


@scenario("LOGP-018", phase=Phase.MALFORMED)
async def a_boolean_logprobs_brings_nothing_down(target: Target) -> None:
    """`logprobs: true` is refused or served as 1, never with a status that says that the server failed."""
    for exchange in await survives(target, "logprobs", True):  # noqa: FBT003 - a JSON value
        completes(target, exchange, "`logprobs` true")


@scenario("LOGP-022")
async def a_score_does_not_depend_on_the_number_of_alternatives(target: Target) -> None:
    """A generated token has the same log probability whatever number `logprobs` is."""
    two = scores(await _ordinary(target))
    for k in (1, 3):
        other = scores(await _ordinary(target, k))
        same = in_common(two, other)
        if not same:
            raise Inconclusive("the answers begin with different tokens; see LOGP-014")
        differs = expected_same(two.part(0, same), other.part(0, same))
        if differs:
            raise Broken(f"in `token_logprobs` with `logprobs` 2 and with {k} {differs}")


@scenario("LOGP-026")
async def sampling_settings_leave_the_numbers_finite(target: Target) -> None:
    """With a `top_p` near 0 log probabilities are still served as finite numbers."""
    requests: list[dict[str, Any]] = [{"max_tokens": _SHORT}]
    if await has(target, "echo"):
        # One server computed the prompt's log probabilities after its sampling filters: all but one were -Infinity.
        requests.append({"prompt": NONCE, "echo": True, "max_tokens": 4})
    for changes in requests:
        exchange = await target.post(temperature=1, top_p=1e-6, logprobs=2, **changes)
        if exchange.refused:
            continue  # a `top_p` near 0, or `echo` with `logprobs`, which others judge
        survived(exchange, "`logprobs` 2 with `top_p` 0.000001")
        answer = Completion.read(exchange)
        if not answer.choices:
            raise Broken(
                f"`logprobs` 2 with `top_p` 0.000001 gave an answer that can't be read: {shown(answer.malformed[:1])}"
            )
        found = scores(answer)
        wrong = next((value for value in found.values[1:] if value is None or not math.isfinite(value)), 0.0)
        if wrong is None:
            raise Broken(
                f"`logprobs` 2 with `top_p` 0.000001 gave `token_logprobs` without numbers: {shown(found.values)}"
            )


@scenario("LOGP-028")
async def nothing_precedes_the_text_behind_an_empty_prompt(target: Target) -> None:
    """The text after an empty prompt begins with its first token."""
    answer = await target.complete(optional="an empty prompt", prompt="", logprobs=2, max_tokens=_SHORT)
    joined = scores(answer).text
    more = answer.text.removesuffix(joined)
    # Tokens that can't be joined are LOGP-003's.
    if answer.text.endswith(joined) and more:
        raise Broken(
            f"the text after an empty prompt is {shown(answer.text)}, and its tokens join to {shown(joined)}: {shown(more)} belongs to no token"
        )
