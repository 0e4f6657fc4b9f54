"""What a relay may not change of requests, seen from both of its sides. All of this takes the scripted upstream."""

from __future__ import annotations

from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ignored
from conformance.contract.verdict import Broken, BrokenShould, Ignored, NotRun, Unsupported
from conformance.kit.gateway_relay import (
    arrived,
    changed_on_the_way,
    expect_arrived,
    relay,
)
from conformance.kit.target import Target
from conformance.wire.error_text import error_text
from conformance.wire.shown import shown

_BASIC: dict[str, Any] = {
    "max_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.25,
    "n": 2,
    "stop": ["never", "ever"],
}
_FORMS: dict[str, dict[str, Any]] = {
    "a `stop` of one string": {"stop": "never"},
    "a list of prompts": {"prompts": 2},
    "a stream with a `stop` of one string": {"stream": True, "stop": "never"},
}
_LESS_COMMON: dict[str, Any] = {"suffix": " at the end", "echo": True}
"""What a gateway may refuse together, and still pass on by itself."""

_MORE: dict[str, Any] = {
    "best_of": 3,
    "logit_bias": {"1234": -7},
    "seed": 2**53 + 1,
    "user": "somebody",
    "presence_penalty": 0.5,
    "frequency_penalty": -0.25,
}
_STREAM: dict[str, Any] = {"stream": True}
_MORE_OF_STREAMS = {name: value for name, value in _MORE.items() if name != "best_of"}
"""OAS of `best_of`: "Results cannot be streamed." """
_OF_STREAMS: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": True},
}

_OF_OTHERS: dict[str, Any] = {"top_k": 40, "min_p": 0.05, "x_suite": {"says": ["nothing", 1]}}
"""What the contract does not name: two settings that many engines have, and one that none has."""

_BEYOND: dict[str, Any] = {"temperature": 3, "stop": ["never", "ever", "any", "more", "at all"]}
"""What is out of range for some upstreams, and not for others."""

_ZEROS: dict[str, Any] = {
    "temperature": 0,
    "top_p": 0,
    "seed": 0,
    "logprobs": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "stream": False,
    "suffix": "",
}
_HARMLESS = frozenset({"presence_penalty", "frequency_penalty", "stream", "suffix"})
"""Parameters whose default is the same as the zero that is lost."""
_TWINS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.25,
    "seed": 7,
    "logprobs": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "suffix": " at the end",
    "max_tokens": 7,
}
"""The same parameters with another value: what is lost with any value is no matter of zeros."""

_ODD_TEXT = "  leads\tand \r\n\n trails \x01\x1f\x7f\u2028 e\u0301 \U0001f9ea \U0001d11e  "
_FOUR_STOPS = ["never", "ever", "\n\n", " in\tthis"]
_TOKENS = (300, 301, 302)


async def _lost(target: Target, params: dict[str, Any], what: str = "") -> tuple[dict[str, str], list[str]]:
    """What of `params` does not arrive as it was sent, by name, and what is refused; asked for at once, and singly where that is refused.

    `what` names all of them, where it is a fault that they are refused together.
    """
    found = await relay(target, "plain", **params)
    if found.arrived:
        return changed_on_the_way(found), []
    lost: dict[str, str] = {}
    refused = []
    for name, value in params.items():
        one = await relay(target, "plain", **{name: value})
        if await expect_arrived(target, one, f"`{name}`", is_optional=True):
            lost |= changed_on_the_way(one)
        else:
            refused.append(f"`{name}` ({one.exchange.status}: {error_text(one.exchange)})")
    together = [f"{what} ({found.exchange.status}: {error_text(found.exchange)})"] if what else []
    return lost, refused or together


@scenario("GW-004")
async def documented_parameters_reach_the_upstream(target: Target) -> None:
    """Every documented parameter reaches the upstream as it was sent."""
    lost, refused = await _lost(target, _BASIC, "these parameters together")
    for what, changes in _FORMS.items():
        # A list of prompts that arrives as something else is seen by its prompt.
        found = await relay(target, "plain", **changes)
        await expect_arrived(target, found, what)
        lost |= changed_on_the_way(found)
        if "prompts" in changes and found.body.get("prompt") != found.exchange.request.params["prompt"]:
            lost["prompt"] = f"{what} became {shown(found.body.get('prompt'))}"
    less, more = await _lost(target, _LESS_COMMON)
    _tell(lost | less, refused + more)


def _tell(lost: dict[str, str], refused: list[str]) -> None:
    """Raise what was lost on the way, or else what was refused; return where nothing was."""
    if lost:
        raise Ignored(f"on the way to the upstream {'; '.join(lost.values())}", *map(ignored, lost))
    if refused:
        raise Unsupported(f"requests with these did not reach the upstream: {', '.join(refused)}")


@scenario("GW-015")
async def zero_false_and_empty_are_not_absent(target: Target) -> None:
    """A parameter whose value is 0, false or an empty text reaches the upstream as it was sent, in streams too."""
    found = await relay(target, "plain", **_ZEROS)
    none = await relay(target, "plain", max_tokens=0)
    sent = [one for one in (found, none) if one.arrived]
    if not found.arrived:
        for name, value in _ZEROS.items():
            one = await relay(target, "plain", **{name: value})
            if not one.arrived and not await _arrives_otherwise(target, name):
                continue
            if await expect_arrived(target, one, f"`{name}` {shown(value)}", is_optional=True):
                sent.append(one)
    elif not none.arrived:
        await expect_arrived(target, none, "`max_tokens` 0", is_optional=True)
    if not sent:
        raise Unsupported("the gateway refuses every request with a parameter of 0")
    lost = {name: text for one in sent for name, text in changed_on_the_way(one, zeros=True).items()}
    if lost:
        await _tell_of_zeros(target, lost)
    streamed = await relay(target, "plain", **{**_ZEROS, **_STREAM})
    if streamed.arrived and (lost := changed_on_the_way(streamed, zeros=True)):
        await _tell_of_zeros(target, _in_streams(lost), **_STREAM)


def _in_streams(lost: dict[str, str]) -> dict[str, str]:
    return {name: f"{text} in a stream" for name, text in lost.items()}


async def _arrives_otherwise(target: Target, name: str) -> bool:
    """Whether a parameter reaches the upstream with another value; what does not is GW-004's, GW-012's or GW-016's."""
    return name not in _TWINS or bool((await relay(target, "plain", **{name: _TWINS[name]})).arrived)


async def _tell_of_zeros(target: Target, lost: dict[str, str], **form: Any) -> None:
    """Raise which zeros are lost in a request of that form, but for those of parameters that are lost with any value."""
    for name in sorted(lost.keys() & _TWINS.keys()):
        twin = await relay(target, "plain", **{name: _TWINS[name]}, **form)
        if not twin.arrived or name in changed_on_the_way(twin):
            del lost[name]
    if not lost:
        raise NotRun("what is lost is lost with any value; see GW-004, GW-012 and GW-016")
    message = f"on the way to the upstream {'; '.join(lost.values())}; with another value each arrives"
    if lost.keys() <= _HARMLESS:
        raise BrokenShould(f"{message}. Their defaults are the same")
    raise Ignored(message, *map(ignored, lost.keys() - _HARMLESS))


@scenario("GW-016")
async def every_documented_parameter_arrives(target: Target) -> None:
    """The less common parameters reach the upstream as they were sent, too, in streams as in plain requests."""
    lost, refused = await _lost(target, _MORE, "these parameters together")
    found = await relay(target, "plain", **_OF_STREAMS, **_MORE_OF_STREAMS)
    if not found.arrived:
        found = await relay(target, "plain", **_OF_STREAMS)
    await expect_arrived(target, found, "a stream with `stream_options`")
    # What is lost in any request need not be told twice, and the options are looked at singly.
    in_stream = changed_on_the_way(found)
    lost |= _in_streams(
        {name: in_stream[name] for name in in_stream if name not in {*lost, "stream_options"}}
    )
    options = found.body.get("stream_options") or {}
    lost |= {
        name: f"`{name}` of `stream_options` {shown(value)} became {arrived(options, name)}"
        for name, value in _OF_STREAMS["stream_options"].items()
        if name != "include_usage" and options.get(name) != value  # usage is GW-002's
    }
    _tell(lost, refused)
    beyond = await relay(target, "plain", **_BEYOND)
    if beyond.arrived and (altered := changed_on_the_way(beyond)):
        raise BrokenShould(
            f"what is more than the upstream may take is neither passed on nor refused, but altered: {'; '.join(altered.values())}"
        )


@scenario("GW-038")
async def members_beyond_the_contract_arrive(target: Target) -> None:
    """Members that the contract does not name reach the upstream, or are refused."""
    found = await relay(target, "plain", **_OF_OTHERS)
    if not await expect_arrived(target, found, "members beyond the contract", is_optional=True):
        return
    if lost := changed_on_the_way(found):
        raise Ignored(f"on the way to the upstream {'; '.join(lost.values())}", *map(ignored, lost))


@scenario("GW-017", phase=Phase.ALONE)
async def prompts_arrive_byte_for_byte(target: Target) -> None:
    """Prompts of any characters, prompts of tokens, and four stop sequences reach the upstream as they were sent."""
    batch = [[*_TOKENS, 310 + target.attempt], [*_TOKENS, 320 + target.attempt]]
    odd = {
        "a prompt of white space and rare characters with four stop sequences": await relay(
            target, "plain", _ODD_TEXT, stop=_FOUR_STOPS
        ),
        "a prompt of tokens": await relay(target, "plain", prompt=batch[0]),
        "a list of prompts of tokens": await relay(target, "plain", prompt=batch),
    }
    for what, found in odd.items():
        await expect_arrived(target, found, what)
        for name in ("prompt", "stop"):
            sent, arrived = found.exchange.request.params.get(name), found.body.get(name)
            if sent is not None and arrived not in (sent, [sent]):
                raise Broken(
                    f"{what}: `{name}` {shown(sent)} became {shown(arrived)} on the way to the upstream"
                )
