"""Requests that nobody thought of. All checks here share one set of them, which the seed decides (see `conformance/fuzz/`).

They run after everything harmless, for among well-formed requests are some that bring a weak server down.
"""

from __future__ import annotations

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ends_wrongly, text_differs
from conformance.fuzz.judging import all_served, relation_holds, rules_hold
from conformance.fuzz.relations import Relation
from conformance.fuzz.robustness import survives
from conformance.kit.target import Target


@scenario("GEN-001", phase=Phase.MALFORMED)
async def a_generated_request_is_served(target: Target) -> None:
    """A well-formed generated request is answered with a completion, or refused because the target lacks a feature."""
    await all_served(target)


@scenario("GEN-002", phase=Phase.MALFORMED, shows=text_differs("stream"))
async def a_generated_stream_equals_the_plain_answer(target: Target) -> None:
    """The pieces of a stream add up to the plain answer to the same request, whatever else it asks for."""
    await relation_holds(target, Relation.STREAM)


@scenario("GEN-003", phase=Phase.MALFORMED)
async def a_generated_choice_equals_the_single_answer(target: Target) -> None:
    """Each of several choices is what its prompt gets alone, whatever else the request asks for."""
    await relation_holds(target, Relation.SEVERAL)


@scenario("GEN-004", phase=Phase.MALFORMED)
async def spelled_defaults_change_nothing(target: Target) -> None:
    """Documented defaults, nulls, `user`, `seed` and `logprobs` change no greedy text."""
    await relation_holds(target, Relation.NEUTRAL)


@scenario("GEN-005", phase=Phase.MALFORMED)
async def a_generated_echo_adds_the_prompt(target: Target) -> None:
    """An echo puts the prompt before the text and changes nothing else, whatever else the request asks for."""
    await relation_holds(target, Relation.ECHO)


@scenario("GEN-006", phase=Phase.MALFORMED)
async def generated_invalid_requests_are_survived(target: Target) -> None:
    """An invalid generated request is answered, not with 5xx, and the server serves afterwards as before."""
    await survives(target)


@scenario("GEN-007", phase=Phase.MALFORMED)
async def answers_to_generated_requests_keep_the_rules(target: Target) -> None:
    """Every answer to a generated request keeps the rules that the ordinary answer keeps."""
    await rules_hold(target)


@scenario("GEN-008", phase=Phase.MALFORMED, shows=ends_wrongly("stop"))
async def a_generated_stop_sequence_cuts_as_it_is_written(target: Target) -> None:
    """A text ends where one of its stop sequences first occurs as it is written, and nowhere else."""
    await relation_holds(target, Relation.STOP)
