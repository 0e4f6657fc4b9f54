"""Whether the token counts of different answers fit together."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import count_differs
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.same_text import recounted, same
from conformance.kit.several_choices import BY_N, ECHO_LENGTH, by_prompts, served_forms, singles
from conformance.kit.target import Target
from conformance.kit.twins import Twins, twins
from conformance.rules.usage import recounted_requests
from conformance.wire.completion import Completion, Usage
from conformance.wire.shown import shown

_FIXED_TOKENS = 4
"""A token that begins a text, one that ends it, and two for the blank at which two copies of a prompt meet."""


def _usage(answer: Completion) -> Usage:
    if answer.usage is None:
        raise NotRun(f"the answer {answer.exchange.id} has no usage; see RESP-012")
    return answer.usage


def _prompt_tokens(answer: Completion) -> int:
    count = _usage(answer).prompt_tokens
    if count is None:
        raise NotRun(f"the answer {answer.exchange.id} has no integer prompt_tokens; see USAGE-001")
    return count


def expect_counts_to_repeat(target: Target, counter: str = "prompt_tokens") -> None:
    """Raise `NotRun` where the same request was not counted alike each time, so that no comparison of prompt counts proves anything.

    Of the other counters only the total has those of the prompt in it.
    """
    if counter == "completion_tokens":
        return
    # What came later than what is compared is left out: a recorded run that is judged again has seen it already.
    now = max((one.started + one.seconds for one in target.used), default=0.0)
    seen = (
        Completion.read(one)
        for one in target.exchanges
        if one.served
        and one.complete
        and one.request.path == "/completions"
        and one.started + one.seconds <= now
    )
    if recounted_requests(seen):
        raise NotRun("the same request has other prompt_tokens when it comes again; see USAGE-012")


@scenario("USAGE-004", shows=count_differs())
async def prompt_tokens_do_not_multiply_with_n(target: Target) -> None:
    """`prompt_tokens` is the same for two choices as for one."""
    several = _prompt_tokens(await target.complete(**BY_N))
    if several != _prompt_tokens(await target.complete()):
        # The same request but for n: what else `prompt_tokens` may depend on is the business of USAGE-007.
        one = _prompt_tokens(await target.complete(**{**BY_N, "n": ...}))
        if several != one:
            expect_counts_to_repeat(target)
            raise Broken(f"n 2 counts {several} prompt_tokens, no n counts {one}")


@scenario("USAGE-005", shows=count_differs())
async def prompt_tokens_add_up_over_prompts(target: Target) -> None:
    """`prompt_tokens` of a list of prompts is the sum over the prompts sent alone."""
    together = _prompt_tokens(await target.complete(**by_prompts(target)))
    alone = [_prompt_tokens(answer) for answer in await singles(target, target.prompts(3))]
    if together != sum(alone):
        expect_counts_to_repeat(target)
        raise Broken(
            f"three prompts count {' + '.join(map(str, alone))} = {sum(alone)} prompt_tokens alone, and {together} in one request"
        )


@scenario("USAGE-006", shows=count_differs())
async def completion_tokens_add_up_over_choices(target: Target) -> None:
    """`completion_tokens` of several choices that all reached `max_tokens` is their number times the limit."""
    requests = await served_forms(target)
    if not requests:
        raise NotRun("the target has neither several choices nor several prompts")
    answers = await asyncio.gather(*(target.complete(**changes) for changes in requests))
    # A choice that ended by itself may count its end token or not.
    cut = [answer for answer in answers if _all_cut(answer)]
    if not cut:
        raise Inconclusive(
            "in every answer with several choices some choice ends by itself, not at the limit"
        )
    if all(_usage(answer).completion_tokens is None for answer in cut):
        raise NotRun("no answer with several choices has integer completion_tokens; see USAGE-001")
    for answer in cut:
        _expect_all_counted(target, answer)


def _expect_all_counted(target: Target, answer: Completion) -> None:
    if miscount := _miscount(target, answer):
        raise Broken(miscount)


def _miscount(target: Target, answer: Completion) -> str | None:
    """What is wrong with the count of choices that all ended at the limit: they count the limit each."""
    limit = answer.exchange.request.integer("max_tokens", 0)
    count, wanted = _usage(answer).completion_tokens, len(answer.choices) * limit
    most = wanted + len(answer.choices) * target.profile.completion_tokens_slack.value
    if count is None or not _all_cut(answer) or wanted <= count <= most:
        return None
    return f"{len(answer.choices)} choices that all ended at max_tokens {limit} count {count} completion_tokens, not {wanted}"


def _all_cut(answer: Completion) -> bool:
    choices = answer.choices.values()
    return len(choices) == answer.exchange.request.choices and all(
        choice.finish_reason == "length" for choice in choices
    )


@scenario("USAGE-017", shows=count_differs())
async def a_stream_of_several_choices_reports_the_same_usage(target: Target) -> None:
    """The usage of a stream counts every prompt and every choice as the plain answer does."""
    several = await _most_choices(target)
    prompts = several["prompt"] if isinstance(several["prompt"], list) else [several["prompt"]]
    plain = await target.complete(**several, optional="several choices of several prompts")
    alone = sum([_prompt_tokens(answer) for answer in await singles(target, prompts)])
    if _prompt_tokens(plain) != alone:
        raise NotRun("not even the plain answer counts its prompts; see USAGE-005")
    if _miscount(target, plain):
        raise NotRun("not even the plain answer counts its choices; see USAGE-006")
    stream = await target.stream(
        **several, stream_options={"include_usage": True}, optional="streams of several choices"
    )
    if parts := _usages_of_choices(stream):
        raise NotRun(
            f"the usage of the stream comes in {parts} parts, with choices instead of once for all; see STREAM-019"
        )
    if _prompt_tokens(stream) != alone:
        expect_counts_to_repeat(target)
        raise Broken(
            f"`prompt_tokens` of {len(plain.choices)} choices is {alone} in the plain answer, and {_prompt_tokens(stream)} in a stream"
        )
    if not _all_cut(stream) or _usage(stream).completion_tokens is None:
        raise NotRun(
            f"`prompt_tokens` agree, but there is no count of a stream whose {len(plain.choices)} choices all end at the limit"
        )
    _expect_all_counted(target, stream)


def _usages_of_choices(stream: Completion) -> int:
    """How many chunks with choices carry usage, where no chunk carries that of the whole request: each then may count its own choice."""
    counted = [chunk for chunk in stream.chunks if isinstance(chunk.document.get("usage"), dict)]
    if any(not chunk.choices for chunk in counted):
        return 0
    return len(counted) if len(counted) > 1 else 0


async def _most_choices(target: Target) -> dict[str, Any]:
    """The request for several choices of several prompts, as far as the target has either; the one of MULTI-003 where it echoes."""
    prompts, n = await asyncio.gather(has(target, "multi_prompt"), has(target, "n"))
    if not prompts and not n:
        raise NotRun("the target has neither several choices nor several prompts")
    return {
        "prompt": list(target.prompts(2)) if prompts else target.prompt,
        "temperature": 1,
        "max_tokens": ECHO_LENGTH,
        **({"n": 2} if n else {}),
        **({"echo": True} if await has(target, "echo") else {}),
    }


@scenario("USAGE-008", shows=count_differs())
async def prompt_tokens_grow_with_the_prompt(target: Target) -> None:
    """A prompt sent twice over counts more `prompt_tokens` than once, and fewer than three times as many."""
    few, many = await _once_and_twice(target)
    if not few < many < 3 * few:
        expect_counts_to_repeat(target)
        raise Broken(
            f"the prompt {shown(target.prompt)} counts {few} prompt_tokens, and {many} when it is sent twice over"
        )


async def _once_and_twice(target: Target) -> tuple[int, int]:
    """The `prompt_tokens` of a prompt, and of the same sent twice over."""
    prompt = target.prompt
    once, twice = await asyncio.gather(
        target.complete(max_tokens=1),
        target.complete(prompt=f"{prompt} {prompt}", max_tokens=1),
    )
    return _prompt_tokens(once), _prompt_tokens(twice)


@scenario("USAGE-016", shows=count_differs())
async def prompt_tokens_are_those_of_the_prompt(target: Target) -> None:
    """Of the `prompt_tokens` of a prompt few remain the same when it is sent twice over."""
    few, many = await _once_and_twice(target)
    fixed = 2 * few - many
    if many <= few:
        raise NotRun(
            f"{few} prompt_tokens do not become more when the prompt is sent twice over; see USAGE-008"
        )
    if fixed > _FIXED_TOKENS:
        expect_counts_to_repeat(target)
        raise Broken(
            f"the prompt {shown(target.prompt)} counts {few} prompt_tokens, and {many} when it is sent twice over:"
            f" about {fixed} of them are not the prompt's, as where a chat template is put around it"
        )


@scenario("USAGE-009", shows=count_differs())
async def a_stream_reports_the_same_usage(target: Target) -> None:
    """The usage of a stream is that of the same request without a stream."""
    compared = 0
    async for pair in twins(target):
        # Of several choices USAGE-017 speaks, of usage in parts STREAM-019, and tokens that a stop sequence hides may be counted or not.
        elsewhere = (
            pair.plain.exchange.request.choices > 1 or pair.is_stopped or _usages_of_choices(pair.stream)
        )
        if elsewhere or set(pair.plain.choices) != set(pair.stream.choices) or not _say_the_same(pair):
            continue
        compared += 1
        if changed := recounted(pair.plain.usage, pair.stream.usage):
            name, here, there = changed
            expect_counts_to_repeat(target, name)
            raise Broken(
                f"{pair.what}, {name} is {here} in the plain answer, and {there} in the same answer as a stream"
            )
    if not compared:
        raise NotRun("the streams have other texts than their plain twins; see STREAM-014")


def _say_the_same(pair: Twins) -> bool:
    return all(
        same(choice.text, pair.stream.choices[index].text) for index, choice in pair.plain.choices.items()
    )


@scenario("USAGE-011", shows=count_differs())
async def a_token_array_counts_its_ids(target: Target) -> None:
    """`prompt_tokens` of a prompt of token ids is the number of the ids, or one more for the token that begins a text."""
    count = _prompt_tokens(await target.complete(prompt=list(SOME_IDS), max_tokens=1))
    if count - len(SOME_IDS) not in (0, 1):
        raise Broken(f"a prompt of {len(SOME_IDS)} token ids counts {count} prompt_tokens")
