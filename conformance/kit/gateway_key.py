"""How a key of the gateway's own appears, which it uses for its upstream: it is taken out of every answer before anybody looks at it."""

from __future__ import annotations

from typing import Final

GATEWAY_KEY: Final = "[key of the gateway]"
"""What stands in its place."""
