"""The rules about usage, the token limit and the finish reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.catalogue import Limit
from conformance.rules import finish, max_tokens
from conformance.rules import usage as rules
from conformance.wire.exchange import Exchange, Intent
from tests.builders import PROFILE, PROMPT, answer, asked, choice, chunk, plain, says, stream, usage

BIG = 9 * 10**4299  # as many digits as Python reads; the sum of two has one more, which it does not print

RULES = [
    value
    for module in (rules, finish, max_tokens)
    for value in vars(module).values()
    if hasattr(value, "__conformance_check__")
]


def counted(
    request: dict[str, Any] | None = None,
    *,
    reason: str = "length",
    text: str | None = " and so on",
    **counts: Any,
) -> Exchange:
    """A plain answer with these counts; the total fits unless it is given."""
    numbers = {"prompt_tokens": 3, "completion_tokens": 4, **counts}
    numbers.setdefault("total_tokens", numbers["prompt_tokens"] + numbers["completion_tokens"])
    return plain(answer(usage=numbers, choices=[choice(text=text, finish_reason=reason)]), request)


@pytest.mark.parametrize("rule", RULES)
def test_sound_counts_pass(rule: Callable[..., Any]) -> None:
    """No rule objects to a sound answer, plain or streamed, or to one without usage."""
    asking = {"stream_options": {"include_usage": True}}
    streamed = stream([chunk(" and so on", "length"), chunk(choices=[], usage=usage())], asking)

    assert not says(rule, counted(), replace(streamed, id="x2"))
    assert says(rule, plain(answer(usage=None))) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_tokens": -1}, "`prompt_tokens` is -1"),
        ({"total_tokens": None}, "`total_tokens` is null"),
        ({"total_tokens": 2**63}, "`total_tokens` is 9223372036854775808"),
        ({"total_tokens": 10**300}, "`total_tokens` is 1000"),
    ],
)
def test_a_missing_or_negative_count_is_found(changes: dict[str, Any], message: str) -> None:
    """USAGE-001 names the count; one of another type is RESP-016's in a plain answer, and its own in a stream."""
    rule = rules.three_counts_are_present_and_not_negative

    assert message in (says(rule, plain(answer(usage=usage(**changes)))) or "")
    assert "missing" in (says(rule, plain(answer(usage={}))) or "")
    assert says(rule, plain(answer(usage=usage(total_tokens="7")))) is None
    assert says(rule, stream([chunk(usage=usage(total_tokens="7"))]))


def test_a_wrong_total_is_found() -> None:
    """USAGE-002 does the sum; a number that no client could read leaves nothing to be summed."""
    rule = rules.total_is_the_sum

    assert "is 8, but" in (says(rule, counted(total_tokens=8)) or "")
    assert says(rule, counted(prompt_tokens=10**300, completion_tokens=1, total_tokens=1)) is None
    assert says(rule, counted(prompt_tokens=BIG, completion_tokens=BIG, total_tokens=1)) is None
    assert says(rule, plain(answer(usage=usage(prompt_tokens=None)))) is None


def test_empty_counts_are_found() -> None:
    """No tokens for a prompt with content, or for a text, break USAGE-003."""
    rule = rules.counts_are_not_empty

    assert "prompt with content" in (says(rule, counted(prompt_tokens=0)) or "")
    assert 'for the text \\" and so on\\"'.replace("\\", "") in (
        says(rule, counted(completion_tokens=0)) or ""
    )
    assert says(rule, counted({"echo": True}, completion_tokens=0, text=PROMPT + "!"))


def test_counts_may_be_empty_where_nothing_was_there() -> None:
    """An empty prompt, an empty text, an echo alone, and zeros in a stream that was not asked for usage."""
    rule = rules.counts_are_not_empty
    zeros = usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)

    assert says(rule, counted({"prompt": ""}, prompt_tokens=0)) == ""
    assert says(rule, counted(completion_tokens=0, text="")) == ""
    assert says(rule, counted({"echo": True}, completion_tokens=0, text=PROMPT)) == ""
    assert says(rule, counted({"suffix": "!"}, completion_tokens=0, text="!")) == ""
    assert says(rule, stream([chunk(usage=zeros)])) is None


def test_a_count_that_depends_on_other_parameters_is_found() -> None:
    """USAGE-007 names both exchanges and what differs."""
    rule = rules.prompt_tokens_depend_on_the_prompt_alone
    plain_, echoed = counted(), replace(counted({"echo": True}, prompt_tokens=5), id="x2")

    assert "3 prompt_tokens in x1 and 5 in x2, which differs in `echo`" in (says(rule, plain_, echoed) or "")
    assert says(rule, plain_) is None
    assert says(rule, plain_, counted({"echo": True})) == ""
    assert (
        says(
            rule, plain_, counted({"prompt": "a"}, prompt_tokens=1), counted({"suffix": "b"}, prompt_tokens=9)
        )
        is None
    )
    assert says(rule, plain_, counted({"n": 2}, prompt_tokens=6)) is None
    many = {"prompt": ["a", "b"]}
    assert "differs in `seed`" in (
        says(rule, counted(many), counted({**many, "seed": 1}, prompt_tokens=5)) or ""
    )
    assert says(rule, counted(many), counted({**many, "n": 2}, prompt_tokens=5)) is None
    recounted = counted(many), counted(many, prompt_tokens=5), counted({**many, "seed": 1}, prompt_tokens=5)
    assert says(rule, *recounted) is None
    singles = counted({"prompt": "a"}), counted({"prompt": "b"})
    lists = counted(many, prompt_tokens=6), counted({**many, "seed": 1}, prompt_tokens=5)
    assert "differs in `seed`" in (says(rule, *singles, *lists) or "")
    assert says(rule, *singles, counted(many), counted({**many, "seed": 1}, prompt_tokens=5)) is None


def test_a_count_that_depends_on_a_cache_is_found_once() -> None:
    """The same request with another count breaks USAGE-012, and not USAGE-007 as well."""
    exchanges = counted(), replace(counted(prompt_tokens=1), id="x2"), counted({"seed": 1}, prompt_tokens=1)

    assert "in x1 and 1 in x2" in (
        says(rules.repeating_a_request_repeats_its_prompt_tokens, *exchanges) or ""
    )
    assert not says(rules.prompt_tokens_depend_on_the_prompt_alone, *exchanges)


def test_equal_counts_of_equal_requests_pass() -> None:
    """Repeats that agree pass; without a repeat there is nothing to say."""
    rule = rules.repeating_a_request_repeats_its_prompt_tokens

    assert says(rule, counted(), counted()) == ""
    assert says(rule, counted(), counted({"seed": 1})) is None


def test_logprobs_and_counts_agree() -> None:
    """As many tokens in `logprobs` as were counted, or USAGE-010 is broken."""
    rule = rules.logprobs_have_one_entry_per_counted_token

    def scored(count: int, **sent: Any) -> Exchange:
        logprobs = {"tokens": ["x"] * count}
        return plain(answer(choices=[choice(logprobs=logprobs)]), {"logprobs": 1, **sent})

    assert says(rule, scored(4)) == ""
    assert "3 entries" in (says(rule, scored(3)) or "")
    assert says(rule, scored(3, echo=True)) is None
    assert says(rule, scored(3, n=2)) is None
    assert says(rule, plain()) is None


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_tokens_details": {"cached_tokens": -1}},
        {"completion_tokens_details": {"reasoning_tokens": 1.5}},
    ],
)
def test_details_beyond_their_totals_are_found(details: dict[str, Any]) -> None:
    """More cached tokens than there are, negative counts and fractions."""
    assert says(rules.details_stay_within_their_totals, counted(**details))


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens_details": {"cached_tokens": 3, "ratio": 0.5, "audio_tokens": None}},
        {"prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": 0}},
    ],
)
def test_sound_details_pass(details: dict[str, Any]) -> None:
    """Nulls and extensions that are no counts are fine."""
    assert says(rules.details_stay_within_their_totals, counted(**details)) == ""


def test_more_tokens_than_bytes_are_found() -> None:
    """A token has at least one byte; eight of a choice may be invisible."""
    rule = rules.token_counts_fit_the_text
    hidden: dict[str, Any] = {"completion_tokens_details": {"reasoning_tokens": 90}}

    assert says(rule, counted(text="abcd", completion_tokens=12)) == ""
    assert "13 for 4 bytes" in (says(rule, counted(text="abcd", completion_tokens=13)) or "")
    assert says(rule, counted({"echo": True}, text=PROMPT + "abcd", completion_tokens=13))
    assert says(rule, counted(text="\ud83d", completion_tokens=11)) == ""
    assert says(rule, counted(text="abcd", completion_tokens=99, **hidden)) is None
    assert says(rule, counted({"stop": "x"}, text="abcd", completion_tokens=99)) is None
    assert says(rule, counted(text=None, completion_tokens=99)) is None


def test_length_before_the_limit_is_found() -> None:
    """`length` with fewer tokens than the limit breaks both laws, which are one in two forms."""
    exchange = counted(completion_tokens=3)

    assert "after 3 of 4 tokens" in (says(finish.length_means_that_the_limit_was_reached, exchange) or "")
    assert "after 3 of 4 tokens" in (says(finish.below_the_limit_is_not_length, exchange) or "")


def test_true_reasons_pass() -> None:
    """`length` at the limit or a little above, `stop` before or at it."""
    rule, below = finish.length_means_that_the_limit_was_reached, finish.below_the_limit_is_not_length

    assert says(rule, counted()) == ""
    assert says(rule, counted(completion_tokens=5)) == ""
    assert says(rule, counted(reason="stop")) is None
    assert says(below, counted(reason="stop", completion_tokens=2)) == ""
    assert says(below, counted(reason="eos", completion_tokens=2)) is None


@pytest.mark.parametrize(
    "request_",
    [
        {"max_tokens": 0},
        {"max_tokens": None},
        {"n": 2},
        {"prompt": ["a", "b"]},
        {"best_of": 2},
        {"max_tokens": 600},
    ],
)
def test_reasons_that_the_counts_do_not_settle_are_left_alone(request_: dict[str, Any]) -> None:
    """No limit, several choices, candidates, and a context that may be full."""
    exchange = counted(request_, completion_tokens=3)

    assert says(finish.length_means_that_the_limit_was_reached, exchange) is None
    assert says(finish.below_the_limit_is_not_length, exchange) is None


def test_more_tokens_than_allowed_are_found() -> None:
    """The limit holds for each choice; a profile may allow a few more."""
    rule = max_tokens.the_token_count_stays_within_the_limit
    lenient = replace(PROFILE, completion_tokens_slack=Limit(3))

    assert "max_tokens is 4, and completion_tokens is 5" in (says(rule, counted(completion_tokens=5)) or "")
    assert "each of 2 choices" in (says(rule, counted({"n": 2}, completion_tokens=9)) or "")
    assert says(rule, counted({"n": 2}, completion_tokens=8)) == ""
    assert says(rule, counted(completion_tokens=7), profile=lenient) == ""
    assert says(rule, counted({"max_tokens": 0, "echo": True}, completion_tokens=1)) is None
    assert says(rule, counted({"best_of": 3}, completion_tokens=12)) == ""
    assert "each of 3 choices" in (says(rule, counted({"best_of": 3}, completion_tokens=13)) or "")
    assert says(rule, counted({"best_of": 1, "n": 2}, completion_tokens=8)) == ""
    assert says(rule, plain(answer(), asked({"n": 0}, intent=Intent.INVALID))) is None
