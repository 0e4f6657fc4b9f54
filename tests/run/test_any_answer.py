"""Whatever a target sends, be it bytes, JSON or events: a run reads it, judges it, reports it, and tells no secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conformance.contract.verdict import Verdict
from conformance.report.text import failure_block, summary_lines
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.run import Run
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from fixtures import virtual_time
from fixtures.gate import PLAIN, catalogue
from fixtures.hostile.fragments import HEADERS, KEY, fragments_in
from fixtures.hostile.values import PLACES, VALUES
from fixtures.in_process import BASE_URL

FUZZ = settings(
    max_examples=4,
    phases=[Phase.generate],  # each try is a whole run, which is too dear to be shrunk
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)
CHECKS = [
    check for check in all_checks() if check.is_rule or check.requirement_id in {"STOP-002", "STREAM-014"}
]
THEIRS = [
    kind for kind in FaultKind if kind is not FaultKind.UNSENDABLE
]  # that one is the suite's own defect
SECRET = [KEY, KEY[4:14], KEY[::-1], " ".join(KEY)]

TEXTS = st.one_of(
    st.text(max_size=20), st.sampled_from([*SECRET, "\ud800", "\x1b[31m", "::error::x", "\u202e"])
)
ODD = st.sampled_from([*VALUES.values()])
VALUE = st.one_of(ODD, TEXTS.map(json.dumps))
HEADER = st.tuples(st.sampled_from(["Content-Type", "Server", "Retry-After", "X-A", "Location"]), TEXTS)
STATUS = st.sampled_from([200, 200, 200, 201, 204, 301, 400, 401, 404, 429, 500, 503, 999])


def answer(changes: dict[str, str]) -> bytes:
    """An answer with other values at some places, given as text of JSON."""
    choice = {"text": "a b c", "index": 0, "logprobs": None, "finish_reason": "length"}
    usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
    document: dict[str, Any] = {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    text = json.dumps(document)
    for name, value in changes.items():
        member = PLACES[name][-1]
        start = text.find(f'"{member}": ')
        if start >= 0:
            end = start + len(member) + 4
            text = f'{text[:end]}{value}, "_": {text[end:]}'
    return text.encode("utf-8", "surrogatepass")


JSON = st.dictionaries(
    st.sampled_from([name for name, path in PLACES.items() if path[-1] != "*"]), VALUE, max_size=3
).map(answer)
EVENTS = st.lists(
    st.one_of(
        JSON.map(lambda body: b"data: " + body),
        st.binary(max_size=20),
        st.sampled_from([b"data: [DONE]", b": x", b"data", b"id: \0"]),
    ),
    max_size=6,
).map(lambda events: b"\n\n".join([*events, b""]))
BODIES = {"bytes": st.binary(max_size=200), "JSON": JSON, "events": EVENTS}


@pytest.mark.parametrize("kind", BODIES)
@FUZZ
@given(data=st.data())
def test_any_answer_is_read_judged_and_reported(data: st.DataObject, kind: str, tmp_path: Path) -> None:
    """No exception, no verdict that blames the suite, no secret."""
    bodies = data.draw(st.lists(BODIES[kind], min_size=1, max_size=4))
    headers = data.draw(st.lists(HEADER, max_size=3))
    statuses = data.draw(st.lists(STATUS, min_size=1, max_size=3))
    faults = data.draw(st.lists(st.sampled_from([None, None, None, *THEIRS]), min_size=1, max_size=3))
    types = data.draw(
        st.lists(st.sampled_from(["application/json", "text/event-stream", ""]), min_size=1, max_size=2)
    )

    def answered(number: int, request: Request) -> Exchange:
        body, fault = bodies[number % len(bodies)], faults[number % len(faults)]
        response = Response(
            statuses[number % len(statuses)],
            (("Content-Type", types[number % len(types)]), *headers),
            (Piece(0.1, body[: len(body) // 2]), Piece(0.2, body[len(body) // 2 :])),
            complete=fault is None,
            wire_bytes=len(body),
        )
        said = Fault(fault, f"because of {KEY[:12]}") if fault else None
        return Exchange(request, response, said, seconds=0.2)

    judged_and_reported(answered, tmp_path)


def judged_and_reported(answered: Callable[[int, Request], Exchange], folder: Path) -> None:
    """Run before a target that answers so, and look at all that is written."""
    number = 0

    async def send(request: Request) -> Exchange:
        nonlocal number
        number += 1
        await asyncio.sleep(0.01)
        return answered(number, request)

    chosen = Settings(
        BASE_URL, "m", KEY, headers=HEADERS, profile=PLAIN, recovery=0.1, run_timeout=300.0, max_requests=40
    )
    run = Run(chosen, folder / "report", record=folder / "record.jsonl")
    run.prepare()
    results = virtual_time.run(Engine(chosen, catalogue(), CHECKS, send).run())
    run.take_over(results)
    run.write()
    document = run.document
    assert document is not None
    exchanges = {exchange["id"]: exchange for exchange in document["exchanges"][:20]}
    shown = [
        *summary_lines(document, "x"),
        *(failure_block(one, exchanges, "") for one in document["requirements"]),
    ]
    written = [
        path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.suffix in {".jsonl", ".html", ".md", ".svg"}
    ]

    assert [one.message for one in results.results if one.verdict is Verdict.ERROR] == []
    assert run.unwritten == ""
    assert fragments_in("\n".join([*shown, *written])) == set()
