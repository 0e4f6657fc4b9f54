"""Requests that go through a gateway under test to the suite's own upstream, and what both sides saw of them.

The prompt asks for a script, and carries a tag by which the request is found at the upstream. What is the same is sent once: checks that ask
for the same script in the same way share the exchange.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.symptom import missing, refused, server_error
from conformance.contract.verdict import (
    Broken,
    BrokenShould,
    Inconclusive,
    NotRun,
    NotServed,
    Reason,
    Unsupported,
)
from conformance.gateway.answers import WORDS, finish_reason, texts
from conformance.gateway.received import Arrival, UpstreamSide
from conformance.gateway.refusals import REFUSALS
from conformance.gateway.scripts import MARK
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Exchange, Intent, Request
from conformance.wire.shown import shown

LENGTH = 12
"""The limit of ordinary requests: fewer than the words of a script, so that they end by `length`."""

_STAYS = 0.5
"""Seconds in which a request comes through the gateway; where it takes longer, nothing is concluded from its not being there."""

_PATIENCE = 200.0
"""Seconds that the client waits for a first byte which the upstream takes a minute for: a busy machine makes that longer."""

_END_OTHERWISE = frozenset({"broken", "cut", "failing", "slow", "held", "late"})
"""Scripts of answers that do not come to their end, or so late that others give up."""

_ANSWERS = frozenset({"confidential"})
"""What is told among the refusals and is none."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """One request on both sides of the gateway: what came back to the client, and what the upstream was sent."""

    exchange: Exchange
    arrived: Sequence[Arrival]
    """What came to the upstream, once for each time that the gateway asked."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What the upstream was sent last."""
        found: Mapping[str, Any] = self.arrived[-1].body
        return found


def upstream(target: Target) -> UpstreamSide:
    """The scripted upstream; raises `NotRun` where the run has none."""
    if target.upstream is None:
        raise NotRun(
            "it takes an upstream that answers by script: let the gateway under test relay a model named"
            f" {target.settings.gateway_model} to http://127.0.0.1:PORT/v1, and give the run --gateway-upstream-port=PORT (or --gateway-upstream-url"
            " of one that is up)"
        )
    return target.upstream


def tag_of(target: Target, script: str, what: str = "", **changes: Any) -> str:
    """What the upstream finds a request by."""
    told = json.dumps([what, target.attempt, sorted(changes.items())], default=str)
    return f"{MARK}{script} {hashlib.sha256(told.encode()).hexdigest()[:10]}"


async def relay(
    target: Target,
    script: str,
    what: str = "",
    *,
    close_after: int | None = None,
    takes_any_answer: bool = False,
    **changes: Any,
) -> Relayed:
    """Send an ordinary request whose prompt asks for `script`, and goes on with `what`; `prompts` asks for a list of so many.

    `takes_any_answer`: whether the gateway serves at once is the question. A prompt of tokens, which is given as `prompt`, leaves the script
    to `user`.
    """
    # A rate limit or an answer that breaks off is no reason to ask again where the script says so.
    takes_any_answer = takes_any_answer or script in REFUSALS or script in _END_OTHERWISE
    behind = upstream(target)
    tag = tag_of(target, script, what, close_after=close_after, **changes)
    request = Request.of(
        target.params(**_params(target, tag, what, changes)),
        close_after=close_after,
        stays=_STAYS,
        waits=_PATIENCE if script == "late" else 0.0,
        new_connection=takes_any_answer,  # what a gateway breaks off is never to be sent again on another connection
        takes_any_answer=takes_any_answer,
        at_once=script == "together",
        intent=Intent.OPEN if script in REFUSALS.keys() - _ANSWERS else Intent.VALID,
    )
    exchange = await target.traffic.send(request, attempt=target.attempt)
    if all(exchange is not known for known in target.used):
        target.used.append(exchange)
    return Relayed(exchange, tuple(await behind.asked(tag)))


def _params(target: Target, tag: str, what: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    params = {"model": target.settings.gateway_model, "max_tokens": LENGTH, **changes}
    several = params.pop("prompts", 0)
    text = f"{tag} {what}".strip() if what.isprintable() else f"{tag}{what}"
    if "prompt" in params:
        return {**params, "user": tag}
    return {**params, "prompt": [f"{text} {number}" for number in range(several)] if several else text}


async def served(target: Target, script: str, what: str = "", **changes: Any) -> tuple[Completion, Relayed]:
    """The completion of a request that the upstream serves. Raises the outcome that fits where it did not come there, or back."""
    found = await relay(target, script, what, **changes)
    exchange = found.exchange
    if not found.arrived:
        await explain_what_did_not_arrive(target, exchange)
        said = error_text(exchange)
        raise Unsupported(f"the gateway refuses the request itself with status {exchange.status}: {said}")
    if exchange.rate_limited:
        raise Inconclusive(
            f"the gateway limits requests: it answered {exchange.status} to what its upstream served",
            Reason.RATE_LIMIT,
        )
    if exchange.served and exchange.response is not None and not Completion.read(exchange).choices:
        raise Broken(
            f"the upstream sent a completion, but what the gateway made of it has no choices: {error_text(exchange)}",
            missing("choices"),
        )
    return target.read(exchange), found


async def explain_what_did_not_arrive(target: Target, exchange: Exchange) -> None:
    """Return where the gateway refuses a request for what it asks; else raise why it never came to the upstream."""
    behind = upstream(target)
    if not await behind.scripts():
        raise Inconclusive(nothing_arrived(target, exchange))
    if exchange.refused:
        return
    honest = await relay(target, "plain", "an honest prompt in between", takes_any_answer=True)
    relayed = [one for one in await behind.scripts() if one in REFUSALS.keys() - _ANSWERS]
    if not honest.exchange.served and relayed:
        raise NotRun(
            f"the gateway serves nobody any more since its upstream answered by the script {relayed[-1]}; see GW-027"
        )
    if exchange.status is not None and exchange.status >= 500:  # noqa: PLR2004 - the 5xx class
        raise NotServed(
            f"the gateway answered {exchange.status} itself, without asking its upstream: {error_text(exchange)}",
            server_error(),
        )
    raise Inconclusive(
        f"a request never came to the scripted upstream ({behind.place}), though others did; the gateway answered"
        f" {exchange.status}: {error_text(exchange)}"
    )


def nothing_arrived(target: Target, exchange: Exchange) -> str:
    """What to say, and to check, where the upstream has not been asked at all."""
    behind = upstream(target)
    return (
        f"no request arrived on {behind.place}; the gateway answered {exchange.status}: {error_text(exchange)}. Check that the gateway"
        f" relays the model {target.settings.gateway_model!r} (--gateway-model names another) to {behind.url}, that any key"
        " will do there, and that it can reach that address: the upstream of a run listens on the loopback interface only"
    )


async def expect_arrived(target: Target, found: Relayed, what: str, *, is_optional: bool = False) -> bool:
    """Whether a valid request came to the upstream; False where the gateway refuses `what`, which is optional. Raises where it must not."""
    if found.arrived:
        return True
    await explain_what_did_not_arrive(target, found.exchange)
    if is_optional:
        return False
    raise Broken(
        f"the gateway refuses {what} itself with status {found.exchange.status}, and does not ask its upstream, which takes it:"
        f" {error_text(found.exchange)}",
        refused(what),
    )


def changed_on_the_way(found: Relayed, *, zeros: bool = False) -> dict[str, str]:
    """Each parameter that did not reach the upstream as it was sent, and how it came there, in words.

    `zeros` looks at values like 0 and "" alone, else at all others.
    """
    sent, came = found.exchange.request.params, found.body
    return {
        name: f"`{name}` {shown(value)} became {arrived(came, name)}"
        for name, value in sent.items()
        if name not in {"model", "prompt"} and is_zero(value) == zeros and not _same(came.get(name), value)
    }


def arrived(body: Mapping[str, Any], name: str) -> str:
    """What of a member came to the upstream, for a message."""
    return shown(body[name]) if name in body else "nothing"


def is_zero(value: object) -> bool:
    """Whether a value is one that many a language takes for none."""
    return value in (0, "") and value is not None


def _same(arrived: object, sent: object) -> bool:
    """Whether a value arrived; one stop sequence may travel as a list of one, and 0 is not false."""
    if isinstance(sent, bool) or isinstance(arrived, bool):
        return arrived is sent
    return arrived == sent or (isinstance(sent, str) and arrived == [sent])


async def expect_ordinary(target: Target, **form: Any) -> None:
    """Raise `NotRun` where not even an ordinary answer of that form arrives as it was, which GW-001 judges."""
    answer, _ = await served(target, "plain", **form)
    try:
        expect_content(answer, {"max_tokens": LENGTH})
    except BrokenShould:
        return
    except Broken as found:
        raise NotRun("an ordinary answer does not arrive as it was either; see GW-001") from found


async def expect_two_choices(target: Target) -> None:
    """An ordinary stream of two choices has both of them to their ends; that `n` reaches the upstream is GW-004's."""
    answer, found = await served(target, "plain", stream=True, n=2, temperature=1)
    expect_content(answer, {"max_tokens": LENGTH, "n": found.body.get("n")})


def expect_content(answer: Completion, body: Mapping[str, Any], words: Sequence[str] = WORDS) -> None:
    """Texts and finish reasons are those that the upstream gave to the request `body`."""
    wanted, reason = texts(body, words), finish_reason(body, words)
    form = "the stream" if answer.streamed else "the answer"
    if set(answer.choices) != set(range(len(wanted))):
        raise Broken(
            f"the upstream gave {len(wanted)} choices, but {form} has the indices {shown(sorted(answer.choices))}"
        )
    for index, text in enumerate(wanted):
        choice = answer.choices[index]
        if "".join(choice.text.split()) != "".join(text.split()):
            raise Broken(
                f"the upstream said {shown(text)}, but {form} says {shown(choice.text)} in choice {index}"
            )
        if choice.finish_reason != reason:
            raise Broken(
                f"choice {index} ended upstream with the finish_reason {shown(reason)}, but {form} has {shown(choice.finish_reason)}"
            )
        if choice.text != text:
            raise BrokenShould(
                f"{form} changes white space: upstream {shown(text)}, here {shown(choice.text)}"
            )
