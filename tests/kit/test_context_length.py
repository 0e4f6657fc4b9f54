"""How long the context is, by what servers say."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.kit.context_length import from_message, from_model_list, named_limits
from tests.builders import refusal


@pytest.mark.parametrize(
    ("message", "length"),
    [
        ("This model's maximum context length is 4097 tokens, however you requested 4120 tokens", 4097),
        ("max_tokens=10000000 cannot be greater than max_model_len=2048. Please request fewer", 2048),
        ("max_tokens=10000000 cannot be greater than max_model_len=max_total_tokens=2048.", 2048),
        ("Requested token count exceeds the model's maximum context length of 8192 tokens.", 8192),
        ("the request exceeds the available context size (4096 tokens)", 4096),
        ("the context window is 131072", 131072),
        ("max_tokens 10000000 is too large", None),
        ("context length 3", None),
        ("context length is 123456789012", None),
        ("", None),
    ],
)
def test_a_message_states_the_length(message: str, length: int | None) -> None:
    """The number behind the words for the context is its length, where it is a likely one."""
    assert from_message(message) == length


@pytest.mark.parametrize(
    ("models", "length"),
    [
        ({"data": [{"id": "m", "max_model_len": 2048}]}, 2048),
        ({"data": [{"id": "other", "max_model_len": 1}, {"id": "m", "context_length": 4096}]}, 4096),
        ({"data": [{"id": "m", "max_model_len": "2048"}]}, None),
        ({"data": [{"id": "m", "max_model_len": True}]}, None),
        ({"data": [7, None]}, None),
        ({"data": {}}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_list_of_models_tells_the_length(models: Any, length: int | None) -> None:
    """Whatever a target lists is looked at, and nothing is taken for granted."""
    assert from_model_list(models, "m") == length


@pytest.mark.parametrize(
    ("message", "limits"),
    [
        ("max_tokens is too large: 2040. This model supports at most 256 completion tokens.", [256]),
        ("Range of max_tokens should be [1, 1,024], not 2040; your prompt has 8 tokens", [1024]),
        ("the context has 2048 tokens, of which 8 are in your prompt and 2040 are asked for", []),
        ("at 10.57.12, version 4.1", []),
        ("", []),
    ],
)
def test_a_refusal_names_limits(message: str, limits: list[int]) -> None:
    """What may be a smaller limit is a number that is none of the request's own."""
    assert named_limits(refusal(400, {"error": {"message": message}}), below=2040, besides=8) == limits
