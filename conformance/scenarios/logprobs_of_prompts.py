"""Log probabilities of a prompt, as evaluation programs ask for them: complete, repeatable, and those of the same model that generates."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import malformed
from conformance.contract.verdict import Broken, BrokenShould, Ignored, Inconclusive, NotRun
from conformance.kit.capabilities import NONCE, SOME_IDS
from conformance.kit.logprobs import Scores, expected_same, in_common, scores
from conformance.kit.same_text import same
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.wire.completion import Choice, Completion
from conformance.wire.shown import shown

_ENOUGH = 3
"""So many tokens must be comparable before anything is said."""


async def _scored(target: Target, prompt: Any, *, fresh: bool = False, **changes: Any) -> Completion:
    """The prompt with its log probabilities, and one token more, which every server generates."""
    request = {"prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1, **changes}
    return await target.complete(optional="echo with logprobs", fresh=fresh, **request)


@scenario("LOGP-010", shows=malformed("logprobs of an echo"))
async def echoed_logprobs_cover_the_prompt(target: Target) -> None:
    """With `echo` the tokens join to the text, the first has no log probability, and every other one has."""
    answer = await _scored(target, NONCE, logprobs=2, max_tokens=4)
    found, raw = scores(answer), answer.choice.logprobs
    if not _joins(found, answer.text):
        raise Broken(
            f"with `echo` the tokens join to {shown(found.text)}, and the text is {shown(answer.text)}"
        )
    missing = [number for number, value in enumerate(found.values) if value is None and number > 0]
    if missing:
        raise Broken(
            f"with `echo` token {missing[0]}, {shown(found.tokens[missing[0]])}, has no log probability"
        )
    first, top = found.values[0], raw.top_logprobs[0] if raw and raw.top_logprobs else None
    # Nothing stands before the first token that could make it probable or not.
    if first is not None and first != 0:
        raise Broken(
            f"with `echo` the first token, {shown(found.tokens[0])}, has the log probability {first}, where null belongs"
        )
    if first is not None or top:
        raise BrokenShould(
            f"with `echo` the first token has the log probability {shown(first)} and the alternatives {shown(top)}, where null belongs"
        )


def _joins(found: Scores, text: str) -> bool:
    """Whether the tokens are the text: with or without one token before it, and but for how a vocabulary spells what is not ASCII."""
    candidates = (found.text, found.part(1).text)
    if text.isascii() and found.part(1).text.isascii():
        return any(candidate.strip() == text.strip() for candidate in candidates)
    return any(_letters(candidate).startswith(_letters(NONCE)) for candidate in candidates)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@scenario("LOGP-019")
async def scoring_token_arrays_works(target: Target) -> None:
    """The request of lm-evaluation-harness gives one entry for each token of each array and of its completion."""
    arrays = [list(SOME_IDS), [*SOME_IDS, *reversed(SOME_IDS)]]
    answer = await _scored(target, arrays, seed=1234)
    for index, ids in enumerate(arrays):
        if index not in answer.choices:
            raise Broken(
                f"{len(arrays)} token arrays were answered with the indices {shown(sorted(answer.choices))}"
            )
        _expect_entries(answer.choices[index], scores(answer, index), len(ids))


def _expect_entries(choice: Choice, found: Scores, given: int) -> None:
    # The program cuts its own tokens out by counting: an entry too few or too many shifts every score. One added at the beginning is
    # tolerated, since a model may want it; and a token that ends the text need not be listed.
    wanted = {given + 1, given + 2} | ({given} if choice.finish_reason == "stop" else set())
    if len(found) not in wanted:
        raise Broken(
            f"an array of {given} tokens with `echo`, `max_tokens` 1 and `logprobs` 1 gave {len(found)} entries: {shown(found.tokens)}"
        )
    missing = next(
        (number for number, value in enumerate(found.values) if value is None and number > 0), None
    )
    if missing is not None:
        raise Broken(f"entry {missing} of choice {choice.index}, an array of {given} tokens, has no number")
    if not all(found.tops[1:]):
        raise Broken(
            f"`logprobs` was 1, and some entries of choice {choice.index} have no alternative in `top_logprobs`"
        )


@scenario("LOGP-020")
async def scores_do_not_depend_on_what_follows(target: Target) -> None:
    """A prompt has the same log probabilities alone and at the beginning of a longer one."""
    short = [*SOME_IDS, *reversed(SOME_IDS)]
    alone, longer = await asyncio.gather(
        _scored(target, short), _scored(target, [*short, *SOME_IDS, *SOME_IDS])
    )
    one, other = scores(alone), scores(longer)
    # Only the prompt: what is generated behind the short one is another token than what stands there in the long one.
    length = min(in_common(one, other), len(short))
    if length < _ENOUGH:
        raise Inconclusive(
            f"the entries of one prompt are {shown(one.tokens)} alone and {shown(other.tokens)} at the beginning of a longer one"
        )
    differs = expected_same(one.part(0, length), other.part(0, length))
    if differs:
        raise Broken(f"of the prompt {short}, alone and at the beginning of a longer one, {differs}")


@scenario("LOGP-024")
async def scoring_a_completion_finds_the_values_of_its_generation(target: Target) -> None:
    """The tokens of a completion have the same log probabilities when the completion is sent back with `echo`."""
    for prompt in target.prompts(1) + target.facts.prompts[1:3]:
        generated = await target.complete(prompt=prompt, logprobs=2, max_tokens=8)
        echoed = await _scored(target, prompt + generated.text, logprobs=2)
        if (echoed.text + scores(echoed).text).isascii() and not _joins(scores(echoed), echoed.text):
            raise NotRun("the tokens of an echoed text do not join to it; see LOGP-010")
        one, other = _aligned(prompt, scores(generated), scores(echoed))
        if len(one) < _ENOUGH:
            continue  # the text was cut into other tokens than those it was made of
        if not any(one.values):
            raise Inconclusive(
                "at temperature 0 all log probabilities are 0: they tell of the sampler, not of the model"
            )
        differs = expected_same(one, other)
        if differs:
            raise Broken(
                f"of {shown(generated.text)} after {shown(prompt)}, when generated and when scored with `echo`, {differs}"
            )
        return
    raise Inconclusive("no completion is cut into the tokens that it was made of when it is sent back")


def _aligned(prompt: str, generated: Scores, echoed: Scores) -> tuple[Scores, Scores]:
    """The beginnings of both that are the same tokens, after the prompt."""
    for start in range(1, len(echoed) + 1):
        before = echoed.part(0, start).text
        if before in (prompt, echoed.tokens[0] + prompt):
            behind = echoed.part(start)
            length = in_common(generated, behind)
            return generated.part(0, length), behind.part(0, length)
    return generated.part(0, 0), echoed.part(0, 0)


@scenario("LOGP-025")
async def scores_do_not_depend_on_what_was_asked_before(target: Target) -> None:
    """The log probabilities of prompts with a common beginning are the same however often and in whatever order they are asked for."""
    # The run has scored nothing like this before, so the first answer comes without the help of a cache and the later ones with it.
    # Caches work in blocks of 16 tokens or more: the common beginning is as long as several answers.
    answers = [
        await target.complete(prompt=prompt) for prompt in target.prompts(1) + target.facts.prompts[1:3]
    ]
    common = " ".join(answer.text for answer in answers)
    ends = (" The first of them ends here.", " Another one of them ends there.")
    first, second = [scores(await _scored(target, common + end)) for end in ends]
    again = scores(await _scored(target, common + ends[0], fresh=True))
    if again.tokens[:-1] != first.tokens[:-1]:
        raise NotRun("the same prompt was cut into different tokens")
    differs = expected_same(first.part(0, -1), again.part(0, -1))
    if differs:
        raise Broken(f"of the same prompt, asked for twice, {differs}")
    length = in_common(first, second)
    differs = expected_same(first.part(0, length), second.part(0, length))
    if differs:
        raise Broken(f"of two prompts with the same beginning, one after the other, {differs}")


@scenario("LOGP-027")
async def a_streamed_echo_is_scored_like_a_plain_one(target: Target) -> None:
    """The log probabilities of an echo, its offsets among them, are the same in a stream."""
    changes: dict[str, Any] = {"logprobs": 2, "max_tokens": 4}
    plain, stream = await asyncio.gather(
        _scored(target, NONCE, **changes),
        _scored(target, NONCE, **changes, stream=True, **await usage_option(target)),
    )
    one = scores(plain)
    if stream.choice.logprobs is None:
        raise Ignored("the plain echo has log probabilities, but no chunk of the same request's stream has")
    if not same(plain.text, stream.text):
        raise Inconclusive("the stream's text is not that of the plain echo; see ECHO-006 and STREAM-014")
    other = scores(stream)
    if one.tokens != other.tokens:
        raise Broken(f"the tokens of an echo are {shown(one.tokens)}, in a stream {shown(other.tokens)}")
    differs = expected_same(one, other)
    if differs:
        raise Broken(f"of the same echo, plain and in a stream, {differs}")
    offsets = [answer.choice.logprobs and answer.choice.logprobs.text_offset for answer in (plain, stream)]
    # With an echo all offsets count from the beginning of the same text.
    if offsets[0] and offsets[0] != offsets[1]:
        raise Broken(f"the offsets of an echo are {shown(offsets[0])}, in a stream {shown(offsets[1])}")
