"""How often tokens are drawn, against what their log probabilities promise."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.kit.capabilities import NONCE, has
from conformance.kit.logprobs import scores
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_DRAWS = 300
_AT_ONCE = 20
_TRIED = 5
_ENOUGH = 60
"""So many draws of the pair are needed to say anything."""
_TEMPERATURES = (1, 0.5)
_LEADS = (0.7, 1.8)
"""Between a near tie, which no temperature changes, and a rival that is hardly ever drawn."""
_CHANCE = 1e-4
"""A sound server draws too few in one of 10,000 runs, and too many in another; there are two temperatures, and a failure must come twice:
(4 * 0.0001)^2 is less than one in six million."""
_ROUNDING = 0.15
"""What half precision may change the difference of two log probabilities by."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two most probable first tokens behind a prompt, by how much the first leads, and the probability of either."""

    prompt: str
    first: str
    second: str
    lead: float
    mass: float

    def share(self, temperature: float, off: float = 0.0) -> float:
        """How often the first is drawn among the draws of both: whatever else may be cut off by `top_p`, this ratio remains."""
        return 1 / (1 + math.exp(-(self.lead + off) / temperature))

    @property
    def power(self) -> float:
        """How well draws of the pair tell one temperature from another, up to a factor."""
        cold, hot = self.share(0.5), self.share(1)
        return math.sqrt(self.mass) * (cold - hot) / math.sqrt(hot * (1 - hot))


@scenario("DET-013")
async def tokens_are_drawn_as_often_as_their_log_probabilities_say(target: Target) -> None:
    """Two likely first tokens are drawn in the ratio of their probabilities, at temperature 1 and at temperature 0.5."""
    pair = await _pair(target)
    for temperature in _TEMPERATURES:
        counts = await _draw(target, pair, temperature)
        first, second = counts[pair.first], counts[pair.second]
        both = first + second
        if both < _ENOUGH:
            raise Inconclusive(
                f"of {_DRAWS} draws at temperature {temperature} only {first} were {shown(pair.first)} and {second} {shown(pair.second)}"
            )
        few = _at_most(first, both, pair.share(temperature, -_ROUNDING))
        many = _at_most(second, both, 1 - pair.share(temperature, _ROUNDING))
        if min(few, many) < _CHANCE:
            raise Broken(
                f"after {shown(pair.prompt)} the log probability of {shown(pair.first)} exceeds that of {shown(pair.second)} by"
                f" {pair.lead:.2f}, so at temperature {temperature} about"
                f" {both * pair.share(temperature):.0f} of {both} draws of the two are expected to be the first: {first} were"
            )


def _at_most(successes: int, trials: int, probability: float) -> float:
    """The probability of at most so many successes in independent trials."""
    return sum(
        math.comb(trials, number) * probability**number * (1 - probability) ** (trials - number)
        for number in range(successes + 1)
    )


async def _pair(target: Target) -> Pair:
    """The pair that tells most, at the places of some answers and behind prompts of the run."""
    places = [
        place for prompt in (*target.facts.prompts[:3], NONCE) async for place in _places(target, prompt)
    ]
    # Cut from its answer, a beginning may be made of other tokens and go on otherwise: what counts is what it says itself.
    promising = sorted(places, key=lambda pair: -pair.power)[:_TRIED]
    asked = [await target.complete(prompt=pair.prompt, logprobs=2, max_tokens=1) for pair in promising]
    pairs = [
        found
        for place, answer in zip(promising, asked, strict=True)
        if (found := _likeliest(place.prompt, scores(answer).tops[0])) is not None
    ]
    if not pairs:
        raise Inconclusive("no text was found after which two tokens are likely and one clearly leads")
    return max(pairs, key=lambda pair: pair.power)


async def _places(target: Target, prompt: str) -> AsyncIterator[Pair]:
    """The pairs at the places of an answer, which is sampled: a greedy one avoids the places where a model is of two minds."""
    found = scores(await target.complete(prompt=prompt, temperature=1, logprobs=2))
    for number, top in enumerate(found.tops):
        pair = _likeliest(prompt + found.part(0, number).text, top)
        if pair is not None:
            yield pair


def _likeliest(prompt: str, top: Mapping[str, float]) -> Pair | None:
    best = sorted(top.items(), key=lambda item: -item[1])[:2]
    # A token that ends the text, or is a part of a character, may be drawn and not be listed.
    if len(best) < 2 or not all(token.strip().isalpha() for token, _ in best):  # noqa: PLR2004 - a pair
        return None
    (first, high), (second, low) = best
    mass = math.exp(high) + math.exp(low)
    wanted = _LEADS[0] <= high - low <= _LEADS[1] and mass * _DRAWS >= 2 * _ENOUGH
    return Pair(prompt, first, second, high - low, mass) if wanted else None


async def _draw(target: Target, pair: Pair, temperature: float) -> Counter[str]:
    together = _AT_ONCE if await has(target, "n") else 1
    several: dict[str, Any] = {"n": together} if together > 1 else {}
    one: dict[str, Any] = {
        "prompt": pair.prompt,
        "temperature": temperature,
        "top_p": 1,
        "logprobs": 2,
        "max_tokens": 1,
    }
    answers = await asyncio.gather(
        *(target.complete(fresh=number > 0, **one, **several) for number in range(_DRAWS // together))
    )
    drawn = [tuple(_first_tokens(answer)) for answer in answers]
    if len(set(drawn)) == 1 and len(set(drawn[0])) > 1:
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
