"""The rules about streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.contract.catalogue import Limit
from conformance.rules import stream as rules
from conformance.rules import stream_framing as framing
from conformance.wire.exchange import Exchange, Fault, FaultKind, Intent, Piece, Response
from tests.builders import ABSENT, EVENTS, PROFILE, answer, asked, choice, chunk, plain, says, stream, usage

RULES = [
    value
    for module in (framing, rules)
    for value in vars(module).values()
    if hasattr(value, "__conformance_check__")
]
ASKING: dict[str, Any] = {"stream_options": {"include_usage": True}}
USAGE = chunk(choices=[], usage=usage())
LAST = chunk(" on", "length")


def framed(*chunks: dict[str, Any], end: str = "\n", done: bytes = b"data: [DONE]\n\n") -> bytes:
    """Chunks as the body of a stream, with other line ends and another terminator."""
    body = "".join(f"data: {json.dumps(one)}{end}{end}" for one in chunks or (chunk(), LAST))
    return body.encode() + done


def two(*changes: dict[str, Any], **sent: Any) -> Exchange:
    """A stream of two choices; `changes` are (text, reason, index) by their names."""
    return stream([chunk(**one) for one in changes], {"n": 2, **sent})


SOUND = [
    stream(),
    stream([chunk(), LAST, USAGE], ASKING),
    stream([chunk(usage=None), chunk(" on", "length", usage=None), USAGE], ASKING),
    stream(framed(end="\r\n")),
    stream(framed(end="\r", done=b"data: [DONE]\r\r")),
    stream(b": keep-alive\n\nid: 1\nretry: 5\nevent: completion\n" + framed().replace(b"data: ", b"data:")),
    stream([chunk("", None), chunk(), chunk(" on"), chunk("", "stop")]),
    stream([chunk(choices=[choice(text="a", finish_reason=ABSENT)]), LAST]),
    stream(
        [
            chunk(created=5, model="dated-2026"),
            chunk(" on", "length", created=6, model="dated-2026", error=None),
        ]
    ),
    stream([chunk(), chunk(" on", "length", usage=usage())]),
    two({"text": "a"}, {"text": "b", "index": 1}, {"reason": "stop", "index": 1}, {"reason": "length"}),
    stream([chunk("a", "stop"), chunk("b", "stop", index=1)], {"prompt": ["x", "y"]}),
    stream([chunk("a", "stop")], {"n": 2}),  # N-001
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("exchange", SOUND)
def test_sound_streams_pass(rule: Callable[..., Any], exchange: Exchange) -> None:
    """No rule objects to what the event stream standard and the authorities leave open."""
    assert not says(rule, exchange)


def test_every_rule_looks_at_a_sound_stream() -> None:
    """A stream with usage is evidence for nearly every rule."""
    text = " and so on, for a good while"
    chunks = [chunk(text[:9]), chunk(text[9:], "length"), USAGE]
    silent = [
        rule.__name__ for rule in RULES if says(rule, stream(chunks, {**ASKING, "max_tokens": 16})) is None
    ]

    assert silent == ["text_arrives_in_pieces", "no_usage_chunk_without_being_asked"]
    assert says(rules.text_arrives_in_pieces, stream(chunks[:2], {"max_tokens": 16})) == ""
    assert says(rules.no_usage_chunk_without_being_asked, stream()) == ""


BROKEN: list[tuple[Callable[..., Any], Exchange, str]] = [
    (framing.a_stream_is_an_event_stream, stream(headers=[]), "without a Content-Type"),
    (framing.a_stream_is_an_event_stream, plain(answer(), {"stream": True}), "application/json"),
    (
        framing.a_stream_is_an_event_stream,
        stream(b"<html>", headers=[("Content-Type", "text/html")]),
        "text/html",
    ),
    (framing.the_bytes_form_a_valid_event_stream, stream(b'{"error": "x"}\n' + framed()), "ignored"),
    (
        framing.the_bytes_form_a_valid_event_stream,
        stream(framed(done=b": \xff\n\ndata: [DONE]\n\n")),
        "UTF-8",
    ),
    (framing.every_event_carries_json_or_done, stream(b"data: {\n\n" + framed()), "not JSON"),
    (framing.every_event_carries_json_or_done, stream(b"data: []\n\n" + framed()), "not an object"),
    (framing.every_event_carries_json_or_done, stream(b"event: ping\ndata:\n\n" + framed()), 'named "ping"'),
    (framing.every_event_carries_json_or_done, stream(b'data: {"a": NaN}\n\n' + framed()), "not JSON"),
    (framing.the_stream_ends_with_one_done, stream(done=False), "ends without [DONE]"),
    (framing.the_stream_ends_with_one_done, stream(b""), "no events"),
    (framing.the_stream_ends_with_one_done, stream([chunk(), LAST, "[DONE]"]), "[DONE] came 2 times"),
    (
        framing.the_stream_ends_with_one_done,
        stream([chunk(), "[DONE]", LAST], done=False),
        "after [DONE] came",
    ),
    (
        framing.the_stream_ends_with_one_done,
        stream([chunk(), LAST, " [DONE]"], done=False),
        "its last event is",
    ),
    (
        rules.every_chunk_has_the_five_keys,
        stream([chunk(), chunk(" on", "length", model=ABSENT)]),
        "no `model`",
    ),
    (
        rules.every_chunk_is_a_text_completion,
        stream([chunk(object="chat.completion.chunk"), LAST]),
        "chat.completion",
    ),
    (rules.a_stream_keeps_one_id, stream([chunk(), chunk(" on", "length", id="cmpl-2")]), "cmpl-2"),
    (
        rules.a_stream_keeps_one_id,
        stream([chunk(id=""), chunk(" on", "length", id="")]),
        '`id` of a chunk is ""',
    ),
    (
        rules.model_and_time_stay_consistent,
        stream([chunk(), chunk(" on", "length", model="n")]),
        '"n" in a later one',
    ),
    (rules.model_and_time_stay_consistent, stream([chunk(), chunk(" on", "length", created=1)]), "goes back"),
    (rules.model_and_time_stay_consistent, stream([chunk(created=1.5), LAST]), "is 1.5"),
    (
        rules.streamed_choices_have_index_and_text,
        stream([chunk(choices=[choice(text=None, finish_reason=None)]), LAST]),
        "`text`",
    ),
    (
        rules.streamed_choices_have_index_and_text,
        stream([chunk(choices=[choice(index="0", finish_reason=None)]), LAST]),
        "`index`",
    ),
    (
        rules.streamed_choices_have_index_and_text,
        stream([chunk("a", "stop", index=1)]),
        "the index 1 of 1 choices",
    ),
    (rules.streamed_choices_have_index_and_text, stream([chunk(choices=None), chunk(), LAST]), "is null"),
    (
        rules.streamed_choices_have_index_and_text,
        stream([chunk(choices=["a"]), chunk(), LAST]),
        "not an object",
    ),
    (
        rules.an_unfinished_choice_has_no_reason,
        stream([chunk("a", ""), chunk("b", ""), LAST]),
        'a finish_reason of ""',
    ),
    (
        rules.an_unfinished_choice_has_no_reason,
        stream([chunk("a", "stop"), chunk("b", "stop")]),
        "from its first chunk",
    ),
    (rules.every_index_ends_exactly_once, stream([chunk(), LAST, chunk("", "stop")]), "ended 2 times"),
    (rules.no_text_after_the_end, stream([chunk("a", "stop"), chunk("b")]), 'ended with "stop"'),
    (rules.every_index_occurs_in_the_stream, stream([]), "none came"),
    (
        rules.every_index_occurs_in_the_stream,
        stream([chunk("a", "stop"), chunk("b", "stop")], {"prompt": ["x", "y"]}),
        "only [0] came",
    ),
    (
        rules.every_index_occurs_in_the_stream,
        stream([chunk("a", "stop"), chunk("b", "stop", index=2)], {"n": 3}),
        "only [0, 2] came",
    ),
    (
        rules.text_arrives_in_pieces,
        stream([chunk("a text in one piece", "length")], {"max_tokens": 16}),
        "16 tokens",
    ),
    (rules.no_usage_chunk_without_being_asked, stream([chunk(), LAST, USAGE]), "nobody asked"),
    (rules.usage_comes_in_one_last_chunk, stream([chunk(), LAST], ASKING), "no chunk carries"),
    (
        rules.usage_comes_in_one_last_chunk,
        stream([chunk(), chunk("", "stop", usage=usage())], ASKING),
        "usage came with",
    ),
    (rules.usage_comes_in_one_last_chunk, stream([chunk(), LAST, USAGE, USAGE], ASKING), "2 chunks"),
    (rules.usage_comes_in_one_last_chunk, stream([chunk(), USAGE, LAST], ASKING), "after the usage chunk"),
    (
        rules.usage_comes_in_one_last_chunk,
        stream([chunk(), LAST, chunk(choices=None, usage=usage())], ASKING),
        "came with null",
    ),
    (
        rules.other_chunks_carry_no_usage,
        stream([chunk(usage=usage()), LAST, USAGE], ASKING),
        "1 chunks before",
    ),
    (
        rules.no_chunk_reports_an_error,
        stream([chunk(), {"error": {"message": "no"}}], done=False),
        "has the error",
    ),
    (rules.no_chunk_reports_an_error, stream([chunk(), {"error": "no"}]), '"no"'),
]

_TWINS = {"every_index_ends_exactly_once", "a_broken_stream_does_not_look_complete"}


@pytest.mark.parametrize(("rule", "exchange", "message"), BROKEN)
def test_a_defect_is_found_once(rule: Callable[..., Any], exchange: Exchange, message: str) -> None:
    """The rule that speaks of a defect shows it, and no other rule objects."""
    # Where a reason was lost, two requirements say so, each in its words.
    others = [other for other in RULES if other is not rule and not {other.__name__, rule.__name__} <= _TWINS]

    assert message in (says(rule, exchange) or "")
    assert [other.__name__ for other in others if says(other, exchange)] == []


@pytest.mark.parametrize(
    ("rule", "exchange"),
    [
        (framing.the_bytes_form_a_valid_event_stream, stream(framed(done=b"data: [DONE]\n"))),
        (framing.the_bytes_form_a_valid_event_stream, stream(framed(done=b"data: [DONE]"))),
        (
            rules.a_stream_keeps_one_id,
            stream([chunk(id="a"), chunk("b", "stop", index=1, id="b"), chunk("", "stop", id="a")], {"n": 2}),
        ),
    ],
)
def test_what_is_only_a_should_is_a_lapse(rule: Callable[..., Any], exchange: Exchange) -> None:
    """A last event without its blank line, and an id for each of several choices."""
    assert [other.__name__ for other in RULES if says(other, exchange)] == [rule.__name__]
    assert (says(rule, exchange) or "").startswith("should: ")


def test_a_lost_reason_is_found() -> None:
    """A stream that ends in order, without a reason for one index, breaks STREAM-011 and STREAM-028."""
    lost = two({"text": "a"}, {"text": "b", "index": 1}, {"text": "", "reason": "stop"})

    assert "choice 1 never got" in (says(rules.every_index_ends_exactly_once, lost) or "")
    assert "for the index 1" in (says(rules.a_broken_stream_does_not_look_complete, lost) or "")


def test_a_stream_that_broke_off_only_lacks_its_end() -> None:
    """Without [DONE] nothing claims that the answer is complete."""
    cut = stream([chunk()], done=False)

    assert [rule.__name__ for rule in RULES if says(rule, cut)] == ["the_stream_ends_with_one_done"]


def test_text_after_a_repeated_reason_breaks_two_laws() -> None:
    """A chunk that appends the suffix, with text and the reason once more, ends the choice twice and goes on after its end."""
    repeated = stream([chunk("a"), chunk("b", "stop"), chunk("suffix", "stop")])

    assert [rule.__name__ for rule in RULES if says(rule, repeated)] == [
        "every_index_ends_exactly_once",
        "no_text_after_the_end",
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "exchange",
    [
        stream([{"error": {"message": "no"}}], request=asked({"stream": True}, intent=Intent.INVALID)),
        plain({"error": {"message": "no"}}, {"stream": True}),
        plain(),
        plain(answer(), asked({"stream": True}, intent=Intent.OPEN)),
    ],
)
def test_errors_and_plain_answers_are_judged_elsewhere(rule: Callable[..., Any], exchange: Exchange) -> None:
    """An error is ERR-005's or ERR-006's, and has none of what a stream must have."""
    assert not says(rule, exchange)


def test_a_profile_can_declare_errors_in_streams() -> None:
    """Where `errors_in_200` is declared, an error event is no finding."""
    declared = replace(PROFILE, errors_in_200=Limit(value=True))

    assert says(rules.no_chunk_reports_an_error, stream([{"error": "no"}]), profile=declared) is None


def test_continuous_usage_that_was_asked_for_passes() -> None:
    """`continuous_usage_stats` puts usage on every chunk."""
    sent = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    exchange = stream([chunk(usage=usage()), chunk("", "stop", usage=usage()), USAGE], sent)

    assert says(rules.other_chunks_carry_no_usage, exchange) is None
    assert says(rules.usage_comes_in_one_last_chunk, exchange) == ""


def test_zeros_are_usage() -> None:
    """Chunks with zeros count as chunks with usage."""
    zeros = usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    exchange = stream([chunk(usage=zeros), chunk("", "stop", usage=zeros), USAGE], ASKING)

    assert "2 chunks before the last" in (says(rules.other_chunks_carry_no_usage, exchange) or "")


def test_a_stream_that_loses_choices_is_told_from_one_that_ignores_n() -> None:
    """One choice of two is a finding where a plain answer has both; where it has one too, that is N-001's."""
    rule = rules.every_index_occurs_in_the_stream
    lost = stream([chunk("a", "stop")], {"n": 2})

    assert "of the indices 0 to 1 only [0] came" in (
        says(rule, plain(answer(choices=[choice(), choice(index=1)]), {"n": 2}), lost) or ""
    )
    assert says(rule, plain(request={"n": 2}), lost) is None
    assert says(rule, plain(), stream()) == ""


def test_fields_that_clients_lose_are_told_from_those_they_ignore() -> None:
    """An unknown field is ignored as the standard says; `Data:` is a chunk that nobody gets."""
    rule = framing.the_bytes_form_a_valid_event_stream

    assert says(rule, stream(b"trace: 9f2c\nx\n" + framed())) == ""
    assert says(rule, stream(b"Data: {}\n\n" + framed()))
    assert says(rule, stream(b"Internal Server Error\n\n" + framed()))


def late(seconds: float, fault: FaultKind | None = None, *, closed: bool = False) -> Exchange:
    """A stream whose [DONE] came after 1 s, and whose response ended (or was given up) at `seconds`."""
    pieces = (Piece(0.5, framed(done=b"")), Piece(1.0, b"data: [DONE]\n\n"))
    response = Response(200, EVENTS, pieces, complete=fault is None and not closed, closed_by_us=closed)
    reason = None if fault is None else Fault(fault, "Nothing more came.")
    return Exchange(asked({"stream": True}), response, reason, seconds=seconds)


def test_a_response_that_does_not_end_is_found() -> None:
    """More than five seconds after [DONE], whether the response ended at last or never did."""
    rule = framing.the_response_ends_soon_after_done

    assert says(rule, late(1.1)) == ""
    assert says(rule, late(6.0)) == ""
    assert "5.5 s after [DONE] the response had only just ended" in (says(rule, late(6.5)) or "")
    assert says(rule, late(3.0, FaultKind.TIMEOUT)) is None
    assert "had not ended" in (says(rule, late(61.0, FaultKind.TIMEOUT)) or "")
    assert says(rule, late(61.0, FaultKind.DROPPED)) is None
    assert says(rule, late(61.0, closed=True)) is None
    assert says(rule, stream(done=False)) is None
    assert says(rule, plain()) is None


def test_a_word_in_the_place_of_include_usage_neither_asks_nor_declines() -> None:
    """What a server makes of it is judged where it is sent (STREAM-029), and the chunk that may come of it is no second finding."""
    asking = {"stream_options": {"include_usage": "abc"}}

    assert says(rules.no_usage_chunk_without_being_asked, stream([chunk(), LAST, USAGE], asking)) is None
    declining = {"stream_options": {"include_usage": False}}
    assert "nobody asked" in (
        says(rules.no_usage_chunk_without_being_asked, stream([chunk(), LAST, USAGE], declining)) or ""
    )


def test_the_chunks_of_a_stream_that_was_left_are_judged() -> None:
    """What holds of each chunk holds in a stream that the suite closed itself; what a whole stream has is not asked of it."""
    whole = stream([chunk(), chunk(id="cmpl-2")], done=False)
    assert whole.response is not None
    left = replace(whole, response=replace(whole.response, complete=False, closed_by_us=True))

    assert "a later chunk has" in (says(rules.a_stream_keeps_one_id, left) or "")
    assert says(rules.every_index_ends_exactly_once, left) is None
