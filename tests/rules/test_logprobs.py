"""The rules about log probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from conformance.rules import logprobs as rules
from conformance.rules import text_offsets
from conformance.wire.exchange import Exchange
from tests.builders import PROMPT, answer, choice, chunk, plain, says, stream

RULES = [
    value
    for value in {**vars(rules), **vars(text_offsets)}.values()
    if hasattr(value, "__conformance_check__")
]
TOKENS = (" and", " so", " on")


def scores(**changes: Any) -> dict[str, Any]:
    """Sound log probabilities of three tokens, with changes."""
    return {
        "tokens": list(TOKENS),
        "token_logprobs": [-0.5, -0.1, 0.0],
        "top_logprobs": [{" and": -0.5, " or": -1.0}, {" so": -0.1, " on": -4}, {" on": 0}],
        "text_offset": [12, 16, 19],
        **changes,
    }


def scored(logprobs: Any = None, sent: dict[str, Any] | None = None, **fields: Any) -> Exchange:
    """A plain answer with these log probabilities."""
    one = choice(
        **{"text": "".join(TOKENS), "logprobs": scores() if logprobs is None else logprobs, **fields}
    )
    return plain(answer(choices=[one]), {"logprobs": 2, **(sent or {})})


@pytest.mark.parametrize("rule", RULES)
def test_sound_scores_pass(rule: Callable[..., Any]) -> None:
    """No rule objects to sound arrays, plain or in chunks."""
    parts = [
        chunk(
            choices=[
                choice(
                    text=token,
                    logprobs={name: values[number : number + 1] for name, values in scores().items()},
                )
            ]
        )
        for number, token in enumerate(TOKENS)
    ]

    assert not says(rule, scored())
    assert not says(rule, stream(parts, {"logprobs": 2}))


BROKEN = [
    (rules.entries_are_strings_and_finite_numbers, scores(tokens=[1, " so", " on"]), "tokens[0]"),
    (
        rules.entries_are_strings_and_finite_numbers,
        scores(token_logprobs=[None, -0.1, 0]),
        "token_logprobs[0]",
    ),
    (
        rules.entries_are_strings_and_finite_numbers,
        scores(token_logprobs=[-0.5, 0.5, 0]),
        "token_logprobs[1]",
    ),
    (
        rules.entries_are_strings_and_finite_numbers,
        scores(top_logprobs=[{" and": -0.5}, {"a": "b"}, {" on": 0}]),
        "top_logprobs[1]",
    ),
    (
        rules.entries_are_strings_and_finite_numbers,
        scores(top_logprobs=[{" and": -0.5}, [], {" on": 0}]),
        "top_logprobs[1]",
    ),
    (rules.entries_are_strings_and_finite_numbers, scores(text_offset=[0, 1.5, 3]), "text_offset[1]"),
    (
        rules.tokens_join_to_the_text,
        scores(
            tokens=[" or", " so", " on"],
            token_logprobs=[-1, -0.1, 0],
            top_logprobs=[{" or": -1}, {" so": -0.1}, {" on": 0}],
        ),
        '" or so on"',
    ),
    (
        rules.alternatives_number_at_most_k_plus_one,
        scores(top_logprobs=[{" and": -0.5}, {}, {" on": 0}]),
        "0 alternatives",
    ),
    (
        rules.alternatives_number_at_most_k_plus_one,
        scores(top_logprobs=[{" and": -0.5, "a": -9, "b": -9, "c": -9}, {" so": -0.1}, {" on": 0}]),
        "token 0 of choice 0 4 alternatives",
    ),
    (rules.two_values_of_one_token_agree, scores(token_logprobs=[-0.4, -0.1, 0.0]), "-0.4 in token_logprobs"),
    (
        rules.the_generated_token_is_among_the_alternatives,
        scores(top_logprobs=[{" or": -0.5}, {" so": -0.1}, {" on": 0}]),
        "is not among",
    ),
    (
        rules.greedy_tokens_are_the_most_probable,
        scores(
            token_logprobs=[-1.5, -0.1, 0],
            top_logprobs=[{" and": -1.5, " or": -0.4}, {" so": -0.1}, {" on": 0}],
        ),
        "the best has -0.4",
    ),
    (text_offsets.offsets_advance_by_token_length, scores(text_offset=[0, 4, 8]), "at 8"),
    (text_offsets.offsets_advance_by_token_length, scores(text_offset=[-1, -1, -1]), "at -1"),
    (
        rules.probabilities_sum_to_at_most_one,
        scores(top_logprobs=[{" and": -0.5, " or": -0.5}, {" so": -0.1}, {" on": 0}]),
        "sum to 1.213",
    ),
]


@pytest.mark.parametrize(("rule", "arrays", "message"), BROKEN)
def test_a_defect_is_found_once(rule: Callable[..., Any], arrays: dict[str, Any], message: str) -> None:
    """The rule that speaks of a defect shows it, and no other rule objects."""
    exchange = scored(arrays)

    assert message in (says(rule, exchange) or "")
    assert [other.__name__ for other in RULES if other is not rule and says(other, exchange)] == []


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "exchange",
    [
        scored(scores(text_offset=[0, 4, 7])),
        scored(scores(top_logprobs=None, text_offset=None)),
        scored(
            scores(
                token_logprobs=[-9999.0, -0.1, 0.0],
                top_logprobs=[{" and": -9999.0}, {" so": -0.1}, {" on": 0}],
            )
        ),
        scored({"content": [{"token": "a", "logprob": -1}]}),
        scored(scores(tokens=["bytes:\\xe2", "\ufffd", ""], top_logprobs=None), text="…"),
        scored(scores(), {"stop": " on"}, text=" and so", finish_reason="stop"),
        scored(scores(), text=" and so on \n"),
        scored(scores(top_logprobs=[{}, {}, {}]), {"logprobs": 0}),
        scored(scores(top_logprobs=[None, None, None]), {"logprobs": 0}),
        plain(answer(choices=[choice(logprobs={"tokens": [1]})])),
        scored("none"),
        scored({"tokens": ["a"], "token_logprobs": []}, text="a"),
    ],
)
def test_legal_oddities_pass(rule: Callable[..., Any], exchange: Exchange) -> None:
    """What the authorities leave open, or another requirement judges, is no finding."""
    assert not says(rule, exchange)


@pytest.mark.parametrize("sent", [{}, {"stop": "zebra"}])
def test_what_has_ended_a_text_may_be_listed_or_not(sent: dict[str, Any]) -> None:
    """Of a text that was stopped, or has ended by itself, nothing is lacking in the middle of its tokens."""
    rule, asked = rules.tokens_join_to_the_text, {"logprobs": 2, **sent}
    lost = {"tokens": [" and", " on"], "top_logprobs": [{" and": -0.5}, {" on": 0}]}

    for text in (" and so on", " and so", " and so on and on", ""):
        assert not says(rule, scored(scores(), asked, text=text, finish_reason="stop"))
    assert "join to" in (says(rule, scored(scores(**lost), asked, finish_reason="stop")) or "")


def test_parts_of_characters_are_joined_by_their_bytes() -> None:
    """Where tokens are spelled as bytes the text has the characters that they make, but for one that the limit has cut."""
    rule = rules.tokens_join_to_the_text
    arrays = scores(
        tokens=[" caf", "bytes:\\xc3", "bytes:\\xa9\\xe2"], top_logprobs=[{}, {}, {}], text_offset=[0, 4, 4]
    )

    assert not says(rule, scored(arrays, text=" caf\u00e9\ufffd"))
    assert not says(rule, scored(arrays, text=" caf\u00e9"))
    assert "join to" in (says(rule, scored(arrays, text=" caf\ufffd\ufffd\ufffd")) or "")


def test_a_stream_that_lists_a_token_too_early_is_a_lapse() -> None:
    """The tokens of a chunk are those of its text, or of text that has come before."""
    listed = [(TOKENS[:2], TOKENS[0]), ((), TOKENS[1]), (TOKENS[2:], TOKENS[2])]
    parts = [
        chunk(
            choices=[
                choice(
                    text=text,
                    logprobs=scores(
                        tokens=list(tokens),
                        token_logprobs=[-0.5] * len(tokens),
                        top_logprobs=[{token: -0.5} for token in tokens],
                        text_offset=[0] * len(tokens),
                    ),
                )
            ]
        )
        for tokens, text in listed
    ]

    assert "before their text" in (says(rules.tokens_join_to_the_text, stream(parts, {"logprobs": 2})) or "")


def test_marks_of_a_tokenizer_are_a_lapse() -> None:
    """Tokens with marks for white space, and a text without its first space, differ in nothing that was said."""
    rule = rules.tokens_join_to_the_text
    marked = scores(tokens=["▁and", "Ġso", " on"], top_logprobs=[{"▁and": -0.5}, {"Ġso": -0.1}, {" on": 0}])

    for exchange in (scored(marked), scored(scores(), text="and so on")):
        assert (says(rule, exchange) or "").startswith("should: ")
        assert [other.__name__ for other in RULES if other is not rule and says(other, exchange)] == []
    assert not (says(rule, scored(marked, text="and yet")) or "").startswith("should: ")


def echoed(arrays: dict[str, Any], prompt: Any = PROMPT) -> Exchange:
    """An answer whose arrays begin with the prompt."""
    return scored(arrays, {"echo": True, "prompt": prompt}, text=PROMPT + "!")


def test_with_echo_the_first_entries_are_null() -> None:
    """The prompt's tokens were not generated: neither greedy nor sampled, and the first has no probability."""
    arrays = {
        "tokens": ["Hello", ", world", "!"],
        "token_logprobs": [None, -7.0, -0.1],
        "top_logprobs": [None, {" you": -0.1, ", world": -7.0}, {"!": -0.1}],
        "text_offset": [0, 5, 12],
    }

    assert [rule.__name__ for rule in RULES if says(rule, echoed(arrays))] == []
    assert says(text_offsets.echoed_offsets_begin_at_zero, echoed(arrays)) == ""
    assert "begin at 12" in (
        says(text_offsets.echoed_offsets_begin_at_zero, echoed({**arrays, "text_offset": [12, 17, 24]})) or ""
    )
    assert says(text_offsets.echoed_offsets_begin_at_zero, echoed(arrays, [1, 2])) is None
    assert (
        says(text_offsets.echoed_offsets_begin_at_zero, echoed({**arrays, "tokens": ["!", "!", "!"]})) is None
    )
    assert says(text_offsets.echoed_offsets_begin_at_zero, scored()) is None


def test_sampling_is_not_greedy() -> None:
    """At another temperature, or with a penalty, any token may be drawn."""
    arrays = scores(top_logprobs=[{" and": -0.5, " or": -0.4}, {" so": -0.1}, {" on": 0}])

    for sent in ({"temperature": 1}, {"presence_penalty": 1}, {"logit_bias": {"1": 1}}):
        assert says(rules.greedy_tokens_are_the_most_probable, scored(arrays, sent)) is None


def test_a_repetition_penalty_of_the_server_is_no_defect() -> None:
    """What has come before may be more probable than what was chosen; what has not may not."""
    arrays = scores(
        token_logprobs=[-0.5, -1.4, 0],
        top_logprobs=[{" and": -0.5}, {" so": -1.4, " and": -0.3}, {" on": 0}],
    )

    assert says(rules.greedy_tokens_are_the_most_probable, scored(arrays, {"temperature": 0})) == ""
    arrays["top_logprobs"][1][" or"] = -0.4
    assert "the best has -0.3" in str(
        says(rules.greedy_tokens_are_the_most_probable, scored(arrays, {"temperature": 0}))
    )


def test_certainty_at_temperature_one_is_found() -> None:
    """Sixteen zeros are no probabilities of sampled tokens; fewer may be."""
    rule = rules.sampled_tokens_are_not_all_certain

    def certain(count: int, **sent: Any) -> Exchange:
        arrays = {
            "tokens": ["x"] * count,
            "token_logprobs": [0.0] * count,
            "top_logprobs": [{"x": 0}] * count,
        }
        return scored(arrays, {"temperature": 1, **sent})

    assert says(rule, certain(16))
    assert says(rule, certain(15)) is None
    assert says(rule, certain(16, temperature=0)) is None
    arrays = {"tokens": ["x"] * 16, "token_logprobs": [0.0] * 15 + [math.log(0.5)]}
    assert says(rule, scored(arrays, {"temperature": 1})) == ""
