"""Prompts beyond ASCII, and their answers.

Whether a server gets through such a prompt at all is the question of REQ-038, and of no other check: what compares the answers looks only at
those that there are. So that one failure makes one finding, the plain requests are sent as open, and nothing else judges that they are served.
"""

from __future__ import annotations

from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Intent

PROMPTS = ("日本語のテキスト。", "Emoji: 😀 😃 😄", "Le café est fermé. L'été dernier, la forêt")
"""Beginnings that a model probably continues in kind."""


async def plain_exchange(target: Target, prompt: str) -> Exchange:
    """The exchange of an ordinary greedy request with such a prompt."""
    return await target.post(prompt=prompt, intent=Intent.OPEN, parameter="prompt")


async def plain_answer(target: Target, prompt: str) -> Completion | None:
    """The answer to it; None where the target does not get through the prompt."""
    exchange = await plain_exchange(target, prompt)
    return target.read(exchange) if exchange.served and exchange.complete else None
