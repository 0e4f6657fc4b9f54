"""The JSON object that answers a request without a stream.

One defect makes one finding: a rule about a member leaves it alone where the member is missing (RESP-001), where a whole number came as
something else (RESP-016), and where a chat came in the place of a completion (RESP-014).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.contract.catalogue import Level, Profile
from conformance.contract.check import (
    NOT_APPLICABLE,
    Elsewhere,
    Judgement,
    Scope,
    broken,
    broken_should,
    rule,
)
from conformance.contract.symptom import malformed, missing
from conformance.rules._shapes import choices_of, has_failed, is_given, is_of_endpoint, plain, promised
from conformance.wire.completion import COUNTERS, DETAILS, Completion, is_chat, reason_is_documented
from conformance.wire.exchange import Exchange, Intent, Request, is_int
from conformance.wire.shown import shown

KEYS = ("id", "object", "created", "model", "choices")
OBJECT = "text_completion"

_ARRAYS = ("text_offset", "token_logprobs", "tokens", "top_logprobs")

_EARLIEST, _LATEST = 1_000_000_000, 100_000_000_000
"""Seconds from 1970 to 2001 and to the year 5138: below is no clock of today, above are milliseconds."""

_HOUR = 3600


@rule("RESP-001", Scope.PLAIN)
def the_response_has_its_five_keys(completion: Completion) -> Judgement:
    """A response has the keys `id`, `object`, `created`, `model` and `choices`."""
    document = plain(completion)
    if document is None:
        return NOT_APPLICABLE
    lacking = [key for key in KEYS if key not in document]
    names = ", no ".join(f"`{key}`" for key in lacking)
    return broken(f"the response has no {names}", *map(missing, lacking)) if lacking else None


@rule("RESP-002", Scope.PLAIN, shows=malformed("id"))
def the_id_is_a_string_with_content(completion: Completion) -> Judgement:
    """`id` is a non-empty string."""
    return _is_named(plain(completion), "id")


@rule("RESP-003", Scope.TRIES)
def no_two_completions_share_an_id(exchanges: Sequence[Exchange]) -> Judgement:
    """Responses to different requests have different values of `id`, those that were cut off included."""
    first: dict[str, Exchange] = {}
    repeats: dict[str, list[Exchange]] = {}
    completions = [exchange for exchange in exchanges if exchange.served and is_of_endpoint(exchange)]
    for exchange in completions:
        values = [document.get("id") for document in Completion.read(exchange).documents]
        for identity in {value for value in values if isinstance(value, str) and value}:
            # The same request again may have been answered from a cache, with the same completion.
            if first.setdefault(identity, exchange).request != exchange.request:
                repeats.setdefault(identity, []).append(exchange)
    if not first:
        return NOT_APPLICABLE
    if not repeats:
        return None
    identity, others = max(repeats.items(), key=lambda item: len(item[1]))
    return broken(
        f"the id {shown(identity)} of {first[identity].id} came again in {len(others)} answers to other requests;"
        f" {len(first)} different ids came in {len(completions)} completions",
        evidence=(first[identity], *others),
    )


@rule("RESP-004", Scope.PLAIN, shows=malformed("object"))
def the_object_is_text_completion(completion: Completion) -> Judgement:
    """`object` is exactly `"text_completion"`."""
    document = plain(completion)
    if document is None:
        return NOT_APPLICABLE
    if "object" not in document:
        return Elsewhere("RESP-001")
    return None if document["object"] == OBJECT else broken(f"`object` is {shown(document['object'])}")


@rule("RESP-005", Scope.COMPLETION, shows=malformed("created"))
def the_creation_time_is_in_unix_seconds(completion: Completion) -> Judgement:
    """`created` counts Unix seconds, in a chunk of a stream too."""
    times = [document.get("created") for document in completion.documents]
    counts = [time for time in times if is_int(time)]
    for time in counts:
        if time >= _LATEST:
            return broken(
                f"`created` is {shown(time)}: that is not a count of seconds but of milliseconds or less"
            )
        if time < _EARLIEST:
            return broken(f"`created` is {shown(time)}, which as Unix time is before 2001")
    started = completion.exchange.started
    if counts and started and abs(counts[0] - started) > _HOUR:
        return broken_should(
            f"`created` is {counts[0]}, {abs(counts[0] - started) / _HOUR:.1f} hours from the client's clock"
        )
    if counts or completion.streamed or not completion.documents:
        return None if counts else NOT_APPLICABLE
    return Elsewhere("RESP-016" if "created" in completion.documents[0] else "RESP-001")


@rule("RESP-006", Scope.PLAIN, shows=malformed("model"))
def the_model_is_named(completion: Completion) -> Judgement:
    """`model` is a non-empty string."""
    return _is_named(plain(completion), "model")


@rule("RESP-007", Scope.PLAIN)
def choices_number_n_times_prompts(completion: Completion) -> Judgement:
    """`choices` is an array of objects, one for a prompt without `n`, and never more than were asked for."""
    document, request = plain(completion), completion.exchange.request
    if document is None or "choices" not in document:
        return NOT_APPLICABLE
    choices = document["choices"]
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        return broken(f"`choices` is not an array of objects but {shown(choices)}")
    # Whether `best_of` and token ids are understood, and whether `n` and several prompts are disregarded, is for BEST-004, REQ-009,
    # N-001 and MULTI-001.
    count = promised(request)
    understood = (
        count is not None and isinstance(request.prompts[0], str) and not is_given(request, "best_of")
    )
    if count is None or (choices and not understood):
        return NOT_APPLICABLE
    # All but one, or all but the first of each prompt, is disregard of `n` or of the list; any other number is wrong by itself.
    disregarded = {1, len(request.prompts), request.integer("n", 1)}
    if not choices or len(choices) not in {count, *disregarded}:
        asked = f"{len(request.prompts)} prompts with n {request.integer('n', 1)}"
        return broken(f"{'one prompt without `n`' if count == 1 else asked} got {len(choices)} choices")
    return None if len(choices) == count else NOT_APPLICABLE


@rule("RESP-008", Scope.PLAIN, shows=malformed("index"))
def indices_run_from_zero_without_gaps(completion: Completion) -> Judgement:
    """The `index` values of the choices are 0 to their number minus 1, each exactly once."""
    indices = [choice.get("index") for choice in choices_of(plain(completion))]
    if not indices or any(index is not None and not is_int(index) for index in indices):
        return NOT_APPLICABLE
    # In any order: "the response object may not return completions in the order of the prompts".
    whole = all(index is not None for index in indices) and set(indices) == set(range(len(indices)))
    return None if whole else broken(f"the {len(indices)} choices have the indices {shown(indices)}")


@rule("RESP-009", Scope.PLAIN, shows=missing("text"))
def every_choice_has_a_text(completion: Completion) -> Judgement:
    """`text` is present and a string in every choice."""
    choices = [choice for choice in choices_of(plain(completion)) if not is_chat(choice)]
    for choice in choices:
        if not isinstance(choice.get("text"), str):
            what = f"`text` {shown(choice['text'])}" if "text" in choice else "no `text`"
            return broken(f"a choice has {what}: {shown(choice)}")
    return None if choices else NOT_APPLICABLE


@rule("RESP-010", Scope.COMPLETION, shows=malformed("finish_reason"))
def a_finish_reason_is_a_documented_one(completion: Completion, profile: Profile) -> Judgement:
    """The finish_reason of a choice is `stop`, `length` or `content_filter`, or one that the profile lists."""
    known = profile.extra_finish_reasons
    if completion.streamed:
        # That there is one is STREAM-011's, that it is a text and comes at the end STREAM-010's.
        reasons = [choice.finish_reason for choice in completion.choices.values()]
        found = [reason for reason in reasons if isinstance(reason, str) and reason]
        wrong = [reason for reason in found if not reason_is_documented(reason, known)]
        if wrong:
            return broken(f"the finish_reason of a choice is {shown(wrong[0])}, in a stream")
        return None if found else NOT_APPLICABLE
    choices = choices_of(plain(completion))
    for choice in choices:
        reason = choice.get("finish_reason")
        if not reason_is_documented(reason, known):
            what = shown(reason) if "finish_reason" in choice else "missing"
            return broken(f"the finish_reason of a choice is {what}")
    return None if choices else NOT_APPLICABLE


@rule("RESP-011", Scope.COMPLETION)
def log_probabilities_not_asked_for_are_null(completion: Completion, profile: Profile) -> Judgement:
    """Without `logprobs` in the request, a choice carries `logprobs: null`, in a stream too."""
    choices = choices_of(plain(completion))
    if completion.streamed:
        choices = [part for choice in completion.choices.values() for part in choice.parts]
    if not choices or is_given(completion.exchange.request, "logprobs"):
        return NOT_APPLICABLE
    override = profile.levels.get("RESP-011")
    strict = override is not None and override.level is Level.MUST
    for choice in choices:
        if choice.get("logprobs") is not None:
            return broken(f"nobody asked for `logprobs`, and a choice has {shown(choice['logprobs'])}")
        # The reference page's example has no such key, so that only a profile can insist on it.
        if strict and not completion.streamed and "logprobs" not in choice:
            return broken(f"a choice has no `logprobs`: {shown(choice)}")
    return None


@rule("RESP-012", Scope.PLAIN, shows=missing("usage"))
def a_response_reports_usage(completion: Completion) -> Judgement:
    """A response has `usage` with an object."""
    document = plain(completion)
    if document is None:
        return NOT_APPLICABLE
    if "usage" not in document:
        return broken("the response has no `usage`")
    usage = document["usage"]
    return None if isinstance(usage, dict) else broken(f"`usage` is {shown(usage)}")


@rule("RESP-013", Scope.COMPLETION)
def a_system_fingerprint_is_a_string(completion: Completion) -> Judgement:
    """`system_fingerprint`, where present, is a string or null, in a chunk of a stream too."""
    values = [one["system_fingerprint"] for one in completion.documents if "system_fingerprint" in one]
    wrong = [value for value in values if value is not None and not isinstance(value, str)]
    if wrong:
        return broken(
            f"`system_fingerprint` is {shown(wrong[0])}{' in a chunk' if completion.streamed else ''}"
        )
    return None if values else NOT_APPLICABLE


@rule("RESP-014", Scope.PLAIN, shows=malformed("choices"))
def choices_carry_no_chat_messages(completion: Completion) -> Judgement:
    """A choice has no `message` or `delta` in place of `text`."""
    choices = choices_of(plain(completion))
    chat = next((choice for choice in choices if is_chat(choice)), None)
    if chat is not None:
        return broken(f"a choice has the form of a chat choice: {shown(chat)}")
    return None if choices else NOT_APPLICABLE


@rule("RESP-015", Scope.PLAIN)
def choices_come_in_any_order(completion: Completion) -> Judgement:
    """Several choices are sorted by `index`, which is recorded only."""
    indices = [index for choice in choices_of(plain(completion)) if is_int(index := choice.get("index"))]
    if len(indices) <= 1:
        return NOT_APPLICABLE
    return None if indices == sorted(indices) else broken(f"the choices come in the order {shown(indices)}")


@rule("RESP-016", Scope.PLAIN)
def counts_and_times_are_json_integers(completion: Completion) -> Judgement:
    """`created`, every `index` and every count in `usage` is a JSON integer."""
    document = plain(completion)
    if document is None:
        return NOT_APPLICABLE
    usage = document.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    found = [("created", document["created"])] if "created" in document else []
    found += [
        ("index", choice["index"]) for choice in choices_of(document) if choice.get("index") is not None
    ]
    found += [(f"usage.{name}", counts[name]) for name in COUNTERS if counts.get(name) is not None]
    wrong = [f"`{name}` is {shown(value)}" for name, value in found if not is_int(value)]
    if wrong:
        return broken("; ".join(wrong[:5]))
    return None if found else NOT_APPLICABLE


@rule("RESP-017", Scope.PLAIN)
def the_official_client_accepts_the_response(completion: Completion) -> Judgement:
    """The response has the types that openai-python's `Completion` declares."""
    document = plain(completion)
    if document is None:
        return NOT_APPLICABLE
    if judge := _judge_of_what_is_unsound(document):
        return Elsewhere(judge)
    wrong = [f"`{place}` is {shown(value)}" for place, value in _mistyped_options(document)]
    return broken("; ".join(wrong[:5])) if wrong else None


@rule("N-008", Scope.RUN, shows=malformed("index"))
def every_answer_has_its_choices(completions: Sequence[Completion]) -> Judgement:
    """Where some requests with `n` get as many choices as they ask for, all do."""
    # Of streams STREAM-013 says which indices are missing.
    several = [
        one
        for one in completions
        if one.exchange.request.integer("n", 1) > 1 and not one.streamed and _has_ended(one)
    ]
    if not any(len(one.choices) == one.exchange.request.choices for one in several):
        return NOT_APPLICABLE  # N-001
    full = [one for one in completions if len(one.choices) == one.exchange.request.choices]
    for one in several:
        request = one.exchange.request
        # Where prompts of a kind are lost without `n` as well it is they that are: MULTI-001, REQ-009.
        lists_come = len(request.prompts) == 1 or any(
            _is_like(request, other.exchange.request) for other in full
        )
        if lists_come and len(one.choices) != request.choices:
            return broken(
                f"a request for {request.choices} choices was answered with {len(one.choices)}, and others got all of theirs",
                evidence=(one.exchange,),
            )
    return None


def _is_like(request: Request, other: Request) -> bool:
    """Whether another request, without `n`, is for several prompts of the same kind: text or token ids, each another one or not."""
    return other.integer("n", 1) == 1 < len(other.prompts) and _kind(request) == _kind(other)


def _kind(request: Request) -> tuple[frozenset[type], bool]:
    prompts = request.prompts
    return frozenset(map(type, prompts)), len(set(prompts)) == len(prompts)


def _has_ended(completion: Completion) -> bool:
    """Whether an answer to a valid request came to its end, and not to an error."""
    exchange = completion.exchange
    return exchange.request.intent is Intent.VALID and exchange.complete and not has_failed(completion)


@rule("RESP-019", Scope.RUN, shows=malformed("model"))
def one_model_has_one_name(completions: Sequence[Completion]) -> Judgement:
    """Answers to requests for the same model name the same model."""
    first: dict[str, tuple[str, Exchange]] = {}
    looked = False
    for completion in completions:
        asked, named = completion.exchange.request.params.get("model"), _model_of(completion)
        if not isinstance(asked, str) or named is None:
            continue
        looked = looked or asked in first
        expected, before = first.setdefault(asked, (named, completion.exchange))
        if named != expected:
            return broken(
                f"asked for {shown(asked)}, {before.id} says that its model is {shown(expected)}, and {completion.exchange.id}"
                f" that it is {shown(named)}",
                evidence=(before, completion.exchange),
            )
    return None if looked else NOT_APPLICABLE


def _model_of(completion: Completion) -> str | None:
    """The name of the model in an answer; that a stream has one throughout is STREAM-008's, that it is a name RESP-006's."""
    document = next(iter(completion.documents), {})
    value = document.get("model")
    return value if isinstance(value, str) and value else None


def _is_named(document: Mapping[str, Any] | None, key: str) -> Judgement:
    if document is None:
        return NOT_APPLICABLE
    if key not in document:
        return Elsewhere("RESP-001")
    value = document[key]
    return None if isinstance(value, str) and value else broken(f"`{key}` is {shown(value)}")


def _judge_of_what_is_unsound(document: Mapping[str, Any]) -> str | None:
    """The requirement that speaks of a member that is missing or not of its type; None where all that have one of their own are sound."""
    if not document.keys() >= {*KEYS}:
        return "RESP-001"
    usage, choices = document.get("usage"), choices_of(document)
    sound = {
        "RESP-002": isinstance(document["id"], str),
        "RESP-006": isinstance(document["model"], str),
        "RESP-004": document["object"] == OBJECT,
        "RESP-007": bool(choices),
        "RESP-008": all("index" in choice for choice in choices),
        "RESP-016": is_int(document["created"]) and all(is_int(choice.get("index")) for choice in choices),
        "RESP-009": all(isinstance(choice.get("text"), str) for choice in choices),
        "RESP-010": all(isinstance(choice.get("finish_reason"), str) for choice in choices),
        "USAGE-001": usage is None
        or (isinstance(usage, dict) and all(is_int(usage.get(name)) for name in COUNTERS)),
    }
    return next((judge for judge, is_sound in sound.items() if not is_sound), None)


def _mistyped_options(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The optional members that are neither null nor of their declared type, after `src/openai/types/completion*.py`.

    What the arrays of `logprobs` hold is for LOGP-002, what the details of `usage` hold for USAGE-013.
    """
    usage = document.get("usage") or {}
    for name in DETAILS:
        if not isinstance(usage.get(name), (dict, type(None))):
            yield f"usage.{name}", usage[name]
    for number, choice in enumerate(choices_of(document)):
        logprobs = choice.get("logprobs")
        if logprobs is None:
            continue
        if not isinstance(logprobs, dict):
            yield f"choices[{number}].logprobs", logprobs
            continue
        for name in _ARRAYS:
            if not isinstance(logprobs.get(name), (list, type(None))):
                yield f"choices[{number}].logprobs.{name}", logprobs[name]
