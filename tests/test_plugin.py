"""The suite behaves as pytest users expect."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from conformance import plugin
from conformance.contract.check import Check, Scope
from conformance.plugin import ROOMS
from conformance.reference.serve import start
from conformance.scenarios import stop
from fixtures.doubles import KEY
from fixtures.gate import MUTANTS, checks

pytestmark = pytest.mark.whole_run


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str) -> Any:
    """Runs pytest in an empty folder against the server."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)

    def run(*arguments: str, url: str = server) -> pytest.RunResult:
        return pytester.runpytest_inprocess(f"--target-url={url}", "--report=out", *arguments)

    return run


BROKEN = "the_sequence_stays_in_the_text"
"""A double that breaks STOP-001 and STOP-002, and STOP-024, which its list allows."""


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """The base URL of a server that keeps stop sequences in its texts."""
    [double] = [double for double in MUTANTS if double.name == BROKEN]
    with start(double.build(key=None)) as running:
        yield f"{running.url}/v1"


def results(pytester: pytest.Pytester) -> dict[str, Any]:
    """The results document that the run wrote."""
    found: dict[str, Any] = json.loads((pytester.path / "out" / "results.json").read_text())
    return found


def test_a_requirement_is_selected_by_its_id(run: Any, pytester: pytest.Pytester) -> None:
    """`-k MAXTOK-002` runs that check alone."""
    result = run("-k", "MAXTOK-002")

    result.assert_outcomes(passed=1, deselected=result.parseoutcomes()["deselected"])
    assert [found["id"] for found in results(pytester)["requirements"]] == ["MAXTOK-002"]


def test_an_area_is_selected_by_its_prefix(run: Any, pytester: pytest.Pytester) -> None:
    """`-k FIN-` runs the area."""
    run("-k", "FIN-")

    assert {found["area"] for found in results(pytester)["requirements"]} == {"finish"}


def test_collect_only_sends_nothing(run: Any, pytester: pytest.Pytester) -> None:
    """`--collect-only` lists the checks with their ids."""
    result = run("--collect-only", "-q", url="http://127.0.0.1:9/v1")

    result.stdout.fnmatch_lines(["*max_tokens.py::MAXTOK-002"])
    assert result.ret == 0
    assert not (pytester.path / "out").exists()


def test_verdicts_have_their_own_words(run: Any) -> None:
    """A verbose run names the verdict."""
    run("-v", "-k", "MAXTOK-002").stdout.fnmatch_lines(["*::MAXTOK-002 PASS*"])


def test_the_key_is_in_nothing_that_is_written(run: Any, pytester: pytest.Pytester) -> None:
    """Terminal, results, HTML and JUnit are free of the key."""
    result = run("-v", "-k", "MAXTOK", "--junitxml=junit.xml", "--html=page.html", "--self-contained-html")

    written = [path for path in pytester.path.rglob("*") if path.is_file()]
    assert {"junit.xml", "page.html", "results.json"} <= {path.name for path in written}
    assert KEY not in result.stdout.str()
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


def test_junit_carries_the_requirement(run: Any, pytester: pytest.Pytester) -> None:
    """Every test case of the JUnit report has the requirement and the verdict as properties."""
    run("-k", "MAXTOK-002", "--junitxml=junit.xml")

    root = ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 - this process has just written it
    properties = {found.get("name"): found.get("value") for found in root.iter("property")}
    assert properties["requirement"] == "MAXTOK-002"
    assert properties["verdict"] == "pass"


def junit(pytester: pytest.Pytester) -> tuple[dict[str | None, str | None], list[ET.Element]]:
    """The properties of the suite in the JUnit file that the run wrote, and its errors."""
    [suite] = ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 - this process has just written it
    properties = suite.find("properties")
    assert properties is not None
    assert suite.get("errors") == str(len([*suite.iter("error")]))
    assert suite.get("tests") == str(len([*suite.iter("testcase")]))
    return {found.get("name"): found.get("value") for found in properties}, [*suite.iter("error")]


@pytest.mark.parametrize("spread", [[], ["-n", "2"]])
def test_junit_turns_red_where_not_enough_was_judged(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str, spread: list[str]
) -> None:
    """What was lost is skipped, so the file has an error of its own besides, which says the sentence of the report."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    result = pytester.runpytest_subprocess(
        f"--target-url={server}", "--report=out", "--max-requests=60", "--junitxml=junit.xml", *spread
    )
    properties, [error] = junit(pytester)

    assert result.ret == 6
    assert properties == {"outcome": "not_enough", "ended": "budget"}
    assert str(error.get("message")).startswith("not enough was judged, which lost ")
    assert str(error.text).endswith(
        "The run ended early: the budget of 60 requests is spent (--max-requests)"
    )
    assert '<testcase classname="conformance" name="outcome"' in (pytester.path / "junit.xml").read_text()


def test_junit_says_why_nothing_could_be_judged(run: Any, pytester: pytest.Pytester) -> None:
    """A target that is down is an error, with what to do about it."""
    run("-k", "MAXTOK-002", "--junitxml=junit.xml", "--junitprefix=mine", url="http://127.0.0.1:9/v1")
    properties, [error] = junit(pytester)

    assert properties["outcome"] == "not_enough"
    assert error.get("message") == "nothing could be judged"
    assert "Is the server running" in str(error.text)
    assert 'classname="mine.conformance" name="outcome"' in (pytester.path / "junit.xml").read_text()


def test_junit_names_any_outcome(run: Any, pytester: pytest.Pytester, broken: str) -> None:
    """A run that conforms or breaks something has no error of its own."""
    run("-k", "MAXTOK-002", "--junitxml=junit.xml")
    assert junit(pytester) == ({"outcome": "conforms"}, [])
    run("-k", "STOP-002", "--junitxml=junit.xml", url=broken)
    assert junit(pytester) == ({"outcome": "breaks"}, [])


@pytest.mark.parametrize("named", [[], ["--model=m"]])
def test_a_target_that_is_down_is_said_once(run: Any, pytester: pytest.Pytester, named: list[str]) -> None:
    """Without a connection there is one message, status 6, a report, and no traceback."""
    result = run("-k", "MAXTOK", *named, url="http://127.0.0.1:9/v1")

    assert result.ret == 6
    assert result.stdout.str().count("refuses connections") == 1
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert results(pytester)["unusable"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target-url=host/v1"], "*--target-url takes a URL such as https://host/v1*"),
        (["--target-url=http://user:pass@host/v1"], "*no user name*"),
        (["--target-url=http://example.invalid/v1"], "*over plain http*"),
        (["--profile=vlm"], "*did you mean 'vllm'*"),
        (["--profile=missing.yaml"], "*missing.yaml*"),
        (["--concurrency=-1"], "*--concurrency takes a whole number*"),
        (["--max-requests=many"], "*--max-requests takes a whole number*"),
        (["--request-timeout=0"], "*--request-timeout takes a number of seconds*"),
        (["--header=NoColon"], "*--header takes*"),
        (["--report=/dev/null/out"], "*--report: /dev/null/out*"),
        (["--api-key-env=NO_SUCH_VARIABLE"], "*NO_SUCH_VARIABLE is not set*"),
    ],
)
def test_a_bad_option_is_a_usage_error(run: Any, arguments: list[str], message: str) -> None:
    """A bad value ends in status 4 and one line that says what the option takes."""
    result = run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_other_projects_are_left_alone(pytester: pytest.Pytester) -> None:
    """Without a target and without checks the plugin does nothing, whatever the ini file says."""
    pytester.makeini("[pytest]\nconformance_profile = nonsense\n")
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert "conformance ==" not in result.stdout.str()
    assert sorted(path.name for path in pytester.path.iterdir() if path.is_dir()) in (
        [],
        [".pytest_cache"],
        [".pytest_cache", "__pycache__"],
        ["__pycache__"],
    )


def test_an_option_can_stand_in_the_ini_file(
    pytester: pytest.Pytester, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`conformance_target_url` names the target as `--target-url` does."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    pytester.makeini(f"[pytest]\nconformance_target_url = {server}\nconformance_report = out\n")
    pytester.runpytest_inprocess("-k", "MAXTOK-002")

    assert results(pytester)["target"]["url"] == server


def test_two_workers_do_not_pay_twice(run: Any, pytester: pytest.Pytester, server: str) -> None:
    """With `-n 2` all checks run in one worker, and the report is whole."""
    alone, document = run("-k", "MAXTOK or FIN"), results(pytester)
    spread = pytester.runpytest_subprocess(
        f"--target-url={server}", "--report=out", "-k", "MAXTOK or FIN", "-n", "2"
    )

    assert spread.parseoutcomes()["passed"] == alone.parseoutcomes()["passed"]
    assert results(pytester)["complete"]
    assert results(pytester)["cost"]["requests"] == document["cost"]["requests"]


def test_a_plan_sends_nothing(run: Any, pytester: pytest.Pytester) -> None:
    """`--plan` says what the selection costs, also where no target listens, and writes no report."""
    result = run("--plan", "-k", "MAXTOK", url="http://127.0.0.1:9/v1")

    result.stdout.fnmatch_lines(["max_tokens*", "in total*"])
    assert result.ret == 0
    assert not (pytester.path / "out").exists()


def test_certificates_that_can_not_be_read_are_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent, in one sentence, and nothing is blamed on the suite."""
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    result = run("-k", "STOP-002", url="https://127.0.0.1:9/v1")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*certificates*can't be read: No such file or directory ($SSL_CERT_FILE is /missing.pem)*"]
    )


def test_an_interrupted_run_leaves_an_incomplete_report(pytester: pytest.Pytester) -> None:
    """Ctrl-C ends the run at once, and the report says that it is incomplete."""
    hanging = pytester.makepyfile(
        hanging="""
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        held = []
        while True:
            held.append(server.accept())
            print("asked", flush=True)
        """
    )
    with subprocess.Popen([sys.executable, str(hanging)], stdout=subprocess.PIPE, text=True) as target:  # noqa: S603 - our own file
        assert target.stdout is not None
        url = f"http://127.0.0.1:{target.stdout.readline().strip()}/v1"
        # What a shell starts in the background inherits that it ignores Ctrl-C, and these tests may be run that way.
        heeding = "import pytest, signal; signal.signal(signal.SIGINT, signal.default_int_handler); raise SystemExit(pytest.main())"
        command = [
            sys.executable,
            "-c",
            heeding,
            f"--target-url={url}",
            "--model=m",
            "--report=out",
            "-v",
            *map(str, ROOMS),
        ]
        with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as run:  # noqa: S603 - our own command
            assert target.stdout.readline() == "asked\n"
            run.send_signal(signal.SIGINT)
            rest, _ = run.communicate()
        target.kill()

    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in rest
    assert results(pytester)["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "words", "reason"),
    [
        (["--max-requests=60"], "the bound on the cost", "budget"),
        (["--max-tokens=1500"], "the bound on the cost", "budget"),
        (["--run-timeout=0.4"], "the time of the run", "time"),
    ],
)
def test_what_has_not_judged_is_never_green(
    run: Any, pytester: pytest.Pytester, arguments: list[str], words: str, reason: str
) -> None:
    """A bounded run that nothing fails in ends with status 6, says what it lost to what, and conforms to nothing."""
    result = run(*arguments)
    document = results(pytester)

    assert result.ret == 6
    assert document["outcome"] == "not_enough"
    assert reason in {found["reason"] for found in document["requirements"]}
    result.stdout.fnmatch_lines([f"*not enough was judged, which lost * to {words}*"])
    assert "conforms to" not in result.stdout.str()
    assert "not enough judged" in (pytester.path / "out" / "badge.svg").read_text()


def test_a_part_says_that_it_is_one_and_spares_the_report_of_a_whole_run(
    run: Any, pytester: pytest.Pytester
) -> None:
    """A run of a selection says so, has no green badge, and writes beside the report of a whole run."""
    run()
    whole = (pytester.path / "out" / "results.json").read_bytes()
    result = run("-k", "STOP-002")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*1 of * core requirements selected: all hold*", "Report: *partial/index.html"]
    )
    assert (pytester.path / "out" / "results.json").read_bytes() == whole
    assert "partial: core 1 pass" in (pytester.path / "out" / "partial" / "badge.svg").read_text()
    assert json.loads((pytester.path / "out" / "partial" / "badge.json").read_text())["color"] == "lightgrey"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_a_report(pytester: pytest.Pytester, broken: str, number: int) -> None:
    """SIGTERM and Ctrl-C end a run with what it has seen: rules are judged over it, and the report is whole, without a traceback."""
    heeding = (
        "import pytest, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " raise SystemExit(pytest.main())"
    )
    command = [sys.executable, "-c", heeding, f"--target-url={broken}", "--report=out", "-v"]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 - our own command
        assert running.stdout is not None
        assert any("PASS" in line for line in running.stdout)
        running.send_signal(number)
        rest, _ = running.communicate()
    document = results(pytester)

    assert running.returncode != 0
    assert "Traceback" not in rest
    assert document["complete"] is False or document["outcome"] == "breaks"
    assert {found["verdict"] for found in document["requirements"] if found["check"] == "rule"} & {
        "pass",
        "fail",
    }
    assert (pytester.path / "out" / "index.html").exists()


def test_the_suite_is_found_without_naming_it(run: Any) -> None:
    """`pytest --target-url=…` in any folder runs the suite."""
    assert all(room.is_dir() for room in ROOMS)
    assert run("-k", "MAXTOK-002").parseoutcomes()["passed"] == 1


# -- what pytest users are used to ---------------------------------------------------------------------------------------------------------


def failed(result: pytest.RunResult) -> list[str]:
    """The node ids of the checks that failed, in their order."""
    return [line.split()[0] for line in result.outlines if "::" in line and " FAIL " in line]


def test_last_failed_runs_what_failed(run: Any, broken: str) -> None:
    """`--lf` runs the checks that failed, and no others; `--ff` runs them first."""
    first = failed(run("-v", "-k", "STOP-0", url=broken))
    again = run("-v", "--lf", url=broken)

    assert {"conformance/rules/stop.py::STOP-001", "conformance/scenarios/stop.py::STOP-002"} <= {*first}
    assert failed(again) == first
    assert again.parseoutcomes()["failed"] == len(first)
    assert "passed" not in again.parseoutcomes()
    assert failed(run("-v", "--ff", "-k", "STOP or FIN", url=broken)) == first


def test_a_node_id_that_was_printed_can_be_given_back(run: Any) -> None:
    """Node ids are the same from a checkout and from a wheel, and select what they name."""
    listed = [line for line in run("--collect-only", "-q").outlines if "::" in line]
    result = run(
        "conformance/scenarios/max_tokens.py::MAXTOK-002", "conformance/rules/max_tokens.py::MAXTOK-001"
    )

    assert len(listed) == len({*listed}) == len(checks())
    assert {
        "conformance/scenarios/max_tokens.py::MAXTOK-002",
        "conformance/rules/max_tokens.py::MAXTOK-001",
    } < {*listed}
    assert result.parseoutcomes()["passed"] == 2


def test_the_first_failure_ends_the_session(run: Any, broken: str) -> None:
    """`-x` stops at the first check that fails."""
    assert run("-x", "-k", "STOP-0", url=broken).parseoutcomes()["failed"] == 1


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("STOP-0002", "*-k: there is no requirement 'STOP-0002'; did you mean 'STOP-002'*"),
        ("not STOP-002 and STPO-001", "*no requirement 'STPO-001'; did you mean 'STOP-001'*"),
    ],
)
def test_a_mistyped_id_is_a_usage_error(run: Any, selection: str, message: str) -> None:
    """An id that no requirement has is told with the nearest one, instead of running nothing."""
    result = run("-k", selection)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_check_with_a_mistyped_id_is_a_usage_error(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An author who mistypes the id of a check is told so, with the nearest id and the place."""
    mistyped = Check("STOP-0002", Scope.SCENARIO, stop.the_text_ends_where_the_sequence_begins)
    monkeypatch.setattr(plugin, "checks_in", lambda _: [mistyped])
    result = run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*conformance.scenarios.stop:*no requirement 'STOP-0002'; did you mean 'STOP-002'*"]
    )
