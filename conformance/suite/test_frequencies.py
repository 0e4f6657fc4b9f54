"""How often tokens are drawn, against what their log probabilities promise."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from conformance.checks import requirement
from conformance.suite.scores import scores
from conformance.suite.several import has
from conformance.target import Target, shown
from conformance.verdict import Broken, Inconclusive, NotRun
from conformance.wire.completion import Completion

_DRAWS = 240
_AT_ONCE = 20
_TEMPERATURES = (1, 2)
_LEADS = (0.7, 3.0)
"""Between a near tie, which no temperature changes, and a rival that is never drawn."""
_LIKELY = 0.3
"""The pair's share of all draws at least."""
_SIGMAS = 3.9
"""A binomial count is as far from its mean in either direction about once in 10,000 times; there are two temperatures, and a failure
must come twice: 4e-8."""
_ROUNDING = 0.15
"""What half precision may change the difference of two log probabilities by."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two most probable first tokens behind a prompt, and by how much the first leads."""

    prompt: str
    first: str
    second: str
    lead: float

    def share(self, temperature: float, lead: float) -> float:
        """How often the first is drawn among the draws of both: whatever else may be cut off by `top_p`, this ratio remains."""
        return 1 / (1 + math.exp(-lead / temperature))


@requirement("DET-013")
async def test_tokens_are_drawn_as_often_as_their_log_probabilities_say(target: Target) -> None:
    """Two likely first tokens are drawn in the ratio of their probabilities, at temperature 1 and at temperature 2."""
    pair = await _pair(target)
    for temperature in _TEMPERATURES:
        counts = await _draw(target, pair, temperature)
        first, both = counts[pair.first], counts[pair.first] + counts[pair.second]
        low, high = (pair.share(temperature, pair.lead + off) for off in (-_ROUNDING, _ROUNDING))
        spread = _SIGMAS * math.sqrt(both * 0.25)
        if not both * low - spread <= first <= both * high + spread:
            raise Broken(
                f"behind {shown(pair.prompt)} the log probability of {shown(pair.first)} exceeds that of {shown(pair.second)} by"
                f" {pair.lead:.2f}, so that at temperature {temperature} of {both} draws of the two about"
                f" {both * pair.share(temperature, pair.lead):.0f} are the first: {first} were"
            )


async def _pair(target: Target) -> Pair:
    for prompt in target.facts.prompts:
        found = scores(await target.complete(prompt=prompt, logprobs=2, max_tokens=1))
        best = sorted(found.tops[0].items(), key=lambda item: -item[1])[:2]
        if len(best) == 2:  # noqa: PLR2004 - a pair
            (first, high), (second, low) = best
            if (
                _LEADS[0] <= high - low <= _LEADS[1]
                and math.exp(high) + math.exp(low) >= _LIKELY
                and "" not in (first, second)
            ):
                return Pair(prompt, first, second, high - low)
    raise Inconclusive("no prompt was found behind which two tokens are likely and one clearly leads")


async def _draw(target: Target, pair: Pair, temperature: int) -> Counter[str]:
    together = _AT_ONCE if await has(target, "n") else 1
    several: dict[str, Any] = {"n": together} if together > 1 else {}
    answers = await asyncio.gather(
        *(
            target.complete(
                prompt=pair.prompt,
                temperature=temperature,
                top_p=1,
                logprobs=2,
                max_tokens=1,
                sample=number,
                **several,
            )
            for number in range(_DRAWS // together)
        )
    )
    drawn = [tuple(_first_tokens(answer)) for answer in answers]
    if together > 1 and len(set(drawn)) == 1:
        raise NotRun("the same request without a seed draws the same tokens again and again")
    return Counter(token for tokens in drawn for token in tokens)


def _first_tokens(answer: Completion) -> list[str]:
    found = []
    for index in answer.choices:
        try:
            found.append(scores(answer, index).tokens[0])
        except NotRun:
            continue  # the model ended its text at once, and an end need not be listed
    return found
