"""Steered requests: each token of their greedy answer depends on every setting that acts at temperature 0.

A bias leaves a few tokens to choose from, which soon come again and are penalised; a stop sequence of the text's own cuts it. Where one of
these settings is dropped, halved or taken for another, the answer becomes another text: that a setting acts can then be seen by comparing
answers, under any circumstance, without knowing the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.contract.verdict import NotRun
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.logprobs import scores
from conformance.kit.target import Target
from conformance.kit.telling import scores_wanted
from conformance.wire.completion import Completion

TOKENS = 10
_BIAS = 40
"""More than any token leads by, and no more: where logits have sixteen bits, those beside a hundred are all equal."""
_PENALTIES: Mapping[str, float] = {"presence_penalty": -2, "frequency_penalty": 1}
"""A token that was chosen is first more likely than before, and from the third time on less: without one of these, or with each taken for the
other, it would be so from the first time on, or never."""
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


async def steered(target: Target) -> Steered:
    """The request for the ordinary prompt, with as many settings as the target takes together."""
    scores = await scores_wanted(target)
    bias = {str(token): _BIAS for token in SOME_IDS}
    biased = {"logit_bias": bias} if await has(target, "logit_bias") else {}
    for settings in ({**biased, **_PENALTIES}, _PENALTIES, biased):
        request = Steered(settings, scores, {})
        if settings and (await target.post(**request.uncut)).served:
            return Steered(settings, scores, await _stop_in(target, request.uncut))
    return Steered({}, scores, {})


async def _stop_in(target: Target, request: Mapping[str, Any]) -> dict[str, Any]:
    """A stop sequence that first occurs in the second half of an answer."""
    text = (await target.complete(**request)).text.rstrip()
    if not await has(target, "stop"):
        return {}
    for place in range(len(text) // 2, len(text) - _PIECE):
        piece = text[place : place + _PIECE]
        if piece.strip() == piece and "\ufffd" not in piece and text.find(piece) == place:
            return {"stop": [piece]}
    return {}
