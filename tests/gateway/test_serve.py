"""The scripted upstream alone: what somebody who sets a gateway up sees of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from conformance.gateway.scripts import SCRIPTS
from conformance.gateway.serve import serve_upstream
from conformance.gateway.upstream import HOST, MODEL
from tests.ports import free_port

KEY = "sk-of-somebody-who-looks"


def asked(*requests: tuple[str, str, dict[str, Any] | None]) -> tuple[list[httpx.Response], list[str]]:
    """The answers to some requests, by method, path and body, and what is printed meanwhile."""
    said: list[str] = []

    async def ask() -> list[httpx.Response]:
        port, is_up = free_port(), asyncio.Event()

        def say(line: str) -> None:
            said.append(line)
            is_up.set()

        serving = asyncio.create_task(serve_upstream(HOST, port, say))
        await is_up.wait()
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as client:
            headers = {"authorization": f"Bearer {KEY}"}
            found = [
                await client.request(method, path, json=body, headers=headers)
                for method, path, body in requests
            ]
        serving.cancel()
        return found

    return asyncio.run(ask()), said


def test_it_says_how_to_use_it() -> None:
    """Its address, its model, and the names of its scripts."""
    _, said = asked()

    told = "\n".join(said)
    assert f"http://{HOST}:" in told
    assert MODEL in told
    assert all(name in told for name in SCRIPTS)


def test_it_is_up_and_lists_its_model() -> None:
    """What a gateway asks its provider for while it is set up."""
    (health, models), _ = asked(("GET", "/health", None), ("GET", "/v1/models", None))

    assert health.status_code == 200
    assert [model["id"] for model in models.json()["data"]] == [MODEL]


@pytest.mark.parametrize(("script", "status"), [("plain", 200), ("error-text", 400), ("unauthorized", 401)])
def test_it_answers_by_script_and_prints_what_arrives(script: str, status: int) -> None:
    """As with curl; the key is not printed."""
    body = {"model": "any", "prompt": f"gateway-script:{script}"}
    (answer,), said = asked(("POST", "/v1/completions", body))

    told = "\n".join(said)
    assert answer.status_code == status
    assert f"script {script}, status {status}" in told
    assert json.dumps(body, ensure_ascii=False) in told
    assert KEY not in told
