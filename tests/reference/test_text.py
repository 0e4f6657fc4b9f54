"""Text, stop sequences, echo and log probabilities: what a plain answer and a stream have in common."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.reference import Reference, default_model

from .asker import Asker

ASK = Asker(Reference())
TOKENIZER = default_model().tokenizer
PROMPTS = st.sampled_from(
    ["Once upon a time", "The old captain", "日本の村", "😀😃 🎉", "Le château", "Where is the key?", ""]
)
REQUESTS = st.fixed_dictionaries(
    {"prompt": PROMPTS | st.lists(PROMPTS, min_size=1, max_size=3), "max_tokens": st.integers(1, 24)},
    optional={
        "n": st.integers(1, 3),
        "echo": st.booleans(),
        "logprobs": st.integers(0, 5),
        "stop": st.lists(st.text("aeth .\nの😀", min_size=1, max_size=3), max_size=4),
        "suffix": st.sampled_from(["", " and so it ended."]),
        "temperature": st.sampled_from([0, 0.7, 1, 2]),
        "top_p": st.sampled_from([0, 0.5, 1]),
        "presence_penalty": st.sampled_from([-2, 0, 2]),
        "frequency_penalty": st.sampled_from([-2, 0, 2]),
        "logit_bias": st.dictionaries(st.integers(0, 1000).map(str), st.integers(-100, 100), max_size=3),
    },
)


def joined(chunks: list[Any]) -> list[Any]:
    """Join the chunks of a stream to the choices of a plain answer."""
    choices: dict[int, Any] = {}
    for chunk in chunks:
        for part in chunk["choices"]:
            whole = choices.setdefault(part["index"], part)
            if whole is part:
                continue
            assert whole["finish_reason"] is None
            whole["text"] += part["text"]
            whole["finish_reason"] = part["finish_reason"]
            for name, values in (part["logprobs"] or {}).items():
                whole["logprobs"][name] += values
    return [choices[index] for index in sorted(choices)]


@settings(max_examples=80, deadline=None)
@given(REQUESTS)
def test_a_stream_adds_up_to_the_plain_answer(request: dict[str, Any]) -> None:
    """With a seed, stream and plain answer agree in text, reasons, log probabilities and usage."""
    plain = ASK(**request, seed=7).json
    chunks = ASK(**request, seed=7, stream=True, stream_options={"include_usage": True}).chunks

    assert joined(chunks) == plain["choices"]
    assert chunks[-1]["usage"] == plain["usage"]
    assert chunks[-1]["choices"] == []
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


@settings(max_examples=80, deadline=None)
@given(REQUESTS)
def test_one_choice_alone_is_the_same_as_in_company(request: dict[str, Any]) -> None:
    """At temperature 0 each choice of a batch is what its prompt gives alone, with or without log probabilities."""
    request |= {"temperature": 0}
    prompts = request["prompt"] if isinstance(request["prompt"], list) else [request["prompt"]]
    n = request.get("n", 1)
    choices = ASK(**request).json["choices"]
    alone = request | {"n": 1, "logprobs": None}

    assert [choice["index"] for choice in choices] == list(range(n * len(prompts)))
    for choice in choices:
        assert choice["text"] == ASK.text(**alone | {"prompt": prompts[choice["index"] // n]})


@settings(max_examples=80, deadline=None)
@given(PROMPTS, st.data())
def test_the_text_ends_where_a_stop_sequence_begins(prompt: str, data: st.DataObject) -> None:
    """With a stop sequence the text is what came before its first occurrence, however the tokens lie."""
    whole = ASK(prompt, temperature=0, max_tokens=24).json["choices"][0]
    begin = data.draw(st.integers(0, max(0, len(whole["text"]) - 1)))
    length = data.draw(st.integers(1, 12))
    stop = whole["text"][begin : begin + length]
    found = ASK(prompt, temperature=0, max_tokens=24, stop=stop).json["choices"][0]

    assert found["text"] == whole["text"][: whole["text"].find(stop)]
    assert found["finish_reason"] == "stop"


@pytest.mark.parametrize("size", range(1, 7))
def test_held_back_text_is_released(size: int) -> None:
    """The beginning of a stop sequence that never ends is not lost."""
    whole = ASK.text(temperature=0, max_tokens=24)
    reply = ASK(temperature=0, max_tokens=24, stop=whole[-size:] + "\x01zq", stream=True)

    assert "".join(chunk["choices"][0]["text"] for chunk in reply.chunks) == whole


def test_nothing_of_a_stop_sequence_leaks() -> None:
    """No chunk shows a part of the stop sequence."""
    whole = ASK.text(temperature=0, max_tokens=24)
    at = whole.index(" small mill")
    reply = ASK(temperature=0, max_tokens=24, stop="all mill besi", stream=True)

    assert "".join(chunk["choices"][0]["text"] for chunk in reply.chunks) == whole[:at] + " sm"


def test_the_earliest_stop_sequence_decides() -> None:
    """The order of the list does not matter."""
    both = [
        ASK.text(temperature=0, max_tokens=24, stop=stops) for stops in (["mill", "was"], ["was", "mill"])
    ]

    assert both == [" there "] * 2


def test_the_prompt_is_not_searched() -> None:
    """A stop sequence in the echoed prompt stops nothing."""
    whole = ASK.text(temperature=0, max_tokens=5)

    assert ASK.text(temperature=0, max_tokens=5, echo=True, stop="upon") == f"Once upon a time{whole}"


@settings(max_examples=80, deadline=None)
@given(REQUESTS)
def test_log_probabilities_keep_their_laws(request: dict[str, Any]) -> None:
    """Tokens lie within the text; values are at most 0; the sampled token stands in its entry; null only begins an echo."""
    prompt = request["prompt"] if isinstance(request["prompt"], str) else request["prompt"][0]
    request = request | {"prompt": prompt, "logprobs": request.get("logprobs", 2)}
    echo = request.get("echo", False)
    for choice in ASK(**request).json["choices"]:
        logprobs = choice["logprobs"]
        sizes = {name: len(values) for name, values in logprobs.items()}

        assert len(set(sizes.values())) == 1
        assert set(sizes) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
        if not any(token.startswith("bytes:") for token in logprobs["tokens"]):
            text = "".join(logprobs["tokens"])
            assert choice["text"].startswith(text)
            assert choice["finish_reason"] == "stop" or text == choice["text"]
            base = 0 if echo else len(prompt)
            assert logprobs["text_offset"] == [
                base + len("".join(logprobs["tokens"][:number])) for number in range(sizes["tokens"])
            ]
        for number, (token, value, top) in enumerate(
            zip(logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True)
        ):
            if echo and number == 0:
                assert value is top is None
                continue
            assert value <= 0
            assert top[token] == value
            assert request["logprobs"] <= len(top) or request["logprobs"] == 0
            assert len(top) <= request["logprobs"] + 1


def test_the_score_of_a_prompt_does_not_depend_on_what_follows() -> None:
    """The first entries for P and for P + Q agree to the last bit."""
    ids = list(TOKENIZER.encode("Once upon a time there was a small mill beside a slow river."))
    fields = {"echo": True, "logprobs": 3, "max_tokens": 0}
    short, long = (ASK(prompt, **fields).json["choices"][0]["logprobs"] for prompt in (ids[:6], ids))

    assert {name: values[:6] for name, values in long.items()} == short


def test_echo_of_tokens_is_their_text() -> None:
    """A token array is echoed decoded; the text equals that of the string prompt."""
    ids = list(TOKENIZER.encode("The old captain"))

    assert ASK.text(ids, echo=True, temperature=0) == ASK.text("The old captain", echo=True, temperature=0)


def test_a_cut_character_is_one_replacement() -> None:
    """Where `max_tokens` cuts a character, its bytes are U+FFFD, in plain answers and streams."""
    assert ASK.text("😀😃", temperature=0, max_tokens=1, stop="zz") == "\ufffd"
    reply = ASK("😀😃", temperature=0, max_tokens=1, stream=True)
    assert [chunk["choices"][0]["text"] for chunk in reply.chunks] == ["\ufffd"]


def test_a_suffix_is_read_and_not_written() -> None:
    """A suffix changes the text, counts as prompt, and is not part of the text; an empty one changes nothing."""
    plain = ASK(temperature=0).json
    filled = ASK(temperature=0, suffix=" zanzibar quux").json

    assert filled["choices"][0]["text"] != plain["choices"][0]["text"]
    assert "zanzibar" not in filled["choices"][0]["text"]
    assert filled["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    assert ASK(temperature=0, suffix="").json["usage"] == plain["usage"]
    assert ASK.text(temperature=0, suffix="x", echo=True).startswith("Once upon a time")


def test_choices_of_a_stream_come_in_turn() -> None:
    """Choices interleave: none waits for another to end."""
    chunks = ASK(["a", "b"], n=2, stream=True, max_tokens=8).chunks

    assert {chunk["choices"][0]["index"] for chunk in chunks[:8]} == {0, 1, 2, 3}
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_continuous_usage_grows_to_the_last() -> None:
    """With `continuous_usage_stats` each chunk counts the tokens so far."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    counts = [
        chunk["usage"]["completion_tokens"]
        for chunk in ASK(stream=True, max_tokens=8, stream_options=options).chunks
    ]

    assert counts == sorted(counts)
    assert counts[-1] == counts[-2] == 8


def test_zero_tokens_give_the_prompt_back() -> None:
    """`max_tokens: 0` with echo generates nothing."""
    body = ASK(max_tokens=0, echo=True).json

    assert body["choices"][0] == {
        "text": "Once upon a time",
        "index": 0,
        "logprobs": None,
        "finish_reason": "length",
    }
    assert body["usage"]["completion_tokens"] == 0


def test_the_default_length_is_16() -> None:
    """Without `max_tokens`, and with null, 16 tokens come."""
    for fields in ({}, {"max_tokens": None}):
        assert ASK(**fields).json["usage"]["completion_tokens"] == 16


def test_an_answer_ends_by_itself() -> None:
    """The model's own end has the reason `stop`; its token is counted, and has no entry."""
    body = ASK("What colour is the sky?", temperature=0, max_tokens=64, logprobs=0).json

    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == len(body["choices"][0]["logprobs"]["tokens"]) + 1
