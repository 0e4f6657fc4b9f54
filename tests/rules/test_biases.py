"""The rule that a bias acts in each answer that has it, and in no other."""

from __future__ import annotations

from typing import Any

from conformance.rules.biases import biases_act_in_each_answer_that_has_them as rule
from conformance.wire.exchange import Exchange
from tests.builders import answer, choice, plain, says

BIASES = {"300": 40, "301": 39, "302": 38}
OBEDIENT = ("as", "an", "as", "as", "an", "as")
FREE = (" the", " old", " mill", " by", " the", " sea")


def told(tokens: tuple[str, ...], **sent: Any) -> Exchange:
    """A greedy answer with these tokens; biased unless something else is said."""
    logprobs = {
        "tokens": list(tokens),
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{token: -0.5} for token in tokens],
        "text_offset": list(range(len(tokens))),
    }
    body = answer(choices=[choice(text="".join(tokens), logprobs=logprobs)])
    return plain(body, {"temperature": 0, "logprobs": 2, "logit_bias": BIASES, **sent})


FIRST, SECOND = told(OBEDIENT), told(OBEDIENT, prompt="Once")


def test_answers_that_obey_pass() -> None:
    """One token of those that the biases leave is enough, and an answer without a bias has others."""
    mixed = (*FREE[:5], "as")
    assert says(rule, FIRST, SECOND, told(mixed), told(FREE, logit_bias=None)) == ""


def test_a_bias_that_is_forgotten_is_found() -> None:
    """An answer to the same prompt, with the same biases, has none of their tokens."""
    assert "which is all that the biases leave" in (says(rule, FIRST, SECOND, told(FREE)) or "")


def test_a_bias_that_stays_is_found() -> None:
    """An answer without a bias has biased tokens alone, while the same prompt is answered with others."""
    stays, usual = told(OBEDIENT, logit_bias=None), told(FREE, logit_bias=None)
    assert "without `logit_bias`" in (says(rule, FIRST, FIRST, SECOND, stays, usual) or "")


def test_a_text_that_repeats_itself_proves_no_bias() -> None:
    """Where one prompt alone is answered with few tokens, nobody knows that the biases are the reason."""
    assert says(rule, told(("ha",) * 6), told(FREE)) is None
    assert says(rule, told(("ha",) * 6), told(("ho",) * 6, prompt="Once"), told(FREE)) is None


def test_what_is_not_comparable_is_left_alone() -> None:
    """Short answers, sampled ones, other biases, biases against a token, echoes, and other prompts."""
    others = (
        told(FREE[:5]),
        told(FREE, temperature=1),
        told(FREE, logit_bias={"300": 1}),
        told(FREE, logit_bias={"300": -100}),
        told(FREE, echo=True),
        told(FREE, prompt="Never before"),
        told(FREE, logit_bias="many"),
    )
    assert says(rule, FIRST, SECOND, *others) is None
