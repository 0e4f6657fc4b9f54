"""Settings in every form of request: what acts in a plain request for one choice acts in lists, in streams and in all the others as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.verdict import Broken, NotRun
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.same_text import same
from conformance.kit.steered import Steered, steered
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.kit.twins import LONG_PROMPTS, SUFFIX, long_prompt
from conformance.wire.shown import shown

_FLIPPED = 1
"""So many other texts of one form may be near ties that a batch of another size flips."""

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of request, and for each of its choices a simpler request and the index of the choice there that has the same text."""

    what: str
    changes: Changes
    simpler: Sequence[tuple[Changes, int]]
    owners: Mapping[str, str] = field(default_factory=dict)
    """The requirements that speak of one setting in just this form."""


@scenario("REQ-039")
async def settings_act_in_every_form(target: Target) -> None:
    """A text that bias, penalties and a stop sequence shape is the same alone and plain, in lists, with `n`, and in streams of these."""
    request = await steered(target)
    if not request.settings:
        raise NotRun("the target takes neither `logit_bias` nor penalties")
    async for forms in _forms(target):
        different: list[str] = []
        for form in forms:
            found = await _different(target, request, form)
            # What the form does to any text is nothing that a setting does.
            if not found or await _different(target, Steered({}, request.scores, {}), form):
                break
            different += found
        if len(different) > _FLIPPED:
            raise Broken(different[0] + await _culprit(target, request, forms[0]))


async def _culprit(target: Target, request: Steered, form: Form) -> str:
    """Which of the settings alone shows the same, in words. Raises `NotRun` where another requirement is about just that."""
    found = ""
    for name, value in request.settings.items():
        if await _different(target, replace(request, settings={name: value}, stop={}), form):
            found = name
            break
    else:
        if request.stop and not await _different(target, replace(request, stop={}), form):
            found = "stop"
    if found in form.owners:
        raise NotRun(f"`{found}` does not act {form.what}; see {form.owners[found]}")
    return found and f"; `{found}` alone does it"


async def _different(target: Target, request: Steered, form: Form) -> list[str]:
    """The choices whose texts are not those of the simpler requests; none where the form is not served, which others judge."""
    exchange = await target.post(**{**request.cut, **form.changes})
    if not (exchange.served and exchange.complete):
        return []
    choices = target.read(exchange).choices
    found = []
    for index, (changes, place) in enumerate(form.simpler):
        other = (await target.complete(**{**request.cut, **changes})).choices
        if index not in choices or place not in other:
            continue  # MULTI-001, N-001
        text, wanted = choices[index].text, other[place].text
        if not same(text, wanted):
            found.append(
                f"with {shown({**request.settings, **request.stop}, 300)} the text of choice {index} {form.what} is"
                f" {shown(text)}, and {shown(wanted)} in the plain request for it"
            )
    return found


async def _forms(target: Target) -> AsyncIterator[Sequence[Form]]:
    """The forms; of several that are one but for their prompts the next is there for what the one before it shows.

    Each has as many features at a time as go together, since each may have a way of its own through a server.
    """
    streamed = {"stream": True, **await usage_option(target)} if await has(target, "stream") else None
    has_lists = await has(target, "multi_prompt")
    alone: list[Changes] = [{"prompt": prompt} for prompt in target.prompts(2)]
    if streamed is not None:
        yield [Form("of a stream", {**one, **streamed}, [(one, 0)], {"stop": "STOP-017"}) for one in alone]
    if has_lists:
        times = 2 if await has(target, "n") else 1
        several: Changes = {"prompt": list(target.prompts(2))} | ({"n": times} if times > 1 else {})
        singles = [(one, 0) for one in alone for _ in range(times)]
        owners = {"logit_bias": "MULTI-011", "stop": "STOP-019 and STOP-020"}
        yield [Form("of a list of prompts", several, singles, owners)]
        if streamed is not None:
            yield [Form("of a stream for a list of prompts", {**several, **streamed}, singles)]
    if streamed is None:
        return
    if await has(target, "token_prompt"):
        ids = [list(SOME_IDS), list(reversed(SOME_IDS))]
        tokens: list[Changes] = [{"prompt": ids}] if has_lists else [{"prompt": one} for one in ids]
        count = len(ids) if has_lists else 1
        yield [
            Form("of a stream for token ids", {**one, **streamed}, [(one, index) for index in range(count)])
            for one in tokens
        ]
    suffix = {"suffix": SUFFIX} if await has(target, "suffix") else {}
    # The longest one first.
    long = [{"prompt": await long_prompt(target, count), **suffix} for count in reversed(LONG_PROMPTS)]
    yield [Form("of a stream for a long prompt", {**one, **streamed}, [(one, 0)]) for one in long]
