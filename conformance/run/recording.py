"""Recorded traffic: the exchanges of a run in a file, to be judged again without paying for them.

A recording is JSON Lines: a head that says what was recorded, one exchange a line, and a foot without which the file was cut off. It is made
from the results document, so that it holds no secret either; that document holds the same exchanges and is read as well, and so is either of
them packed by xz. All may come from anywhere, so all are held against their schemas.
"""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.read_file import read_file
from conformance.contract.verdict import Reason
from conformance.contract.yaml_files import DocumentError, load_schema, spec_root
from conformance.kit.facts import Capability, Facts, Support
from conformance.kit.traffic import Incident
from conformance.run.liveness import incidents_in
from conformance.run.results import Background, End, Inputs
from conformance.run.results_document import FORMATS as RESULTS_FORMATS
from conformance.wire.exchange import Exchange
from conformance.wire.record import from_json
from conformance.wire.shown import shown

FORMAT = "completions-conformance-exchanges/1"
_HEAD = ("started", "suite", "target", "determinism", "capabilities")
_HEAD_SINCE = ("profile", "inputs", "resumed")
"""The members of a results document that a head takes over; older ones do not have the latter."""
_FOOT = ("finished", "complete")
_FOOT_SINCE = ("incidents", "ended", "unusable", "background")
"""Those that a foot takes over."""
_XZ = b"\xfd7zXZ\x00"
_LARGEST = 500_000_000
"""Bytes of a file that is read."""
_RESULTS = "results.json"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """Exchanges that were made earlier, and what the run that made them knew of its target."""

    exchanges: tuple[Exchange, ...]
    facts: Facts
    """What the run knew, but for the prompts that it had chosen."""
    url: str
    name: str
    suite: tuple[str, str, str | None]
    """Version, edition and commit of the suite that made it."""
    started: str
    finished: str
    complete: bool
    """Whether the run went to its end."""
    ended: End | None = None
    """Why it sent no more, if anything kept it from doing so; older recordings do not say it."""
    unusable: str | None = None
    """Why nothing could be judged, if so; older ones do not say that either."""
    incidents: tuple[Incident, ...] = ()
    """The times at which the target stopped answering; older ones do not name the canary, and so are looked for among the exchanges."""
    background: Background = field(default_factory=Background)
    """How reliable it was known to be; older ones do not say it."""
    profile: str | None = None
    inputs: Inputs | None = None
    began: str = ""
    """When the first of the runs began that this one goes on with; `started` where it goes on with none."""


def to_lines(document: Document) -> Iterator[bytes]:
    """The recording of a run, from its results document; each line ends with a line feed."""
    exchanges: Sequence[Document] = document["exchanges"]
    head, foot = _ends(document, exchanges)
    for line in (head, *exchanges, foot):
        # Lone surrogates, which a target may send as JSON escapes, exist in no encoding; they stay the escapes that they were.
        yield json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _ends(document: Document, exchanges: Sequence[Any]) -> tuple[Document, Document]:
    """The head and the foot that a results document gives; what it lacks is null, which no schema takes, unless older ones lack it."""
    head = {"format": FORMAT, **_taken_over(document, _HEAD, _HEAD_SINCE)}
    return head, {"exchanges": len(exchanges), **_taken_over(document, _FOOT, _FOOT_SINCE)}


def _taken_over(document: Document, names: Iterable[str], since: Iterable[str]) -> Document:
    return {name: document.get(name) for name in (*names, *(one for one in since if one in document))}


def load_recording(path: Path) -> Recording:
    """Read a recording, or a results document or the folder it is in. Raises `DocumentError` where it is neither, or was cut off."""
    path = path / _RESULTS if path.is_dir() else path
    data = _read(path)
    first = _parsed(data.partition(b"\n")[0])
    if _format(first) == FORMAT:
        return _recording(path.name, *_of_lines(path.name, data.splitlines()))
    return _recording(path.name, *_of_results(path.name, _results(path.name, data)))


def load_results(path: Path) -> tuple[Document, Recording]:
    """Read a results document, or the one in a folder, and the recording that it holds. Raises `DocumentError` where it is not one."""
    path = path / _RESULTS if path.is_dir() else path
    data = _read(path)
    if _format(_parsed(data.partition(b"\n")[0])) == FORMAT:
        raise DocumentError(
            f"{path.name} is a recording, which holds no verdicts: `judge` says what they are"
        )
    document = _results(path.name, data)
    recording = _recording(path.name, *_of_results(path.name, document))
    _checker("results.schema.json")(path.name, {**document, "exchanges": []})
    return document, recording


def _recording(name: str, head: Document, exchanges: Iterable[Any], foot: Document) -> Recording:
    read = _exchanges(name, exchanges)
    return Recording(
        read,
        facts_of(head),
        head["target"]["url"],
        head["target"]["name"],
        (head["suite"]["version"], head["suite"]["edition"], head["suite"]["commit"]),
        head["started"],
        foot["finished"],
        foot["complete"],
        _end(foot.get("ended")),
        foot.get("unusable"),
        tuple(_incidents(foot.get("incidents"), read)),
        Background(**foot.get("background", {})),
        head.get("profile"),
        Inputs(**head["inputs"]) if head.get("inputs") else None,
        head["resumed"]["from"] if head.get("resumed") else head["started"],
    )


def _read(path: Path) -> bytes:
    """The bytes of a file, unpacked."""
    try:
        data = read_file(path, _LARGEST)
        if not data.startswith(_XZ):
            return data
        with lzma.open(io.BytesIO(data)) as file:
            data = file.read(_LARGEST + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise DocumentError(f"{path.name} cannot be unpacked, or was cut off: {error}") from error
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > _LARGEST:
        raise DocumentError(f"{path.name} is too large for a recording")
    return data


def _incidents(found: Sequence[Document] | None, exchanges: Sequence[Exchange]) -> Iterator[Incident]:
    """The incidents of a run; where they are not told, or without the canary, they are looked for among the exchanges."""
    known = {exchange.id: exchange for exchange in exchanges}
    if found is None or any(one.get("exchange") not in known for one in found):
        yield from incidents_in(exchanges)
        return
    for one in found:
        suspects = tuple(known[name] for name in one["suspects"] if name in known)
        yield Incident(one["message"], suspects, one["recovered"], known[one["exchange"]])


def _end(found: Document | None) -> End | None:
    return None if found is None else End(Reason(found["reason"]), found["message"], found["exchange"])


def _parsed(text: bytes) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _format(value: Any) -> Any:
    return value.get("format") if isinstance(value, dict) else None


def _of_lines(name: str, lines: Sequence[bytes]) -> tuple[Document, list[Any], Document]:
    """Head, exchanges and foot of a file of JSON Lines."""
    head, *exchanges, foot = [*map(_parsed, lines)] if len(lines) > 1 else [_parsed(lines[0]), None]
    if not isinstance(foot, dict) or "exchanges" not in foot:
        raise DocumentError(f"{name} was cut off: its last line is not the foot that ends a recording")
    _check(f"{name}, line 1", head, "head")
    _check(f"{name}, line {len(lines)}", foot, "foot")
    if foot["exchanges"] != len(exchanges):
        raise DocumentError(
            f"{name} is not complete: its last line speaks of {foot['exchanges']} exchanges, but it has {len(exchanges)}"
        )
    return head, exchanges, foot


def _results(name: str, data: bytes) -> Document:
    """The results document that a file is; nothing but its format is checked yet."""
    document = _parsed(data)
    if _format(document) not in RESULTS_FORMATS:
        found = (
            "it is not JSON, or was cut off"
            if document is None
            else f"its format is {shown(_format(document))}"
        )
        raise DocumentError(
            f"{name} is neither a recording (--record=FILE writes one) nor the results.json of a report: {found}"
        )  # fmt: skip
    return document  # type: ignore[no-any-return]  # what has a format is an object


def _of_results(name: str, document: Document) -> tuple[Document, list[Any], Document]:
    """Head, exchanges and foot of a results document."""
    exchanges = document.get("exchanges")
    if not isinstance(exchanges, list):
        raise DocumentError(f"{name}: it has no exchanges")
    head, foot = _ends(document, exchanges)
    _check(name, head, "head")
    _check(name, foot, "foot")
    return head, exchanges, foot


def _exchanges(name: str, found: Iterable[Any]) -> tuple[Exchange, ...]:
    exchanges: dict[str, Exchange] = {}
    check = _checker("recording.schema.json#/$defs/exchange")
    for number, data in enumerate(found, 1):
        place = f"{name}, exchange {number}"
        check(place, data)
        if data["id"] in exchanges:
            raise DocumentError(f"{place}: the id {data['id']} is given twice")
        try:
            exchanges[data["id"]] = from_json(data)
        except ValueError as error:  # a lone surrogate in a body, bad Base64: what the schema can't see
            raise DocumentError(f"{place}: {shown(str(error))}") from error
    return tuple(exchanges.values())


def facts_of(head: Document) -> Facts:
    """What a run knew of its target, from the members of its results document that tell it."""
    target, determinism = head["target"], head["determinism"]
    return Facts(
        model=target["model"],
        server=target["server"],
        repeats=determinism["repeats"],
        repeats_note=determinism["note"],
        capabilities={
            name: Capability(Support(found["support"]), found["note"], found["exchange"])
            for name, found in head["capabilities"].items()
        },
    )


def _check(place: str, data: Any, kind: str) -> None:
    _checker(f"recording.schema.json#/$defs/{kind}")(place, data)


@cache
def _checker(reference: str) -> Any:
    """What holds values against a schema, such as that of one of the three kinds of line."""
    # Imported here: they cost more than all the rest, and only a replay needs them.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from referencing import Registry, Resource  # noqa: PLC0415

    names = ("recording", "results", "exchange")
    schemas = {f"{name}.schema.json": load_schema(spec_root(), name) for name in names}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    validator = Draft202012Validator({"$ref": reference}, registry=registry)

    def check(place: str, data: Any) -> None:
        error = best_match(validator.iter_errors(data))
        if error is not None:
            # What the file holds may be anything: it is shown on one line, and shortened.
            raise DocumentError(f"{place}, {error.json_path}: {shown(error.message)[1:-1]}")

    return check
