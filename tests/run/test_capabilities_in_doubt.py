"""A feature for which the target closes the connection is asked for again when all else is judged: it may die of it."""

from __future__ import annotations

from conformance.contract.verdict import Reason, Verdict
from conformance.run.engine import Engine
from conformance.run.results import Results
from conformance.run.settings import Settings
from conformance.wire.exchange import Exchange, Fault, FaultKind, Request
from fixtures import virtual_time
from fixtures.doubles import KEY, MODEL
from fixtures.gate import PLAIN, catalogue, checks
from fixtures.in_process import BASE_URL, InProcess
from fixtures.shaper import Shape, shaped

BROKEN = Fault(FaultKind.DROPPED, "The server closed the connection.")
JUDGED = {Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNSUPPORTED, Verdict.NOT_RUN}


class Batches:
    """A sound server that closes the connection when it first reads a list of prompts, and serves the next one, or dies of it."""

    def __init__(self, *, dies: bool) -> None:
        """`dies` says whether it dies of the second list."""
        self._served = InProcess(shaped(Shape()), KEY).send
        self._dies = dies
        self.lists = 0

    async def send(self, request: Request) -> Exchange:
        """The exchange of a request."""
        exchange = await self._served(request)
        self.lists += len(request.prompts) > 1
        is_broken = self.lists == 1 and len(request.prompts) > 1
        is_gone = self._dies and self.lists > 1
        return Exchange(request, fault=BROKEN, url=exchange.url) if is_broken or is_gone else exchange


def results(server: Batches) -> Results:
    """What a run says, without generated requests."""
    settings = Settings(BASE_URL, MODEL, KEY, profile=PLAIN, examples=0, recovery=1.0)
    return virtual_time.run(Engine(settings, catalogue(), checks(), server.send).run())


def left(found: Results) -> list[str]:
    """The scenarios that were not judged, and do not need lists of prompts."""
    return [
        one.requirement.id
        for one in found.results
        if not one.is_rule
        and one.verdict not in JUDGED
        and "multi_prompt" not in one.requirement.needs.capabilities
    ]


def test_all_else_is_judged_before_the_target_dies_of_it() -> None:
    """The second list ends the target, and what needs no list has its verdict by then; the list is the suspect."""
    found = results(Batches(dies=True))
    verdicts = {one.requirement.id: one for one in found.results}

    assert not left(found)
    assert verdicts["MULTI-001"].verdict is Verdict.FAIL
    assert found.ended is not None
    assert found.ended.reason is Reason.TARGET_GONE
    [incident] = found.incidents
    assert all(len(suspect.request.prompts) > 1 for suspect in incident.suspects)


def test_what_was_the_weather_costs_no_verdict() -> None:
    """The second list is served, and what needs lists is judged like all else."""
    found = results(Batches(dies=False))

    assert not [one.requirement.id for one in found.results if one.verdict not in JUDGED]
    assert not [one.requirement.id for one in found.results if one.verdict is Verdict.FAIL]
