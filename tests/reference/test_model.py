"""The model gives true probabilities, and text that fits the prompt."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reference import Distribution, default_model

MODEL = default_model()
STORIES = (
    "Once upon a time",
    "The old captain",
    "The quick brown fox",
    "nonce x7qKzz the river",
    "Write a list.\n",
    "Say hello to 93847",
    "In the mountains there lived",
)


def after(prompt: str) -> Distribution:
    """Give the distribution behind a prompt."""
    state = MODEL.start()
    for token in MODEL.tokenizer.encode(prompt):
        state = MODEL.read(state, token)
    return MODEL.distribution(state)


def greedy(prompt: str, count: int) -> tuple[str, bool]:
    """Give the greedy continuation, and whether the model ended it."""
    state = MODEL.start()
    tokens: list[int] = []
    for token in MODEL.tokenizer.encode(prompt):
        state = MODEL.read(state, token)
    while len(tokens) < count:
        best = MODEL.distribution(state).best()
        if best == MODEL.tokenizer.end:
            return MODEL.tokenizer.decode(tokens), True
        tokens.append(best)
        state = MODEL.read(state, best)
    return MODEL.tokenizer.decode(tokens), False


@given(st.text(max_size=30))
def test_probabilities_add_up_to_one(prompt: str) -> None:
    """The softmax over all tokens that the model may write adds up to one."""
    values = after(prompt).logprobs(range(MODEL.size))

    assert all(value <= 0 for value in values)
    assert math.fsum(map(math.exp, values)) == pytest.approx(1)


@given(st.text(max_size=30), st.integers(0, 5))
def test_the_top_tokens_are_the_most_likely(prompt: str, count: int) -> None:
    """The best tokens come first, and there are as many as asked for."""
    distribution = after(prompt)
    values = distribution.logprobs(range(MODEL.size))

    assert distribution.logprobs(distribution.top(count)) == sorted(values, reverse=True)[:count]
    assert [distribution.best()] == distribution.top(1)


@pytest.mark.parametrize("prompt", STORIES)
def test_a_story_goes_on(prompt: str) -> None:
    """An ASCII prompt without a question mark gets long, varied ASCII text."""
    text, ended = greedy(prompt, 400)

    assert not ended
    assert text.isascii()
    assert len(set(text.split())) > 60
    assert "\n" in text


@pytest.mark.parametrize("prompt", ["What colour is the sky?", "Where is the key?\nA:", "Who are you?"])
def test_an_answer_ends(prompt: str) -> None:
    """A question is answered in a few tokens, and the answer ends."""
    text, ended = greedy(prompt, 60)

    assert ended
    assert text.isascii()


@pytest.mark.parametrize("prompt", ["日本の村", "😀😃 🎉", "Le château était", "כلם كان"])
def test_text_goes_on_in_its_writing(prompt: str) -> None:
    """Text beyond ASCII continues beyond ASCII, in whole characters."""
    text, _ = greedy(prompt, 60)

    assert not text.isascii()
    assert "\ufffd" not in text[:-1]


def test_different_prompts_continue_differently() -> None:
    """Prompts that end alike still continue with different texts."""
    texts = {greedy(f"{number} dogs and the river", 40)[0] for number in range(20)}

    assert len(texts) == 20


def test_no_score_is_lower_than_a_ban() -> None:
    """A shift of the scores moves a token to the top or out of reach, whether the corpus proposes it or not."""
    distribution = after("Once upon a")
    best = distribution.best()

    assert distribution.shifted({700: 100}).best() == 700
    assert distribution.shifted({best: -100}).best() != best
    assert distribution.shifted(dict.fromkeys(distribution.scores, -100)).best() not in distribution.scores


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(0, 1), (1e-300, 1), (1, 0), (1, 1e-300), (2, 1e-6), (0, 0)]
)
def test_little_chance_is_none(temperature: float, top_p: float) -> None:
    """A tiny temperature or nucleus leaves the best token only."""
    distribution = after("The")
    source = random.Random(1)  # noqa: S311 - a repeatable one is wanted

    assert {distribution.sample(temperature, top_p, source) for _ in range(100)} == {distribution.best()}


@pytest.mark.parametrize("top_p", [0.3, 0.6, 0.9, 0.9999, 1])
def test_sampling_keeps_to_the_nucleus(top_p: float) -> None:
    """Only the likeliest tokens that make up the mass `top_p` are drawn."""
    distribution = after("the cat and")
    source = random.Random(1)  # noqa: S311 - a repeatable one is wanted
    drawn = {distribution.sample(1, top_p, source) for _ in range(500)}
    nucleus, mass = set(), 0.0
    for token in distribution.top(MODEL.size):
        if mass < top_p:
            nucleus.add(token)
        mass += math.exp(distribution.logprobs([token])[0])

    assert drawn <= nucleus
    assert len(drawn) > 1 or len(nucleus) == 1


def test_heat_reaches_every_token() -> None:
    """At temperature 2 tokens are drawn that no n-gram proposes."""
    distribution = after("the cat and")
    source = random.Random(1)  # noqa: S311 - a repeatable one is wanted
    drawn = {distribution.sample(2, 1, source) for _ in range(2000)}

    assert drawn - set(distribution.scores)
    assert drawn <= set(range(MODEL.size))


def test_sampling_follows_the_probabilities() -> None:
    """At temperature 1 the best token comes as often as its probability says."""
    distribution = after("The")
    source = random.Random(1)  # noqa: S311 - a repeatable one is wanted
    best = distribution.best()
    share = sum(distribution.sample(1, 1, source) == best for _ in range(4000)) / 4000

    assert share == pytest.approx(math.exp(distribution.logprobs([best])[0]), abs=0.04)
