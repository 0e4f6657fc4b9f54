"""Recorded traffic is judged as it was when it was made, and what is no recording is refused."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from conformance.cli import main
from conformance.contract.catalogue import load_catalogue, load_profile
from conformance.contract.yaml_files import DocumentError, load_schema, spec_root
from conformance.reference import Reference
from conformance.reference.serve import start
from conformance.report import markdown
from conformance.report.page import page
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.recorded_traffic import MISSING
from conformance.run.recording import load_recording, to_lines
from conformance.run.results_document import to_document
from conformance.run.settings import Settings
from fixtures.doubles import KEY, MODEL, Host
from fixtures.mutants import usage

pytestmark = pytest.mark.whole_run

BROKEN = "USAGE-002"
"""What the recorded server breaks, as a rule sees."""

SCENARIOS = ("MAXTOK-002", "MAXTOK-003")
CHECKS = [check for check in all_checks() if check.is_rule or check.requirement_id in SCENARIOS]

Document = dict[str, Any]


@cache
def recorded() -> Document:
    """The results document of a run against a mutant, which is gone by now."""
    double = usage.the_total_forgets_the_prompt.__double__  # type: ignore[attr-defined]  # the decorator has put it there
    with Host([double]).start() as running:
        settings = Settings(f"{running.url}/{double.name}/v1", MODEL, KEY, profile=load_profile("reference"))
        return to_document(asyncio.run(Engine(settings, load_catalogue(), CHECKS).run()))


def lines(change: Callable[[list[Any]], None] = lambda _: None) -> bytes:
    """The recording of that run, as bytes, after `change` was made to the values of its lines."""
    values = [json.loads(line) for line in to_lines(recorded())]
    change(values)
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def verdicts(document: Document) -> dict[str, tuple[str, str, list[str]]]:
    """What a document says of rules, and of the scenarios that were recorded."""
    return {
        found["id"]: (found["verdict"], found["message"], found["exchanges"])
        for found in document["requirements"]
        if found["check"] == "rule" or found["id"] in SCENARIOS
    }


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs pytest in an empty folder on a recording."""
    monkeypatch.delenv("COMPLETIONS_API_KEY", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(data: bytes, *arguments: str, name: str = "traffic.jsonl") -> pytest.RunResult:
        (pytester.path / name).write_bytes(data)
        return pytester.runpytest_inprocess(f"--replay={name}", "--report=out", *arguments)

    return run


def results(pytester: pytest.Pytester) -> Document:
    """The results document that the run wrote."""
    found: Document = json.loads((pytester.path / "out" / "results.json").read_text())
    return found


# -- judging ---------------------------------------------------------------------------------------------------------------------------


def test_what_was_recorded_is_judged_as_it_was(run: Any, pytester: pytest.Pytester) -> None:
    """Without a target each check says what it said when the traffic was made; those whose requests are not there say so."""
    result = run(lines())
    replayed = results(pytester)
    chosen = verdicts(recorded())

    assert result.ret == 1
    assert chosen[BROKEN][0] == "fail"
    assert {chosen[name][0] for name in SCENARIOS} == {"pass"}
    assert verdicts(replayed) == chosen
    others = [one for one in replayed["requirements"] if one["id"] not in chosen]
    assert {one["verdict"] for one in others if one["message"] == MISSING} == {"not_run"}
    assert {one["verdict"] for one in others} <= {"not_run", "pass", "unsupported"}
    assert replayed["exchanges"] == recorded()["exchanges"]
    assert replayed["cost"]["requests"] == 0
    assert replayed["complete"] is True
    result.stdout.fnmatch_lines(["Traffic of * was judged, * exchanges; nothing was sent."])


@pytest.mark.parametrize("where", ["results.json", "."])
@pytest.mark.usefixtures("run")
def test_a_report_holds_its_traffic_too(pytester: pytest.Pytester, where: str) -> None:
    """A results document, or the folder it is in, is judged as a recording is."""
    (pytester.path / "results.json").write_text(json.dumps(recorded(), indent=1))
    result = pytester.runpytest_inprocess(f"--replay={where}", "--report=out", "-k", BROKEN)

    assert result.ret == 1
    assert results(pytester)["requirements"][0]["verdict"] == "fail"


def test_the_document_fits_its_schema(run: Any, pytester: pytest.Pytester) -> None:
    """The results of a replay are results, and say when the traffic was recorded."""
    run(lines(), "-k", BROKEN)
    schemas = {name: load_schema(spec_root(), name) for name in ("results", "exchange")}
    registry: Registry[Any] = Registry().with_resources(
        (f"{name}.schema.json", Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    document = results(pytester)

    Draft202012Validator(schemas["results"], registry=registry).validate(document)
    assert document["recorded"] == {
        "started": recorded()["started"],
        "finished": recorded()["finished"],
    }
    assert "nothing was sent: traffic of" in page(document)
    assert "was judged, nothing was sent" in markdown.summary(document)


def test_what_stands_in_one_recorded_answer_is_proved(run: Any, pytester: pytest.Pytester) -> None:
    """A sum that is wrong in a whole answer needs not be asked for again, and so fails in recorded traffic, too."""

    def one_completion(values: list[Any]) -> None:
        answered = next(
            value for value in values[1:-1] if "total_tokens" in json.dumps(value["response"] or {})
        )
        values[1:-1] = [answered]
        values[-1]["exchanges"] = 1

    run(lines(one_completion), "-k", BROKEN)

    [found] = results(pytester)["requirements"]
    assert found["verdict"] == "fail"
    assert len(found["exchanges"]) == 1


@pytest.mark.parametrize(("rule", "status"), [(BROKEN, 1), ("USAGE-001", 6)])
def test_a_run_that_was_cut_off_stays_so(run: Any, pytester: pytest.Pytester, rule: str, status: int) -> None:
    """The traffic of an interrupted run is judged, and the report says that it is a part: what is broken fails, and nothing conforms."""
    result = run(lines(lambda values: values[-1].update(complete=False)), "-k", rule)

    assert results(pytester)["complete"] is False
    assert result.ret == status


def test_what_a_bound_kept_out_of_a_recording_is_lost_to_it(run: Any, pytester: pytest.Pytester) -> None:
    """A rule for which there is nothing in the traffic of a run that ended early is inconclusive, and the replay says why it ended."""
    ended = {"reason": "time", "message": "the time for the run was up", "exchange": None}

    def ended_after_the_first(values: list[Any]) -> None:
        first = next(value for value in values[1:-1] if value["request"]["method"] == "POST")
        values[1:-1] = [first]
        values[-1].update(exchanges=1, ended=ended)

    result = run(lines(ended_after_the_first), "-k", "STREAM-005 or RESP-001")
    found = {one["id"]: one for one in results(pytester)["requirements"]}

    assert result.ret == 6
    assert results(pytester)["ended"] == ended
    assert (found["STREAM-005"]["verdict"], found["STREAM-005"]["reason"]) == ("inconclusive", "time")
    result.stdout.fnmatch_lines(["Nothing could be judged: the time for the run was up. *"])


@pytest.mark.parametrize(("key", "reason"), [(KEY, "budget"), ("sk-another", "target_gone")])
def test_a_recording_says_why_its_run_ended(  # noqa: PLR0913, PLR0917 - fixtures
    run: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str, key: str, reason: str
) -> None:
    """What a run recorded that had a bound, or could judge nothing, is judged no greener than the run itself was."""
    bounded = (f"--target-url={server}", "--report=live", "--record=traffic", "--max-requests=9")
    with monkeypatch.context() as patch:
        patch.setenv("COMPLETIONS_API_KEY", key)
        live = pytester.runpytest_inprocess(*bounded)
    replayed = run((pytester.path / "traffic").read_bytes())

    assert live.ret == replayed.ret == 6
    assert results(pytester)["ended"]["reason"] == reason


def test_a_profile_and_a_name_can_be_given(run: Any, pytester: pytest.Pytester) -> None:
    """How the traffic is judged, and what the target is called, is up to the replay."""
    run(lines(), "-k", BROKEN, "--profile=vllm", "--name=ours", "--strict")

    assert results(pytester)["profile"] == "vllm"
    assert results(pytester)["target"]["name"] == "ours"
    assert results(pytester)["strict"] is True


def test_known_failures_hold_for_replays(run: Any, pytester: pytest.Pytester) -> None:
    """A known failure does not fail a replay, what the recording does not show is not stale, and what passes is."""
    known = (BROKEN, "ECHO-005")
    (pytester.path / "known.yaml").write_text("".join(f"- id: {name}\n  reason: we know\n" for name in known))
    result = run(lines(), "-k", " or ".join(known), "--known-failures=known.yaml")

    assert result.ret == 0
    assert result.parseoutcomes()["known"] == 1

    (pytester.path / "known.yaml").write_text(f"- id: {SCENARIOS[0]}\n  reason: we know\n")
    assert run(lines(), "-k", SCENARIOS[0], "--known-failures=known.yaml").ret == 1


@pytest.mark.usefixtures("run")
def test_a_key_does_not_come_back(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curl lines name the variable; and should a recording from elsewhere hold the key, the report does not."""
    assert KEY.encode() not in lines()

    def leak(values: list[Any]) -> None:
        for value in values[1:-1]:
            value["request"]["headers"].append(["X-Leak", KEY])
        values[0]["target"]["name"] = KEY

    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    (pytester.path / "leaky.jsonl").write_bytes(lines(leak))
    result = pytester.runpytest_inprocess("--replay=leaky.jsonl", "--report=out", "-k", BROKEN)
    written = [path for path in (pytester.path / "out").rglob("*") if path.is_file()]

    assert KEY not in result.stdout.str()
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert "Bearer $COMPLETIONS_API_KEY" in results(pytester)["exchanges"][-1]["curl"]


# -- recording -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def recording(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """The lines that `--record` writes."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)

    def record(*arguments: str) -> list[Any]:
        with start(Reference("reference-1", KEY).app) as running:
            pytester.runpytest_subprocess(
                f"--target-url={running.url}/v1",
                "--report=out",
                "--record=deep/traffic.jsonl",
                "-k",
                "MAXTOK-002 or USAGE-001",
                *arguments,
            )
        return [
            json.loads(line) for line in (pytester.path / "deep" / "traffic.jsonl").read_text().splitlines()
        ]

    return record


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]])
def test_a_run_is_recorded(recording: Any, pytester: pytest.Pytester, arguments: list[str]) -> None:
    """The file has a head, every exchange, and a foot; each line fits the schema, and none holds the key."""
    head, *exchanges, foot = found = recording(*arguments)
    schemas = {name: load_schema(spec_root(), name) for name in ("recording", "results", "exchange")}
    registry: Registry[Any] = Registry().with_resources(
        (f"{name}.schema.json", Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    validator = Draft202012Validator(schemas["recording"], registry=registry)

    for line in found:
        validator.validate(line)
    assert head["target"]["model"] == "reference-1"
    assert foot["exchanges"] == len(exchanges) == results(pytester)["cost"]["requests"]
    assert exchanges == results(pytester)["exchanges"]
    assert KEY not in json.dumps(found)
    assert load_recording(pytester.path / "deep" / "traffic.jsonl").complete


# -- refusing --------------------------------------------------------------------------------------------------------------------------


def without_foot(values: list[Any]) -> None:
    """The last line is missing."""
    values.pop()


def without_one(values: list[Any]) -> None:
    """An exchange is missing."""
    values.pop(3)


def twice(values: list[Any]) -> None:
    """An exchange is there twice."""
    values[2] = copy.deepcopy(values[1])


def without_a_body(values: list[Any]) -> None:
    """A request has no body."""
    del values[1]["request"]["body"]


def a_lone_surrogate(values: list[Any]) -> None:
    """A body that is no text that can be encoded."""
    values[1]["request"]["body"] = "\ud800"


def a_strange_status(values: list[Any]) -> None:
    """A status that is no number."""
    values[1]["response"]["status"] = "\x1b[31m200" * 1000


def another_support(values: list[Any]) -> None:
    """The head holds what nobody knows."""
    values[0]["capabilities"] = {"echo": {"support": "perhaps", "note": "", "exchange": None}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_foot, "traffic.jsonl was cut off: its last line is not the foot that ends a recording"),
        (without_one, "traffic.jsonl is not complete: its last line speaks of * exchanges, but it has *"),
        (twice, "traffic.jsonl, exchange 2: the id x1 is given twice"),
        (without_a_body, "traffic.jsonl, exchange 1, $.request*"),
        (a_lone_surrogate, "traffic.jsonl, exchange 1: *surrogates not allowed*"),
        (a_strange_status, "traffic.jsonl, exchange 1, $.response*"),
        (another_support, "traffic.jsonl, line 1, $.capabilities.echo.support: 'perhaps' is not one of*"),
    ],
)
def test_a_damaged_recording_is_refused(
    run: Any, pytester: pytest.Pytester, change: Callable[[list[Any]], None], message: str
) -> None:
    """What is not whole, or not what it has to be, ends in status 4 and one line that says so."""
    result = run(lines(change))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --replay: {message}"])
    assert max(map(len, result.stderr.lines)) < 400
    assert "\x1b" not in result.stderr.str()
    assert not (pytester.path / "out").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"hello\n",
        b"[]\n",
        b"{}\n{}\n",
        b'{"format": "completions-conformance/3"}',
        b'{"log": {"version": "1.2", "entries": []}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"format": ' + b'"\\u001b[31m"}',
    ],
)
def test_a_foreign_file_is_refused(run: Any, data: bytes) -> None:
    """What is no recording at all ends in a message that says what would be one."""
    result = run(data)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*traffic.jsonl is neither a recording (--record=FILE writes one) nor*"])
    assert "\x1b" not in result.stderr.str()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    """Wherever a file was cut off, it does not pass for a whole one."""
    for name, data in (("traffic.jsonl", lines()), ("results.json", json.dumps(recorded()).encode())):
        (tmp_path / name).write_bytes(data[: int(len(data) * share) - 2])

        with pytest.raises(DocumentError, match=r"cut off|not complete"):
            load_recording(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file says so."""
    with pytest.raises(DocumentError, match=r"nowhere.jsonl cannot be read: No such file"):
        load_recording(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record=other.jsonl"], "*--record is about what a run sends, and --replay sends nothing*"),
        (["--plan"], "*--plan is about what a run sends, and --replay sends nothing*"),
        (["--target-url=http://127.0.0.1:9/v1"], "*--replay judges recorded traffic*leave out --target-url*"),
    ],
)
def test_a_replay_sends_nothing(run: Any, arguments: list[str], message: str) -> None:
    """Options that make no sense together are said to."""
    result = run(lines(), *arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize("path", ["/dev/null/traffic.jsonl", "."])
def test_a_recording_that_cant_be_written_is_said_first(pytester: pytest.Pytester, path: str) -> None:
    """Before anything is sent."""
    result = pytester.runpytest_inprocess("--target-url=http://127.0.0.1:9/v1", f"--record={path}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--record: *"])


# -- the console script ----------------------------------------------------------------------------------------------------------------


def test_judge_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`completions-conformance judge FILE` is the same; without a file it says what it wants."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traffic.jsonl").write_bytes(lines())

    assert main(["judge"]) == pytest.ExitCode.USAGE_ERROR
    assert "name a recording or a results.json" in capsys.readouterr().err
    assert main(["judge", "traffic.jsonl", "--report=out", "-k", BROKEN]) == 1
    assert (tmp_path / "out" / "index.html").exists()
