"""Settings in every form of request: what acts in a plain request for one choice acts in lists, in streams and in all the others as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from conformance.contract.check import scenario
from conformance.contract.symptom import Symptom, ignored
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.kit import symptoms
from conformance.kit.all_at_once import LONG_PROMPTS, SUFFIX, Features, all_at_once
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.context_length import context_length
from conformance.kit.full_context import MARGIN, filling, room
from conformance.kit.same_text import same
from conformance.kit.steered import Steered, steered
from conformance.kit.stop_sequences import NEVER
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.kit.twins import long_prompt, reasons_differ_anyway
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange
from conformance.wire.shown import shown

_FLIPPED = 1
"""So many other texts of one form may be near ties that a batch of another size flips."""

_BEST_OF = {"best_of": 3}
_BY_MISTAKE = 16384
"""Tokens; the most that one plain request may cost, where its stop sequence does not act."""

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of request, and for each of its choices a simpler request and the index of the choice there that has the same text."""

    what: str
    changes: Changes
    simpler: Sequence[tuple[Changes, int]]
    owners: Mapping[str, str] = field(default_factory=dict)
    """The requirements that speak of one setting in just this form."""
    fills_the_context: bool = False
    """Only a stop sequence ends it, so it is sent with all of the settings or not at all."""


@dataclass(frozen=True, slots=True)
class Group:
    """Forms that are one but for their prompts: the next is there for what the one before it shows."""

    forms: Sequence[Form]
    features: Features | None = None
    """What the form has all at once, where that is several things."""
    instead: Sequence[Group] = ()
    """What is looked at where these forms say nothing, since something else changes their texts."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is other than in the simpler request, and the symptom where it is not the text."""

    message: str
    symptoms: tuple[Symptom, ...] = ()
    is_text: bool = True


@scenario("REQ-039")
async def settings_act_in_every_form(target: Target) -> None:
    """A text that bias, penalties and a stop sequence shape is the same in a plain request and in every other form of it."""
    request = await steered(target)
    if not request.settings:
        raise NotRun("the target takes neither `logit_bias` nor penalties")
    async for group in _groups(target, request):
        await _judge(target, request, group)


async def _judge(target: Target, request: Steered, group: Group) -> None:
    """Raise `Broken` where settings act otherwise in the forms of a group."""
    different: list[_Difference] = []
    for form in group.forms:
        if not (found := await _different(target, request, form)):
            return
        if await _is_so_without_settings(target, request, form):
            different = []
            break
        different += found
    if not different:
        for other in group.instead:
            await _judge(target, request, other)
    if len(different) > _FLIPPED:
        first = different[0]
        # A reason alone is no matter of a setting, and so of nobody who owns one.
        setting, told = await _culprit(target, request, group.forms[0]) if first.is_text else ("", "")
        where = await _where(target, request, group.features) if group.features else ""
        # One bias that is forgotten is one finding, with that of the rule that sees it in the tokens.
        forgotten = (ignored(setting),) if setting == "logit_bias" else ()
        raise Broken(first.message + told + where, *first.symptoms, *forgotten)


async def _where(target: Target, request: Steered, features: Features) -> str:
    """Which of the features alone shows the same, in words."""
    streamed = {"stream": True, **await usage_option(target)}
    for name, changes in features.parts.items():
        choices = range(Features({name: changes}).choices)
        alone = Form(f"of a stream {name}", {**changes, **streamed}, [(changes, index) for index in choices])
        if await _different(target, request, alone):
            return f"; it is so {name} alone"
    return ""


async def _is_so_without_settings(target: Target, request: Steered, form: Form) -> bool:
    """Whether the form changes any text: that is nothing that a setting does, or that a full context does."""
    if form.fills_the_context:
        changes = {name: value for name, value in form.changes.items() if name != "max_tokens"}
        return bool(
            await _different(target, request, replace(form, changes=changes, fills_the_context=False))
        )
    return bool(await _different(target, Steered({}, request.scores, {}), form))


async def _culprit(target: Target, request: Steered, form: Form) -> tuple[str, str]:
    """Which of the settings alone shows the same, if one does, and in words. Raises `NotRun` where another requirement is about just that."""
    if form.fills_the_context:
        await _expect_stopped(target, request, form)
        return "", ""
    found = ""
    for name, settings in request.parts.items():
        if await _different(target, replace(request, settings=settings, stop={}), form):
            found = name
            break
    else:
        if request.stop and not await _different(target, replace(request, stop={}), form):
            # The stop sequence is not heeded, or what is beside one is not.
            beside = replace(request, stop={"stop": [NEVER]})
            if await _different(target, beside, form):
                return "", "; beside a `stop` that never comes it is so, too, and without `stop` it is not"
            found = "stop"
    if found in form.owners and await _owner_sees_it(target, request, form, found):
        raise NotRun(f"`{found}` does not act {form.what}; see {form.owners[found]}")
    return found, found and f"; `{found}` alone does it"


async def _owner_sees_it(target: Target, request: Steered, form: Form, setting: str) -> bool:
    """Whether it is so with one choice for each prompt as well, which is all that the owners of most settings look at."""
    each = int(form.changes.get("n", 1))
    if each == 1 or setting == "stop":
        return True
    changes = {name: value for name, value in form.changes.items() if name != "n"}
    alone = replace(form, changes=changes, simpler=form.simpler[::each])
    return bool(await _different(target, replace(request, settings=request.parts[setting], stop={}), alone))


async def _expect_stopped(target: Target, request: Steered, form: Form) -> None:
    """Raises `NotRun` where the stop sequence is in the text of what fills the context: a rule says so of every answer."""
    answer = Completion.read(await _sent(target, request, form))
    echoed = answer.exchange.request.prompts[0] if form.changes.get("echo") else ""
    texts = [choice.text.removeprefix(str(echoed)) for choice in answer.choices.values()]
    if any(stop in text for text in texts for stop in request.stop.get("stop", ())):
        raise NotRun(f"`stop` does not act in the answer {form.what}; see STOP-001")


async def _different(target: Target, request: Steered, form: Form) -> list[_Difference]:
    """How the choices are other ones than those of the simpler requests; nothing where the form is refused, which others judge."""
    exchange = await _sent(target, request, form)
    settings = shown({**request.settings, **request.stop}, 300)
    if (exchange.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return [
            _Difference(
                f"with {settings} the answer {form.what} has status {exchange.status}: {error_text(exchange)}",
                (symptoms.of_valid(exchange),),
            )
        ] * len(form.simpler)
    if not exchange.served or not (exchange.complete or exchange.closed_by_us):
        return []
    whole = target.read(exchange) if exchange.complete else Completion.read(exchange)
    if whole.reports_an_error:
        return []  # STREAM-023
    choices = whole.choices
    found = []
    for index, (changes, place) in enumerate(form.simpler):
        answer = await target.complete(**{**request.cut, **changes})
        other = answer.choices
        if len(other) != answer.exchange.request.choices:
            return [
                _Difference(
                    f"with {settings} a plain request of the same kind is answered with {len(other)} choices instead of"
                    f" {answer.exchange.request.choices}"
                )
            ] * len(form.simpler)
        if index not in choices or place not in other:
            continue  # MULTI-001, N-001
        text, wanted = choices[index].text, other[place].text
        reason, usual = choices[index].finish_reason, other[place].finish_reason
        if not same(text, wanted):
            what, here, there = "text", text, wanted
        elif reason != usual and not await reasons_differ_anyway(target):
            what, here, there = "finish_reason", str(reason), str(usual)
        else:
            continue
        found.append(
            _Difference(
                f"with {settings} the {what} of choice {index} {form.what} is {shown(here)}, and {shown(there)} in the plain request for it",
                is_text=what == "text",
            )
        )
    return found


async def _sent(target: Target, request: Steered, form: Form) -> Exchange:
    if form.fills_the_context and form.changes.get("stream"):
        return await filling(target, form.changes["max_tokens"], **form.changes)
    return await target.post(**{**request.cut, **form.changes})


async def _groups(target: Target, request: Steered) -> AsyncIterator[Group]:
    """The forms. Each has as many features at a time as go together, since each may have a way of its own through a server."""
    streamed = {"stream": True, **await usage_option(target)} if await has(target, "stream") else None
    alone: list[Changes] = [{"prompt": prompt} for prompt in target.prompts(2)]
    if streamed is not None:
        owners = {"stop": "STOP-017", "top_p": "STREAM-030"}
        yield Group([Form("of a stream", {**one, **streamed}, [(one, 0)], owners) for one in alone])
    full = await _full(target, request, alone, streamed)
    for group in full:
        yield group
    lists = await _lists(target, alone, streamed)
    if lists:
        yield lists[0]
    if streamed is None:
        return
    instead = [*lists[1:], *await _ids(target, streamed)]
    yield await _everything(target, request, streamed, instead, long=bool(full))
    suffix = {"suffix": SUFFIX} if await has(target, "suffix") else {}
    # The longest one first.
    long = [{"prompt": await long_prompt(target, count), **suffix} for count in reversed(LONG_PROMPTS)]
    yield Group([Form("of a stream for a long prompt", {**one, **streamed}, [(one, 0)]) for one in long])


async def _lists(target: Target, alone: Sequence[Changes], streamed: Changes | None) -> Sequence[Group]:
    """A list of prompts against each of them alone: plain, and as a stream."""
    if not await has(target, "multi_prompt"):
        return []
    times = 2 if await has(target, "n") else 1
    several: Changes = {"prompt": list(target.prompts(2))} | ({"n": times} if times > 1 else {})
    singles = [(one, 0) for one in alone for _ in range(times)]
    owners = {"logit_bias": "MULTI-011", "stop": "STOP-019 and STOP-020"}
    plain = Group([Form("of a list of prompts", several, singles, owners)])
    if streamed is None:
        return [plain]
    return [plain, Group([Form("of a stream for a list of prompts", {**several, **streamed}, singles)])]


async def _ids(target: Target, streamed: Changes) -> Sequence[Group]:
    """A stream for token ids against the plain request for them."""
    if not await has(target, "token_prompt"):
        return []
    has_lists = await has(target, "multi_prompt")
    ids = [list(SOME_IDS), list(reversed(SOME_IDS))]
    tokens: list[Changes] = [{"prompt": ids}] if has_lists else [{"prompt": one} for one in ids]
    count = len(ids) if has_lists else 1
    return [
        Group(
            [
                Form(
                    "of a stream for token ids", {**one, **streamed}, [(one, index) for index in range(count)]
                )
                for one in tokens
            ]
        )
    ]


async def _everything(
    target: Target, request: Steered, streamed: Changes, instead: Sequence[Group], *, long: bool
) -> Group:
    """A stream that has all that goes together against the plain request for the same; of each thing alone where nothing goes together.

    With `long` one of the prompts is long where a list of token ids is taken. Such a one is not echoed: its log probabilities would be most of
    what a target sends in all of the run. Echoes are then in what fills the context.
    """
    best_of = _BEST_OF if await has(target, "best_of") else {}
    is_echoed = not (long and await has(target, "token_prompt"))
    features = await all_at_once(target, {**request.cut, **best_of}, long=long, echo=is_echoed)
    if features is None:
        return Group((), None, instead)
    # In the order in which it was sent to see whether it is served.
    simpler = [({**best_of, **features.changes}, index) for index in range(features.choices)]
    form = Form(f"of a stream {features.told}", {**features.changes, **streamed}, simpler)
    return Group([form], features, instead)


async def _full(
    target: Target, request: Steered, prompts: Sequence[Changes], streamed: Changes | None
) -> Sequence[Group]:
    """Requests whose limit fills the context, as streams and plain; none where the target does not tell how long it is."""
    if not request.stop:
        return []
    try:
        length, limit = await context_length(target), await room(target)
    except (NotRun, Inconclusive):
        return []
    features = await _stopped_at_once(target, request, prompts[0])
    # What is streamed can be left where it does not end; what is not would cost as much as the context has room for.
    deliveries: list[tuple[str, Changes, Features | None]] = []
    if streamed is not None:
        deliveries.append(("of a stream", streamed, features))
    if features is not None and length * features.choices <= _BY_MISTAKE:
        deliveries.append(("of a plain request", {}, features))
    elif length <= _BY_MISTAKE:
        deliveries.append(("of a plain request", {}, None))
    groups = []
    for what, delivery, together in deliveries:
        forms = [
            Form(f"{what}{told}", {**simpler, **delivery}, [(simpler, index) for index in range(choices)])
            for told, simpler, choices in _to_fill(together, prompts)
        ]
        # What is so without a full context as well is looked at by itself.
        instead = [Group(forms, together)] if delivery and together else []
        groups.append(Group([_filled(form, limit - MARGIN) for form in forms], instead=instead))
    return groups


def _filled(form: Form, limit: int) -> Form:
    """The same with a limit that fills the context."""
    what = f"{form.what} whose `max_tokens` fills the context"
    return replace(form, what=what, changes={**form.changes, "max_tokens": limit}, fills_the_context=True)


def _to_fill(features: Features | None, prompts: Sequence[Changes]) -> list[tuple[str, Changes, int]]:
    """What is asked for in requests that fill the context, in words, and as a plain request for so many choices: all at once where that goes."""
    if features is None:
        return [("", prompt, 1) for prompt in prompts]
    return [(f" {features.told}", features.changes, features.choices)]


async def _stopped_at_once(target: Target, request: Steered, prompt: Changes) -> Features | None:
    """As many features as go together in a request that its stop sequence ends in each choice; None where there are none.

    So it is the ordinary prompt that stands in the list: of others nobody knows where they end.
    """
    features = await all_at_once(target, request.cut, prompts=[prompt["prompt"]] * 2)
    if features is None:
        return None
    exchange = await target.post(**{**request.cut, **features.changes})
    if not exchange.served:
        return None  # What comes of it is looked at with the stream of all that goes together.
    stopped = [one for one in target.read(exchange).choices.values() if one.finish_reason == "stop"]
    return features if len(stopped) == features.choices else None
