"""An exchange written down: as JSON, to judge it again without paying for it, and as a `curl` line that a stranger can paste."""

from __future__ import annotations

import base64
import shlex
import string
from collections.abc import Mapping
from typing import Any

from conformance.wire.exchange import Auth, Exchange, Fault, FaultKind, Intent, Piece, Request, Response
from conformance.wire.headers import BEHIND_THE_KEY
from conformance.wire.redact import Redactor

KEY_VARIABLE = "COMPLETIONS_API_KEY"
"""The environment variable that a rendered `curl` line reads the key from."""

_LONGEST_WORD = 100_000
"""Bytes; Linux takes no argument of 128 KiB."""


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
            "closed_by_us": response.closed_by_us,
            "wire_bytes": response.wire_bytes,
            "pieces": [
                {"seconds": round(piece.seconds, 6), **_body_json(piece.data)} for piece in response.pieces
            ],
        },
        "fault": clean.fault and {"kind": clean.fault.kind.value, "message": clean.fault.message},
        "started": clean.started,
        "seconds": round(clean.seconds, 6),
        "retries": clean.retries,
        "transient": clean.transient,
        **({"unserved": clean.unserved} if clean.unserved else {}),
        **({"occasion": clean.occasion} if clean.occasion else {}),
        "curl": curl(clean, redactor.key_header),
    }


def from_json(data: Mapping[str, Any]) -> Exchange:
    """The exchange that `to_json` wrote; raises `KeyError`, `TypeError` or `ValueError` where `data` is no such document.

    It trusts the document no further than `spec/exchange.schema.json` describes it: what comes from elsewhere is validated first.
    """
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
        response=None if response is None else _response(response),
        fault=None if fault is None else Fault(FaultKind(fault["kind"]), fault["message"]),
        id=data["id"],
        started=data["started"],
        seconds=data["seconds"],
        retries=data["retries"],
        transient=data.get("transient", False),
        unserved=data.get("unserved", 0),
        url=data["url"],
        occasion=data.get("occasion", ""),
    )


def _response(data: Mapping[str, Any]) -> Response:
    return Response(
        status=data["status"],
        headers=tuple((name, value) for name, value in data["headers"]),
        pieces=tuple(Piece(piece["seconds"], _body_bytes(piece)) for piece in data["pieces"]),
        complete=data["complete"],
        wire_bytes=data["wire_bytes"],
        closed_by_us=data["closed_by_us"],
    )


def _body_json(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}


def _body_bytes(data: Mapping[str, Any]) -> bytes:
    if "body_base64" in data:
        return base64.b64decode(data["body_base64"], validate=True)
    return str(data["body"]).encode()


def curl(exchange: Exchange, key_header: str | None = None) -> str:
    """A line that sends the request again when it is pasted into a POSIX shell; the key comes from the environment.

    Give it an exchange that a `Redactor` has been over. Whatever the headers and the body hold, the line runs nothing but `printf` and
    `curl`, reads no file, and has no character that a terminal would act on.
    """
    request = exchange.request
    words = ["curl", "-sS", "-i", "-g"]  # -g: brackets and braces in the URL are no patterns
    if request.streamed:
        words.append("-N")
    has_data = bool(request.body) or request.method == "POST"
    if request.method == "HEAD" and not has_data:
        words.append("-I")  # with -X HEAD, curl would wait for a body
    elif request.method != ("POST" if has_data else "GET"):
        words += ["-X", _quote(request.method)]
    words.append(_quote(exchange.url))
    for name, value in request.headers:
        if name.startswith("@"):
            continue  # no header has such a name, and curl would read a file
        # curl takes away a header that is written "Name:", and sends an empty one that is written "Name;".
        words += ["-H", _quote(f"{name}: {value}" if value else f"{name};")]
    if has_data and not any(name.lower() == "content-type" for name, _ in request.headers):
        words += ["-H", "'Content-Type:'"]  # curl would invent one
    if request.auth is not Auth.NONE:
        # Between double quotes, since the shell is to put the key in: no other character of a name may mean anything to it.
        name = "".join(char for char in key_header or "" if char.isalnum() or char in "-_")
        key = f"${KEY_VARIABLE}" if request.auth is Auth.KEY else f"${{{KEY_VARIABLE}}}{BEHIND_THE_KEY}"
        words += ["-H", f'"{name}: {key}"' if name else f'"Authorization: Bearer {key}"']
    line = " ".join(words)
    if not has_data:
        return line
    text = _plain(request.body)
    if text is None:
        return f"printf {_octal(request.body)} | {line} --data-binary @-"
    # Not --data-binary: that would take a body that begins with @ for the name of a file.
    return f"{line} --data-raw {shlex.quote(text)}"


def _plain(body: bytes) -> str | None:
    """The body where it can be a word of the shell as it is: short printable text."""
    if len(body) > _LONGEST_WORD:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None


def _quote(text: str) -> str:
    """`text` as one word of the shell; unprintable characters, which neither URLs nor headers need, are taken out."""
    return shlex.quote("".join(char for char in text if char.isprintable()))


def _octal(body: bytes) -> str:
    """The argument with which `printf`, a builtin that takes words of any length, writes `body`."""
    safe = {ord(char): char for char in string.ascii_letters + string.digits + ' {}[]:,."_-'}
    return "'" + "".join(safe.get(byte, f"\\{byte:03o}") for byte in body) + "'"
