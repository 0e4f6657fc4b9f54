"""The language model of the reference server: small, deterministic, and honest about its probabilities.

It is a back-off n-gram model over the tokens of ``corpus.txt``, with one addition: each score is shifted by noise that is a hash of
*everything before the position*. So

* any prompt, known or not, continues with varied text that hardly ever repeats itself, and two prompts continue differently;
* the distribution at a position depends on what stands before it and on nothing else (a causal model);
* the same context always gives the same distribution, to the last bit.

The corpus has sections. Text continues in the section of its own writing, so that an ASCII prompt stays ASCII and a Japanese prompt stays
Japanese. A question mark leads into the section of answers, the only one whose texts end: there the end token comes after 10 to 20 tokens.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from .tokenizer import Tokenizer, learn

CONTEXT_LENGTH: Final = 4096
IMPOSSIBLE: Final = -9999.0
"""The log probability of a token that the model never writes; OpenAI uses the same number, since JSON has no infinity."""

_ORDER: Final = 3  # tokens of context of the longest n-gram
_TRUST: Final = {3: 0.70, 2: 0.75, 1: 0.80}  # the share that an n-gram keeps when a shorter one is asked too
_WIDTH: Final = 20  # the most successors that one n-gram contributes
_FLOOR: Final = 0.001  # the share of all tokens that no n-gram proposes
_NOISE: Final = 0.9  # the scale of the noise; 1 would make a greedy text a sample of the plain n-gram model
_MASK: Final = (1 << 64) - 1
_FIT: Final = 1.0  # what a token gains that may stand directly before the suffix

# What the bytes of UTF-8 say. A byte from 0xC0 on begins a character of several bytes, 0x80 to 0xBF continue one.
_LEAD: Final = 0xC0
_INNER: Final = range(0x80, 0xC0)
_LENGTHS: Final = {2: range(0xC0, 0xE0), 3: range(0xE0, 0xF0), 4: range(0xF0, 0x100)}
_WRITING: Final = {
    "accented": range(0xC3, 0xC6),  # Latin
    "rtl": range(0xD6, 0xDC),  # Hebrew, Arabic
    "japanese": range(0xE3, 0xEE),  # kana, Chinese characters, Korean
    "emoji": range(0xF0, 0xF5),
}

Candidates = tuple[tuple[int, float], ...]


class State(NamedTuple):
    """All that the model remembers of a text. ``last`` holds the last tokens, ``missing`` counts the bytes that complete a character."""

    hash: int
    last: tuple[int, ...]
    missing: int
    section: str
    goal: int | None  # the first token of the suffix


class Distribution:
    """The scores of all tokens at one position: some by name, every other one the same ``floor``.

    ``scores`` maps a token id to its logit; ``size`` is the number of tokens that the model may write.
    """

    __slots__ = ("floor", "scores", "size")

    def __init__(self, scores: Mapping[int, float], floor: float, size: int) -> None:
        """Keep the scores; nothing is computed yet."""
        self.scores = scores
        self.floor = floor
        self.size = size

    def shifted(self, by: Mapping[int, float]) -> Distribution:
        """Give the distribution whose logits are raised by ``by``."""
        scores = dict(self.scores)
        for token, amount in by.items():
            scores[token] = scores.get(token, self.floor) + amount
        return Distribution(dict(sorted(scores.items())), self.floor, self.size)

    def best(self) -> int:
        """Give the most likely token (of equals the lowest id)."""
        best = max(self.scores, key=self.scores.__getitem__)
        return best if self.scores[best] > self.floor else self.top(1)[0]

    def logprobs(self, tokens: Iterable[int]) -> list[float]:
        """Give the natural logarithm of the softmax of some tokens."""
        highest = max(self.floor, *self.scores.values())
        total = sum(math.exp(score - highest) for score in self.scores.values())
        total += max(0, self.size - len(self.scores)) * math.exp(self.floor - highest)
        norm = highest + math.log(total)
        return [
            min(0.0, self._score(token) - norm) if self._possible(token) else IMPOSSIBLE for token in tokens
        ]

    def top(self, count: int) -> list[int]:
        """Give the ``count`` most likely tokens, the best first."""
        others = (token for token in range(self.size) if token not in self.scores)
        some = [token for token, _ in zip(others, range(count), strict=False)]
        return sorted([*self.scores, *some], key=lambda token: (-self._score(token), token))[:count]

    def sample(self, temperature: float, top_p: float, source: random.Random) -> int:
        """Draw one token: first the temperature, then the nucleus of the mass ``top_p``, as OpenAI describes them."""
        if temperature == 0 or top_p == 0:
            return self.best()
        highest = max(self.floor, *self.scores.values())
        # (weight of one token, how many there are, id); all tokens without a score are one group, under the id `size`.
        items = ((score, 1, token) for token, score in self.scores.items())
        others = (self.floor, max(0, self.size - len(self.scores)), self.size)
        groups = [
            (math.exp((score - highest) / temperature), count, token)
            for score, count, token in (*items, others)
        ]
        groups.sort(key=lambda group: (-group[0], group[2]))
        wanted = top_p * sum(weight * count for weight, count, _ in groups)
        nucleus, mass = [], 0.0
        for weight, count, token in groups:
            if mass >= wanted or weight == 0:
                break
            taken = min(count, max(1, math.ceil((wanted - mass) / weight)))
            nucleus.append((weight, taken, token))
            mass += weight * taken
        point = source.random() * mass
        for weight, count, token in nucleus:
            if point < weight * count:
                return self._other(min(count - 1, int(point / weight))) if token == self.size else token
            point -= weight * count
        return nucleus[0][2]  # only by rounding

    def _score(self, token: int) -> float:
        return self.scores.get(token, self.floor)

    def _possible(self, token: int) -> bool:
        return token < self.size or token in self.scores

    def _other(self, number: int) -> int:
        """Give the token with this number among those without a score of their own."""
        return [token for token in range(self.size) if token not in self.scores][number]


class Model:
    """A tokenizer and the tables of the n-grams; shared by any number of servers, immutable but for its memory."""

    context_length = CONTEXT_LENGTH

    def __init__(self, tokenizer: Tokenizer, sections: Mapping[str, Iterable[tuple[int, ...]]]) -> None:
        """Count the n-grams of the documents of each section."""
        self.tokenizer = tokenizer
        self.size = tokenizer.fim_prefix  # the marks of insertion come last: they are read, never written
        self._after: dict[tuple[str, tuple[int, ...]], Candidates] = _successors(sections, tokenizer.end)
        self._section = tuple(_writing(data) for data in tokenizer.data)
        self._missing = tuple(_missing(data) for data in tokenizer.data)
        self._floor = math.log(_FLOOR / self.size)
        self._noise = tuple(-_NOISE * math.log(-math.log((step + 0.5) / 4096)) for step in range(4096))
        self._candidates = lru_cache(maxsize=20_000)(self._find_candidates)
        self._followers = lru_cache(maxsize=20_000)(self._find_followers)

    def start(self, goal: int | None = None) -> State:
        """Give the state at the beginning of a document; ``goal`` is the first token of the suffix, if there is one."""
        return State(
            hash=0x9E3779B97F4A7C15, last=(self.tokenizer.end,), missing=0, section="plain", goal=goal
        )

    def read(self, state: State, token: int) -> State:
        """Give the state behind one more token."""
        number, last, missing, section, goal = state
        number = ((number ^ token) * 0xD6E8FEB86659FD93) & _MASK
        own = self._missing[token]
        return State(
            number ^ (number >> 32),
            (*last[1 - _ORDER :], token),
            max(0, missing - 1) if own is None else own,
            self._section[token] or section,
            goal,
        )

    def distribution(self, state: State) -> Distribution:
        """Give the scores of the next token."""
        noise, number = self._noise, state.hash
        scores = {
            token: score + noise[(((number ^ (token * 0x9E3779B1)) * 0xBF58476D1CE4E5B9) & _MASK) >> 52]
            for token, score in self._candidates(state.section, state.last, state.missing > 0)
        }
        if state.goal is not None:
            for token in scores:
                if state.goal in self._followers(state.section, token):
                    scores[token] += _FIT
        return Distribution(scores, self._floor, self.size)

    def _find_followers(self, section: str, token: int) -> frozenset[int]:
        return frozenset(follower for follower, _ in self._after.get((section, (token,)), ()))

    def _find_candidates(self, section: str, last: tuple[int, ...], inside: bool) -> Candidates:  # noqa: FBT001
        """Mix the successors of the last three, two, one and no tokens; inside a character only its next bytes."""
        shares: defaultdict[int, float] = defaultdict(float)
        left = 1.0
        for order in range(min(_ORDER, len(last)), -1, -1):
            found = [
                (token, weight)
                for token, weight in self._after.get((section, last[len(last) - order :]), ())
                if (self._missing[token] is None) is inside
            ]
            if not found:
                continue
            share = left * _TRUST.get(order, 1.0)
            left -= share
            total = sum(weight for _, weight in found)
            for token, weight in found:
                shares[token] += share * weight / total
        if not shares:  # the middle of a character that the corpus does not have
            shares.update((value, 1.0) for value in _INNER)
        total = sum(shares.values())
        return tuple((token, math.log(share / total)) for token, share in sorted(shares.items()))


@lru_cache(maxsize=1)
def default_model() -> Model:
    """Build the model from the corpus, once in a process (it takes about 0.2 s)."""
    sections: dict[str, str] = {}
    text = files(__package__).joinpath("corpus.txt").read_text("utf-8")
    for part in text.split("=== ")[1:]:
        name, _, body = part.partition("\n")
        sections[name] = body.rstrip("\n") + "\n\n"
    tokenizer = Tokenizer(learn("".join(sections.values()), 800))
    return Model(
        tokenizer, {name: list(_documents(name, body, tokenizer)) for name, body in sections.items()}
    )


def _documents(name: str, body: str, tokenizer: Tokenizer) -> Iterable[tuple[int, ...]]:
    """Cut a section into its documents: each answer is one and ends; any other section goes round in a circle and never ends."""
    if name == "answers":
        for answer in body.strip("\n").split("\n\n"):
            yield (*tokenizer.encode(answer), tokenizer.end)
    else:
        ids = tokenizer.encode(body)
        yield (tokenizer.end, *ids)
        yield (*ids[-_ORDER:], *ids[:_ORDER])


def _successors(
    sections: Mapping[str, Iterable[tuple[int, ...]]], end: int
) -> dict[tuple[str, tuple[int, ...]], Candidates]:
    """Count which token follows each run of up to three tokens."""
    counts: defaultdict[tuple[str, tuple[int, ...]], Counter[int]] = defaultdict(Counter)
    for name, documents in sections.items():
        for ids in documents:
            for at, token in enumerate(ids):
                for order in range(min(_ORDER, at) + 1):
                    if order or token != end:  # the end is never proposed out of nothing
                        counts[name, ids[at - order : at]][token] += 1
    return {
        key: tuple((token, float(often)) for token, often in found.most_common(_WIDTH))
        for key, found in counts.items()
    }


def _writing(data: bytes) -> str | None:
    """Name the section that a token leads into; None where it says nothing."""
    if data.strip() in {b"?", b'?"'}:
        return "answers"
    lead = next((value for value in data if value >= _LEAD), 0)
    return next((section for section, leads in _WRITING.items() if lead in leads), None)


def _missing(data: bytes) -> int | None:
    """Count the bytes that complete the character at the end of a token; None if the token itself is such a byte."""
    if data[0] in _INNER:
        return None
    for back, value in enumerate(reversed(data[-3:]), 1):
        if value >= _LEAD:
            length = next(length for length, leads in _LENGTHS.items() if value in leads)
            return max(0, length - back)
    return 0
