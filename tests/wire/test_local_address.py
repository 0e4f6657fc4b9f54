"""Which addresses are those of a machine of one's own."""

from __future__ import annotations

import pytest

from conformance.wire.local_address import is_local


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://[::1]:8000/v1",
        "http://192.168.1.7/v1",
        "http://10.0.0.3/v1",
        "http://172.16.4.4/v1",
        "http://[fd00::7]/v1",
        "http://vllm:8000/v1",
        "http://box.local/v1",
        "http://host.docker.internal:11434/v1",
    ],
)
def test_these_are_local(url: str) -> None:
    """Loopback, private addresses, and names that no public server can have."""
    assert is_local(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v1", "http://93.184.216.34/v1", "http://172.32.0.1/v1", "https://local.example/", "", "http://[x/"],
)  # fmt: skip
def test_these_are_not(url: str) -> None:
    """Whatever anybody may reach, and what cannot be read."""
    assert not is_local(url)
