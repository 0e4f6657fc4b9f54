"""The seam to pytest: items and hooks. Nothing else in the project knows pytest, but for `entry.py`, which loads this where it is asked for.

Every check is one item. The first item that runs starts the engine with all selected checks in a thread of its own; each item then waits
for its own verdict, so that pytest reports in order while the requests are made side by side.
"""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check, checks_in
from conformance.contract.known_failures import Excused, KnownFailureState
from conformance.contract.verdict import Verdict
from conformance.contract.yaml_files import did_you_mean
from conformance.options import DEFAULT_REPORT, OPTIONS, OptionError
from conformance.report import junit
from conformance.report.files import PAGE
from conformance.report.labels import duration
from conformance.report.pytest_html import Columns
from conformance.report.rerun import RESULTS
from conformance.report.text import failure_block, printable, summary_lines
from conformance.run.config_file import load_config
from conformance.run.configure import Get, recorded_traffic, settings
from conformance.run.plan import plan
from conformance.run.results import Result, RunOutcome
from conformance.run.results_document import result_to_json
from conformance.run.run import Run
from conformance.run.worth import load_worth

ROOMS = tuple(Path(__file__).parent / room for room in ("scenarios", "rules"))
"""The folders whose files hold checks."""
_QUIET_SECONDS = 5.0
"""After so long without news the reader is told that the run is alive."""
_LONG = 60.0
"""A run that will take so many seconds says so once it knows, in a log, too."""

_ID = re.compile(r"\b[A-Za-z]+-\d+\b")

# What pytest shows for each verdict: its category in the last line, the letter of a quiet run, the word of a verbose one.
_SHOWN: dict[str, tuple[str, str, str | tuple[str, dict[str, bool]]]] = {
    Verdict.PASS: ("passed", ".", "PASS"),
    Verdict.FAIL: ("failed", "F", "FAIL"),
    Verdict.ERROR: ("failed", "E", "ERROR"),
    Verdict.WARN: ("warned", "w", ("WARN", {"yellow": True})),
    Verdict.UNSUPPORTED: ("unsupported", "u", ("UNSUPPORTED", {"cyan": True})),
    Verdict.INCONCLUSIVE: ("inconclusive", "?", ("INCONCLUSIVE", {"purple": True})),
    Verdict.NOT_RUN: ("not run", "-", ("NOT RUN", {"light": True})),
}
# The same where a list of known failures decides whether the run fails.
_SHOWN_LISTED: dict[str, tuple[str, str, tuple[str, dict[str, bool]]]] = {
    KnownFailureState.KNOWN: ("known", "k", ("KNOWN", {"yellow": True})),
    KnownFailureState.STALE: ("failed", "S", ("STALE", {"red": True})),
}


pytest_plugins = ["conformance.workers"]  # what is to be done in a controller of pytest-xdist

JOURNAL = "conformance_journal"
"""What a controller of xdist calls the place where its worker keeps what it finds."""


# -- options ---------------------------------------------------------------------------------------------------------------------------


def option_values(config: pytest.Config) -> Get:
    """What stands for an option: on the command line, in the ini file, or in a configuration file of the suite's own, in this order."""
    named = {option.name: option for option in OPTIONS}
    in_file = load_config(config.rootpath)

    def get(name: str) -> Any:
        option = named[name]
        for given in (config.getoption(option.ini, None), config.getini(option.ini)):
            if given not in (None, "", [], False):
                return given
        return in_file.get(name)

    return get


# -- progress --------------------------------------------------------------------------------------------------------------------------


RUN = pytest.StashKey[Run]()
"""The run of a session, once it is prepared."""
_FORETOLD = pytest.StashKey[bool]()


class _Progress:
    """A line that says how far the run is, on a terminal; gone as soon as there is something to report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._reporter = config.pluginmanager.getplugin("terminalreporter")
        self._live = self._reporter is not None and sys.stdout.isatty() and config.get_verbosity() >= 0
        self._since = time.monotonic()
        self._shown = False

    def show(self, text: str) -> None:
        if self._live and time.monotonic() - self._since > _QUIET_SECONDS:
            self._reporter.rewrite(f"… {text}", erase=True)
            self._shown = True

    def foretell(self, seconds: float | None) -> None:
        """Say once how long a long run will take."""
        if self._reporter is None or seconds is None or self._config.stash.get(_FORETOLD, False):
            return
        self._config.stash[_FORETOLD] = True
        if seconds >= _LONG and self._config.get_verbosity() >= 0:
            self.clear()
            self._reporter.write_line(
                f"At the speed that was seen so far this will take some {duration(seconds)}."
            )

    def clear(self) -> None:
        if self._shown:
            self._reporter.rewrite("", erase=True)


# -- items -----------------------------------------------------------------------------------------------------------------------------


class CheckFailed(Exception):  # noqa: N818 - a verdict on the target, no error of the program
    """The check fails the run; `repr_failure` shows why."""


class CheckItem(pytest.Item):
    """One check of one requirement."""

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        """Make the item of a check; its name is the requirement's id, so that `-k STOP-002` and `-k STOP` find it."""
        super().__init__(**kwargs)
        self.check = check
        self.result: Result | None = None

    def runtest(self) -> None:
        """Wait for the verdict and say it in pytest's words."""
        self.result = result = self._verdict()
        self.user_properties += [
            ("requirement", result.requirement.id),
            ("level", result.level.value),
            ("tier", result.requirement.tier.value),
            ("title", result.requirement.title),
            ("verdict", result.verdict.value),
            ("message", printable(result.message)),
        ]
        if result.known is not None:
            self.user_properties.append(("listed", result.known.standing.value))
        if result.fails:
            raise CheckFailed
        if result.known is not None and result.is_excused:
            excused = result.known.failure
            if excused.verdict is not Excused.BROKEN:
                pytest.skip(printable(f"known to be {excused.verdict.value}: {excused.reason}"))
            # What pytest calls an expected failure: no failure in any of its reports, unless --runxfail makes it one.
            raise pytest.xfail.Exception(printable(f"known failure: {excused.reason}"))
        if result.verdict is Verdict.WARN:
            self.add_report_section("call", "warning", self._explanation())
        elif result.verdict is not Verdict.PASS:
            pytest.skip(printable(f"{result.verdict.value.replace('_', ' ')}: {result.message}"))

    def _verdict(self) -> Result:
        """The verdict; the first item that asks starts the run with all checks of the session."""
        run = self.config.stash[RUN]
        if not run.started:
            run.start([other.check for other in self.session.items if isinstance(other, CheckItem)])
        progress = _Progress(self.config)

        def waiting(how_far: str) -> None:
            progress.foretell(run.seconds_left)
            progress.show(how_far)

        try:
            return run.verdict(self.check, waiting)
        finally:
            progress.clear()

    def _explanation(self) -> str:
        run, result = self.config.stash[RUN], self.result
        assert result is not None  # noqa: S101 - `runtest` set it
        document = result_to_json(result, run.settings.redactor)
        return failure_block(document, run.evidence(result), run.repeat(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with the target, instead of a traceback through the suite."""
        if isinstance(excinfo.value, CheckFailed | pytest.xfail.Exception):
            return self._explanation()
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the check is written, and its name."""
        code = self.check.function.__code__
        return Path(code.co_filename), code.co_firstlineno - 1, self.name


class CheckFile(pytest.File):
    """A file of checks. They are the suite's own modules, and so are imported by their names, whatever pytest's import mode is."""

    def collect(self) -> Iterator[CheckItem]:
        """One item for each check, under its requirement's id.

        The id alone is the name: a name with brackets would be taken apart when pytest (9.2 and newer) reads a node id back for `--lf`.
        """
        for check in checks_in(_module_at(self.path)):
            yield CheckItem.from_parent(self, name=check.requirement_id, check=check)


def _module_at(path: Path) -> ModuleType:
    parts = path.relative_to(Path(__file__).parent).with_suffix("").parts
    return importlib.import_module(".".join((__package__ or "conformance", *parts)))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect a file of checks as such, and as nothing else, also where it was named on the command line."""
    found = yield
    if file_path.parent in ROOMS and file_path.suffix == ".py" and not file_path.name.startswith("_"):
        # The same from a checkout and from a wheel, which lies outside of the folder that pytest takes for its root.
        node_id = file_path.relative_to(Path(__file__).parents[1]).as_posix()
        return [CheckFile.from_parent(parent, path=file_path, nodeid=node_id)]
    return found


# -- hooks -----------------------------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything is sent, and choose the suite where a target but no test was named."""
    if config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR:
        config.args = [str(room) for room in ROOMS]
    if not _about_the_suite(config):
        return
    run = prepare(config)
    wanted = (
        config.pluginmanager.hasplugin("html") and not config.getoption("collectonly") and not run.only_plans
    )
    if wanted and config.getoption("htmlpath", None) is None:
        config.option.htmlpath, config.option.self_contained_html = str(run.report / "pytest.html"), True


def _about_the_suite(config: pytest.Config) -> bool:
    """Whether the tests that were named lie in the suite."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return any(path.resolve().is_relative_to(room) for path in paths for room in ROOMS)


def prepare(config: pytest.Config) -> Run:
    """The run of this session, made from the options the first time that it is asked for.

    All that the user may have got wrong shows here, before anything is sent: a value, or a report that can't be written.
    """
    if RUN not in config.stash:
        try:
            config.stash[RUN] = _new_run(config, option_values(config))
        except OptionError as error:
            raise pytest.UsageError(printable(str(error))) from error
        config.pluginmanager.register(Columns(), "conformance.report.pytest_html")
    return config.stash[RUN]


def _new_run(config: pytest.Config, get: Get) -> Run:
    here = config.invocation_params.dir
    report, record = here / (get("report") or DEFAULT_REPORT), get("record")
    journal = getattr(config, "workerinput", {}).get(JOURNAL)
    chosen = settings(get)
    run = Run(
        chosen,
        report,
        record=here / record if record else None,
        recorded=recorded_traffic(get, chosen),
        only_plans=bool(get("plan")),
    )
    run.journal = Path(journal) if journal else None
    if not config.getoption("collectonly") and not run.only_plans:
        run.prepare()
    return run


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--quick`, keep what is worth most."""
    checks = [item.check for item in items if isinstance(item, CheckItem)]
    if not checks or not option_values(config)("quick"):
        return
    kept = load_worth().quick(checks)
    left_out = [item for item in items if isinstance(item, CheckItem) and item.check not in kept]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Check the options, where checks were collected on another way than by the path of the suite; and the ids, whoever mistyped one."""
    checks = [item.check for item in session.items if isinstance(item, CheckItem)]
    ids = {requirement.id for requirement in load_catalogue()}
    for check in checks:
        if check.requirement_id not in ids:
            nearest = did_you_mean(check.requirement_id, ids)
            raise pytest.UsageError(
                f"{check.place}: there is no requirement {check.requirement_id!r}{nearest}"
            )
    if not checks:
        for identifier in _ID.findall(session.config.getoption("keyword", "")):
            if identifier.upper() not in ids:
                nearest = did_you_mean(identifier.upper(), ids)
                raise pytest.UsageError(f"-k: there is no requirement {identifier!r}{nearest}")
    if checks:
        prepare(session.config)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, None, None]:
    """Let SIGTERM end a run as Ctrl-C does, with a report: a pipeline that runs out of time sends it."""
    if (
        session.config.stash.get(RUN, None) is not None
        and threading.current_thread() is threading.main_thread()
    ):
        signal.signal(signal.SIGTERM, _interrupt)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """With `--plan`, count instead of running."""
    checks = [item.check for item in session.items if isinstance(item, CheckItem)]
    if not checks or session.config.getoption("collectonly"):
        return None
    run = prepare(session.config)
    if not run.only_plans:
        return None
    run.plan = plan(run.settings, load_catalogue(), checks)
    return True


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, Any] | None:
    """Show the verdict instead of passed, failed or skipped."""
    found = dict(getattr(report, "user_properties", ()))
    verdict, listed = str(found.get("verdict")), str(found.get("listed"))
    if report.when != "call" or verdict not in _SHOWN:
        return None
    return _SHOWN_LISTED.get(listed, _SHOWN[verdict])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports. A run in which nothing could be judged does not end with status 0."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return
    run.finish()
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:  # a worker of xdist; its controller writes the reports
        written = run.document and {**run.document, "exchanges": list(run.document["exchanges"])}
        worker_output["conformance"] = json.dumps(written)
        return
    run.write()
    if run.unwritten:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    if run.document is not None:
        junit.tell(session.config, run.document)
    if run.document is not None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = RunOutcome(run.document["outcome"]).exit_status


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was found, in plain words, after pytest's own account of each failure."""
    run = config.stash.get(RUN, None)
    if run is not None and run.plan is not None:
        terminalreporter.section("what it would cost")
        for line in run.plan.lines():
            terminalreporter.write_line(line)
    if run is None or run.document is None:
        return
    terminalreporter.section("conformance")
    for line in summary_lines(run.document, str(run.report / RESULTS)):
        terminalreporter.write_line(printable(line))
    terminalreporter.write_line("")
    terminalreporter.write_line(f"Report: {run.report / PAGE}")
    if run.unwritten:
        terminalreporter.write_line(f"Not all of the report could be written: {run.unwritten}", red=True)
