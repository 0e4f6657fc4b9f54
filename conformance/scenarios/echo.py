"""The prompt in front of the completion, when it is asked for and only then."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import ignored, malformed
from conformance.contract.verdict import Broken, BrokenShould, Ignored, Inconclusive, NotRecorded, NotRun
from conformance.kit.capabilities import NONCE, SOME_IDS, comes_unasked, has
from conformance.kit.same_text import recounted
from conformance.kit.target import Target
from conformance.kit.telling import scores_wanted
from conformance.scenarios.request_defaults import with_default
from conformance.scenarios.usage import expect_counts_to_repeat
from conformance.wire.completion import Choice, Completion, Logprobs
from conformance.wire.shown import shown

_SPACED = "  a b \n"
_ANEW = "Once more:"


def _expect_prompt(choice: Choice, prompt: str, *, where: str = "") -> None:
    if not choice.text.startswith(prompt):
        raise Broken(
            f"`echo` was true and the prompt {shown(prompt)}: the text of choice {choice.index}{where} is {shown(choice.text)}",
            *(() if prompt in choice.text else (ignored("echo"),)),
        )


@scenario("ECHO-001", shows=ignored("echo"))
async def echo_is_honoured_or_refused(target: Target) -> None:
    """With `echo` the text begins with the prompt, or the request is refused."""
    answer = await target.complete(optional="echo", prompt=NONCE, echo=True, max_tokens=4)
    if NONCE not in answer.text:
        raise Ignored(
            f"`echo` was true and the prompt {shown(NONCE)}: the text is {shown(answer.text)}, which does not contain the prompt"
        )
    _expect_prompt(answer.choice, NONCE)
    if NONCE not in answer.text[len(NONCE) :] and await comes_unasked(target):
        raise Ignored(
            f"`echo` was true and the prompt {shown(NONCE)}: the text is {shown(answer.text)}, and begins with the prompt without `echo` too"
        )


@scenario("ECHO-002")
async def echoed_text_is_prompt_plus_completion(target: Target) -> None:
    """With `echo` the text is the prompt followed by the text without `echo`."""
    prompt = target.prompt
    whole, echoed = await asyncio.gather(target.complete(), target.complete(echo=True))
    _expect_prompt(echoed.choice, prompt)
    behind = echoed.text[len(prompt) :]
    message = f"after the echoed prompt {shown(prompt)} comes {shown(behind)}, but without `echo` the text is {shown(whole.text)}"
    if behind.strip() != whole.text.strip():
        raise Broken(message)
    # A server that trims texts can't trim the joint of an echo, and no authority forbids to trim. But a text that begins with a blank was
    # not trimmed: there the blank was lost or doubled, and a client that cuts by the prompt's length gets another answer.
    if whole.text[:1].isspace() and behind.rstrip() != whole.text.rstrip():
        raise BrokenShould(message)


@scenario("ECHO-003")
async def without_echo_no_prompt_comes_back(target: Target) -> None:
    """Without `echo`, or with `echo: false`, the text does not begin with the prompt."""
    # One token is never all of the prompt, so that the model can't have said it.
    left_out, false = await asyncio.gather(
        target.complete(max_tokens=1), with_default(target, "echo", max_tokens=1)
    )
    for answer, what in ((left_out, "`echo` was left out"), (false, "`echo` was false")):
        if answer.text.startswith(target.prompt):
            raise Broken(f"{what}, and the text begins with the prompt: {shown(answer.text)}")


@scenario("ECHO-004")
async def every_one_of_n_choices_is_echoed(target: Target) -> None:
    """With `echo` and `n` every choice begins with the prompt."""
    answer = await target.complete(
        optional="echo with n", prompt=NONCE, echo=True, n=2, temperature=1, max_tokens=4
    )
    for choice in answer.choices.values():
        _expect_prompt(choice, NONCE)


@scenario("ECHO-005")
async def each_choice_echoes_its_own_prompt(target: Target) -> None:
    """With several prompts each choice begins with the prompt that it answers."""
    prompts = list(target.prompts(3))
    answer = await target.complete(
        optional="echo with several prompts", prompt=prompts, echo=True, max_tokens=4
    )
    for index, prompt in enumerate(prompts):
        if index not in answer.choices:
            raise NotRun(f"no choice has the index {index}; see MULTI-001")
        _expect_prompt(answer.choices[index], prompt)


@scenario("ECHO-006")
async def a_stream_echoes_each_prompt_once(target: Target) -> None:
    """In a stream the joined text of every choice begins with its prompt, which comes once."""
    answers = [await target.stream(optional="echo in streams", prompt=NONCE, echo=True, max_tokens=4)]
    if await has(target, "n"):
        with suppress(NotRecorded):  # by a run of before scores were asked for, too
            answers += await _of_two_choices(target)
    for answer in answers:
        prompt = str(answer.exchange.request.params["prompt"])
        for choice in answer.choices.values():
            _expect_prompt(choice, prompt, where=" of the stream")
            if choice.text.count(prompt) > 1:
                raise Broken(
                    f"the prompt {shown(prompt)} comes {choice.text.count(prompt)} times in the stream's text of choice {choice.index}, "
                    f"{shown(choice.text)}"
                )


async def _of_two_choices(target: Target) -> list[Completion]:
    """A stream of two choices with an echo and its scores, which other rules look at; nothing where it is refused, or fails on its way."""
    request: dict[str, Any] = {
        "stream": True,
        # One of which nothing is kept yet: what was read before is read otherwise by some engines.
        "prompt": f"{_ANEW} {NONCE}",
        "echo": True,
        "n": 2,
        "temperature": 1,
        "max_tokens": 4,
    }
    several = await target.post(**request, **await scores_wanted(target))
    if several.refused:
        several = await target.post(**request)
    answer = target.read(several) if several.served else None
    return [answer] if answer and not any(one.get("error") for one in answer.documents) else []


@scenario("ECHO-007")
async def echo_changes_no_counts_and_no_reason(target: Target) -> None:
    """An echo changes neither `usage` nor the finish reason."""
    whole, echoed = await asyncio.gather(target.complete(), target.complete(echo=True))
    if echoed.finish_reason != whole.finish_reason:
        raise Broken(
            f"finish_reason is {shown(echoed.finish_reason)} with `echo`, and {shown(whole.finish_reason)} without"
        )
    if changed := recounted(echoed.usage, whole.usage):
        name, with_echo, without = changed
        expect_counts_to_repeat(target, name)
        raise Broken(f"`{name}` is {with_echo} with `echo`, and {without} without")


@scenario("ECHO-008")
async def white_space_of_the_prompt_survives(target: Target) -> None:
    """An echoed prompt keeps the white space at its beginning and end."""
    answer = await target.complete(prompt=_SPACED, echo=True, max_tokens=1)
    _expect_prompt(answer.choice, _SPACED)


@scenario("ECHO-009")
async def echoed_token_arrays_are_decoded(target: Target) -> None:
    """A prompt of token ids is echoed as their text, which begins the text of a longer prompt."""
    decoded = await _decoded(target)
    if all(str(number) in decoded for number in SOME_IDS):
        raise Broken(
            f"the prompt was {list(SOME_IDS)}, and its echo is the numbers themselves: {shown(decoded)}"
        )
    longer = [*SOME_IDS, SOME_IDS[-1] + 1]
    again, more = await asyncio.gather(
        target.complete(prompt=list(SOME_IDS), echo=True, max_tokens=1, fresh=True),
        target.complete(prompt=longer, echo=True, max_tokens=1),
    )
    for ids, answer in ((list(SOME_IDS), again), (longer, more)):
        if not answer.text.startswith(decoded):
            raise Broken(
                f"the prompt {list(SOME_IDS)} is echoed as {shown(decoded)}, but the text for {ids} is {shown(answer.text)}"
            )


async def _decoded(target: Target) -> str:
    """What of the echo of some token ids is the ids' own text: that which is not there without `echo`."""
    ids = list(SOME_IDS)
    echoed = await target.complete(optional="echo of token ids", prompt=ids, echo=True, max_tokens=1)
    plain = await target.complete(prompt=ids, max_tokens=1)
    if echoed.text == plain.text:
        raise Ignored(
            f"`echo` was true and the prompt {ids}: the text is {shown(echoed.text)}, as without `echo`"
        )
    decoded = echoed.text.removesuffix(plain.text)
    if decoded == echoed.text or not decoded.isascii():
        raise Inconclusive(
            f"the text of the token ids {ids} can't be told from {shown(echoed.text)}, the text with `echo`"
        )
    return decoded


@scenario("ECHO-010", shows=malformed("logprobs of an echo"))
async def echo_with_logprobs_is_complete_or_refused(target: Target) -> None:
    """`echo` with `logprobs` is refused, or the log probabilities cover the prompt and the completion."""
    exchange = await target.post(prompt=NONCE, echo=True, logprobs=2, max_tokens=4)
    if exchange.refused:
        return
    answer = target.read(exchange)
    missing = _missing(answer.choice.logprobs, answer.text)
    if missing:
        raise Broken(f"`echo` was true and `logprobs` 2: {missing}; the text is {shown(answer.text)}")


def _missing(logprobs: Logprobs | None, text: str) -> str | None:
    """What of an echoed text has no entries, in words."""
    tokens = [token for token in (logprobs and logprobs.tokens) or () if isinstance(token, str)]
    if not tokens:
        return "there are no `logprobs.tokens`"
    # Only the order of letters: vocabularies spell blanks and line breaks in their own ways.
    spelled, whole = _letters("".join(tokens)), _letters(text)
    if _letters(NONCE) not in spelled:
        return f"the tokens {shown(tokens)} do not cover the prompt"
    parts_of_characters = any(
        token.startswith("bytes:") for token in tokens
    )  # as OpenAI spells them: they can't be joined
    if whole.isascii() and not parts_of_characters and not spelled.endswith(whole):
        return f"the tokens {shown(tokens)} do not cover the completion"
    return None


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@scenario("ECHO-011")
async def echo_returns_the_raw_prompt(target: Target) -> None:
    """An echoed text begins with the prompt itself, with no template around it."""
    exchange = await target.post(prompt=NONCE, echo=True, max_tokens=4)
    if not (exchange.served or exchange.refused):
        raise NotRun("an echo is neither served nor refused; see ECHO-001")
    answer = target.read(exchange, optional="echo")
    place = answer.text.find(NONCE)
    if place < 0:
        raise NotRun("the prompt does not come back; see ECHO-001")
    if place > 0:
        raise Broken(
            f"the text begins with {shown(answer.text[:place])}, and the echoed prompt comes after it"
        )
