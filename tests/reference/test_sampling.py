"""Chance, seeds, penalties, bias and `best_of` have the effect that their description says."""

from __future__ import annotations

from typing import Any

import pytest

from .asker import Asker


def texts(ask: Asker, **fields: Any) -> list[str]:
    """Give the texts of all choices."""
    return [choice["text"] for choice in ask(**fields).json["choices"]]


def test_samples_differ(ask: Asker) -> None:
    """At temperature 1, the default, the choices are samples of their own, with a seed too."""
    assert len(set(texts(ask, n=4, max_tokens=32))) == 4
    assert len(set(texts(ask, n=4, max_tokens=32, seed=3))) == 4
    assert len({ask.text(max_tokens=32) for _ in range(4)}) == 4


def test_a_seed_repeats(ask: Asker) -> None:
    """The same seed gives the same texts, another seed others."""
    first, again, other = (texts(ask, n=3, max_tokens=32, seed=seed) for seed in (-1, -1, 1))

    assert first == again
    assert set(first).isdisjoint(other)


@pytest.mark.parametrize(
    "fields", [{"seed": 5}, {"top_p": 0.2}, {"temperature": 1, "top_p": 1e-6}, {"top_p": 0}]
)
def test_greedy_is_greedy(ask: Asker, fields: dict[str, Any]) -> None:
    """At temperature 0 neither seed nor nucleus matters, and a tiny nucleus is as good as temperature 0."""
    assert ask.text(**{"temperature": 0, "max_tokens": 32, **fields}) == ask.text(
        temperature=0, max_tokens=32
    )


def test_penalties_change_repetition(ask: Asker) -> None:
    """A penalty of 2 lets the text repeat fewer tokens, one of -2 more."""

    def repeated(penalty: float) -> int:
        fields = {"temperature": 0, "logprobs": 0, "max_tokens": 120}
        reply = ask("the dog and the cat and", presence_penalty=penalty, frequency_penalty=penalty, **fields)
        tokens = reply.json["choices"][0]["logprobs"]["tokens"]
        return len(tokens) - len(set(tokens))

    assert repeated(2) < repeated(0) < repeated(-2)


@pytest.mark.parametrize("token", [65, 300, 1000])
@pytest.mark.parametrize("temperature", [0, 1])
def test_bias_is_exclusive_or_a_ban(ask: Asker, token: int, temperature: float) -> None:
    """100 makes a token the only one, -100 takes the best one away."""
    spelling = ask.reference.model.tokenizer.spelling
    reply = ask(temperature=temperature, max_tokens=4, logprobs=1, logit_bias={str(token): 100})

    assert reply.json["choices"][0]["logprobs"]["tokens"] == [spelling[token]] * 4

    tokens = ask.reference.model.tokenizer.encode(" there")
    banned = ask(temperature=temperature, max_tokens=4, logit_bias={str(tokens[0]): -100})
    assert not banned.json["choices"][0]["text"].startswith(" there")


def test_best_of_returns_the_best(ask: Asker) -> None:
    """Of several candidates the likeliest comes back; all of them are counted."""

    def mean(**fields: Any) -> float:
        logprobs = ask(logprobs=0, max_tokens=16, seed=1, **fields).json["choices"][0]["logprobs"][
            "token_logprobs"
        ]
        return float(sum(logprobs) / len(logprobs))

    assert mean(best_of=20) >= mean(n=1)
    assert ask(best_of=3, max_tokens=5).json["usage"]["completion_tokens"] == 15
    assert ask.text(best_of=2, temperature=0) == ask.text(temperature=0)


def test_usage_counts_prompts_once_and_choices_each(ask: Asker) -> None:
    """Prompt tokens do not depend on `n`; completion tokens add up over all choices."""
    one = ask(["a b", "c"], max_tokens=4).json["usage"]
    three = ask(["a b", "c"], max_tokens=4, n=3).json["usage"]

    assert three["prompt_tokens"] == one["prompt_tokens"]
    assert three["completion_tokens"] == 24
    assert three["total_tokens"] == three["prompt_tokens"] + 24
