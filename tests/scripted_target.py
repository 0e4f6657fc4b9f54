"""A target that answers as a test tells it to, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from conformance.contract.verdict import Outcome
from conformance.kit.facts import Capability, Facts, Support
from conformance.kit.scenario_settings import ScenarioSettings
from conformance.kit.target import Target
from conformance.run.session import Session
from conformance.wire.exchange import Exchange, Request
from fixtures import virtual_time
from tests.builders import PROFILE, PROMPT, answer, choice, plain, refusal

Answer = Callable[[Request], Exchange]
Scenario = Callable[[Target], Awaitable[None]]


def scripted(
    say: Answer, *, has_key: bool = False, capabilities: Mapping[str, Support] = MappingProxyType({})
) -> Target:
    """A target whose answer to each request is what `say` returns."""

    async def transport(request: Request) -> Exchange:
        return replace(say(request), request=request)

    facts = Facts(
        model="m",
        prompts=(PROMPT, "Once upon a time", "The capital of"),
        repeats=True,
        capabilities={name: Capability(support, "as told") for name, support in capabilities.items()},
    )
    return Target(
        Session(transport, "m", recovery=0.0), facts, ScenarioSettings(profile=PROFILE), has_key=has_key
    )


def outcome(scenario: Scenario, target: Target) -> Outcome | None:
    """What a scenario finds; None is a pass."""
    try:
        virtual_time.run(_bounded(scenario, target))
    except Outcome as found:
        return found
    return None


async def _bounded(scenario: Scenario, target: Target) -> None:
    async with asyncio.timeout(1000):
        await scenario(target)


def serves(text: str = " and so on", **changes: Any) -> Exchange:
    """A sound answer with this text."""
    return plain(answer(choices=[choice(text=text)], **changes))


def refuses(status: int = 400) -> Exchange:
    """A sound refusal."""
    return refusal(status)
