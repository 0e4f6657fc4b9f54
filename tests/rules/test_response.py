"""The rules about plain answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.apply_rule import apply_rule
from conformance.contract.catalogue import Level, Override, load_catalogue
from conformance.rules import response
from conformance.run.ledger import Ledger
from conformance.run.settings import Settings
from conformance.wire.exchange import Intent
from tests.builders import ABSENT, PROFILE, answer, asked, choice, chunk, plain, says, stream, usage

RULES = [value for name, value in vars(response).items() if hasattr(value, "__conformance_check__")]


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_answer_passes(rule: Callable[..., Any]) -> None:
    """No rule objects to the reference page's answer."""
    assert not says(rule, plain(answer(system_fingerprint=None)))


BROKEN = [
    (response.the_response_has_its_five_keys, answer(model=ABSENT), "no `model`"),
    (response.the_response_has_its_five_keys, answer(id=ABSENT, created=ABSENT), "no `id`, no `created`"),
    (response.the_id_is_a_string_with_content, answer(id=""), '`id` is ""'),
    (response.the_id_is_a_string_with_content, answer(id=None), "`id` is null"),
    (response.the_object_is_text_completion, answer(object="chat.completion"), "chat.completion"),
    (response.the_creation_time_is_in_unix_seconds, answer(created=1_750_000_000_000), "milliseconds"),
    (response.the_creation_time_is_in_unix_seconds, answer(created=0), "before 2001"),
    (response.the_model_is_named, answer(model=""), '`model` is ""'),
    (response.choices_number_n_times_prompts, answer(choices=[choice(), choice(index=1)]), "2 choices"),
    (response.choices_number_n_times_prompts, answer(choices=[]), "0 choices"),
    (response.choices_number_n_times_prompts, answer(choices=choice()), "is not an array of objects"),
    (response.choices_number_n_times_prompts, answer(choices=["text"]), "is not an array of objects"),
    (response.indices_run_from_zero_without_gaps, answer(choices=[choice(index=1)]), "[1]"),
    (response.indices_run_from_zero_without_gaps, answer(choices=[choice(), choice()]), "[0, 0]"),
    (response.indices_run_from_zero_without_gaps, answer(choices=[choice(index=ABSENT)]), "[null]"),
    (response.every_choice_has_a_text, answer(choices=[choice(text=ABSENT)]), "no `text`"),
    (response.every_choice_has_a_text, answer(choices=[choice(text=None)]), "`text` null"),
    (response.a_finish_reason_is_a_documented_one, answer(choices=[choice(finish_reason="eos")]), '"eos"'),
    (response.a_finish_reason_is_a_documented_one, answer(choices=[choice(finish_reason=None)]), "null"),
    (response.a_finish_reason_is_a_documented_one, answer(choices=[choice(finish_reason=ABSENT)]), "missing"),
    (
        response.a_finish_reason_is_a_documented_one,
        answer(choices=[choice(finish_reason=["stop"])]),
        '["stop"]',
    ),
    (response.log_probabilities_not_asked_for_are_null, answer(choices=[choice(logprobs={})]), "{}"),
    (response.a_response_reports_usage, answer(usage=ABSENT), "no `usage`"),
    (response.a_response_reports_usage, answer(usage=None), "`usage` is null"),
    (response.a_system_fingerprint_is_a_string, answer(system_fingerprint=5), "is 5"),
    (
        response.choices_carry_no_chat_messages,
        answer(choices=[choice(text=ABSENT, message={})]),
        "has the form of a chat choice",
    ),
    (response.choices_come_in_any_order, answer(choices=[choice(index=1), choice()]), "[1, 0]"),
    (response.counts_and_times_are_json_integers, answer(created=1.75e9), "`created` is 1750000000.0"),
    (response.counts_and_times_are_json_integers, answer(choices=[choice(index="0")]), '`index` is "0"'),
    (response.counts_and_times_are_json_integers, answer(usage=usage(prompt_tokens=3.0)), "3.0"),
    (response.counts_and_times_are_json_integers, answer(usage=usage(total_tokens=True)), "true"),
    (
        response.the_official_client_accepts_the_response,
        answer(choices=[choice(logprobs=[])]),
        "choices[0].logprobs",
    ),
    (
        response.the_official_client_accepts_the_response,
        answer(choices=[choice(logprobs={"tokens": "a"})]),
        "choices[0].logprobs.tokens",
    ),
    (
        response.the_official_client_accepts_the_response,
        answer(usage=usage(prompt_tokens_details=0)),
        "usage.prompt_tokens_details",
    ),
]


@pytest.mark.parametrize(("rule", "body", "message"), BROKEN)
def test_a_defect_is_found(rule: Callable[..., Any], body: Any, message: str) -> None:
    """The rule that speaks of a defect objects to it and shows it."""
    assert message in (says(rule, plain(body)) or "")


# What two rules see: the plain overlap of an odd shape, and one that is recorded only (RESP-015).
_ALSO = {
    "choices_come_in_any_order",
    "log_probabilities_not_asked_for_are_null",  # also what RESP-017 finds in them
}


@pytest.mark.parametrize(("rule", "body", "message"), BROKEN)
def test_a_defect_is_found_once(rule: Callable[..., Any], body: Any, message: str) -> None:  # noqa: ARG001 - of the same table
    """No other rule about plain answers objects to the same defect."""
    sent = (
        {"n": 2}
        if len(body["choices"]) == 2 and rule is not response.choices_number_n_times_prompts
        else None
    )
    others = [other for other in RULES if other is not rule and other.__name__ not in _ALSO]

    assert [other.__name__ for other in others if says(other, plain(body, sent))] == []


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "body",
    [
        answer(choices=[choice(text="")]),
        answer(choices=[choice(logprobs=ABSENT)]),
        answer(choices=[choice(stop_reason=None, matched_stop=2)], timings={}, kv_transfer_params=None),
        answer(model="m-2026-01-01", id="chatcmpl-1", system_fingerprint="b1"),
        answer(usage=usage(prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None})),
        answer(error=None),
    ],
)
def test_legal_oddities_pass(rule: Callable[..., Any], body: Any) -> None:
    """What the authorities leave open is no finding."""
    assert not says(rule, plain(body))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "exchange",
    [
        plain({"error": {"message": "overloaded"}}),  # ERR-006
        plain(b"{"),  # HTTP-002
        plain([]),
        plain(b"data: [DONE]\n\n", headers=[("Content-Type", "text/event-stream")]),  # HTTP-001
    ],
)
def test_what_is_no_answer_is_judged_elsewhere(rule: Callable[..., Any], exchange: Any) -> None:
    """The rules say nothing about what is not a JSON answer at all."""
    assert says(rule, exchange) is None


def test_a_profile_can_list_finish_reasons() -> None:
    """A value that the profile lists passes, the empty string never does."""
    profile = replace(PROFILE, extra_finish_reasons={"eos_token": "TGI"})
    rule = response.a_finish_reason_is_a_documented_one

    assert says(rule, plain(answer(choices=[choice(finish_reason="eos_token")])), profile=profile) == ""
    assert says(rule, plain(answer(choices=[choice(finish_reason="")])), profile=profile)


def test_a_profile_can_insist_on_the_key_logprobs() -> None:
    """Where RESP-011 is a MUST, leaving the key out is a finding."""
    profile = replace(PROFILE, levels={"RESP-011": Override(Level.MUST, "OpenAI requires the key")})
    exchange = plain(answer(choices=[choice(logprobs=ABSENT)]))

    assert says(response.log_probabilities_not_asked_for_are_null, exchange, profile=profile)


def test_logprobs_that_were_asked_for_are_fine() -> None:
    """A request with `logprobs` is not RESP-011's business."""
    exchange = plain(answer(choices=[choice(logprobs={"tokens": []})]), {"logprobs": 0})

    assert says(response.log_probabilities_not_asked_for_are_null, exchange) is None


@pytest.mark.parametrize(
    "changes", [{"n": 3}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}, {"best_of": 3}, {"prompt": []}]
)
def test_features_that_change_the_number_of_choices_are_judged_elsewhere(changes: dict[str, Any]) -> None:
    """How many choices `n`, several prompts and the like give is for the requirements that speak of them."""
    assert says(response.choices_number_n_times_prompts, plain(answer(), changes)) is None


def test_more_choices_than_asked_for_are_found() -> None:
    """Of two choices three, or none, are RESP-007's; one is `n` ignored."""
    rule = response.choices_number_n_times_prompts
    many = [choice(index=index) for index in range(3)]

    assert "1 prompts with n 2 got 3 choices" in (says(rule, plain(answer(choices=many), {"n": 2})) or "")
    assert says(rule, plain(answer(choices=[]), {"n": 2}))
    assert says(rule, plain(answer(choices=many[:2]), {"n": 2})) == ""


def test_a_request_whose_serving_is_open_may_get_no_choices() -> None:
    """An empty list of prompts may be served with an empty list of choices."""
    sent = asked({"prompt": []}, intent=Intent.OPEN)

    assert not any(says(rule, plain(answer(choices=[]), sent)) for rule in RULES)


def test_an_id_that_comes_again_is_found() -> None:
    """Two different requests that were answered with one id break RESP-003, in streams too."""
    rule = response.no_two_completions_share_an_id
    first, again = plain(id="x1"), plain(request={"max_tokens": 9}, id="x2")

    assert "of x1" in (says(rule, first, again) or "")
    assert "of x1" in (says(rule, first, stream(id="x3")) or "")


def test_ids_that_differ_or_belong_to_one_request_pass() -> None:
    """Different ids, the chunks of one stream, empty ids (RESP-002), and a cached answer to the same request are fine."""
    rule = response.no_two_completions_share_an_id

    assert says(rule, plain(), plain(answer(id="cmpl-2"), {"max_tokens": 9})) == ""
    assert says(rule, stream()) == ""
    assert says(rule, plain(), plain()) == ""
    assert says(rule, plain(answer(id="")), plain(answer(id=""), {"max_tokens": 9})) is None


def test_a_clock_that_is_hours_off_is_a_lapse() -> None:
    """`created` is held against the client's clock where that is known, for a warning at most."""
    rule = response.the_creation_time_is_in_unix_seconds

    assert says(rule, plain(started=1_750_000_000.5 + 3500)) == ""
    assert "should: `created` is 1750000000, 2.0 hours" in (
        says(rule, plain(started=1_750_000_000.0 + 7200)) or ""
    )


def test_chunks_are_looked_at_for_milliseconds() -> None:
    """A defect that servers had in their streams only is found there."""
    assert says(response.the_creation_time_is_in_unix_seconds, stream([chunk(created=1_750_000_000_000)]))
    assert says(response.the_creation_time_is_in_unix_seconds, stream()) == ""


@pytest.mark.parametrize(
    ("rule", "body", "judge"),
    [
        (response.the_id_is_a_string_with_content, answer(id=ABSENT), "RESP-001"),
        (response.the_object_is_text_completion, answer(object=ABSENT), "RESP-001"),
        (response.the_creation_time_is_in_unix_seconds, answer(created=ABSENT), "RESP-001"),
        (response.the_creation_time_is_in_unix_seconds, answer(created="now"), "RESP-016"),
        (response.the_official_client_accepts_the_response, answer(created=ABSENT), "RESP-001"),
        (response.the_official_client_accepts_the_response, answer(model=3), "RESP-006"),
        (response.the_official_client_accepts_the_response, answer(choices=[]), "RESP-007"),
        (response.the_official_client_accepts_the_response, answer(usage={}), "USAGE-001"),
    ],
)
def test_who_speaks_of_what_can_not_be_judged_is_named(rule: Any, body: Any, judge: str) -> None:
    """Where no answer can be looked at, the verdict leads to the requirement that says why."""
    check = rule.__conformance_check__
    result = apply_rule(check, [plain(body)], PROFILE)
    ledger = Ledger(Settings("", profile=PROFILE), load_catalogue(), [check])
    ledger.settle_rule(check, result, 0.0)

    assert (result.looked_at, result.elsewhere) == (0, judge)
    assert ledger.settled[check.requirement_id].message.endswith(f"; see {judge}")


def test_a_reason_in_a_stream_is_a_documented_one() -> None:
    """The reason that ends a choice of a stream is judged as that of a plain answer."""
    assert says(response.a_finish_reason_is_a_documented_one, stream()) == ""
    assert 'the finish_reason of a choice is "max_tokens", in a stream' in (
        says(response.a_finish_reason_is_a_documented_one, stream([chunk(" so", "max_tokens")])) or ""
    )
    assert says(response.a_finish_reason_is_a_documented_one, stream([chunk(" so")])) is None


def test_one_model_has_one_name() -> None:
    """Another name in a stream, or in one of many answers, is objected to; for another model that was asked for it is not."""
    other = stream([chunk(" so", "length", model="backend")])

    assert says(response.one_model_has_one_name, plain(), stream()) == ""
    assert 'asked for "m", x1 says that its model is "m", and x1 that it is "backend"' in (
        says(response.one_model_has_one_name, plain(), other) or ""
    )
    assert says(response.one_model_has_one_name, plain(), plain(answer(model="n"), {"model": "n"})) is None
