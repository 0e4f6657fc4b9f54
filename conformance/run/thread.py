"""A run in a thread of its own, so that a synchronous program (pytest) can wait for one verdict after the other."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from conformance.contract.check import Check
from conformance.contract.verdict import Reason
from conformance.report.labels import duration
from conformance.run.engine import Engine
from conformance.run.journal import Journal
from conformance.run.results import Result, Results
from conformance.wire.exchange import Exchange

_GOODBYE = 10.0
"""Seconds that a cancelled run gets to close its connections."""
_GRACE = 4.0
"""Seconds after its time in which a run ends by itself, unless something holds it up that can't be interrupted."""


class RunThread:
    """Runs an engine in a thread. `result` waits for one verdict; `stop` ends the run and returns what there is."""

    def __init__(self, engine: Engine, journal: Path | None = None) -> None:
        """Prepare a run of `engine`, to whose verdicts this object listens; what it finds is kept in the file `journal`, too."""
        self._engine = engine
        self._journal = Journal(journal, engine) if journal is not None else None
        self._verdicts: dict[str, Future[Result]] = {
            check.requirement_id: Future() for check in engine.ledger.checks
        }
        self._done: Future[Results] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Results] | None = None
        self._thread = threading.Thread(target=self._main, name="conformance", daemon=True)
        engine.ledger.on_result = self._deliver
        self._last_call: float | None = None
        self._given_up = False

    def start(self) -> None:
        """Start the run."""
        seconds = self._engine.settings.run_timeout
        self._last_call = None if seconds is None else time.monotonic() + seconds + _GRACE
        self._thread.start()

    def result(self, check: Check, patience: float) -> Result | None:
        """The verdict on `check`; None where it is not there after `patience` seconds. Raises what crashed the run, if anything did.

        The clock of a run is its event loop's, which does not hear it while it works at something; whoever waits hears this one.
        """
        if self._last_call is not None and time.monotonic() > self._last_call and not self._given_up:
            self._given_up = True
            self._engine.give_up()
        try:
            return self._verdicts[check.requirement_id].result(patience)
        except FutureTimeoutError:
            return None

    def stop(self) -> Results:
        """The results: of the whole run where it has ended, else what there is of it, marked incomplete."""
        judged = all(future.done() for future in self._verdicts.values())
        if not judged and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(0.0 if self._given_up else _GOODBYE)
        if self._done.done() and not self._done.cancelled() and self._done.exception() is None:
            return self._done.result()
        if not self._given_up:
            self._engine.conclude("the run was interrupted", Reason.INTERRUPTED)
        return self._engine.snapshot(complete=False)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange so far."""
        return self._engine.exchanges

    @property
    def progress(self) -> str:
        """How far the run is, in a few words."""
        ledger, cost = self._engine.ledger, self._engine.cost
        left = self.seconds_left
        return "".join(
            [
                f"{len(ledger.settled)} of {len(ledger.checks)} checks, {cost.requests} requests, {cost.generated_tokens} tokens generated",
                f", {cost.pace}" if cost.pace else f", {cost.in_flight} in flight",
                f", some {duration(left)} to go" if left else "",
            ]
        )

    @property
    def seconds_left(self) -> float | None:
        """How long the run will still take at the speed that was seen; None as long as none was."""
        return None if self._loop is None else self._engine.seconds_left(self._loop.time())

    def _deliver(self, check: Check, result: Result) -> None:
        if self._journal is not None:
            self._journal.note(result)
        future = self._verdicts[check.requirement_id]
        if not future.done():
            future.set_result(result)

    def _main(self) -> None:
        try:
            self._done.set_result(asyncio.run(self._run()))
        except asyncio.CancelledError:
            self._done.cancel()
        except BaseException as crash:  # noqa: BLE001 - handed to whoever waits
            self._done.set_exception(crash)
            for future in self._verdicts.values():
                if not future.done():
                    future.set_exception(crash)

    async def _run(self) -> Results:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        return await self._engine.run()
