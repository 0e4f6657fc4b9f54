"""A way to ask a `Reference` without a network."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from conformance.reference import Reference


@dataclass(frozen=True)
class Reply:
    """What came back: status, headers, and the body as it was sent, piece by piece."""

    status: int
    headers: dict[str, str]
    parts: list[bytes]

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.parts)

    @property
    def json(self) -> Any:
        """The body of a plain answer."""
        return json.loads(self.body)

    @property
    def chunks(self) -> list[Any]:
        """The chunks of a stream, checked for the frame and the end."""
        events = self.body.decode().split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


class Asker:
    """Asks one reference, in process."""

    def __init__(self, reference: Reference) -> None:
        """Ask this one."""
        self.reference = reference

    def raw(
        self,
        body: bytes,
        *,
        method: str = "POST",
        path: str = "/v1/completions",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send these bytes."""
        return asyncio.run(self._raw(body, method, path, headers or {}))

    def __call__(self, prompt: Any = "Once upon a time", **fields: Any) -> Reply:
        """Send a request for a completion."""
        return self.raw(json.dumps({"model": "reference-1", "prompt": prompt, **fields}).encode())

    def text(self, prompt: Any = "Once upon a time", **fields: Any) -> str:
        """Give the text of the only choice."""
        (choice,) = self(prompt, **fields).json["choices"]
        return str(choice["text"])

    async def _raw(self, body: bytes, method: str, path: str, headers: dict[str, str]) -> Reply:
        sent: list[dict[str, Any]] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if not messages:
                await asyncio.Event().wait()
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.reference(
            {"type": "http", "method": method, "path": path, "headers": pairs}, receive, send
        )
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], names, [message["body"] for message in sent[1:]])
