"""Requests that nobody thought of. All checks here share one set of them, which the seed decides (see `conformance/fuzz/`).

They run after everything harmless, for among well-formed requests are some that bring a weak server down.
"""

from __future__ import annotations

from conformance.contract.check import requirement
from conformance.fuzz.judging import all_served, law_holds, rules_hold
from conformance.fuzz.relations import Law
from conformance.fuzz.robustness import survives
from conformance.kit.target import Target


@requirement("GEN-001", hazardous=True)
async def test_a_generated_request_is_served(target: Target) -> None:
    """A well-formed generated request is answered with a completion, or refused for want of a feature."""
    await all_served(target)


@requirement("GEN-002", hazardous=True)
async def test_a_generated_stream_equals_the_plain_answer(target: Target) -> None:
    """The pieces of a stream add up to the plain answer to the same request, whatever else it asks for."""
    await law_holds(target, Law.STREAM)


@requirement("GEN-003", hazardous=True)
async def test_a_generated_choice_equals_the_single_answer(target: Target) -> None:
    """Each of several choices is what its prompt gets alone, whatever else the request asks for."""
    await law_holds(target, Law.SEVERAL)


@requirement("GEN-004", hazardous=True)
async def test_spelled_defaults_change_nothing(target: Target) -> None:
    """Documented defaults, nulls, `user`, `seed` and `logprobs` change no greedy text."""
    await law_holds(target, Law.NEUTRAL)


@requirement("GEN-005", hazardous=True)
async def test_a_generated_echo_adds_the_prompt(target: Target) -> None:
    """An echo puts the prompt before the text and changes nothing else, whatever else the request asks for."""
    await law_holds(target, Law.ECHO)


@requirement("GEN-006", hazardous=True)
async def test_generated_invalid_requests_are_survived(target: Target) -> None:
    """An invalid generated request is answered, not with 5xx, and the server serves afterwards as before."""
    await survives(target)


@requirement("GEN-007", hazardous=True)
async def test_answers_to_generated_requests_keep_the_rules(target: Target) -> None:
    """Every answer to a generated request keeps the rules that the ordinary answer keeps."""
    await rules_hold(target)


@requirement("GEN-008", hazardous=True)
async def test_a_generated_stop_sequence_cuts_as_it_is_written(target: Target) -> None:
    """A text ends where one of its stop sequences first occurs as it is written, and nowhere else."""
    await law_holds(target, Law.STOP)
