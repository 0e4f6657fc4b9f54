"""The reference server as an ASGI application.

`Reference` is one class in four layers, one a file: `Reading` (bytes to parameters), `Generating` (parameters to pieces of text),
`Answering` (pieces to JSON and events) and this one (HTTP). Every stage is a method of the one object, so a double overrides one method
and leaves the rest as it is. Nothing is kept between requests, and any number of references share one model.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Self

from .answer import Answering, Body, Response
from .model import Model, default_model
from .values import Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY: Final = 4 * 1024 * 1024
_PATIENCE: Final = 16 * LARGEST_BODY  # the most that is read, and dropped, before a body is refused


@dataclass(frozen=True)
class Request:
    """One HTTP request. ``headers`` has lower-case names; ``body`` is None where it was too large; ``path`` begins behind the mount."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    scope: Mapping[str, Any] = field(default_factory=dict, repr=False)

    async def drop(self) -> NoReturn:
        """Break the connection without an answer; only below `serve.start`, for ASGI knows no such thing."""
        self.scope["extensions"]["abort"]()
        await asyncio.Event().wait()  # until the departure of the client is noticed, which ends this task
        raise AssertionError


class Reference(Answering):
    """A complete server of `POST /v1/completions`.

    ``api_key`` None means that no key is needed. The object (and ``app``, its other name) is the ASGI application;
    it serves below any mount point.
    """

    def __init__(
        self, model_name: str = "reference-1", api_key: str | None = None, *, model: Model | None = None
    ) -> None:
        """Serve ``model`` (the shared default model if None) under the name ``model_name``."""
        self.model_name = model_name
        self.api_key = api_key
        self.model = model or default_model()
        self.vocabulary = self.model.tokenizer.size
        self.created = self.now()

    # ---- ASGI ------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Self:
        """The ASGI application, which is the object itself."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. When the client goes away, the generation ends at its next turn of the event loop."""
        if scope["type"] != "http":
            raise NotImplementedError(f"this application serves HTTP, not {scope['type']}")
        body = await read_body(receive)
        request = Request(scope["method"], route_path(scope), headers_of(scope), body, scope)
        serving = asyncio.ensure_future(self.serve(request, send))
        leaving = asyncio.ensure_future(_departure(receive))
        try:
            await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            serving.cancel()  # changes nothing if it is done
        with suppress(asyncio.CancelledError):
            await serving

    async def serve(self, request: Request, send: Send) -> None:
        """Answer one request."""
        response = await self.respond(request)
        await self.send(request, response, send)

    async def send(self, request: Request, response: Response, send: Send) -> None:  # noqa: ARG002 - for those who override it
        """Write status, headers and body to the connection."""
        headers = self.headers(response)
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": pairs})
        if isinstance(response.body, bytes):
            await send({"type": "http.response.body", "body": response.body})
            return
        async for data in response.body:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def headers(self, response: Response) -> dict[str, str]:
        """Give all headers of an answer."""
        headers = response.headers | {"x-request-id": self.request_id()}
        if isinstance(response.body, bytes):
            headers["content-length"] = str(len(response.body))
        return headers

    def request_id(self) -> str:
        """Make the value of `x-request-id`."""
        return f"req_{uuid.uuid4().hex}"

    # ---- HTTP --------------------------------------------------------------------------------------------------------

    async def respond(self, request: Request) -> Response:
        """Find the answer to a request; any refusal becomes an error object, and so does a defect of this server."""
        try:
            self.authorize(request)
            return await self.route(request)
        except Refusal as refusal:
            return self.error(refusal)
        except Exception as error:  # noqa: BLE001 - whatever happens here, the client gets a JSON error
            return self.defect(error)

    def defect(self, error: Exception) -> Response:  # noqa: ARG002 - for those who override it
        """Answer a request on which this server itself failed."""
        return self.error(Refusal(500, "The server had an error.", kind="server_error"))

    def authorize(self, request: Request) -> None:
        """Check the key, before anything else of the request is looked at. The key is never repeated."""
        if self.api_key is None:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        challenge = {"www-authenticate": 'Bearer realm="completions"'}
        if scheme.lower() != "bearer" or not key.strip():
            message = "You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY'."
            raise Refusal(401, message, headers=challenge)
        if not hmac.compare_digest(key.strip().encode(), self.api_key.encode()):
            raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key", headers=challenge)

    async def route(self, request: Request) -> Response:
        """Lead a request to its endpoint."""
        if request.path == "/v1/completions":
            self.check_method(request, "POST")
            return await self.completions(request)
        if request.path == "/v1/models":
            self.check_method(request, "GET", "HEAD")
            return self.json_response(self.models())
        if request.path.startswith("/v1/models/"):
            self.check_method(request, "GET", "HEAD")
            return self.json_response(self.find_model(request.path.removeprefix("/v1/models/")))
        message = f"Unknown request URL: {request.method} {request.path[:200]}."
        raise Refusal(404, message, code="unknown_url")

    def check_method(self, request: Request, *allowed: str) -> None:
        """Refuse other methods: "The origin server MUST generate an Allow header field in a 405 response" (RFC 9110, 15.5.6)."""
        if request.method not in allowed:
            message = f"Only {' and '.join(allowed)} requests are accepted here, not {request.method[:20]}."
            raise Refusal(405, message, code="method_not_supported", headers={"allow": ", ".join(allowed)})

    async def completions(self, request: Request) -> Response:
        """`POST /v1/completions`: all checks come first, so a fault is always a status, never an event of a stream."""
        params = self.parse(self.body_of(request))
        prompts = self.prompts(params)
        if params.stream:
            return self.stream_response(self.events(self.chunks(params, prompts)))
        return self.json_response(await self.answer(params, prompts))

    def body_of(self, request: Request) -> bytes:
        """Give the body, unless it is too large. `Content-Type` is not looked at: a body is JSON or it is refused."""
        if request.body is None:
            message = f"The body of the request is larger than {LARGEST_BODY} bytes."
            raise Refusal(413, message, code="request_too_large")
        return request.body

    def models(self) -> Body:
        """`GET /v1/models`: the one model."""
        return {"object": "list", "data": [self.model_entry()]}

    def find_model(self, name: str) -> Body:
        """`GET /v1/models/{model}`."""
        return self.model_entry() | {"id": self.check_model(name)}

    def model_entry(self) -> Body:
        """Give the description of the model."""
        return {
            "id": self.model_name,
            "object": "model",
            "created": self.created,
            "owned_by": "completions-conformance",
        }


async def read_body(receive: Receive) -> bytes | None:
    """Read a request body; None if it is too large. Such a body is read on (and dropped), for a client that still writes reads nothing."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        data: bytes = message.get("body", b"")
        size += len(data)
        if size <= LARGEST_BODY:
            parts.append(data)
        if not message.get("more_body") or size > _PATIENCE:
            return b"".join(parts) if size <= LARGEST_BODY else None


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def route_path(scope: Scope) -> str:
    """Give the path behind the mount point."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def headers_of(scope: Scope) -> dict[str, str]:
    """Give the request headers; of several with one name the first."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return dict(reversed(pairs))
