"""The scenarios of effects: what counts as one token again and again, as ignored, as a trace."""

from __future__ import annotations

import pytest

from conformance.contract.verdict import Broken, BrokenShould, Ignored, Inconclusive, Unsupported
from conformance.kit.facts import Support
from conformance.scenarios import request_effects as effects
from conformance.wire.exchange import Exchange, Request
from tests.scripted_target import outcome, refuses, scripted, serves

TEXT = " and the cat sat down"


@pytest.mark.parametrize(
    ("biased", "found"),
    [
        ("asasasas", type(None)),
        (" the the the the", type(None)),
        ("the the the the", type(None)),  # white space trimmed
        ("\ufffd\ufffd\ufffd\ufffd", Inconclusive),  # a part of a character
        ("", Inconclusive),
        (TEXT[:8], Ignored),
        (" the cat the cat sat", Broken),
    ],
)
def test_a_biased_token_is_told_by_its_text(biased: str, found: type) -> None:
    """The text alone shows whether a bias of 100 selected one token."""

    def say(request: Request) -> Exchange:
        return serves(biased if "logit_bias" in request.params else TEXT)

    assert type(outcome(effects.a_bias_of_100_selects_its_token, scripted(say))) is found


def test_a_refused_bias_is_unsupported() -> None:
    """An honest refusal of `logit_bias` is no failure."""

    def say(request: Request) -> Exchange:
        return refuses() if "logit_bias" in request.params else serves(TEXT)

    found = outcome(effects.a_bias_of_100_selects_its_token, scripted(say))
    assert isinstance(found, Unsupported)


def test_all_ignored_parameters_are_named_at_once() -> None:
    """REQ-031 fails once, with every documented parameter that was disregarded."""
    ignored = dict.fromkeys(("echo", "n", "logprobs"), Support.IGNORED)
    target = scripted(lambda _: serves(TEXT), capabilities={**ignored, "multi_prompt": Support.YES})

    found = outcome(effects.unsupported_parameters_are_refused, target)

    assert isinstance(found, Ignored)
    assert str(found).endswith("`echo`, `n`, `suffix`, `stop`, `logprobs`")


def test_what_the_page_does_not_mention_is_a_warning() -> None:
    """A target that disregards `logprobs` only gets a warning, and one that refuses everything passes."""

    def say(request: Request) -> Exchange:
        return refuses() if {"stop", "suffix"} & set(request.params) else serves(TEXT)

    known = dict.fromkeys(("echo", "n", "multi_prompt"), Support.REFUSED)
    warned, passed = (
        outcome(
            effects.unsupported_parameters_are_refused,
            scripted(say, capabilities={**known, "logprobs": logprobs}),
        )
        for logprobs in (Support.IGNORED, Support.REFUSED)
    )

    assert isinstance(warned, BrokenShould)
    assert passed is None


def test_a_stop_sequence_that_stays_is_a_trace() -> None:
    """A setting that reaches into the next request is found, and the message names it."""
    seen: list[str] = []

    def say(request: Request) -> Exchange:
        own = request.params.get("stop")
        seen.extend([own] if isinstance(own, str) else [])
        stop = own[0] if isinstance(own, list) else seen[-1] if seen else None
        return serves(TEXT.partition(stop)[0] if stop else TEXT)

    found = outcome(effects.a_request_leaves_no_trace, scripted(say))

    assert isinstance(found, Broken)
    assert '"stop": " the"' in str(found)
    assert outcome(effects.a_request_leaves_no_trace, scripted(lambda _: serves(TEXT))) is None
