"""The chunks of an event stream, from their keys to their meaning; `stream_framing.py` judges what carries them.

A stream that reports an error has failed, and is judged for that (STREAM-023) and not for what it lacks. As for plain answers, one defect
makes one finding: a rule about a member leaves it alone where the chunk has no such member (STREAM-005).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from conformance.contract.catalogue import Profile
from conformance.contract.check import NOT_APPLICABLE, Finding, Judgement, Scope, broken, broken_should, rule
from conformance.contract.symptom import Symptom, ends_wrongly, malformed, missing
from conformance.rules._shapes import (
    asked_for_usage,
    declines_usage,
    has_failed,
    is_done,
    is_framed,
    is_given,
    missing_indices,
    promised,
    sound_chunks,
)
from conformance.rules.response import KEYS, OBJECT
from conformance.wire.completion import Choice, Chunk, Completion
from conformance.wire.exchange import Intent, is_int
from conformance.wire.shown import shown

_PIECES_FROM = 16


@rule("STREAM-005", Scope.CHUNKS)
def every_chunk_has_the_five_keys(completion: Completion) -> Judgement:
    """Every chunk has the keys `id`, `object`, `created`, `model` and `choices`."""
    chunks = _chunks(completion)
    for chunk in chunks:
        lacking = [key for key in KEYS if key not in chunk.document]
        if lacking:
            names = ", no ".join(f"`{key}`" for key in lacking)
            return _in(chunk, f"a chunk has no {names}: {shown(chunk.document)}", *map(missing, lacking))
    return None if chunks else NOT_APPLICABLE


@rule("STREAM-006", Scope.CHUNKS, shows=malformed("object"))
def every_chunk_is_a_text_completion(completion: Completion) -> Judgement:
    """`object` is `"text_completion"` in every chunk, one that only carries usage included."""
    found = list(_members(completion, "object"))
    for chunk, value in found:
        if value != OBJECT:
            return _in(chunk, f"`object` of a chunk is {shown(value)}")
    return None if found else NOT_APPLICABLE


@rule("STREAM-007", Scope.CHUNKS)
def a_stream_keeps_one_id(completion: Completion) -> Judgement:
    """All chunks of a stream with one choice have the same non-empty `id`."""
    found = list(_members(completion, "id"))
    if not found:
        return NOT_APPLICABLE
    # With several choices SGLang gives each its own id, and no authority forbids it.
    alone = promised(completion.exchange.request) == 1 and len(completion.choices) <= 1
    first = found[0][1]
    for chunk, value in found:
        wrong = None
        if not isinstance(value, str) or not value:
            wrong = f"`id` of a chunk is {shown(value)}"
        elif value != first:
            wrong = f"the stream began with the id {shown(first)}, and a later chunk has {shown(value)}"
        if wrong:
            return (
                broken(wrong, at=chunk.event.start) if alone else broken_should(wrong, at=chunk.event.start)
            )
    return None


@rule("STREAM-008", Scope.CHUNKS)
def model_and_time_stay_consistent(completion: Completion) -> Judgement:
    """`model` is the same in all chunks, and `created` an integer that never decreases."""
    models, times = list(_members(completion, "model")), list(_members(completion, "created"))
    for chunk, model in models:
        if not isinstance(model, str) or model != models[0][1]:
            return _in(
                chunk, f"`model` is {shown(models[0][1])} in the first chunk, {shown(model)} in a later one"
            )
    latest: int | None = None
    for chunk, time in times:
        if not is_int(time):
            return _in(chunk, f"`created` of a chunk is {shown(time)}")
        if latest is not None and time < latest:
            return _in(chunk, f"`created` goes back from {shown(latest)} to {shown(time)}")
        latest = time
    return None if models or times else NOT_APPLICABLE


@rule("STREAM-009", Scope.CHUNKS, shows=missing("text"))
def streamed_choices_have_index_and_text(completion: Completion) -> Judgement:
    """Each choice of a chunk has an integer `index` within the number of choices and a string `text`."""
    found = list(_members(completion, "choices"))
    count = promised(completion.exchange.request)
    for chunk, choices in found:
        if not isinstance(choices, list):
            if chunk.document.get("usage") is not None:
                continue  # a usage chunk: STREAM-019
            return _in(chunk, f"`choices` of a chunk is {shown(choices)}")
        for choice in choices:
            wrong = _choice_defect(choice, count)
            if wrong:
                return _in(chunk, f"{wrong}: {shown(choice)}")
    return None if found else NOT_APPLICABLE


@rule("STREAM-010", Scope.STREAM)
def an_unfinished_choice_has_no_reason(completion: Completion) -> Judgement:
    """Until a choice ends its finish_reason is null or absent."""
    choices = _choices(completion)
    for choice in choices:
        for reason in choice.finish_reasons:
            if not isinstance(reason, str) or not reason:
                return broken(
                    f"choice {shown(choice.index)} has a finish_reason of {shown(reason)}, which is neither null nor a reason"
                )
        # Choices that share an index end it several times (STREAM-013).
        if _is_always_ended(choice) and not missing_indices(completion):
            reason = choice.finish_reasons[0]
            return broken(
                f"choice {shown(choice.index)} has the finish_reason {shown(reason)} from its first chunk on"
            )
    return None if choices else NOT_APPLICABLE


@rule("STREAM-011", Scope.STREAM, shows=ends_wrongly("stream"))
def every_index_ends_exactly_once(completion: Completion) -> Judgement:
    """Every index of a stream gets exactly one finish_reason that is not null."""
    # A stream that broke off has no [DONE] either (STREAM-004), and choices that share an index end it several times (STREAM-013).
    choices = _choices(completion)
    if not choices or missing_indices(completion) or any(map(_is_always_ended, choices)):
        return NOT_APPLICABLE
    for choice in choices:
        reasons = [reason for reason in choice.finish_reasons if reason != ""]
        if len(reasons) > 1:
            return broken(f"choice {shown(choice.index)} ended {len(reasons)} times: {shown(reasons)}")
        if not reasons and is_done(completion):
            return broken(f"choice {shown(choice.index)} never got a finish_reason")
    return None


@rule("STREAM-012", Scope.STREAM)
def no_text_after_the_end(completion: Completion) -> Judgement:
    """After the chunk with its finish_reason an index gets no more text."""
    choices = _choices(completion)
    # Where choices share an index, the text of one may well come after the end of another (STREAM-013).
    if not choices or missing_indices(completion) or len(choices) < completion.exchange.request.choices:
        return NOT_APPLICABLE
    for choice in choices:
        if _is_always_ended(choice):
            continue
        ended: Any = None
        for part in choice.parts:
            text, reason = part.get("text"), part.get("finish_reason")
            if ended and isinstance(text, str) and text:
                return broken(
                    f"choice {shown(choice.index)} ended with {shown(ended)}, and then came {shown(text)}"
                )
            ended = ended or reason
    return None


@rule("STREAM-013", Scope.RUN, shows=malformed("index"))
def every_index_occurs_in_the_stream(completions: Sequence[Completion]) -> Judgement:
    """In a stream every index from 0 to the number of choices minus 1 occurs."""
    plain_choices = max(
        (len(one.choices) for one in completions if not one.streamed and _has_all(one)), default=1
    )
    looked = False
    for completion in completions:
        count = promised(completion.exchange.request)
        # Without a chunk and without [DONE] there is no stream at all: STREAM-004.
        empty = not completion.chunks and not is_done(completion)
        if count is None or empty or not is_framed(completion) or has_failed(completion):
            continue
        missing = missing_indices(completion)
        # One choice for many is disregard of `n` or of the list (N-001, MULTI-001), unless plain answers have them all.
        looked |= _has_all(completion) or bool(missing)
        if missing or (1 == len(completion.choices) < count <= plain_choices):
            seen = f"only {shown(sorted(completion.choices))}" if completion.choices else "none"
            return broken(f"of the indices 0 to {count - 1} {seen} came", evidence=[completion.exchange])
    return None if looked else NOT_APPLICABLE


@rule("STREAM-017", Scope.STREAM)
def text_arrives_in_pieces(completion: Completion) -> Judgement:
    """A stream of 16 or more tokens brings its text in at least two chunks."""
    request, choices = completion.exchange.request, _choices(completion)
    if len(choices) != 1 or promised(request) != 1 or is_given(request, "stop"):
        return NOT_APPLICABLE
    usage, limit = completion.usage, request.integer("max_tokens", 0)
    tokens = usage.completion_tokens if usage is not None else None
    if not tokens:
        tokens = limit if choices[0].finish_reason == "length" else 0
    if tokens < _PIECES_FROM or len(choices[0].text) < _PIECES_FROM:
        return NOT_APPLICABLE
    pieces = [text for text in choices[0].texts if text]
    return (
        None
        if len(pieces) > 1
        else broken(f"a text of {shown(tokens)} tokens came in one chunk: {shown(pieces[0])}")
    )


@rule("STREAM-018", Scope.CHUNKS, shows=malformed("usage of a chunk"))
def no_usage_chunk_without_being_asked(completion: Completion) -> Judgement:
    """Without `include_usage` a stream has no chunk with empty `choices`, and no usage before a choice ends."""
    chunks = _chunks(completion)
    if not chunks or not declines_usage(completion.exchange.request) or _is_continuous(completion):
        return NOT_APPLICABLE
    empty = next((chunk for chunk in chunks if chunk.document.get("choices") == []), None)
    if empty is not None:
        return _in(empty, f"nobody asked for usage, and a chunk has no choice: {shown(empty.document)}")
    # On the chunk that ends a choice it is tolerated (llama.cpp, TGI, transformers): the contract, ambiguity 15.
    early = [chunk for chunk in chunks if _counts_early(chunk)]
    if early:
        usage = shown(early[0].document["usage"])
        return _in(
            early[0],
            f"nobody asked for usage, and {len(early)} chunks that end no choice carry it, the first of them {usage}",
        )
    return None


def _counts_early(chunk: Chunk) -> bool:
    """Whether a chunk has a usage object, and choices none of which it ends."""
    ends = [choice.get("finish_reason") for choice in chunk.choices]
    return isinstance(chunk.document.get("usage"), dict) and bool(ends) and not any(ends)


def _is_continuous(completion: Completion) -> bool:
    """Whether the request asked for usage on every chunk, an extension of vLLM and SGLang."""
    options = completion.exchange.request.params.get("stream_options")
    return isinstance(options, dict) and bool(options.get("continuous_usage_stats"))


@rule("STREAM-019", Scope.STREAM, shows=malformed("the usage chunk"))
def usage_comes_in_one_last_chunk(completion: Completion) -> Judgement:
    """With `include_usage` exactly one chunk has `choices: []` and `usage`, directly before `[DONE]`."""
    chunks = _chunks(completion)
    if not chunks or not _usage_counts(completion):
        return NOT_APPLICABLE
    with_usage = [chunk for chunk in chunks if isinstance(chunk.document.get("usage"), dict)]
    separate = [chunk for chunk in with_usage if chunk.document.get("choices") == []]
    if not with_usage:
        # Disregard of what the reference page does not document is a SHOULD (REQ-031).
        return broken_should("`include_usage` was asked for, and no chunk carries `usage`")
    if not separate and "choices" not in with_usage[-1].document:
        return NOT_APPLICABLE  # STREAM-005
    if not separate:
        last = with_usage[-1]
        return _in(
            last,
            f"no chunk has `choices: []` and `usage`; usage came with {shown(last.document.get('choices'))}",
        )
    if len(separate) > 1:
        return _in(separate[1], f"{len(separate)} chunks have `choices: []` and `usage`")
    # Events that are no chunks are judged by STREAM-003 and 004.
    after = next((chunk for chunk in chunks if chunk.event.start > separate[0].event.start), None)
    return None if after is None else _in(after, f"after the usage chunk came {shown(after.document)}")


@rule("STREAM-020", Scope.STREAM, shows=malformed("usage of a chunk"))
def other_chunks_carry_no_usage(completion: Completion) -> Judgement:
    """With `include_usage` all other chunks have `usage: null` or no such key."""
    chunks = _chunks(completion)
    if not chunks or not _usage_counts(completion) or _is_continuous(completion):
        return NOT_APPLICABLE
    with_usage = [chunk for chunk in chunks if chunk.document.get("usage") is not None]
    separate = [chunk for chunk in with_usage if chunk.document.get("choices") == []]
    # The usage of the stream is that of the separate chunk, or of the last that has any (STREAM-019).
    own = separate or with_usage[-1:]
    others = [chunk for chunk in with_usage if not any(chunk is one for one in own)]
    if not others:
        return None
    usage = shown(others[0].document["usage"])
    return _in(others[0], f"{len(others)} chunks before the last carry usage, the first of them {usage}")


@rule("STREAM-023", Scope.STREAM)
def no_chunk_reports_an_error(completion: Completion, profile: Profile) -> Judgement:
    """No chunk of a stream has a top-level `error` with content."""
    # What a stream may answer to a faulty request is for ERR-005.
    if (
        not completion.chunks
        or completion.exchange.request.intent is not Intent.VALID
        or profile.errors_in_200.value
    ):
        return NOT_APPLICABLE
    for chunk in completion.chunks:
        # openai-python raises where `error` is true in Python's sense: an empty one hurts nobody.
        if error := chunk.document.get("error"):
            return _in(chunk, f"a chunk has the error {shown(error)}")
    return None


@rule("STREAM-028", Scope.STREAM, shows=ends_wrongly("stream"))
def a_broken_stream_does_not_look_complete(completion: Completion) -> Judgement:
    """A stream in which some index never got a finish_reason does not end with `[DONE]`."""
    choices = _choices(completion)
    if not choices:
        return NOT_APPLICABLE
    open_ = [choice.index for choice in choices if not choice.finish_reason]
    if not open_ or not is_done(completion):
        return None
    return broken(f"[DONE] came, but no finish_reason for the index {shown(open_[0])}")


def _chunks(completion: Completion) -> list[Chunk]:
    """The chunks of an event stream that report no error."""
    return list(sound_chunks(completion)) if is_framed(completion) else []


def _members(completion: Completion, name: str) -> Iterator[tuple[Chunk, Any]]:
    """The values of one member of the chunks that have it."""
    return ((chunk, chunk.document[name]) for chunk in _chunks(completion) if name in chunk.document)


def _choices(completion: Completion) -> list[Choice]:
    """The choices of a stream that went well."""
    return [] if has_failed(completion) or not is_framed(completion) else list(completion.choices.values())


def _has_all(completion: Completion) -> bool:
    """Whether as many choices came as were promised."""
    return len(completion.choices) == promised(completion.exchange.request)


def _choice_defect(choice: Any, count: int | None) -> str | None:
    """What is wrong with a choice of a chunk, of `count` choices where that is known."""
    if not isinstance(choice, dict):
        return "a choice is not an object"
    index, text = choice.get("index"), choice.get("text")
    if not is_int(index):
        return "a choice has no integer `index`"
    if index < 0 or (count is not None and index >= count):
        return f"a choice has the index {shown(index)} of {count or 'any'} choices"
    if not isinstance(text, str):
        return "a choice has no string `text`"
    return None


def _is_always_ended(choice: Choice) -> bool:
    """Whether a choice has its reason from the first chunk on, though more text comes with one: not yet an end, but a habit."""
    ended = [bool(part.get("finish_reason")) for part in choice.parts]
    later = [part for part in choice.parts[1:] if part.get("finish_reason") and part.get("text")]
    return bool(ended) and ended[0] and bool(later)


def _usage_counts(completion: Completion) -> bool:
    """Whether the stream was asked for usage by a valid request, and went well."""
    request = completion.exchange.request
    return request.intent is Intent.VALID and asked_for_usage(request) and not has_failed(completion)


def _in(chunk: Chunk, message: str, *symptoms: Symptom) -> Finding:
    return broken(message, *symptoms, at=chunk.event.start)
