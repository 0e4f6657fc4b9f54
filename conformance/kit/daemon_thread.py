"""Work that takes its time, in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """The value of `work`, which goes on in a thread of its own while the event loop does other things.

    Whoever is cancelled meanwhile leaves it behind. `asyncio.to_thread` does not: its threads are waited for at the end of the event loop,
    and again at the end of the program, so that a run would last as long as its longest piece of work.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from here on a cancelled waiter does not cancel it, so that it can always be set

    def main() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    Thread(target=main, name="aside", daemon=True).start()
    return await asyncio.wrap_future(future)
