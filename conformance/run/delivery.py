"""Carries requests to the target: each when its turn has come, and again while the target turns it away.

Two things an answer can say are not about the request: *later* (429, 503, 529: the pace hears of it, and the request waits in line again),
and *never* (the money or the quota is at its end: so is the run). All else is the answer; what of that may be chance, `session.py` asks again.

A target that turns one request away, again and again, and serves others in between, means that request: then that is the answer, too. Where
no others are asked in between, a small valid request, the canary, is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from conformance.contract.verdict import Inconclusive, Reason
from conformance.run.budget import Cost, Purse, SpentError, Tokens
from conformance.run.pace import Pace, Turn
from conformance.run.results import End
from conformance.wire.error_text import error_text
from conformance.wire.exchange import Auth, Exchange, FaultKind, Intent, Request
from conformance.wire.quota import quota_words
from conformance.wire.retry import is_turned_away, time_of, wait_asked_for

Send = Callable[[Request], Awaitable[Exchange]]

BEFORE_ANYTHING = 60.0
"""Seconds for which a target that has not served anything yet may say "later"; `--wait-ready` gives it more."""
_IN_THE_MIDDLE = 300.0
"""Seconds for which one that has served may do so, without a break."""
LONGEST_WAIT = 600.0
"""Seconds that a target may ask to wait, where the run has no time limit that says what is too long."""
_MEANT = 4
"""So often a request is turned away while others are served, until it is believed that it is meant."""
_IN_A_ROW = 2
"""After so many refusals with nothing served in between the canary asks first: it is cheap, and nothing can be wrong with it."""
_TOO_DEAR = 3
"""So many requests are refused for money although the canary is served, until it is believed that what is left is too little."""


class UnansweredError(Exception):
    """The target would not answer the request, and nothing more is sent; `exchange` shows it."""

    def __init__(self, end: End, exchange: Exchange) -> None:
        """Say why the run ends."""
        super().__init__(end.message)
        self.end, self.exchange = end, exchange


@dataclass
class _Refused:
    """How often one request was turned away."""

    served: int
    """How many others had been served when it was last sent."""
    meant: int = 0
    """How often, while others were served."""
    in_a_row: int = 0
    """How often since others were."""

    def count(self, served: int) -> None:
        """It was turned away; so many others have been served by now."""
        others_were = served > self.served or not self.meant
        self.meant += others_were
        self.in_a_row = 1 if others_were else self.in_a_row + 1
        self.served = served


@dataclass
class Delivery:
    """Carries requests over `transport`, keeps to the purse and the pace, and ends the run where the target will not serve any more."""

    transport: Send
    purse: Purse
    cost: Cost
    pace: Pace
    ask_the_canary: Callable[[], Awaitable[object]]
    """Sends a small valid request by `deliver`, with `is_canary`."""
    run_timeout: float | None = None
    """Seconds that the run may take."""
    wait_ready: float | None = None
    """Seconds for which the target may be starting."""
    ended: End | None = None
    """Why nothing more is sent, once that is so."""
    _served: int = 0
    """How many valid requests were served."""
    _refused_since: float | None = None
    """When the target began to turn everything away, by the loop's clock."""
    _busy: set[int] = field(default_factory=set)
    """The statuses with which it turns valid requests away."""
    _too_dear: int = 0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _doubts: int = 0
    """How many reasons there are to send nothing but the canary."""
    _no_doubt: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there is none."""
    _began: float | None = None
    """When the first request was made."""

    def __post_init__(self) -> None:
        """Nothing is in doubt yet."""
        self._no_doubt.set()

    def end(self, reason: Reason, message: str, exchange: str | None = None) -> End:
        """Send nothing more; the first reason counts."""
        self.ended = self.ended or End(reason, message, exchange)
        return self.ended

    def raise_if_ended(self) -> None:
        """Raise `Inconclusive` where nothing more is sent."""
        if self.ended is not None:
            raise Inconclusive(self.ended.message, self.ended.reason)

    @contextlib.contextmanager
    def only_the_canary(self) -> Iterator[None]:
        """Within, nothing is sent but the canary: it finds out whether the target still serves, or wants money."""
        self._begin_to_doubt()
        try:
            yield
        finally:
            self._end_a_doubt()

    def _begin_to_doubt(self) -> None:
        self._doubts += 1
        self._no_doubt.clear()

    def _end_a_doubt(self) -> None:
        self._doubts -= 1
        if not self._doubts:
            self._no_doubt.set()

    async def deliver(
        self,
        request: Request,
        reserved: Tokens,
        name: str,
        *,
        is_canary: bool = False,
        patience: float | None = None,
    ) -> Exchange:
        """The exchange of `request`, for which `reserved` was set aside; its id is `name`.

        `patience` is for how many seconds nothing but refusals is borne, before the last of them is the answer; without it, they end the
        run. Raises `Inconclusive` where the run has ended before the request was sent, or the budget before it could be sent again, and
        `UnansweredError` where the run ends with it.
        """
        refused, tries = _Refused(self._served), 0
        while True:
            exchange, words = await self._carry(request, reserved, is_canary=is_canary)
            exchange = replace(exchange, id=name, retries=tries)
            if words is not None:
                await self._without_money(words, exchange, is_canary=is_canary)
            if not await self._asks_again(exchange, refused, is_canary=is_canary, patience=patience):
                return exchange
            try:
                reserved = self.purse.reserve(request)
            except SpentError as spent:
                # What only says "later" is no answer, whoever can't pay for the next.
                why = f"{spent} before what was answered with status {exchange.status} could be sent again"
                raise Inconclusive(why, Reason.BUDGET) from spent
            tries += 1

    async def poll(self, request: Request, reserved: Tokens) -> Exchange:
        """The exchange of a request that is sent once and now: the pace of a server that is starting says nothing of its limits."""
        exchange: Exchange | None = None
        try:
            exchange = await self._send(request)
        finally:
            self._settle(reserved, exchange)
        return exchange

    async def _carry(
        self, request: Request, reserved: Tokens, *, is_canary: bool
    ) -> tuple[Exchange, str | None]:
        """Send a request once, when its turn has come, and settle what was reserved for it; also what the answer says of money."""
        self._began = self._began if self._began is not None else self._now
        sent, exchange, words = False, None, None
        try:
            while exchange is None:
                if not is_canary:
                    await self._no_doubt.wait()
                async with self.pace.turn(-1 if is_canary else 0, at_once=request.at_once) as turn:
                    self.raise_if_ended()
                    if not is_canary and not self._no_doubt.is_set():
                        continue
                    sent = True
                    exchange = await self._send(request)
                    words = self._words_of_money(exchange)
                    if words is None:
                        self._tell(turn, exchange)
                    else:
                        self._begin_to_doubt()
        finally:
            if sent:
                self._settle(reserved, exchange)
            else:
                self.purse.take_back(reserved)
                self.cost.requests = self.purse.requests
        return exchange, words

    def _settle(self, reserved: Tokens, exchange: Exchange | None) -> None:
        """Count what a request has cost for which there was a connection."""
        if _never_left(exchange):
            self.purse.take_back(reserved)
        else:
            self.purse.settle(reserved, exchange)
        self.cost.requests = self.purse.requests

    async def _send(self, request: Request) -> Exchange:
        self.cost.in_flight += 1
        self.cost.most_in_flight = max(self.cost.most_in_flight, self.cost.in_flight)
        try:
            return await self.transport(request)
        finally:
            self.cost.in_flight -= 1

    def _tell(self, turn: Turn, exchange: Exchange) -> None:
        """Let the pace know what became of a request, as far as that is the pace's business."""
        if exchange.response is not None and self._is_turned_away(exchange):
            self._refused_since = self._now if self._refused_since is None else self._refused_since
            if exchange.request.intent is Intent.VALID:
                self._busy.add(exchange.response.status)
            turn.turned_away(wait_asked_for(exchange.response, time_of(exchange)))
        elif not exchange.request.at_once:
            if exchange.served and exchange.request.intent is Intent.VALID:
                self._served += 1
                self._refused_since = None
            if _was_left(exchange):
                turn.left()
            else:
                turn.served()

    def _is_turned_away(self, exchange: Exchange) -> bool:
        """Whether an answer only says "later".

        A 503 without a time to an invalid request may be how a server fails at it; it says "later" where valid ones are told so, too.
        """
        response = exchange.response
        if response is None or exchange.request.takes_any_answer or not is_turned_away(response):
            return False
        return (
            exchange.rate_limited or exchange.request.intent is Intent.VALID or response.status in self._busy
        )

    async def _asks_again(
        self, exchange: Exchange, refused: _Refused, *, is_canary: bool, patience: float | None
    ) -> bool:
        """Whether a request is to be sent once more, after waiting for whatever has to be waited for but its turn."""
        if not self._is_turned_away(exchange):
            return False
        refused.count(self._served)
        if refused.meant >= _MEANT or self._is_out_of_patience(exchange, patience):
            return False
        if refused.in_a_row >= _IN_A_ROW and not is_canary:
            async with self._asking:
                if self._served == refused.served:
                    await self._let_the_canary_ask()
        return True

    async def _let_the_canary_ask(self) -> None:
        """Where it may not, since the run has ended or the budget is spent, nobody else may either; they are told so themselves."""
        with contextlib.suppress(Inconclusive):
            await self.ask_the_canary()

    def _is_out_of_patience(self, exchange: Exchange, patience: float | None) -> bool:
        """Whether the target has turned away everything for too long, with `exchange` as the last."""
        refused_for = self._now - (self._refused_since if self._refused_since is not None else self._now)
        if patience is not None:
            return refused_for >= patience
        at_first = max(BEFORE_ANYTHING, self.wait_ready or 0.0)
        if refused_for < (_IN_THE_MIDDLE if self._served else at_first):
            return False
        message = (
            f"the target turned every request away for {refused_for:.0f} s, the last one with status {exchange.status}:"
            f" {error_text(exchange)}"
        )
        raise UnansweredError(self.end(Reason.RATE_LIMIT, message, exchange.id), exchange)

    def _words_of_money(self, exchange: Exchange) -> str | None:
        return _words_of_money(exchange, max(LONGEST_WAIT, self._time_left))

    async def _without_money(self, words: str, exchange: Exchange, *, is_canary: bool) -> None:
        """End the run, unless the canary is served: then the request is only too dear."""
        served = self._served
        said = _without_money(exchange, words)
        try:
            if not is_canary:
                async with self._asking:
                    if self.ended is None and self._served == served:
                        await self._let_the_canary_ask()
                self._too_dear += 1
            if is_canary or self._too_dear >= _TOO_DEAR:
                self.end(Reason.QUOTA, said, exchange.id)
        finally:
            self._end_a_doubt()
        raise UnansweredError(self.ended or End(Reason.QUOTA, said, exchange.id), exchange)

    @property
    def _time_left(self) -> float:
        """The seconds that are left of the time of the run; 0 where it has no limit."""
        if self.run_timeout is None or self._began is None:
            return 0.0
        return self._began + self.run_timeout - self._now

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def said_of_money(exchange: Exchange) -> str | None:
    """How the end of the money, or of a quota, is told that an answer speaks of; None where it speaks of none."""
    words = _words_of_money(exchange, LONGEST_WAIT)
    return None if words is None else _without_money(exchange, words)


def _words_of_money(exchange: Exchange, horizon: float) -> str | None:
    """What an answer says of money, or of a quota, that is at its end for so many seconds at least."""
    if exchange.request.takes_any_answer or exchange.request.auth is not Auth.KEY:
        return None
    return quota_words(exchange, horizon=horizon)


def _without_money(exchange: Exchange, words: str) -> str:
    return f"the money or the quota of the key is used up, as the target says with status {exchange.status}: {words}"


def _never_left(exchange: Exchange | None) -> bool:
    """Whether nothing was sent since there was no connection."""
    return exchange is not None and exchange.fault is not None and exchange.fault.kind is FaultKind.CONNECT


def _was_left(exchange: Exchange) -> bool:
    """Whether we did not wait for the end of an answer, as a check wanted it."""
    return exchange.request.close_after is not None and exchange.fault is None and not exchange.complete
