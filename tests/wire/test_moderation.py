"""What moderators say, and what is not theirs."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.wire.moderation import is_moderated
from tests.builders import plain, refusal

AZURE = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt.",
    "type": None,
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}
SEEN: dict[str, Any] = {
    "openai/openai-python#331": {"error": AZURE},
    "camel-ai/owl#432": {
        "error": {
            "code": "data_inspection_failed",
            "message": "Input data may contain inappropriate content.",
        }
    },
    "QwenLM/qwen-code#3145": {
        "error": "<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content."
    },
    "deepseek-ai/DeepSeek-V2#30": {"detail": "Content Exists Risk"},
    "XiaomiMiMo/MiMo-V2-Flash#18": {
        "error": {"code": "421", "message": "Moderation Block", "type": "content_filter"}
    },
    "lm-sys/FastChat#3512": {"error": {"message": "YOUR INPUT VIOLATES OUR CONTENT MODERATION GUIDELINES."}},
    "as a sentence": {"error": {"message": "Your prompt was flagged by the content policy."}},
    "not JSON": b"Request blocked: flagged by the safety filter",
}
OTHERS: dict[str, Any] = {
    "a parameter": {"error": {"message": "'stop' is too long.", "param": "stop", "code": "invalid_value"}},
    "a type": {"error": {"message": "Input should be a valid string", "type": "invalid_request_error"}},
    "a list": {"detail": [{"loc": ["body", "prompt"], "msg": "the content of the list is empty"}]},
    "a page": b"<html>Bad Request</html>",
}


@pytest.mark.parametrize("body", SEEN.values(), ids=SEEN.keys())
def test_a_moderators_refusal_is_told(body: Any) -> None:
    """Codes and sentences that were seen are known, wherever the body has them."""
    assert is_moderated(refusal(400, body))


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS.keys())
def test_other_refusals_are_not_a_moderators(body: Any) -> None:
    """What is wrong with the request is told by other words."""
    assert not is_moderated(refusal(400, body))


def test_only_a_refusal_is_one() -> None:
    """An answer that was served may speak of policies, and a failing server is no moderator."""
    assert not is_moderated(plain({"error": AZURE}))
    assert not is_moderated(refusal(503, {"error": AZURE}))
