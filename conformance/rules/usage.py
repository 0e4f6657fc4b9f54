"""Whether the reported token counts are complete, consistent and fair."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.contract.symptom import count_differs, malformed
from conformance.rules._shapes import (
    asked_for_usage,
    choices_of,
    generated,
    is_given,
    is_of_endpoint,
    plain,
    promised,
)
from conformance.wire.completion import COUNTERS, DETAILS, Completion, Usage, is_chat, is_count
from conformance.wire.exchange import Exchange, Intent, Request, is_int
from conformance.wire.shown import shown

_WHOLES = dict(zip(DETAILS, ("prompt_tokens", "completion_tokens"), strict=True))
_PARTS = {
    "accepted_prediction_tokens",
    "audio_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "rejected_prediction_tokens",
}
"""What the details of `CompletionUsage` have by these names; what other details count is their owner's business."""
_UNSEEN_TOKENS = 8
"""End, stop and other tokens of a choice that may leave nothing in its text."""


@rule("USAGE-001", Scope.COMPLETION)
def three_counts_are_present_and_not_negative(completion: Completion) -> Judgement:
    """`usage` has `prompt_tokens`, `completion_tokens` and `total_tokens`, each an integer of at least 0."""
    usage = completion.usage
    if usage is None:
        return NOT_APPLICABLE
    values = {name: usage.raw.get(name) for name in COUNTERS}
    # In a plain answer a count of another type is RESP-016's.
    if not completion.streamed and any(value is not None and not is_int(value) for value in values.values()):
        return NOT_APPLICABLE
    wrong = {
        name: f"`{name}` is {shown(value) if name in usage.raw else 'missing'}"
        for name, value in values.items()
        if not is_count(value)
    }
    return broken(f"in `usage` {', '.join(wrong.values())}", *map(malformed, wrong)) if wrong else None


@rule("USAGE-002", Scope.COMPLETION)
def total_is_the_sum(completion: Completion) -> Judgement:
    """`total_tokens` is `prompt_tokens` plus `completion_tokens`."""
    usage = completion.usage
    if (
        usage is None
        or usage.prompt_tokens is None
        or usage.completion_tokens is None
        or usage.total_tokens is None
    ):
        return NOT_APPLICABLE
    total = usage.prompt_tokens + usage.completion_tokens
    if usage.total_tokens == total:
        return None
    parts = f"{shown(usage.prompt_tokens)} + {shown(usage.completion_tokens)} = {shown(total)}"
    return broken(
        f"total_tokens is {shown(usage.total_tokens)}, but prompt_tokens + completion_tokens is {parts}"
    )


@rule("USAGE-003", Scope.COMPLETION, shows=count_differs())
def counts_are_not_empty(completion: Completion) -> Judgement:
    """`prompt_tokens` is at least 1 for a prompt with content, and `completion_tokens` where text was generated."""
    request, usage = completion.exchange.request, completion.usage
    # Zeros in the chunks of a stream that was not asked for usage stand for "not known yet".
    if usage is None or (completion.streamed and not asked_for_usage(request)):
        return NOT_APPLICABLE
    empty = []
    if any(request.prompts) and usage.prompt_tokens == 0:
        empty.append("prompt_tokens is 0 for a prompt with content")
    # A suffix that is appended literally is text that nobody generated.
    texts = [generated(request, choice.text) for choice in completion.choices.values()]
    text = next((text for text in texts if text), None)
    if text is not None and usage.completion_tokens == 0 and not is_given(request, "suffix"):
        empty.append(f"completion_tokens is 0 for the text {shown(text)}")
    return broken("; ".join(empty)) if empty else None


@rule("USAGE-007", Scope.RUN, shows=count_differs())
def prompt_tokens_depend_on_the_prompt_alone(completions: Sequence[Completion]) -> Judgement:
    """`prompt_tokens` is the same for the same prompt or prompts and suffix, whatever else the request says."""
    # Counts that change when the very same request comes again are USAGE-012's, and whatever else they differ with proves nothing.
    if recounted_requests(completions):
        return NOT_APPLICABLE
    groups = _grouped(completions, "model", "prompt", "suffix") + _grouped_lists(completions)
    for group in groups:
        (first, count), *others = group
        for exchange, other in others:
            if other != count:
                return broken(
                    f"the same prompt has {shown(count)} prompt_tokens in {first.id} and {shown(other)} in {exchange.id},"
                    f" which differs in {_difference(first, exchange)}",
                    evidence=(first, exchange),
                )
    return None if any(len({one.request for one, _ in group}) > 1 for group in groups) else NOT_APPLICABLE


@rule("USAGE-010", Scope.COMPLETION, shows=count_differs())
def logprobs_have_one_entry_per_counted_token(completion: Completion) -> Judgement:
    """Where a single completion ended by `length`, `logprobs.tokens` has `completion_tokens` entries, in a stream too."""
    request, usage, logprobs = completion.exchange.request, completion.usage, completion.choice.logprobs
    if completion.finish_reason != "length" or promised(request) != 1 or len(completion.choices) != 1:
        return NOT_APPLICABLE
    asked = is_int(request.params.get("logprobs"))  # what nobody asked for is RESP-011's
    if not asked or is_given(request, "echo", "best_of", "suffix", "stop"):
        return NOT_APPLICABLE
    # No tokens at all is LOGP-001's.
    if logprobs is None or not logprobs.tokens or usage is None or usage.completion_tokens is None:
        return NOT_APPLICABLE
    # Usage that nobody asked for, or that comes in several parts, is STREAM-018's and STREAM-019's.
    parts = sum(isinstance(document.get("usage"), dict) for document in completion.documents)
    if completion.streamed and (not asked_for_usage(request) or parts > 1):
        return NOT_APPLICABLE
    if len(logprobs.tokens) == usage.completion_tokens:
        return None
    return broken(
        f"logprobs.tokens has {len(logprobs.tokens)} entries, and completion_tokens is {shown(usage.completion_tokens)}"
    )


@rule("USAGE-012", Scope.RUN, shows=count_differs())
def repeating_a_request_repeats_its_prompt_tokens(completions: Sequence[Completion]) -> Judgement:
    """The same request has the same `prompt_tokens` each time."""
    by_request = _by_request(completions)
    changed = recounted_requests(completions)
    if not changed:
        return None if any(len(found) > 1 for found in by_request) else NOT_APPLICABLE
    (before, expected), (exchange, count) = next(
        (found[0], one) for found in changed for one in found if one[1] != found[0][1]
    )
    return broken(
        f"the same request has {shown(expected)} prompt_tokens in {before.id} and {shown(count)} in {exchange.id}"
        + (_UNEQUAL if any(map(_comes_and_goes, changed)) else ""),
        evidence=(before, exchange),
    )


_UNEQUAL = ", and such counts come and go: answers come from unequal backends, or depend on what came before"


def recounted_requests(completions: Iterable[Completion]) -> list[list[tuple[Exchange, int]]]:
    """The prompt counts of each request that was not counted alike each time."""
    return [found for found in _by_request(completions) if len({count for _, count in found}) > 1]


def _by_request(completions: Iterable[Completion]) -> list[list[tuple[Exchange, int]]]:
    by_request: dict[Any, list[tuple[Exchange, int]]] = {}
    for exchange, count in _prompt_counts(completions):
        by_request.setdefault(exchange.request, []).append((exchange, count))
    return list(by_request.values())


def _comes_and_goes(found: Sequence[tuple[Exchange, int]]) -> bool:
    """Whether a count comes back after another one: a cache that fills takes each step once."""
    steps = [count for count, _ in groupby(count for _, count in found)]
    return len(steps) > len(set(steps))


@rule("USAGE-013", Scope.COMPLETION)
def details_stay_within_their_totals(completion: Completion) -> Judgement:
    """No part of a count is more than the count, and all details are integers of at least 0 or null."""
    usage = completion.usage
    found = [] if usage is None else list(_details(usage))
    for name, value in found:
        if not is_int(value) or value < 0:
            return broken(f"`{name}` is {shown(value)}")
        group, _, part = name.partition(".")
        whole = _WHOLES[group]
        total = getattr(usage, whole, None)
        if part in _PARTS and total is not None and value > total:
            return broken(f"`{name}` is {shown(value)}, but `{whole}` is only {shown(total)}")
    return None if found else NOT_APPLICABLE


@rule("USAGE-014", Scope.COMPLETION, shows=count_differs())
def token_counts_fit_the_text(completion: Completion) -> Judgement:
    """`completion_tokens` is at most the number of UTF-8 bytes of the generated text, and a few more."""
    request, usage = completion.exchange.request, completion.usage
    # Tokens of a stop sequence and of candidates that were not chosen may count without being seen.
    if usage is None or usage.completion_tokens is None or is_given(request, "stop", "best_of"):
        return NOT_APPLICABLE
    reasoned = any(name.endswith(".reasoning_tokens") and value for name, value in _details(usage))
    answered = choices_of(plain(completion))
    # What stands where a chat has its text is counted, too (RESP-014), and what a text that is no string would have said (RESP-009).
    if (
        not completion.choices
        or reasoned
        or any(map(is_chat, answered))
        or not all(map(_has_a_text, answered))
    ):
        return NOT_APPLICABLE
    texts = [generated(request, choice.text) for choice in completion.choices.values()]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if text is not None)
    if None in texts or usage.completion_tokens <= size + _UNSEEN_TOKENS * len(texts):
        return None
    return broken(f"completion_tokens is {shown(usage.completion_tokens)} for {size} bytes of generated text")


def _has_a_text(choice: Mapping[str, Any]) -> bool:
    return isinstance(choice.get("text"), str)


@rule("USAGE-015", Scope.REFUSAL)
def a_refused_request_reports_no_usage(exchange: Exchange) -> Judgement:
    """The body of a refused request has no `usage`."""
    body = exchange.response.json if exchange.response is not None else None
    if not isinstance(body, dict) or not is_of_endpoint(exchange):
        return NOT_APPLICABLE
    usage = body.get("usage")
    return (
        None
        if usage is None
        else broken(f"an answer with status {exchange.status} has the usage {shown(usage)}")
    )


def _counts(completions: Iterable[Completion]) -> Iterator[tuple[Exchange, int]]:
    """The exchanges that tell how many tokens the prompts of a valid request have."""
    for completion in completions:
        exchange, usage = completion.exchange, completion.usage
        known = usage is not None and usage.prompt_tokens is not None and usage.prompt_tokens > 0
        if known and exchange.request.intent is Intent.VALID:
            assert usage is not None  # noqa: S101 - as `known` says
            assert usage.prompt_tokens is not None  # noqa: S101
            yield exchange, usage.prompt_tokens


def _prompt_counts(completions: Iterable[Completion]) -> Iterator[tuple[Exchange, int]]:
    """The same of requests with one prompt; what several have to do with each of them is USAGE-005's."""
    return (
        (exchange, count) for exchange, count in _counts(completions) if len(exchange.request.prompts) == 1
    )


def _grouped(completions: Sequence[Completion], *names: str) -> list[list[tuple[Exchange, int]]]:
    """The prompt counts of single choices (USAGE-004 speaks of `n`), those alike in the parameters `names` together."""
    groups: dict[str, list[tuple[Exchange, int]]] = {}
    for exchange, count in _prompt_counts(completions):
        if exchange.request.integer("n", 1) == 1:
            key = json.dumps([exchange.request.params.get(name) for name in names])
            groups.setdefault(key, []).append((exchange, count))
    return list(groups.values())


def _grouped_lists(completions: Sequence[Completion]) -> list[list[tuple[Exchange, int]]]:
    """The counts of several prompts, those alike in all that they may be counted by together; none that change by themselves."""
    groups: dict[str, list[tuple[Exchange, int]]] = {}
    # What each choice of a stream has of its own is no count of all (STREAM-019).
    for exchange, count in _counts(one for one in completions if not _has_several_usages(one)):
        params = exchange.request.params
        if len(exchange.request.prompts) > 1:
            names = ("model", "prompt", "suffix", "n", "best_of")
            groups.setdefault(json.dumps([params.get(name) for name in names]), []).append((exchange, count))
    # Where no list is counted as the sum of its prompts each count may be that of another one of them (USAGE-005).
    singles = {
        _key(exchange.request, exchange.request.prompts[0]): count
        for exchange, count in _prompt_counts(completions)
    }
    sums = [one for group in groups.values() if (one := _is_a_sum(group, singles)) is not None]
    if sums and not any(sums):
        return []
    return [group for group in groups.values() if not _changes_by_itself(group)]


def _is_a_sum(group: Sequence[tuple[Exchange, int]], singles: Mapping[Hashable, int]) -> bool | None:
    """Whether a count of a list is the sum of the counts that its prompts have alone; None where these are not known."""
    request = group[0][0].request
    alone = [singles.get(_key(request, prompt)) for prompt in request.prompts]
    known = [count for count in alone if count is not None]
    return any(count == sum(known) for _, count in group) if len(known) == len(alone) else None


def _key(request: Request, prompt: Hashable) -> Hashable:
    """What decides how many tokens a prompt has."""
    return json.dumps([request.params.get("model"), request.params.get("suffix")]), prompt


def _has_several_usages(completion: Completion) -> bool:
    return sum(document.get("usage") is not None for document in completion.documents) > 1


def _changes_by_itself(group: Sequence[tuple[Exchange, int]]) -> bool:
    return len({(one.request, count) for one, count in group}) > len({one.request for one, _ in group})


def _difference(one: Exchange, other: Exchange) -> str:
    a, b = one.request.params, other.request.params
    names = [f"`{name}`" for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    return ", ".join(names) or "nothing that its body says"


def _details(usage: Usage) -> Iterator[tuple[str, Any]]:
    """The counts among the details, by name; extensions that do not call themselves tokens are left alone."""
    for group in DETAILS:
        details = usage.raw.get(group)
        if isinstance(details, Mapping):
            for name, value in details.items():
                if name.endswith("_tokens") and value is not None:
                    yield f"{group}.{name}", value
