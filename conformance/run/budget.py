"""What a run may cost, what it has cost, and what is reserved for requests on their way.

A bound is never exceeded: each request reserves the most that it can cost *before* it is sent, and gives back what it did not use when it is
answered. Everything counts that leaves for the target: canaries, retries, probes, shrinking.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.wire.completion import Completion
from conformance.wire.exchange import Exchange, Request

_MILLION = 1_000_000
_AROUND_A_PROMPT = 4
LARGEST_DEFAULT = 4096
"""What a request without `max_tokens` may generate, as long as the target's own default was not seen: vendors' go up to this."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of prompts, and generated ones."""

    prompt: int = 0
    generated: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        """Both together."""
        return Tokens(self.prompt + other.prompt, self.generated + other.generated)

    def __sub__(self, other: Tokens) -> Tokens:
        """Those that are left."""
        return Tokens(self.prompt - other.prompt, self.generated - other.generated)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in whatever currency `max_cost` is in."""

    prompt: float = 0.0
    generated: float = 0.0

    def of(self, tokens: Tokens) -> float:
        """The cost of so many tokens."""
        return (tokens.prompt * self.prompt + tokens.generated * self.generated) / _MILLION


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may cost; None is no bound."""

    requests: int | None = None
    tokens: int | None = None
    """Generated tokens."""
    cost: float | None = None
    price: Price = field(default_factory=Price)


@dataclass(slots=True)
class Cost:
    """What a run has cost so far."""

    requests: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    retries: int = 0
    money: float | None = None
    """By the prices that were given."""
    charged: float | None = None
    """What the target itself says that it charges (`usage.cost`, as OpenRouter has it), where it does."""
    pace: str = ""
    """What held requests back, in words."""

    def count(self, exchange: Exchange) -> None:
        """Add the tokens and retries of an exchange."""
        self.retries += exchange.retries
        if not exchange.served:
            return
        completion = Completion.read(exchange)
        usage = completion.usage
        if usage is not None and (charged := _amount(usage.raw.get("cost"))) is not None:
            self.charged = (self.charged or 0.0) + charged
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


def _amount(value: object) -> float | None:
    """A sum of money, where a value can be one."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MILLION:
        return None
    return float(value)


class SpentError(Exception):
    """The bound that would be exceeded; the message names it and its option."""


@dataclass
class Purse:
    """Holds a run to its budget. What is spent is the worst that the answers so far allow, and so may be more than `Cost` says."""

    budget: Budget
    requests: int = 0
    spent: Tokens = Tokens(0, 0)
    reserved: Tokens = Tokens(0, 0)
    default_tokens: int = LARGEST_DEFAULT
    """What the target generates without `max_tokens`, as far as it was seen."""

    def reserve(self, request: Request) -> Tokens:
        """Set aside what `request` may cost; raises `SpentError`, and sets nothing aside, where that is too much."""
        budget, worst = self.budget, self._worst(request)
        if budget.requests is not None and self.requests >= budget.requests:
            raise SpentError(f"the budget of {budget.requests} requests is spent (--max-requests)")
        after = self.spent + self.reserved + worst
        if budget.tokens is not None and after.generated > budget.tokens:
            raise SpentError(f"the budget of {budget.tokens} generated tokens is spent (--max-tokens)")
        if budget.cost is not None and budget.price.of(after) > budget.cost:
            raise SpentError(f"the budget of {budget.cost:g} is spent (--max-cost)")
        self.requests += 1
        self.reserved += worst
        return worst

    def settle(self, reserved: Tokens, exchange: Exchange | None) -> None:
        """Give back what was reserved for a request, and count what it cost; all of it where no answer came (None)."""
        self.reserved -= reserved
        self.spent += reserved if exchange is None else _most(exchange, reserved)
        if exchange is not None and exchange.served and "max_tokens" not in exchange.request.params:
            self._learn_the_default(exchange)

    def take_back(self, reserved: Tokens) -> None:
        """Give back what was reserved for a request that was never sent."""
        self.requests -= 1
        self.reserved -= reserved

    def _worst(self, request: Request) -> Tokens:
        """The most that a request can cost. A server that takes an invalid limit for none generates as much as without one."""
        if request.method != "POST":
            return Tokens()
        each = max(0, request.integer("max_tokens", self.default_tokens))
        choices = max(request.integer("n", 1), request.integer("best_of", 1), 1)
        return Tokens(_prompt_tokens(request), each * choices * max(1, len(request.prompts)))

    def _learn_the_default(self, exchange: Exchange) -> None:
        """A choice that the limit cut, without one in the request, is as long as the target's default."""
        completion = Completion.read(exchange)
        if completion.finish_reason == "length" and len(completion.choices) == 1 and completion.usage:
            self.default_tokens = completion.usage.completion_tokens or self.default_tokens


def _prompt_tokens(request: Request) -> int:
    """No fewer tokens than the prompts can have: a token has at least a byte, and a few more begin and end a prompt."""
    suffix = request.params.get("suffix")
    texts = [*request.prompts, *([suffix] if isinstance(suffix, str) else [])]
    sizes = (len(one.encode("utf-8", "replace")) if isinstance(one, str) else len(one) for one in texts)
    return sum(size + _AROUND_A_PROMPT for size in sizes)


def _most(exchange: Exchange, reserved: Tokens) -> Tokens:
    """The most that an answered request can have cost: what it says, where it says it to the end; nothing where it was refused."""
    if exchange.complete and not exchange.served:
        return Tokens(0, 0)
    usage = Completion.read(exchange).usage if exchange.served and exchange.complete else None
    if usage is None:
        return Tokens(reserved.prompt, min(reserved.generated, _most_generated(exchange, reserved)))
    prompt, generated = usage.prompt_tokens, usage.completion_tokens
    return Tokens(
        reserved.prompt if prompt is None else max(0, prompt),
        reserved.generated if generated is None else max(0, generated),
    )


def _most_generated(exchange: Exchange, reserved: Tokens) -> int:
    """The most tokens that a text can have which came to its end without being counted: a token has at least a byte, and one ends a choice.

    What is generated and not returned (`best_of`) shows nowhere.
    """
    if not (exchange.served and exchange.complete) or "best_of" in exchange.request.params:
        return reserved.generated
    choices = Completion.read(exchange).choices.values()
    return sum(len(choice.text.encode("utf-8", "replace")) + 1 for choice in choices)
