"""Parameters that must have an effect, and effects that must end with their request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ignored
from conformance.contract.verdict import (
    Broken,
    BrokenShould,
    Ignored,
    IgnoredShould,
    Inconclusive,
    NotRecorded,
)
from conformance.kit.capabilities import SOME_IDS, has, support
from conformance.kit.facts import Support
from conformance.kit.invalid_requests import survived
from conformance.kit.same_answer import difference, shown_by
from conformance.kit.suffix_mode import suffix_support
from conformance.kit.target import Target
from conformance.kit.twins import ordinary_requests
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Intent
from conformance.wire.shown import shown

BIASED_TOKENS = 4
_DOCUMENTED = ("echo", "n", "multi_prompt")
_OTHERS = ("logprobs",)
"""Whether `best_of` and `seed` are disregarded does not show in one answer, and `logit_bias` has REQ-030."""

_BIAS = {"logit_bias": {str(SOME_IDS[0]): 100}}
_ODD: tuple[Mapping[str, Any], ...] = (
    {"temperature": 2, "presence_penalty": 2, "frequency_penalty": 2, "seed": 7},
    {"echo": True, "logprobs": 2},
    {"n": 2, "temperature": 1, "suffix": " the end"},
)
"""Settings whose effects would show in a greedy answer that comes after."""

_GOES_ON = "and what became of it"
_NAMES = {"multi_prompt": "prompt (as a list)"}


@scenario("REQ-009")
async def token_arrays_are_prompts(target: Target) -> None:
    """An array of integers is one prompt, and an array of such arrays is several where several are served at all."""
    ids = list(SOME_IDS)
    several: list[tuple[list[Any], int]] = [([ids, ids[:2]], 2)] if await has(target, "multi_prompt") else []
    for prompt, wanted in [(ids, 1), *several]:
        answer = await target.complete(prompt=prompt, max_tokens=1, optional="prompt (as token ids)")
        if len(answer.choices) != wanted:
            raise Broken(f"`prompt` {prompt} was answered with {len(answer.choices)} choices, not {wanted}")
    with suppress(NotRecorded):  # by a run of before this was asked
        await _expect_the_id_0(target)


async def _expect_the_id_0(target: Target) -> None:
    """The token id 0 is a prompt; where it is a special one, which a server may refuse, so is the next."""
    zero = await target.post(prompt=[0], max_tokens=1, intent=Intent.OPEN)
    survived(zero, "a prompt of the token id 0")
    if zero.refused and (await target.post(prompt=[1], max_tokens=1, intent=Intent.OPEN)).served:
        raise BrokenShould(
            f"a prompt of the token id 0 is refused with status {zero.status}, and one of the id 1 is served: {error_text(zero)}"
        )


@scenario("REQ-030", shows=ignored("logit_bias"))
async def a_bias_of_100_selects_its_token(target: Target) -> None:
    """With a `logit_bias` of 100 for one ordinary token the completion is that token again and again."""
    plain = await target.complete()
    texts = []
    for token in SOME_IDS:
        biased = await target.complete(
            logit_bias={str(token): 100}, max_tokens=BIASED_TOKENS, optional="logit_bias"
        )
        if _repeated(biased):
            return
        # A token that is only a part of a character, or that is not shown, says nothing.
        if biased.text.strip() and "\ufffd" not in biased.text:
            texts.append(biased.text)
    if not texts:
        raise Inconclusive(f"the tokens {', '.join(map(str, SOME_IDS))} have no text of their own")
    if all(plain.text.startswith(text.rstrip()) for text in texts):
        raise Ignored(
            f"`logit_bias` of 100 for one token was accepted, and the text is the same as without it: {shown(texts[0])}"
        )
    raise Broken(
        f"`logit_bias` of 100 for one token gives {BIASED_TOKENS} tokens that differ: {shown(texts[0])}"
    )


def _repeated(answer: Completion) -> bool:
    """Whether a text of four tokens is one piece four times; white space at its ends may have been trimmed."""
    text = answer.text
    words = text.split()
    size, rest = divmod(len(text), BIASED_TOKENS)
    if size and not rest and text == text[:size] * BIASED_TOKENS:
        return "\ufffd" not in text
    return len(words) == BIASED_TOKENS and len(set(words)) == 1


@scenario("REQ-031")
async def unsupported_parameters_are_refused(target: Target) -> None:
    """No parameter is accepted with 200 and then disregarded."""
    documented = [name for name in _DOCUMENTED if await _is_ignored(target, name)]
    if (await suffix_support(target)).support is Support.IGNORED:
        documented.append("suffix")
    if await _stop_is_ignored(target):
        documented.append("stop")
    others = [name for name in _OTHERS if await _is_ignored(target, name)]
    names = [_NAMES.get(name, name) for name in documented + others]
    if names:
        kind = Ignored if documented else IgnoredShould
        said = f"accepted with 200 and without effect: {', '.join(f'`{name}`' for name in names)}"
        raise kind(said, *map(ignored, documented + others))


async def _is_ignored(target: Target, name: str) -> bool:
    return (await support(target, name)).support is Support.IGNORED


async def _stop_is_ignored(target: Target) -> bool:
    """Whether a stop sequence, cut out of what the target itself says, leaves the very same text."""
    whole = await target.complete()
    piece = whole.text[8:12]
    if not piece.strip():
        return False
    exchange = await target.post(stop=piece)
    return exchange.served and Completion.read(exchange).text == whole.text


@scenario("REQ-032", phase=Phase.ALONE)
async def a_request_leaves_no_trace(target: Target) -> None:
    """Greedy answers and streams are the same, all that they tell, before and after requests with odd settings."""
    # The second time, while nothing else is sent: the first answer may come from among many others, which flips near ties.
    ordinary = (await ordinary_requests(target))[:2]
    before = [await target.complete(second=True, **request) for request in ordinary]
    bias = _BIAS if await has(target, "logit_bias") else {}
    # Each of the first two has a stop sequence that would cut the answer after it.
    odd = (
        {**_ODD[0], **bias, "stop": before[0].text[4:8] or "e"},
        {**_ODD[1], "stop": before[-1].text[2:5] or "e"},
        *_ODD[2:],
    )
    # What is kept of a prompt is there for the next one that begins in the same way.
    longer = f"{target.prompt} {_GOES_ON}"
    for number, settings in enumerate(odd):
        await target.post(intent=Intent.OPEN, **{"prompt": longer, "max_tokens": 4, **settings})
        which = number % len(ordinary)
        after = await target.complete(fresh=True, **ordinary[which])
        if (differs := difference(before[which], after, usage=False)) is not None:
            raise Broken(
                f"before and after a request with {shown(dict(settings))}, {differs}{' in a stream' if after.streamed else ''}",
                *shown_by(before[which], after),
            )
