"""Missing parameters and values of a wrong type.

The wrong values are such that no lax validator can make something of them: `{}` or `[]` for a scalar, `"abc"` for a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, BrokenShould
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.invalid_requests import all_refused, completes, invalid_requests, refuses, survives
from conformance.kit.target import Target
from conformance.scenarios.request_effects import BIASED_TOKENS
from conformance.wire.completion import Completion
from conformance.wire.exchange import NOT_JSON, Intent
from conformance.wire.shown import shown

_WRONG: Mapping[str, Any] = {
    "max_tokens": "abc",
    "temperature": {},
    "top_p": [],
    "n": {},
    "stream": {},
    "suffix": {},
    "echo": {},
}
"""A value of a wrong type for each parameter of the reference page; `prompt`, `stop` and `model` have requirements of their own."""

_NO_PROMPTS: tuple[Any, ...] = (5, True, {"a": 1})
_MAY_BE_UNREAD = ("n", "suffix", "echo")
"""Parameters that many servers do not read at all, which is another fault: REQ-031."""


@scenario("REQ-002", phase=Phase.MALFORMED)
async def a_missing_model_causes_no_failure(target: Target) -> None:
    """A request without `model` is served or refused with a 4xx."""
    await survives(target, "model", ...)


@scenario("REQ-003", phase=Phase.MALFORMED)
async def a_missing_prompt_causes_no_failure(target: Target) -> None:
    """A request without `prompt` is refused with a 4xx or answered with a completion."""
    for exchange in await survives(target, "prompt", ...):
        completes(target, exchange, "a request without `prompt`")


@scenario("REQ-004", phase=Phase.MALFORMED)
async def a_prompt_of_wrong_type_is_refused(target: Target) -> None:
    """A `prompt` that is a number, a boolean or an object is refused with a 4xx."""
    await refuses(target, "prompt", *_NO_PROMPTS)


@scenario("REQ-005", phase=Phase.MALFORMED)
async def illegal_prompt_elements_are_refused(target: Target) -> None:
    """A `prompt` array with an element of an illegal type is refused with a 4xx."""
    all_refused(target, await invalid_requests(target, "prompt", [{}], [["a"]], [None]))
    for what, exchange in await invalid_requests(target, "prompt", [True]):
        # Lax validators (pydantic's, say) read true as 1, a token id: wrong by the schema, but nobody means it.
        if exchange.served:
            raise BrokenShould(f"{what} was served with status {exchange.status}, as if it were [1]")
        target.expect_refused(exchange, what)


@scenario("REQ-006", phase=Phase.MALFORMED)
async def an_empty_list_of_prompts_is_refused(target: Target) -> None:
    """`prompt: []` is refused with a 4xx, or answered with no choices."""
    for what, exchange in await invalid_requests(target, "prompt", []):
        if exchange.served and exchange.response is not None:
            document = exchange.response.json
            if isinstance(document, dict) and document.get("choices") == []:
                continue
            raise Broken(f"{what} was served with {shown(None if document is NOT_JSON else document)}")
        target.expect_refused(exchange, what)


# mlx-lm 0.32 does not survive an empty prompt either.
@scenario("REQ-007", phase=Phase.DEADLY)
async def an_empty_prompt_causes_no_failure(target: Target) -> None:
    """`prompt: ""` is refused with a 4xx or answered with a completion."""
    for exchange in await survives(target, "prompt", ""):
        completes(target, exchange, "an empty `prompt`")


@scenario("REQ-014", phase=Phase.MALFORMED)
async def values_of_wrong_type_are_refused(target: Target) -> None:
    """A value of a wrong JSON type is refused with a 4xx, for every documented parameter that the target reads."""
    requests = []
    for parameter, value in _WRONG.items():
        sent = await invalid_requests(target, parameter, value)
        served = any(exchange.served for _, exchange in sent)
        if served and parameter in _MAY_BE_UNREAD and not await has(target, parameter):
            continue
        requests += sent
    all_refused(target, requests)


# mlx-lm 0.32 never serves again after `stop: 5`: its generation thread is gone.
@scenario("REQ-024", phase=Phase.DEADLY)
async def a_stop_of_wrong_type_is_refused(target: Target) -> None:
    """A `stop` that is a number or an object, or a list of anything but strings, is refused with a 4xx."""
    all_refused(target, await invalid_requests(target, "stop", 5, {}))
    lists = await invalid_requests(target, "stop", [1], [None])
    served = [what for what, exchange in lists if exchange.served]
    if served and lists[0][1].served and await _ids_stop(target):
        # An extension, and an honest one: the number is the id of a token that ends the text.
        lists, served = lists[1:], served[1:]
    if served:
        raise BrokenShould(f"{' and '.join(served)} was served, and no text ended by it")
    all_refused(target, lists)


async def _ids_stop(target: Target) -> bool:
    """Whether a number in a list of stops is taken for the id of a token: a bias lets the text consist of one, which then ends it."""
    token = SOME_IDS[0]
    biased: dict[str, Any] = {"logit_bias": {str(token): 100}, "max_tokens": BIASED_TOKENS}
    free = await target.post(**biased)
    stopped = await target.post(**biased, stop=[token], intent=Intent.OPEN, parameter="stop")
    if not (free.served and stopped.served):
        return False
    text, cut = Completion.read(free), Completion.read(stopped)
    return len(cut.text) < len(text.text) and cut.finish_reason == "stop" != text.finish_reason


@scenario("REQ-025", phase=Phase.MALFORMED)
async def an_unknown_field_causes_no_failure(target: Target) -> None:
    """A request with a field that no server knows is served or refused with a 4xx."""
    await survives(target, "x_suite_probe", 1)


@scenario("REQ-035", phase=Phase.MALFORMED)
async def stream_options_alone_cause_no_failure(target: Target) -> None:
    """`stream_options` without `stream: true` is ignored or refused with a 4xx."""
    for exchange in await survives(target, "stream_options", {"include_usage": True}):
        completes(target, exchange, "`stream_options` without `stream`")
