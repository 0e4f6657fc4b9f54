"""What a run may cost, and what it has cost."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Request


@dataclass(slots=True)
class Cost:
    """What a run has cost so far."""

    requests: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    retries: int = 0

    def count(self, exchange: Exchange) -> None:
        """Add the tokens and retries of an exchange."""
        self.retries += exchange.retries
        if not exchange.served:
            return
        completion = Completion.read(exchange)
        usage = completion.usage
        if usage is not None:
            self.prompt_tokens += max(0, usage.prompt_tokens or 0)
        if usage is not None and usage.completion_tokens is not None:
            self.generated_tokens += max(0, usage.completion_tokens)
        else:
            # A stream need not report usage. A token has at least one byte, so this never counts too little.
            produced = sum(
                len(choice.text.encode("utf-8", "replace")) for choice in completion.choices.values()
            )
            self.generated_tokens += min(produced, exchange.request.most_tokens)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may cost; None is no bound."""

    requests: int | None = None
    tokens: int | None = None

    def why_spent(self, cost: Cost, request: Request) -> str | None:
        """Why `request` can't be sent any more after `cost`; None where it can."""
        if self.requests is not None and cost.requests >= self.requests:
            return f"the budget of {self.requests} requests is spent (--max-requests)"
        if self.tokens is not None and cost.generated_tokens + request.most_tokens > self.tokens:
            return f"the budget of {self.tokens} generated tokens is spent (--max-tokens)"
        return None
