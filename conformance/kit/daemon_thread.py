"""Work that takes its time, in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads(Executor):
    """Gives each piece of work a thread of its own, which ends with the program however long the work would go on."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Begin with the work at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on a cancelled waiter does not cancel it, so that it can always be set

        def main() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                future.set_exception(error)

        Thread(target=main, name="aside", daemon=True).start()
        return future


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """The value of `work`, which goes on in a thread of its own while the event loop does other things.

    Whoever is cancelled meanwhile leaves it behind. `asyncio.to_thread` does not: its threads are waited for at the end of the event loop,
    and again at the end of the program, so that a run would last as long as its longest piece of work.
    """
    # The loop is told of the work, for one whose time is not the machine's must not go on without it.
    return await asyncio.get_running_loop().run_in_executor(DaemonThreads(), work)
