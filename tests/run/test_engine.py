"""The engine gives the verdict that the evidence allows, and no other."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.check import (
    NOT_APPLICABLE,
    Check,
    Judgement,
    Scope,
    broken,
    check_of,
    rule,
    scenario,
)
from conformance.contract.verdict import Broken, Ignored, Inconclusive, Kind, NotRun, Unsupported, Verdict
from conformance.contract.yaml_files import spec_root
from conformance.kit.target import Target
from conformance.reference import Params, Prompt, Reference, Refusal, Request
from conformance.reference.serve import start
from conformance.run.engine import Engine
from conformance.run.results import Result, Results, RunOutcome
from conformance.run.results_document import to_document
from conformance.run.settings import Settings
from conformance.scenarios import auth
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange
from fixtures.doubles import KEY

CATALOGUE = load_catalogue()
MUST, SHOULD, MAY = "HTTP-009", "HTTP-004", "SUF-009"


class Moody(Reference):
    """A reference server whose greedy answers differ as often as a test says."""

    moods: Iterator[str]

    def choice(self, index: int, text: str, logprobs: Any, finish_reason: str | None) -> dict[str, Any]:
        """A choice whose text begins with the mood."""
        return super().choice(index, next(self.moods, "") + text, logprobs, finish_reason)


def check(function: Callable[..., Any]) -> Check:
    """The check that a decorated function is."""
    found = check_of(function)
    assert found is not None
    return found


def run(url: str, *functions: Callable[..., Any], **settings: Any) -> Results:
    """The results of a run of these checks."""
    chosen = Settings(url, "reference-1", KEY, profile=load_profile("reference"), recovery=0.1, **settings)
    return asyncio.run(Engine(chosen, CATALOGUE, [check(function) for function in functions]).run())


def verdict(url: str, function: Callable[..., Any], **settings: Any) -> Result:
    """The result of the one check."""
    [result] = run(url, function, **settings).results
    return result


def raising(id: str, *outcomes: Exception | None) -> Callable[[Target], Any]:  # noqa: A002 - the field's word
    """A scenario that ends differently each time, the last outcome repeated."""
    left = list(outcomes)

    @scenario(id)
    async def check(target: Target) -> None:
        """It does what the test says."""
        await target.complete()
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if outcome is not None:
            raise outcome

    return check


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, Verdict.PASS),
        (Unsupported("refused"), Verdict.UNSUPPORTED),
        (Inconclusive("noise"), Verdict.INCONCLUSIVE),
        (NotRun("nothing there"), Verdict.NOT_RUN),
        (Broken("wrong"), Verdict.FAIL),
        (Ignored("no effect"), Verdict.FAIL),
        (ZeroDivisionError("oops"), Verdict.ERROR),
        (AssertionError("oops"), Verdict.ERROR),
    ],
)
def test_an_outcome_becomes_a_verdict(server: str, outcome: Exception | None, expected: Verdict) -> None:
    """What a scenario raises decides the verdict on a MUST."""
    assert verdict(server, raising(MUST, outcome)).verdict is expected


def test_the_level_decides_what_broken_means(server: str) -> None:
    """A broken SHOULD warns, a strict run fails it, and a MAY is only recorded."""
    wrong = Broken("wrong")

    assert verdict(server, raising(SHOULD, wrong)).verdict is Verdict.WARN
    assert verdict(server, raising(SHOULD, wrong), strict=True).verdict is Verdict.FAIL
    assert verdict(server, raising(MAY, wrong)).verdict is Verdict.PASS
    assert verdict(server, raising(MAY, wrong)).message == "wrong"


def test_ignored_is_a_kind_of_its_own(server: str) -> None:
    """A parameter that is taken and has no effect is told apart from a wrong answer."""
    assert verdict(server, raising(MUST, Ignored("no effect"))).kind is Kind.IGNORED
    assert verdict(server, raising(MUST, Broken("wrong"))).kind is Kind.WRONG
    assert verdict(server, raising(MUST, None)).kind is None


def test_one_observation_is_no_verdict(server: str) -> None:
    """A failure that does not come again on fresh exchanges is inconclusive."""
    result = verdict(server, raising(MUST, Broken("wrong"), None))

    assert result.verdict is Verdict.INCONCLUSIVE
    assert "failed once (wrong)" in result.message


def test_a_confirmation_sees_fresh_exchanges(server: str) -> None:
    """The second run of a scenario shares no exchange with the first."""
    seen: list[str] = []

    @scenario(MUST)
    async def looks(target: Target) -> None:
        """It looks at one completion."""
        seen.append((await target.complete()).exchange.id)
        raise Broken("wrong")

    run(server, looks)

    assert len(seen) == len(set(seen)) == 2


class Mortal(Reference):
    """A reference server that fails at a list of prompts, and dies of the second one."""

    lists = 0

    def validate(self, fields: dict[str, Any]) -> Params:
        """Count the lists, and serve nothing after two."""
        is_list = isinstance(fields.get("prompt"), list)
        self.lists += is_list
        if is_list or self.lists > 1:
            raise Refusal(500, "the engine failed")
        return super().validate(fields)


def test_what_a_target_does_not_answer_is_asked_again_last() -> None:
    """A target that dies when its failure is confirmed has been judged by all else; only the deadly request is named, and the run fails."""

    @scenario(MUST)
    async def deadly(target: Target) -> None:
        """It sends a list of prompts."""
        await target.complete(prompt=["a", "b"])

    with start(Mortal("reference-1", KEY).app) as running:
        results = run(f"{running.url}/v1", deadly, raising(SHOULD, Broken("wrong")))
    [incident] = results.incidents

    assert {result.requirement.id: result.verdict for result in results.results} == {
        MUST: Verdict.FAIL,
        SHOULD: Verdict.WARN,
    }
    assert [suspect.request.prompts for suspect in incident.suspects] == [("a", "b")]
    assert results.outcome is not RunOutcome.CONFORMS


def moody(moods: Iterator[str]) -> Moody:
    """A server whose answers repeat in the preflight (one token, three prompts, two repetitions) and have `moods` from then on."""
    server = Moody("reference-1", KEY)
    server.moods = itertools.chain([""] * 6, moods)
    return server


@pytest.mark.parametrize(("failures", "expected"), [(4, Verdict.INCONCLUSIVE), (5, Verdict.FAIL)])
def test_noise_asks_for_more_evidence(failures: int, expected: Verdict) -> None:
    """A check that asks the same twice must fail five times on a target that contradicts itself."""
    attempts: list[str] = []

    @scenario("STOP-002")
    async def comparison(target: Target) -> None:
        """Two answers to the same request are the same."""
        attempts.append((await target.complete()).text + (await target.complete(sample=1)).text)
        if len(attempts) <= failures:
            raise Broken("different")

    with start(moody(f"{number} " for number in range(100)).app) as running:
        assert verdict(f"{running.url}/v1", comparison).verdict is expected


def test_answers_that_do_not_repeat_shut_the_gate() -> None:
    """Where greedy answers differ, checks that compare texts are inconclusive and are not run."""
    server = Moody("reference-1", KEY)
    server.moods = (f"{number} " for number in range(1000))
    with start(server.app) as running:
        result = verdict(f"{running.url}/v1", raising("STOP-002", Broken("never run")))

    assert result.verdict is Verdict.INCONCLUSIVE
    assert "answered differently" in result.message


def test_a_missing_capability_is_no_failure() -> None:
    """What needs a refused feature is unsupported; what needs an ignored one is not run, and names the check that fails for it."""

    class NoN(Reference):
        """It takes `n` and gives one choice."""

        def incoming(self, fields: dict[str, Any]) -> dict[str, Any]:
            return super().incoming(fields | {"n": 1})

    needs_n = raising("N-002", None)
    with start(NoN("reference-1", KEY).app) as running:
        result = verdict(f"{running.url}/v1", needs_n)

    assert result.verdict is Verdict.NOT_RUN
    assert "see N-001" in result.message


def test_a_rule_judges_all_exchanges(server: str) -> None:
    """A rule that objects everywhere fails, and names what it objects to."""

    @rule(MUST, Scope.COMPLETION)
    def objects(completion: Completion) -> Judgement:
        """It never agrees."""
        return broken(f"wrong: {len(completion.text)}", at=3)

    result = verdict(server, objects)

    assert result.verdict is Verdict.FAIL
    assert result.exchanges
    assert {mark.offset for mark in result.marks} == {3}


def test_a_rule_that_objects_once_to_a_whole_answer_stands(server: str) -> None:
    """What stands in the bytes of an answer is proved, whatever comes when the same is sent again."""
    judged: list[str] = []

    @rule(MUST, Scope.STREAM)
    def objects_once(completion: Completion) -> Judgement:
        """It dislikes the first stream that it sees."""
        judged.append(completion.exchange.id)
        return broken("wrong") if len(judged) == 1 else None

    found = verdict(server, objects_once)

    assert found.verdict is Verdict.FAIL
    assert found.message.startswith("wrong")


def test_a_few_broken_connections_are_no_verdict(server: str) -> None:
    """Of a rule about connections three objections are doubted, and stand where one of them comes again."""

    def objecting(to: Callable[[int], bool]) -> Callable[[Exchange], Judgement]:
        judged: list[str] = []

        @rule(MUST, Scope.EXCHANGE)
        def objects(exchange: Exchange) -> Judgement:
            """It counts what it sees."""
            judged.append(exchange.id)
            return broken("wrong") if to(len(judged)) else None

        return objects

    assert verdict(server, objecting(lambda count: count <= 3)).verdict is Verdict.INCONCLUSIVE
    assert verdict(server, objecting(lambda count: count <= 4)).verdict is Verdict.FAIL
    assert verdict(server, objecting(lambda count: count <= 3 or count > 20)).verdict is Verdict.FAIL


def test_a_rule_without_evidence_is_not_run(server: str) -> None:
    """A rule that finds nothing within its scope says so."""

    @rule(MUST, Scope.COMPLETION)
    def looks_away(_: Completion) -> Judgement:
        """It applies to nothing."""
        return NOT_APPLICABLE

    assert verdict(server, looks_away).verdict is Verdict.NOT_RUN


def test_a_rule_that_crashes_is_an_error(server: str) -> None:
    """A defect of a rule is never blamed on the target."""

    @rule(MUST, Scope.COMPLETION)
    def crashes(completion: Completion) -> Judgement:
        """It divides by zero."""
        return broken(str(len(completion.text) / 0))

    assert verdict(server, crashes).verdict is Verdict.ERROR


def test_a_target_that_is_not_there_is_said_once() -> None:
    """Without a connection everything is inconclusive, and one message says what to do."""
    results = run("http://127.0.0.1:9/v1", raising(MUST, None), raising(SHOULD, None))

    assert results.unusable is not None
    assert "Is the server running" in results.unusable
    assert {result.verdict for result in results.results} == {Verdict.INCONCLUSIVE}
    assert results.outcome is not RunOutcome.CONFORMS


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "A minimal request (model, prompt, max_tokens, temperature) is not served"),
        (404, "The target lists this model, and yet has no completion"),
        (500, "A minimal request (model, prompt, max_tokens, temperature) is not served"),
    ],
)
def test_a_target_that_serves_nothing_is_said_once(status: int, advice: str) -> None:
    """A server that refuses or fails on every ordinary request, or finds nothing for short prompts, ends the run with its reason."""

    class Deaf(Reference):
        def prompts(self, params: Params) -> list[Prompt]:  # noqa: ARG002 - it looks at nothing
            raise Refusal(status, "Not today.")

    with start(Deaf("reference-1", KEY).app) as running:
        results = run(f"{running.url}/v1", raising(MUST, None))

    assert results.unusable is not None
    assert f"status {status}" in results.unusable
    assert advice in results.unusable
    assert results.outcome is not RunOutcome.CONFORMS


def test_a_key_goes_out_in_the_header_that_takes_it() -> None:
    """With `api_key_header` the key, and the wrong keys of checks, go out in it; it is written nowhere."""

    class Guarded(Reference):
        def authorize(self, request: Request) -> None:
            sent = {"authorization": f"Bearer {request.headers.get('x-cred', '')}"}
            Reference.authorize(self, replace(request, headers=sent))

    checks = (
        auth.a_missing_key_is_refused,
        auth.a_wrong_key_is_refused,
        auth.malformed_credentials_are_refused,
    )
    with start(Guarded("reference-1", KEY).app) as running:
        results = run(f"{running.url}/v1", *checks, api_key_header="X-Cred")
        refused = run(f"{running.url}/v1", *checks)

    assert [one.verdict for one in results.results] == [Verdict.PASS] * 3
    assert "--api-key-header=NAME" in (refused.unusable or "")
    written = json.dumps(to_document(results))
    assert KEY not in written
    assert "X-Cred: $COMPLETIONS_API_KEY" in written
    assert "sk-wrong" not in written


def test_chat_answers_are_said_once() -> None:
    """A route of chats behind the path of completions ends the run before hundreds of its answers are paid for."""

    class Chatting(Reference):
        def choice(self, index: int, text: str, logprobs: Any, finish_reason: str | None) -> dict[str, Any]:
            found = Reference.choice(self, index, text, logprobs, finish_reason)
            return found | {"message": {"role": "assistant", "content": found.pop("text")}}

    with start(Chatting("reference-1", KEY).app) as running:
        results = run(f"{running.url}/v1", raising(MUST, None))

    assert results.unusable is not None
    assert "These are chat answers" in results.unusable
    assert results.cost.requests == 1
    assert results.outcome is not RunOutcome.CONFORMS


def test_the_document_fits_its_schema_and_holds_no_key(server: str) -> None:
    """The results document is valid, complete, and without the key."""
    results = run(server, raising(MUST, Broken(f"the server said {KEY}")), raising(SHOULD, None))
    document = to_document(results)
    schemas = {
        name: json.loads((spec_root() / name).read_text())
        for name in ("results.schema.json", "exchange.schema.json")
    }
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )

    Draft202012Validator(schemas["results.schema.json"], registry=registry).validate(document)
    assert document["complete"] is True
    assert KEY not in json.dumps(document)
    assert list(document)[-1] == "complete"


def test_identical_runs_give_identical_verdicts(server: str) -> None:
    """The same checks on the same server end alike."""
    scenarios = [raising(MUST, Broken("wrong")), raising(SHOULD, None), raising(MAY, NotRun("nothing"))]

    first, second = (run(server, *scenarios) for _ in range(2))

    assert [result.verdict for result in first.results] == [result.verdict for result in second.results]
