"""One run from its options to its report, for a front end that asks for one verdict after the other."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from conformance.contract.catalogue import load_catalogue
from conformance.contract.check import Check
from conformance.options import OptionError
from conformance.report.atomic import refuse_what_is_no_file, try_to_write, write_atomically
from conformance.report.files import place_for, write_report
from conformance.report.rerun import pytest_line_of
from conformance.report.text import printable
from conformance.run.embedded import Embedded
from conformance.run.engine import Engine
from conformance.run.gateway_preflight import expect_free_port
from conformance.run.journal import restore
from conformance.run.plan import Plan
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.recording import to_lines
from conformance.run.results import Result, Results
from conformance.run.results_document import WrittenExchanges, to_document
from conformance.run.settings import Settings
from conformance.run.thread import RunThread
from conformance.wire.http import trusted_certificates
from conformance.wire.record import to_json

_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def _expect_certificates() -> None:
    """Raise `OptionError` where an https target could not be known, for want of certificates."""
    try:
        trusted_certificates()
    except OSError as error:
        named = [f" (${name} is {os.environ[name]})" for name in _CERTIFICATES if os.environ.get(name)]
        raise OptionError(
            f"the certificates by which an https target is known can't be read: {error.strerror or error}{''.join(named[:1])}"
        ) from error


class Run:
    """What a session judges, and what it found. Nothing is opened before `start`."""

    def __init__(
        self,
        settings: Settings,
        report: Path,
        *,
        record: Path | None = None,
        recorded: RecordedTraffic | None = None,
        only_plans: bool = False,
    ) -> None:
        """Prepare a run that writes to the folder `report`, and its traffic to `record`; `recorded` is judged, or gone on with."""
        self.settings, self.report, self.record, self.recorded = settings, report, record, recorded
        self.only_plans = only_plans
        self.document: dict[str, Any] | None = None
        """The results, once there are any."""
        self.plan: Plan | None = None
        self.journal: Path | None = None
        """Where what is found is kept while it is found, for another process that waits for it."""
        self.unwritten = ""
        """Why not all of the report could be written, if so."""
        self._embedded: Embedded | None = None
        self._background: RunThread | None = None

    def prepare(self) -> None:
        """Make the folders of what will be written, and try them: before anything is sent, and paid for. Raises `OptionError`."""
        for option, folder in (("report", self.report), ("record", self.record and self.record.parent)):
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    try_to_write(folder)
            except OSError as error:
                raise OptionError(f"--{option}: {folder}: {error.strerror or error}") from error
        sends = self.recorded is None or self.recorded.goes_on
        if sends and self.settings.url.startswith("https:"):
            _expect_certificates()
        if self.settings.gateway_upstream_port is not None and sends:
            expect_free_port(self.settings.gateway_upstream_port)
        if self.record is None:
            return
        if self.record.is_dir():
            raise OptionError(f"--record: {self.record} is a folder; name a file")
        try:
            refuse_what_is_no_file(self.record)
        except OSError as error:
            raise OptionError(f"--record: {error}") from error

    @property
    def started(self) -> bool:
        """Whether the run has been started."""
        return self._background is not None

    def start(self, checks: Sequence[Check]) -> None:
        """Start judging all of `checks`, on the embedded server where no target was named."""
        # Where nothing is sent, nothing is lost with the process that judges it.
        sends = self.recorded is None or self.recorded.goes_on
        journal = self.journal if sends else None
        self._background = RunThread(self._engine(checks), journal)
        self._background.start()

    def _engine(self, checks: Sequence[Check]) -> Engine:
        if self.settings.embedded:
            self._embedded = Embedded.start()
            self.settings = replace(
                self.settings,
                url=self._embedded.url,
                key=self._embedded.key,
                model=self.settings.model or self._embedded.model,
            )
        return Engine(self.settings, load_catalogue(), checks, recorded=self.recorded)

    @property
    def seconds_left(self) -> float | None:
        """How long the run will still take at the speed that was seen; None as long as none was."""
        return None if self._background is None else self._background.seconds_left

    def verdict(self, check: Check, waiting: Callable[[str], None]) -> Result:
        """The verdict on one check; `waiting` is told every second how far the run is."""
        if self._background is None:
            raise RuntimeError("the run was not started")
        while (result := self._background.result(check, patience=1.0)) is None:
            waiting(self._background.progress)
        return result

    def evidence(self, result: Result) -> dict[str, Any]:
        """The exchanges that a result names, as they may be shown."""
        exchanges = self._background.exchanges if self._background else ()
        return {
            exchange.id: to_json(exchange, self.settings.redactor)
            for exchange in exchanges
            if exchange.id in result.exchanges
        }

    def repeat(self, result: Result) -> str:
        """The line that judges one requirement again."""
        settings, recording = self.settings, self.recorded and self.recorded.recording
        url = "" if settings.embedded else settings.url or (recording.url if recording else "")
        model = settings.model or (recording.facts.model if recording else "")
        return pytest_line_of(
            result.requirement.id,
            settings.redactor.text(url),
            settings.redactor.text(model),
            profile=settings.profile.name,
            strict=settings.strict,
        )

    def finish(self) -> None:
        """End the run; `document` is then what it found, where a check was run."""
        if self._background is not None:
            self.take_over(self._background.stop())
        if self._embedded is not None:
            self._embedded.stop()

    def take_over(self, results: Results) -> None:
        """Report what a run found."""
        self.document = to_document(results, exchanges=WrittenExchanges(results))

    def restore(self, journal: Path, why: str) -> None:
        """Take over what a run in another process had found when it was lost; `document` stays None where it left no journal."""
        results = restore(journal, self.settings, why)
        if results is not None:
            self.take_over(results)

    def write(self) -> None:
        """Write the report and the recording. A run that was paid for does not end without its verdicts: what can't be written is said.

        Where the folder takes no files any more, the report is in a temporary one.
        """
        if self.document is None:
            return
        clean = self.settings.redactor.stream
        try:
            self.report = place_for(self.document, self.report)
            write_report(self.document, self.report, clean)
        except Exception as error:  # noqa: BLE001 - see above
            self.unwritten = printable(f"{type(error).__name__}: {error}")
            with contextlib.suppress(
                Exception
            ):  # there is no room anywhere; the verdicts are on the terminal
                elsewhere = Path(tempfile.mkdtemp(prefix="completions-conformance-"))
                write_report(self.document, elsewhere, clean)
                self.report = elsewhere
        try:
            if self.record is not None:
                write_atomically(self.record, clean(to_lines(self.document)))
        except Exception as error:  # noqa: BLE001 - the same
            self.unwritten = self.unwritten or printable(f"{type(error).__name__}: {error}")
