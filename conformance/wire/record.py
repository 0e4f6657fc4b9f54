"""An exchange written down: as JSON, to judge it again without paying for it, and as a `curl` line that a stranger can paste."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from typing import Any

from conformance.wire.exchange import Auth, Exchange, Fault, FaultKind, Intent, Piece, Request, Response
from conformance.wire.redact import Redactor

KEY_VARIABLE = "COMPLETIONS_API_KEY"
"""The environment variable that a rendered `curl` line reads the key from."""


def to_json(exchange: Exchange, redactor: Redactor) -> dict[str, Any]:
    """The exchange as JSON-ready values, redacted. Bodies are text where they are UTF-8, else base64."""
    clean = redactor.exchange(exchange)
    request, response = clean.request, clean.response
    return {
        "id": clean.id,
        "url": clean.url,
        "request": {
            "method": request.method,
            "path": request.path,
            "headers": [list(pair) for pair in request.headers],
            "auth": request.auth.value,
            "intent": request.intent.value,
            "parameter": request.parameter,
            "close_after": request.close_after,
            "new_connection": request.new_connection,
            **_body_json(request.body),
        },
        "response": response
        and {
            "status": response.status,
            "headers": [list(pair) for pair in response.headers],
            "complete": response.complete,
            "wire_bytes": response.wire_bytes,
            "pieces": [
                {"seconds": round(piece.seconds, 6), **_body_json(piece.data)} for piece in response.pieces
            ],
        },
        "fault": clean.fault and {"kind": clean.fault.kind.value, "message": clean.fault.message},
        "started": clean.started,
        "seconds": round(clean.seconds, 6),
        "retries": clean.retries,
        "curl": curl(clean),
    }


def from_json(data: Mapping[str, Any]) -> Exchange:
    """The exchange that `to_json` wrote; raises `KeyError`, `TypeError` or `ValueError` where `data` is no such document."""
    request, response, fault = data["request"], data["response"], data["fault"]
    return Exchange(
        request=Request(
            body=_body_bytes(request),
            method=request["method"],
            path=request["path"],
            headers=tuple((name, value) for name, value in request["headers"]),
            auth=Auth(request["auth"]),
            intent=Intent(request["intent"]),
            parameter=request["parameter"],
            close_after=request["close_after"],
            new_connection=request["new_connection"],
        ),
        response=response
        and Response(
            status=response["status"],
            headers=tuple((name, value) for name, value in response["headers"]),
            pieces=tuple(Piece(piece["seconds"], _body_bytes(piece)) for piece in response["pieces"]),
            complete=response["complete"],
            wire_bytes=response["wire_bytes"],
        ),
        fault=fault and Fault(FaultKind(fault["kind"]), fault["message"]),
        id=data["id"],
        started=data["started"],
        seconds=data["seconds"],
        retries=data["retries"],
        url=data["url"],
    )


def _body_json(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}


def _body_bytes(data: Mapping[str, Any]) -> bytes:
    return base64.b64decode(data["body_base64"]) if "body_base64" in data else str(data["body"]).encode()


def curl(exchange: Exchange) -> str:
    """A line that sends the request again when it is pasted into a POSIX shell; the key comes from the environment."""
    request = exchange.request
    words = ["curl", "-sS", "-i"]
    if request.streamed:
        words.append("-N")
    if request.method != "POST" or not request.body:
        words += ["-X", request.method]
    words.append(shlex.quote(exchange.url))
    for name, value in request.headers:
        words += ["-H", shlex.quote(f"{name}: {value}")]
    if not any(name.lower() == "content-type" for name, _ in request.headers) and request.body:
        words += ["-H", "'Content-Type:'"]  # curl would invent one
    line = " ".join(words)
    if request.auth is Auth.KEY:
        line += f' -H "Authorization: Bearer ${KEY_VARIABLE}"'
    if not request.body:
        return line
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no shell word holds a NUL, and `printf` is the portable way to any byte
        octal = "".join(f"\\{byte:03o}" for byte in request.body)
        return f"printf {shlex.quote(octal)} | {line} --data-binary @-"
    return f"{line} --data-binary {shlex.quote(text)}"
