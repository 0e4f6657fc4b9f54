"""Serve an ASGI application: in a thread for tests (`start`), or in the foreground (`serve`)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import Receive, Reference, Scope, Send

App = Callable[[Any, Any, Any], Awaitable[None]]  # any ASGI application


class _Protocol(H11Protocol):
    """HTTP/1.1 with one addition: ``scope["extensions"]["abort"]`` is a function that breaks the connection.

    ASGI itself has no way to end a connection without an answer, which is one of the defects that doubles of this server show.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the application reach the transport."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection is read and written")
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})["abort"] = transport.abort
            await inner(scope, receive, send)

        self.app = app


class Running:
    """A server in a thread of its own. Use it in a ``with`` statement, or call ``stop``.

    ``url`` is the address without a path, for example ``http://127.0.0.1:40123``.
    """

    def __init__(self, app: App, *, host: str = "127.0.0.1", port: int = 0, patience: float = 10.0) -> None:
        """Start to serve ``app``; raises OSError if the port is taken, TimeoutError after ``patience`` seconds."""
        # The socket listens before the server starts, so that no request is ever refused.
        self._socket = listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self.url = f"http://{self.host}:{self.port}"
        self._server = _Server(_config(app))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True, name=f"reference {self.port}"
        )
        self._thread.start()
        if not self._server.ready.wait(patience):
            message = f"the server at {self.url} did not start within {patience} s"
            raise TimeoutError(message)

    def stop(self, patience: float = 5.0) -> None:
        """End the server and its connections; may be called twice."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(patience)
        self._socket.close()

    def __enter__(self) -> Self:
        """Give the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()


def start(app: App | None = None, *, port: int = 0) -> Running:
    """Serve ``app`` (or a fresh `Reference`) on a loopback port, in a thread; it listens when this returns."""
    return Running(app if app is not None else Reference().app, port=port)


def serve(
    app: App,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve ``app`` until it is interrupted. ``ready`` is called with the base URL once requests are taken.

    Raises OSError if the port is not free.
    """
    listening = listen(host, port)
    server = _Server(_config(app))
    if ready is not None:
        host, port = listening.getsockname()[:2]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")
    try:
        server.run([listening])
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Naming the protocol matters: asyncio sets TCP_NODELAY only where it reads IPPROTO_TCP, and without it
    # each answer waits 40 ms for an acknowledgement between its headers and its body.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
    except BaseException:
        listening.close()
        raise
    return listening


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=_Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_level="critical",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
