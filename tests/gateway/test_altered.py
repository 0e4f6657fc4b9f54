"""What of an object did not come as it was sent."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.scenarios.gateway_answers import altered

SENT = {"total_tokens": 58, "details": {"cached_tokens": 5}}


@pytest.mark.parametrize(
    ("came", "found"),
    [
        (SENT, []),
        ({**SENT, "cost": None, "details": {"cached_tokens": 5, "audio_tokens": None}}, []),
        ({**SENT, "total_tokens": 0}, [("total_tokens", 58, 0)]),
        ({**SENT, "details": {"cached_tokens": 4}}, [("details.cached_tokens", 5, 4)]),
        ({**SENT, "details": {}}, [("details.cached_tokens", 5, None)]),
        ({**SENT, "details": "none"}, [("details.cached_tokens", 5, None)]),
        ({}, [("total_tokens", 58, None), ("details.cached_tokens", 5, None)]),
    ],
)
def test_what_did_not_come_as_it_was_sent(came: dict[str, Any], found: list[tuple[str, Any, Any]]) -> None:
    """What is more than was sent is no matter; what is less, or other, is named by its path."""
    assert list(altered(SENT, came)) == found
