"""Whether the verdicts of a report follow from its own evidence, for whoever is handed one.

The exchanges in the document are judged again, by the profile that it names, and the verdicts are compared. A verdict, a text or a count that
was changed afterwards shows unless the rest was changed to fit. What was left out, or made up as a whole, does not show: for that, ask the
target.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import Profile, load_catalogue, load_profile, profile_names
from conformance.contract.verdict import LOST, Verdict
from conformance.contract.yaml_files import DocumentError, spec_root
from conformance.report.labels import moment
from conformance.run.discovery import all_checks
from conformance.run.engine import Engine
from conformance.run.recorded_traffic import MISSING, RecordedTraffic
from conformance.run.recording import Recording, load_results
from conformance.run.results import JUDGED
from conformance.run.results_document import this_suite, to_document
from conformance.run.settings import Settings
from conformance.run.sums import wrong_sums

_COUNTS = re.compile(r" \(and in \d+ more of \d+ exchanges\)$|\d+(?= exchanges)")
"""What depends on how many exchanges there were when a rule was applied; those that came later are in the document, too."""
_TOLD = "it failed once"
"""How a run begins that tells of a failure it could not confirm any more."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A requirement, or a part of the document, and what is to be said of it."""

    what: str
    why: str


@dataclass(frozen=True)
class Verification:
    """What came of judging a document again."""

    document: Document
    verified: int
    """How many verdicts follow from the evidence."""
    contradictions: tuple[Doubt, ...]
    unverified: tuple[Doubt, ...]
    """What the evidence can't show."""

    @property
    def holds(self) -> bool:
        """Whether nothing in the document contradicts its evidence."""
        return not self.contradictions


def verify(path: Path, profile: str | None = None) -> Verification:
    """Judge the results document at `path` again; by the profile of that name or file, where it was judged by one of its owner's.

    Raises `DocumentError` for what is no results document, and where its profile is not known.
    """
    document, recording = load_results(path)
    lens = _profile(document["profile"], profile)
    again = _judged_again(document, recording, lens)
    found: dict[str, Document] = {one["id"]: one for one in again["requirements"]}
    contradictions = [Doubt("document", why) for why in wrong_sums(document, recording.exchanges)]
    contradictions += [Doubt("document", why) for why in _wrong_facts(document, again)]
    unverified, verified = [], 0
    same_suite = recording.suite == this_suite()
    for said in document["requirements"]:
        if said["id"] not in found:
            unverified.append(Doubt(said["id"], "this suite has no check for it"))
            continue
        doubt, is_contradiction = _compared(said, found[said["id"]], same_suite=same_suite)
        if doubt is None:
            verified += 1
        else:
            (contradictions if is_contradiction else unverified).append(Doubt(said["id"], doubt))
    return Verification(document, verified, tuple(contradictions), tuple(unverified))


def _profile(name: str, given: str | None) -> Profile:
    """The profile by which to judge: a document may name one of this suite, and never a file on this machine."""
    if given is None and name not in profile_names(spec_root()):
        raise DocumentError(
            f"it was judged by the profile {name!r}, which is not one of the suite's: --profile=FILE gives it"
        )
    return load_profile(given or name)


def _judged_again(document: Document, recording: Recording, profile: Profile) -> Document:
    ids = {one["id"] for one in document["requirements"]}
    checks = [check for check in all_checks() if check.requirement_id in ids]
    settings = Settings(url="", profile=profile, strict=document["strict"], examples=30)
    engine = Engine(settings, load_catalogue(), checks, recorded=RecordedTraffic(recording))
    return to_document(asyncio.run(engine.run()))


def _wrong_facts(document: Document, again: Document) -> Iterator[str]:
    """What the document says of the target, and its exchanges do not show."""
    if bool(document["unusable"]) is not bool(again["unusable"]):
        yield (
            "the document says that nothing could be judged"
            if document["unusable"]
            else f"the exchanges show that nothing could be judged: {again['unusable']}"
        )
        return
    if document["determinism"]["repeats"] not in {again["determinism"]["repeats"], None}:
        yield f"it says that greedy answers repeat: {document['determinism']['repeats']}, but {again['determinism']['note']}"
    for name, found in again["capabilities"].items():
        said = document["capabilities"].get(name, found)
        if said["support"] != found["support"]:
            yield f"it says {said['support']} of the feature {name}, but the exchanges show {found['support']} {found['note']}".rstrip()


def _compared(said: Document, found: Document, *, same_suite: bool) -> tuple[str | None, bool]:
    """What is to be said of a requirement whose verdict does not follow from the evidence, and whether that contradicts it."""
    if said["verdict"] == found["verdict"] and (said["level"], said["kind"]) == (
        found["level"],
        found["kind"],
    ):
        return _words(said, found) if same_suite else None, True
    shows = f"the document says {_told(said)}, its exchanges show {_told(found)}"
    if found["verdict"] == Verdict.ERROR:
        return (
            f"the suite broke when it judged this again: {found['message'].strip().splitlines()[-1]}",
            False,
        )
    if said.get("reason") in LOST and (found["verdict"] != Verdict.FAIL or said["message"].startswith(_TOLD)):
        return f"{shows}: the run did not get to say it", False
    if said["verdict"] in JUDGED and found["area"] == "gateway" and found["verdict"] == Verdict.NOT_RUN:
        return "what the upstream of a gateway saw is not in the document", False
    if said["verdict"] in JUDGED and MISSING in found["message"]:
        return f"the document says {_told(said)}, and does not hold the answers that show it", same_suite
    return shows, True


def _words(said: Document, found: Document) -> str | None:
    """How the words of a failure or a warning differ from those that the evidence gives."""
    if said["verdict"] not in {Verdict.FAIL, Verdict.WARN}:
        return None
    if _COUNTS.sub("", said["message"]) == _COUNTS.sub("", found["message"]):
        return None
    return f"the document says “{said['message']}”, its exchanges show “{found['message']}”"


def _told(result: Document) -> str:
    return f"{result['verdict']} at level {result['level']}" + (
        f" (“{result['message']}”)" if result["message"] and result["verdict"] != Verdict.PASS else ""
    )


def told(found: Verification) -> Iterator[str]:
    """A verification in lines for a terminal; what comes from the document may be anything."""
    document = found.document
    suite, target = document["suite"], document["target"]
    yield (
        f"{target['name'] or target['url']}, {moment(document['started'])}, profile {document['profile']}:"
        f" {len(document['requirements'])} verdicts, {len(document['exchanges'])} exchanges"
    )
    made_by = suite["version"], suite["edition"], suite["commit"]
    if made_by != this_suite():
        yield (
            f"It was made by version {made_by[0]} of the suite, edition {made_by[1]}, commit {made_by[2]}; this is version"
            f" {this_suite()[0]}, edition {this_suite()[1]}, commit {this_suite()[2]}: what changed in between may show as a contradiction."
        )
    yield f"{found.verified} verdicts follow from the evidence."
    yield from _listed("Contradictions", found.contradictions)
    yield from _listed("Not to be verified", found.unverified)


def _listed(heading: str, doubts: Sequence[Doubt]) -> Iterator[str]:
    if doubts:
        yield ""
        yield f"{heading} ({len(doubts)}):"
    yield from (f"  {doubt.what:<11} {doubt.why}" for doubt in doubts)
