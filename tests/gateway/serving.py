"""A scripted upstream that is up in another thread, as one in another process is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from conformance import __version__
from conformance.gateway.upstream import LATENESS, Upstream


@contextmanager
def serving(*, version: str = __version__, lateness: float = LATENESS) -> Iterator[Upstream]:
    """Within, it listens."""
    loop, found, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    upstream = Upstream(0, version=version, lateness=lateness)

    async def serve() -> None:
        async with upstream:
            found.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    found.wait()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
