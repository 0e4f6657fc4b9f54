"""Results documents to make reports from: a small one, one of the size of the largest run, and one whose every string is hostile."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LEVELS = ("MUST", "SHOULD", "MAY")
TIERS = ("core", "extended")
VERDICTS = ("pass", "fail", "warn", "unsupported", "inconclusive", "not_run", "error")
STANDINGS = ("known", "stale", "expired", "unneeded", "mismatched", "unjudged")

Document = dict[str, Any]


def requirement(identifier: str, verdict: str = "pass", **fields: Any) -> Document:
    """The entry of one requirement."""
    return {
        "id": identifier,
        "area": "stop",
        "tier": "core",
        "level": "MUST",
        "title": "The text ends where the sequence begins",
        "statement": "With a stop sequence the text MUST be exactly the part before its first occurrence.",
        "hurts": "Prompt chains that use a stop sequence as delimiter.",
        "sources": [
            {"authority": "OAS", "place": "StopConfiguration", "says": "will not contain the stop sequence"}
        ],
        "verdict": verdict,
        "kind": "wrong" if verdict in {"fail", "warn"} else None,
        "known": None,
        "message": "" if verdict == "pass" else f"the check of {identifier} found something",
        "test": "conformance.scenarios.stop:test_the_text_ends_where_the_sequence_begins",
        "check": "scenario",
        "exchanges": [],
        "marks": [],
        "seconds": 0.012,
        **fields,
    }


def known(standing: str = "known", **fields: Any) -> Document:
    """The member `known` of a requirement in a list of known failures."""
    return {
        "standing": standing,
        "verdict": "broken",
        "reason": "we know",
        "issue": "https://tracker.example/7?a=1&b=2",
        "expires": None,
        "file": "known.yaml",
        **fields,
    }


def exchange(identifier: str, params: Mapping[str, Any] | None = None, **fields: Any) -> Document:
    """An exchange that was answered plainly; `text` is what the target generated."""
    sent = {"model": "tiny", "prompt": "Hello", "max_tokens": 4, **(params or {})}
    body = json.dumps(
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "choices": [
                {"index": 0, "text": fields.pop("text", " world"), "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
        }
    )
    return {
        "id": identifier,
        "url": "http://127.0.0.1:8000/v1/completions",
        "request": {
            "method": "POST",
            "path": "/completions",
            "headers": [["Content-Type", "application/json"]],
            "auth": "key",
            "intent": "valid",
            "parameter": None,
            "close_after": None,
            "new_connection": False,
            "body": json.dumps(sent),
        },
        "response": answer([(0.02, body.encode())]),
        "fault": None,
        "started": 1_790_000_000.0,
        "seconds": 0.021,
        "retries": 0,
        "curl": f"curl -sS http://127.0.0.1:8000/v1/completions --data-raw '{json.dumps(sent)}'",
        **fields,
    }


def answer(pieces: Sequence[tuple[float, bytes]], **fields: Any) -> Document:
    """A response whose body came in these pieces."""
    return {
        "status": 200,
        "headers": [["Content-Type", "application/json"]],
        "complete": True,
        "closed_by_us": False,
        "wire_bytes": sum(len(data) for _, data in pieces),
        "pieces": [{"seconds": seconds, **_body(data)} for seconds, data in pieces],
        **fields,
    }


def _body(data: bytes) -> dict[str, str]:
    try:
        return {"body": data.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(data).decode()}


def stream(identifier: str, pieces: Sequence[tuple[float, bytes]], **fields: Any) -> Document:
    """An exchange that was answered with a stream."""
    headers = [["Content-Type", "text/event-stream"]]
    seconds = pieces[-1][0] if pieces else 0.01
    return exchange(
        identifier,
        {"stream": True},
        response=answer(pieces, headers=headers),
        **{"seconds": seconds, **fields},
    )


def event(text: str, finish: str | None = None) -> bytes:
    """One event of a stream."""
    chunk = {
        "id": "cmpl-1",
        "object": "text_completion",
        "choices": [{"index": 0, "text": text, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def document(
    requirements: Sequence[Document] = (), exchanges: Sequence[Document] = (), **fields: Any
) -> Document:
    """A whole results document; the summary is counted."""
    summary: dict[str, dict[str, dict[str, int]]] = {tier: {level: {} for level in LEVELS} for tier in TIERS}
    for found in requirements:
        counts = summary[found["tier"]][found["level"]]
        counts[found["verdict"]] = counts.get(found["verdict"], 0) + 1
    return {
        "format": "completions-conformance/1",
        "started": "2026-11-23T19:03:35.406Z",
        "finished": "2026-11-23T19:03:37.305Z",
        "suite": {"version": "0.1.0", "edition": "2026-11", "commit": None},
        "target": {"name": "", "url": "http://127.0.0.1:8000/v1", "model": "tiny", "server": "server-a"},
        "profile": "reference",
        "strict": False,
        "unusable": None,
        "failed": any(found["verdict"] in {"fail", "error"} for found in requirements),
        "recorded": None,
        "determinism": {"repeats": True, "note": "the same request was answered alike 3 times"},
        "capabilities": {},
        "cost": {
            "requests": len(exchanges),
            "prompt_tokens": 10,
            "generated_tokens": 20,
            "seconds": 1.9,
            "most_in_flight": 8,
            "retries": 0,
        },
        "summary": summary,
        "incidents": [],
        "requirements": list(requirements),
        "exchanges": list(exchanges),
        "complete": True,
        **fields,
    }


def small() -> Document:
    """One requirement of each verdict, a stream with a mark, and a text that was cut."""
    pieces = [
        (0.010, event(" Hel")),
        (0.012, event("lo")[:40]),
        (0.140, event("lo")[40:] + b": keep-alive\n\n"),
        (0.150, b'{"error": "out of memory"}\n\n'),
        (0.160, event(" wor\u202eld", "stop") + b"data: [DONE]\n"),
    ]
    offset = sum(len(data) for _, data in pieces[:3])
    mark = {"exchange": "x3", "offset": offset}
    exchanges = [
        exchange("x1", text=" to the whole wide world"),
        exchange("x2", {"stop": ["wide"]}, text=" to the world"),
        stream("x3", pieces),
        exchange(
            "x4",
            {"stop": 5},
            response=None,
            fault={"kind": "dropped", "message": "the connection was closed"},
        ),
    ]
    evidence = {"fail": ["x2", "x1"], "warn": ["x4", "x1"], "pass": ["x1"]}
    found = [
        requirement(f"STOP-{number:03}", verdict, exchanges=evidence.get(verdict, []))
        for number, verdict in enumerate(VERDICTS, 1)
    ]
    broken = requirement(
        "STREAM-002",
        "fail",
        area="stream",
        tier="extended",
        title="The bytes form a valid event stream",
        message=f"byte {offset}: the line is ignored: it begins with no known field. JSON goes after `data: `.",
        test="conformance.rules.stream:the_bytes_form_a_valid_event_stream",
        check="rule",
        exchanges=["x3"],
        marks=[mark],
        known=known(),
    )
    return document([*found, broken], exchanges)


def large(requirements: int = 300, exchanges: int = 1000) -> Document:
    """A run as large as they come: four of ten requirements have evidence to look at."""
    sent = [
        stream(f"x{number}", [(0.01 * n, event(f" word{n}")) for n in range(1, 60)])
        if number % 5 == 0
        else exchange(f"x{number}", {"seed": number}, text=f" text {number}" * 30)
        for number in range(1, exchanges + 1)
    ]
    areas = ("http", "auth", "errors", "request", "response", "finish", "stop", "echo", "usage", "stream")
    per_area = -(-requirements // len(areas))
    found = []
    for number in range(requirements):
        area, verdict = areas[number // per_area], VERDICTS[number % 5 % len(VERDICTS)]
        names = [f"x{(number * 3 + step) % exchanges + 1}" for step in range(6)]
        found.append(
            requirement(
                f"{area.upper()}-{number:03}",
                verdict,
                area=area,
                tier=TIERS[number % 7 == 0],
                level=LEVELS[number % 3],
                exchanges=names,
                message="" if verdict == "pass" else f'`stop` was "a{number}": ' + "the text went on. " * 8,
            )
        )
    return document(found, sent)


HOSTILE = (
    '</script><script>window.harmed = "script"</script>',
    "<img src=x onerror=\"window.harmed = 'img'\">",
    '"><svg onload="window.harmed = \'svg\'">',
    "' onmouseover='window.harmed = 1' x='",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}${7*7}<%= 7*7 %>{{constructor.constructor('window.harmed=1')()}}",
    "\x1b]0;harmed\x07\x1b[2J\x1b[31mred\x1b[8m",
    "abc\u202egnp.exe\u2066\u200b\ufeff\u2028\u2029\x00\x7f\x85",
    "<!--<script>--><![CDATA[ ]]>&lt;&amp;&#60;",
    "\ud800 lone \udfff",
    "e" + "\u0301" * 500,
    "`code` ``` | pipe | **bold** [link](javascript:harmed) ![i](http://127.0.0.1:9/x.png) @someone #1 <details>\n# heading\n| a |",
    "javascript:window.harmed=1",
    "x" * 20_000,
)
ENORMOUS = "<b>10 MB</b>" * 900_000


def hostile() -> Document:
    """A document in which everything that a target can write is hostile."""
    texts = _cycle()
    exchanges = []
    for number in range(1, 2 * len(HOSTILE) + 1):
        raw = next(texts).encode("utf-8", "surrogatepass")
        pieces = [
            (0.01, b"data: " + raw[: len(raw) // 2]),
            (0.02, raw[len(raw) // 2 :] + b"\n\n"),
            (0.03, raw),
        ]
        headers = [
            ["Content-Type", "text/event-stream" if number % 2 else "application/json"],
            [next(texts), next(texts)],
        ]
        error = json.dumps({"error": {"message": next(texts)}}).encode()
        exchanges.append(
            exchange(
                f"x{number}",
                response=answer(
                    pieces if number % 2 else [(0.01, error)],
                    headers=headers,
                    status=200 if number % 2 else 400,
                ),
                fault={"kind": "dropped", "message": next(texts)},
            )
        )
    exchanges[0]["response"]["pieces"][0] = {"seconds": 0.01, "body": ENORMOUS}
    exchanges[1]["response"]["pieces"][0] = {
        "seconds": 0.01,
        "body": json.dumps({"error": {"message": ENORMOUS}}),
    }
    exchanges[2]["fault"] = {"kind": "dropped", "message": ENORMOUS}
    exchanges[3]["response"]["headers"].append(["X-Enormous", ENORMOUS])
    verdicts = [verdict for verdict in VERDICTS for _ in range(len(HOSTILE))]
    found = [
        requirement(
            f"STOP-{number:03}",
            verdict,
            message=next(texts),
            exchanges=[f"x{number % len(exchanges) + 1}", f"x{(number + 7) % len(exchanges) + 1}"],
            marks=[{"exchange": f"x{number % len(exchanges) + 1}", "offset": 20}],
            known=known(
                STANDINGS[number % len(STANDINGS)], reason=next(texts), issue=next(texts), file=next(texts)
            ),
        )
        for number, verdict in enumerate(verdicts, 1)
    ]
    found[0]["message"] = found[-1]["message"] = ENORMOUS
    return document(
        found,
        exchanges,
        target={
            "url": "http://127.0.0.1:8000/v1",
            "model": "".join(HOSTILE[:-1]),
            "server": "".join(HOSTILE[:-1]),
            "name": "",
        },
        capabilities={
            name: {"support": "broken", "note": next(texts), "exchange": f"x{number}"}
            for number, name in enumerate(("echo", "n", "stream"), 1)
        },
        determinism={"repeats": False, "note": HOSTILE[0]},
        incidents=[{"message": next(texts), "suspects": ["x1", "x2"], "recovered": False}],
    )


def _cycle() -> Iterator[str]:
    while True:
        yield from HOSTILE
