"""Steered requests: each token of their answer depends on nearly every setting that there is.

A bias leaves a few tokens to choose from, which soon come again and are penalised; a tiny `top_p` leaves the most probable one, whatever the
temperature; a stop sequence of the text's own cuts it. Where one of these settings is dropped, halved or taken for another, the answer
becomes another text: that a setting acts can then be seen by comparing answers, under any circumstance, without knowing the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.verdict import NotRun
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.logprobs import scores
from conformance.kit.same_text import same
from conformance.kit.target import Target
from conformance.kit.telling import scores_wanted
from conformance.wire.completion import Completion
from conformance.wire.greedy import TINY_TOP_P

TOKENS = 10
_BIASES = (40, 39, 38)
"""More than any token leads by, and no more: where logits have sixteen bits, those beside a hundred are all equal. They are not the same, so
that twice or half of them is another order."""
_PENALTIES: Mapping[str, float] = {"presence_penalty": -2, "frequency_penalty": 1}
"""A token that was chosen is first more likely than before, and from the third time on less: without one of these, or with each taken for the
other, it would be so from the first time on, or never."""
_SAMPLING: Mapping[str, float] = {"temperature": 0.9, "top_p": TINY_TOP_P, "seed": 7}
"""Greedy as long as `top_p` is heeded; the temperature, which is no default, and the seed are there to be read."""
_PROMPTS = 2
_PIECE = 3
"""Characters of a stop sequence: seldom the whole of a token, so that it is cut inside one."""


@dataclass(frozen=True, slots=True)
class Steered:
    """A request that the target serves: the settings that steer it, none where it takes none, and what asks for log probabilities."""

    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    stop: Mapping[str, Any]
    """A stop sequence that cuts it; none where no piece of the answer is one, or the target has none."""

    @property
    def parts(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings that act by themselves, by a name: what leaves one token to sample from is one of them."""
        sampling = {name: value for name, value in self.settings.items() if name in _SAMPLING}
        others = {name: {name: value} for name, value in self.settings.items() if name not in _SAMPLING}
        return {**others, "top_p": sampling} if sampling else others

    @property
    def uncut(self) -> dict[str, Any]:
        """The request without the stop sequence."""
        return {"max_tokens": TOKENS, **self.settings, **self.scores}

    @property
    def cut(self) -> dict[str, Any]:
        """The request with it."""
        return {**self.uncut, **self.stop}


def left_to_choose(answer: Completion) -> tuple[int, int] | None:
    """How many different tokens a greedy answer has, and for how many it was biased; None where it was not, or does not name its tokens."""
    bias = answer.exchange.request.params.get("logit_bias")
    try:
        return (len(set(scores(answer).tokens)), len(bias)) if bias else None
    except NotRun:
        return None


def settings_left_out(request: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A steered request without each of the settings that shape its text, by their names; without a tiny `top_p` it would be another each time."""
    for left_out in ("logit_bias", *_PENALTIES, "stop"):
        if left_out in request:
            yield left_out, {name: value for name, value in request.items() if name != left_out}


async def steered(target: Target) -> Steered:
    """The request for the ordinary prompt, with as many settings as the target takes together."""
    scores = await scores_wanted(target)
    bias = {str(token): amount for token, amount in zip(SOME_IDS, _BIASES, strict=True)}
    biased = {"logit_bias": bias} if await has(target, "logit_bias") else {}
    for settings in ({**biased, **_PENALTIES}, _PENALTIES, biased):
        request = Steered(settings, scores, {})
        if settings and (await target.post(**request.uncut)).served:
            request = await _sampled(target, request)
            return replace(request, stop=await _stop_in(target, request.uncut))
    return Steered({}, scores, {})


async def _sampled(target: Target, request: Steered) -> Steered:
    """The same request, sampled from one token; or itself where that gives another text, see DET-005."""
    sampled = replace(request, settings={**request.settings, **_SAMPLING})
    greedy, exchange = await target.complete(**request.uncut), await target.post(**sampled.uncut)
    return sampled if exchange.served and same(target.read(exchange).text, greedy.text) else request


async def _stop_in(target: Target, request: Mapping[str, Any]) -> dict[str, Any]:
    """A stop sequence that first occurs in the second half of an answer."""
    text = (await target.complete(**request)).text.rstrip()
    if not await has(target, "stop"):
        return {}
    for place in range(len(text) // 2, len(text) - _PIECE):
        piece = text[place : place + _PIECE]
        if piece.strip() == piece and "\ufffd" not in piece and text.find(piece) == place:
            return {"stop": [piece, *words_of_prompts(target.facts.prompts[:_PROMPTS], text)]}
    return {}


def words_of_prompts(prompts: Sequence[str], text: str) -> list[str]:
    """The first word of each prompt that the answer does not have: who looks for stop sequences in prompts finds one."""
    words = dict.fromkeys(prompt.split(" ")[0].strip(",") for prompt in prompts)
    return [word for word in words if word and word not in text]
