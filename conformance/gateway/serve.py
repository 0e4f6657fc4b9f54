"""The scripted upstream alone: to set a gateway up against, and to look at with curl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from conformance.gateway.answers import Reply
from conformance.gateway.keys import without
from conformance.gateway.requests import Asked
from conformance.gateway.scripts import MARK, SCRIPTS
from conformance.gateway.upstream import HOST, MODEL, Upstream

_SHOWN = 300

Say = Callable[[str], object]


async def serve_upstream(host: str, port: int, say: Say, *, version: str = "") -> None:
    """Serve until it is cancelled; `say` is told of each request, line by line. Raises `OSError` where the port is taken."""

    def notice(asked: Asked, reply: Reply, script: str) -> None:
        for line in told(asked, reply, script):
            say(line)

    async with Upstream(port, host, notice=notice, version=version) as upstream:
        shown = f"[{host}]" if ":" in host else host
        say(f"The scripted upstream listens at http://{shown}:{upstream.port}/v1; Ctrl-C ends it.")
        say(
            f"Its model is called {MODEL}, and it takes any name, and any key. GET /health says that it is up."
        )
        say(
            f"A prompt that holds {MARK}NAME is answered by the script NAME, any other as an ordinary server does."
        )
        say(
            f"A run asks it what has arrived: --gateway-upstream-url=http://{HOST}:{upstream.port}, from this machine."
        )
        say(f"Scripts: {', '.join(SCRIPTS)}")
        await asyncio.Event().wait()


def told(asked: Asked, reply: Reply, script: str) -> list[str]:
    """A request and what it is answered with, as lines to read; of a key only its beginning."""
    how = f"script {script}, status {reply.status}" if script else f"status {reply.status}"
    lines = [f"{asked.method} {asked.path} → {how}"]
    lines += [f"  {name}: {without(value, asked.key)}" for name, value in asked.headers]
    if asked.data:
        text = asked.data.decode(errors="replace")
        body = json.dumps(asked.body, ensure_ascii=False) if asked.body else text
        lines.append(f"  {body if len(body) <= _SHOWN else body[: _SHOWN - 1] + '…'}")
    return lines
