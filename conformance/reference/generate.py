"""From `Params` to text: sampling, stop sequences, and what may be shown when.

A request opens one `Choice` for each completion. `Generating.step` adds one token to a choice and gives a `Piece`: what can be shown
now and could not be shown before. A plain answer is all pieces of a choice joined, a stream sends them one by one; so the two agree.

Three things hold text back, and nothing is ever taken back: bytes that are only a part of a character, the end of the text as long as it
may be the beginning of a stop sequence, and (at a stop) everything from the beginning of the sequence.
"""

from __future__ import annotations

import asyncio
import codecs
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from .model import Distribution, Model, State
from .request import Params, PromptInput, Reading
from .values import Refusal

_PAUSE: Final = 8  # tokens between two turns of the event loop


@dataclass
class Prompt:
    """One prompt: its text, its tokens, and all that the model reads (with the suffix before it, if there is one)."""

    text: str
    tokens: tuple[int, ...]
    suffix: tuple[int, ...] = ()
    read: tuple[int, ...] = ()
    scored: tuple[Scored, ...] | None = None

    @property
    def count(self) -> int:
        """How many tokens the prompt counts in `usage.prompt_tokens`."""
        return len(self.read)


@dataclass(frozen=True)
class Scored:
    """One token of the text with what the model thought of it.

    ``start`` and ``end`` are its place in the text of prompt or completion, in characters; a token that is only a part of
    a character has the place of the whole character. ``logprob`` is None for the first token of an echo, and where nobody asked.
    """

    token: int
    start: int
    end: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] | None = None


@dataclass(frozen=True)
class Piece:
    """What one step adds to the answer of choice ``index``. ``generated`` counts tokens, also those that are not shown."""

    index: int
    text: str
    scored: tuple[Scored, ...] = ()
    generated: int = 0
    finish_reason: str | None = None
    is_prompt: bool = False
    score: float = 0.0  # the mean log probability, on the last piece


@dataclass
class Choice:
    """One completion while it grows."""

    index: int
    prompt: Prompt
    state: State
    source: random.Random
    text: str = ""
    shown: int = 0
    generated: int = 0
    reported: int = 0
    total_logprob: float = 0.0
    finish_reason: str | None = None
    counts: dict[int, int] = field(default_factory=dict)
    waiting: list[Scored] = field(default_factory=list)
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )


class Generating(Reading):
    """The part of the server that reads prompts and writes text."""

    model: Model

    # ---- prompts ---------------------------------------------------------------------------------------------------

    def prompts(self, params: Params) -> list[Prompt]:
        """Read all prompts of a request, and refuse those that leave no room for the completion."""
        prompts = []
        self.check_bytes(params.suffix)
        for given in params.prompts:
            self.check_bytes(given)
            prompts.append(self.tokenize(given, params.suffix))
            self.check_length(params, prompts[-1])
        return prompts

    def tokenize(self, given: PromptInput, suffix: str) -> Prompt:
        """Turn a prompt into tokens. A suffix is read first: marker, suffix, marker, prompt; so the model writes what is between."""
        tokenizer = self.model.tokenizer
        if isinstance(given, str):
            text, tokens = given, tokenizer.encode(given)
        else:
            text, tokens = tokenizer.decode(given), given
        after = tokenizer.encode(suffix)
        read = (tokenizer.fim_suffix, *after, tokenizer.fim_prefix, *tokens) if after else tokens
        return Prompt(text, tokens, after, read)

    def check_bytes(self, given: PromptInput) -> None:
        """Refuse a text that is too long in any case, without the work of cutting it into tokens."""
        longest = self.model.tokenizer.longest if isinstance(given, str) else 1
        least = len(given.encode() if isinstance(given, str) else given) // longest
        if least > self.model.context_length:
            raise self.too_long(f"your prompt has at least {least} tokens")

    def check_length(self, params: Params, prompt: Prompt) -> None:
        """Hold to "The token count of your prompt plus `max_tokens` cannot exceed the model's context length"."""
        total = prompt.count + params.max_tokens
        if total > self.model.context_length:
            detail = f"{prompt.count} in your prompt; {params.max_tokens} for the completion"
            raise self.too_long(f"you requested {total} tokens ({detail}); reduce the prompt or 'max_tokens'")

    def too_long(self, reason: str) -> Refusal:
        """Make the refusal that names the context length."""
        length = self.model.context_length
        message = f"This model's maximum context length is {length} tokens, however {reason}."
        return Refusal(400, message, None, "context_length_exceeded")

    # ---- choices ---------------------------------------------------------------------------------------------------

    def open_choices(self, params: Params, prompts: Sequence[Prompt]) -> list[Choice]:
        """Open the completions of all prompts: those of the first prompt come first, the index counts through."""
        choices: list[Choice] = []
        for prompt in prompts:
            state = self.read_prompt(prompt)
            for number in range(params.candidates):
                choices.append(Choice(len(choices), prompt, state, self.randomness(params, number)))
        return choices

    def read_prompt(self, prompt: Prompt) -> State:
        """Let the model read a prompt."""
        state = self.model.start(prompt.suffix[0] if prompt.suffix else None)
        for token in prompt.read:
            state = self.model.read(state, token)
        return state

    def randomness(self, params: Params, number: int) -> random.Random:
        """Give completion ``number`` of a prompt its source of chance: a stream of its own for each, fixed by `seed` if there is one."""
        return random.Random() if params.seed is None else random.Random(f"{params.seed}/{number}")  # noqa: S311

    async def generate(self, params: Params, prompts: Sequence[Prompt]) -> AsyncIterator[Piece]:
        """Give the pieces of all choices as they come: one token of each choice in turn."""
        choices = self.open_choices(params, prompts)
        if params.echo:
            for choice in choices:
                yield self.echo(params, choice)
                await asyncio.sleep(0)
        if params.max_tokens == 0:
            for choice in choices:
                yield Piece(choice.index, "", finish_reason="length")
            return
        active, spent = choices, 0
        while active:
            for choice in active:
                piece = self.step(params, choice)
                if piece is not None:
                    yield piece
                spent += 1
                if spent % _PAUSE == 0:
                    await asyncio.sleep(0)
            active = [choice for choice in active if choice.finish_reason is None]

    def echo(self, params: Params, choice: Choice) -> Piece:
        """Give the prompt back as the first piece of a choice, with its log probabilities where they are wanted."""
        prompt = choice.prompt
        if params.logprobs is not None and prompt.scored is None:
            prompt.scored = tuple(self.score_prompt(params, prompt))  # once for all choices
        return Piece(choice.index, prompt.text, prompt.scored or (), is_prompt=True)

    def score_prompt(self, params: Params, prompt: Prompt) -> list[Scored]:
        """Score the tokens of a prompt, each by what stands before it; the first has nothing before it, and null as its value."""
        state = self.read_prompt(replace(prompt, read=prompt.read[: prompt.count - len(prompt.tokens)]))
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        scored, length = [], 0
        for number, token in enumerate(prompt.tokens):
            start = length
            length += len(decoder.decode(self.model.tokenizer.data[token]))
            one = Scored(token, start, length + bool(decoder.getstate()[0]))
            scored.append(self.score(params, one, self.model.distribution(state)) if number else one)
            state = self.model.read(state, token)
        return scored

    # ---- one token -------------------------------------------------------------------------------------------------

    def step(self, params: Params, choice: Choice) -> Piece | None:
        """Generate one token of a choice; give what can be shown now, or None if that is nothing."""
        distribution = self.distribution(params, choice)
        token = self.pick(params, choice, self.adjust(params, choice, distribution))
        self.append(params, choice, token, distribution)
        cut = self.find_stop(choice.text, params.stop)
        choice.finish_reason = self.finish_reason(params, choice, token, cut)
        return self.release(params, choice, cut)

    def distribution(self, params: Params, choice: Choice) -> Distribution:  # noqa: ARG002 - for those who override it
        """Ask the model for the next token."""
        return self.model.distribution(choice.state)

    def adjust(self, params: Params, choice: Choice, distribution: Distribution) -> Distribution:
        """Apply bias and penalties: ``logit += bias - count * frequency_penalty - (count > 0) * presence_penalty``.

        The count is "how often that token was sampled prior to the current position": the prompt does not count.
        """
        shifts = dict(params.logit_bias)
        if params.presence_penalty or params.frequency_penalty:
            for token, count in choice.counts.items():
                penalty = count * params.frequency_penalty + params.presence_penalty
                shifts[token] = shifts.get(token, 0.0) - penalty
        return distribution.shifted(shifts) if shifts else distribution

    def pick(self, params: Params, choice: Choice, distribution: Distribution) -> int:
        """Choose the next token: the best one at temperature 0, else a random one."""
        return distribution.sample(params.temperature, params.top_p, choice.source)

    def append(self, params: Params, choice: Choice, token: int, distribution: Distribution) -> None:
        """Add a token to a choice: its count, its text, its log probability. The end token has no text and no entry."""
        choice.generated += 1
        choice.counts[token] = choice.counts.get(token, 0) + 1
        choice.state = self.model.read(choice.state, token)
        start = len(choice.text)
        if not self.is_end(token):
            choice.text += choice.decoder.decode(self.model.tokenizer.data[token])
            one = Scored(token, start, len(choice.text) + bool(choice.decoder.getstate()[0]))
            choice.waiting.append(self.score_generated(params, choice, one, distribution))
        if self.is_end(token) or choice.generated >= params.max_tokens:
            choice.text += choice.decoder.decode(b"", final=True)

    def is_end(self, token: int) -> bool:
        """Say whether the model ends its text with this token."""
        return token == self.model.tokenizer.end

    def score_generated(
        self, params: Params, choice: Choice, one: Scored, distribution: Distribution
    ) -> Scored:
        """Score a generated token where someone needs it: the client, or the choice between candidates."""
        if params.logprobs is None:
            if params.candidates > params.n:
                choice.total_logprob += distribution.logprobs([one.token])[0]
            return one
        scored = self.score(params, one, distribution)
        choice.total_logprob += scored.logprob or 0.0
        if params.echo and choice.generated == 1 and not choice.prompt.tokens:
            return one  # the prompt is empty: this is the first token of the echoed text
        return scored

    def score(self, params: Params, one: Scored, distribution: Distribution) -> Scored:
        """Add log probabilities: those of the model itself, at temperature 1, before bias, penalties and top_p.

        OpenAI: "The API will always return the `logprob` of the sampled token, so there may be up to `logprobs+1` elements".
        """
        wanted = distribution.top(params.logprobs or 0)
        if one.token not in wanted:
            wanted.append(one.token)
        values = dict(zip(wanted, distribution.logprobs(wanted), strict=True))
        return replace(one, logprob=values[one.token], top=tuple(values.items()))

    # ---- stop sequences and finish reason ------------------------------------------------------------------------------

    def find_stop(self, text: str, stops: Sequence[str]) -> int | None:
        """Find where the earliest stop sequence begins in the generated text (never in an echoed prompt).

        It is asked after each token. Of sequences that end with the same token the one that begins first decides.
        """
        return min((at for at in (text.find(stop) for stop in stops) if at >= 0), default=None)

    def held_back(self, text: str, stops: Sequence[str]) -> int:
        """Count the characters at the end of the text that may be the beginning of a stop sequence."""
        return max((_overlap(text, stop) for stop in stops), default=0)

    def finish_reason(self, params: Params, choice: Choice, token: int, cut: int | None) -> str | None:
        """Give `stop` at a stop sequence or the model's own end, `length` at the limit, None before."""
        if cut is not None or self.is_end(token):
            return "stop"
        return "length" if choice.generated >= params.max_tokens else None

    def release(self, params: Params, choice: Choice, cut: int | None) -> Piece | None:
        """Give what can be shown now: up to the stop sequence, or all at the end, or what is certain.

        A token is shown with its last character. So the tokens of a stop sequence, and one that the cut goes through,
        are not; joined tokens never go beyond the text, and equal it wherever nothing was cut.
        """
        if cut is not None:
            until = cut
        else:
            until = len(choice.text)
            if choice.finish_reason is None:
                until -= self.held_back(choice.text, params.stop)
        text = choice.text[choice.shown : until]
        ready = [one for one in choice.waiting if one.end <= until]
        if not text and not ready and choice.finish_reason is None:
            return None
        choice.shown = max(choice.shown, until)
        choice.waiting = choice.waiting[len(ready) :]
        new, choice.reported = choice.generated - choice.reported, choice.generated
        scored = tuple(ready) if params.logprobs is not None else ()
        score = choice.total_logprob / choice.generated
        return Piece(choice.index, text, scored, new, choice.finish_reason, score=score)


def _overlap(text: str, stop: str) -> int:
    """Measure the longest end of ``text`` that is a beginning of ``stop`` (and not all of it)."""
    at = text.find(stop[0], max(0, len(text) - len(stop) + 1))
    while at >= 0:
        if stop.startswith(text[at:]):
            return len(text) - at
        at = text.find(stop[0], at + 1)
    return 0
