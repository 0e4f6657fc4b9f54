"""`--run-timeout` ends a run in time, with a report of what is known by then."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, rule, scenario
from conformance.contract.verdict import Broken, Verdict
from conformance.kit.daemon_thread import in_daemon_thread
from conformance.kit.target import Target
from conformance.plugin import ROOMS
from conformance.run.results import Results, RunOutcome
from conformance.wire.completion import Completion

from .test_engine import MAY, MUST, SHOULD, raising, run

pytestmark = pytest.mark.whole_run


@contextmanager
def silent() -> Iterator[str]:
    """The base URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        listening.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def endless() -> Callable[[Target], Any]:
    """A scenario that never ends; pytest would take one that stands in a module for a check to run."""

    @scenario("STOP-002")
    async def check(target: Target) -> None:
        """It waits for what does not come, and passes when it has waited for it long enough."""
        await target.complete()
        await asyncio.sleep(60)

    return check


def said(results: Results) -> dict[str, tuple[Verdict, str]]:
    """Verdict and message by requirement."""
    return {result.requirement.id: (result.verdict, result.message) for result in results.results}


def test_what_is_not_judged_in_time_is_inconclusive(server: str) -> None:
    """What had its verdict by then keeps it; the rest says why it has none."""
    found = said(run(server, endless(), raising(MUST, None), run_timeout=2.0))

    assert found[MUST] == (Verdict.PASS, "")
    assert found["STOP-002"] == (
        Verdict.INCONCLUSIVE,
        "the time for the run was up after 2 s (--run-timeout)",
    )


def test_what_failed_once_says_so(server: str) -> None:
    """A failure that there was no time to confirm is inconclusive, and is not forgotten."""
    verdict, message = said(
        run(server, endless(), raising(MUST, Broken("the text is blue")), run_timeout=2.0)
    )[MUST]

    assert verdict is Verdict.INCONCLUSIVE
    assert "failed once (the text is blue), and before it could be confirmed, the time for the run" in message


def test_rules_end_in_time_as_well(server: str) -> None:
    """Rules, which wait for nothing, are not run on when the time is over."""
    left = [2.0]

    @rule(MUST, Scope.COMPLETION)
    def slow(_: Completion) -> Judgement:
        """It takes all the time of the run over the first completion."""
        if left:
            time.sleep(left.pop())
        return None

    def quick(id: str) -> Callable[..., Judgement]:  # noqa: A002 - the field's word
        @rule(id, Scope.COMPLETION)
        def looks_away(_: Completion) -> Judgement:
            """It comes after the slow one."""
            return NOT_APPLICABLE

        return looks_away

    found = said(run(server, slow, quick(SHOULD), quick(MAY), run_timeout=2.0))

    assert found[MUST][0] is Verdict.PASS
    assert "--run-timeout" in found[MAY][1]


def test_a_run_that_ends_earlier_knows_nothing_of_it(server: str) -> None:
    """A bound that is not reached changes nothing."""
    assert said(run(server, raising(MUST, None), run_timeout=60.0))[MUST][0] is Verdict.PASS


def test_work_in_a_thread_is_left_in_time() -> None:
    """What works in a thread gives its value, raises what it raises, and is not waited for by who gave up."""
    release, over = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(60)
        over.set()

    async def main() -> str:
        with pytest.raises(ZeroDivisionError):
            await in_daemon_thread(lambda: 1 // 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await in_daemon_thread(work)
        return await in_daemon_thread(lambda: "value")

    assert asyncio.run(main()) == "value"
    assert not over.is_set()
    release.set()
    assert over.wait(60)


def test_a_silent_target_is_left_in_time() -> None:
    """Where not even the preflight ends, one message says so."""
    with silent() as url:
        results = run(url, raising(MUST, None), run_timeout=0.5)

    assert results.outcome is not RunOutcome.CONFORMS
    assert results.unusable is not None
    assert "after 0.5 s (--run-timeout) before the target had answered" in results.unusable


def test_the_report_is_written(pytester: pytest.Pytester) -> None:
    """Pytest ends in time, with the status of a run that has not judged enough, a whole report, and no traceback."""
    with silent() as url:
        result = pytester.runpytest_subprocess(
            f"--target-url={url}", "--model=m", "--report=out", "--run-timeout=1", *map(str, ROOMS)
        )
    document: dict[str, Any] = json.loads((pytester.path / "out" / "results.json").read_text())

    assert result.ret == 6
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert result.stdout.str().count("(--run-timeout)") == 1
    assert document["complete"] is True
    assert {found["verdict"] for found in document["requirements"]} == {"inconclusive"}
    assert (pytester.path / "out" / "index.html").exists()


@pytest.mark.parametrize("value", ["0", "-1", "soon", "inf", "nan"])
def test_a_bad_value_is_a_usage_error(pytester: pytest.Pytester, value: str) -> None:
    """What is no number of seconds ends before anything is sent."""
    result = pytester.runpytest_inprocess("--target-url=http://127.0.0.1:9/v1", f"--run-timeout={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--run-timeout takes a number of seconds above 0*"])
