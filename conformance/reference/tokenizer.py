r"""A byte-level byte-pair tokenizer, learned from the corpus when the model is built.

Ids 0 … 255 are the bytes, then come the merges in the order in which they were learned, then the four special tokens.
A token is therefore a *byte* string. Most are whole characters, but three rules keep tokens and characters from lining up,
because that is where servers break:

* a character of three or four bytes (Japanese, emoji) is never one token: it takes two to four;
* punctuation joins the line breaks behind it (``".\n\n"``), a word joins the space before it (``" river"``);
* a token that is only a part of a character is spelled ``bytes:\xe2\x80`` in log probabilities, as OpenAI does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

SPECIAL = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")

# Text is cut into pieces first and merges never cross them. Every repetition is bounded, since the merging of one piece takes
# quadratic time. Each character matches one of the alternatives, so nothing is ever lost.
_PIECE = re.compile(r" ?[^\W\d_]{1,32}| ?\d{1,3}| ?[^\w\s]{1,16}[\r\n]{0,4}|_{1,16}|\s{1,16}(?!\S)|\s")

_MEMORY = 50_000  # pieces whose tokens are remembered
_LEAST = 2  # a pair that stands only once is not merged
_LONG = 0x800  # the first character of three bytes

Pair = tuple[bytes, bytes]


class Tokenizer:
    """Text to token ids and back; immutable but for its memory of pieces.

    ``size`` is the number of ids; ``data[id]`` the bytes of a token; ``spelling[id]`` its string in log probabilities.
    """

    def __init__(self, merges: Sequence[Pair]) -> None:
        """Number the tokens: bytes, merges, special tokens."""
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        plain = [bytes([value]) for value in range(256)] + [left + right for left, right in merges]
        self.ids = {data: number for number, data in enumerate(plain)}
        self.data: tuple[bytes, ...] = (*plain, *(name.encode() for name in SPECIAL))
        self.spelling: tuple[str, ...] = tuple(map(spell, self.data))
        self.size = len(self.data)
        self.end, self.fim_prefix, self.fim_middle, self.fim_suffix = range(len(plain), self.size)
        self.longest = max(map(len, plain))
        self._known: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> tuple[int, ...]:
        """Give the token ids of ``text``; the names of special tokens are ordinary text here."""
        ids: list[int] = []
        for piece in _PIECE.findall(text):
            found = self._known.get(piece)
            if found is None:
                found = tuple(self.ids[part] for part in _merge(piece.encode(), self.ranks))
                if len(self._known) < _MEMORY:
                    self._known[piece] = found
            ids.extend(found)
        return tuple(ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of token ids; what is not UTF-8 becomes U+FFFD."""
        return b"".join(self.data[number] for number in ids).decode(errors="replace")


def spell(data: bytes) -> str:
    r"""Spell a token as a string: its text, or ``bytes:\xe2\x80`` where it is no whole text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{value:02x}" for value in data)


def learn(text: str, count: int) -> list[Pair]:
    """Learn up to ``count`` merges from ``text``: always the most frequent pair that may be merged."""
    pieces = Counter(_PIECE.findall(text))
    words = [[bytes([value]) for value in piece.encode()] for piece in pieces]
    times = list(pieces.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += times[number]
            places[pair].add(number)
    queue = [(-often, pair) for pair, often in pairs.items()]
    heapify(queue)
    merges: list[Pair] = []
    while queue and len(merges) < count:
        often, best = heappop(queue)
        outdated = -often != pairs[best]  # a newer entry of this pair is in the queue, too
        if outdated or not _may_merge(best[0] + best[1]):
            continue
        if -often < _LEAST:
            break
        merges.append(best)
        for number in places.pop(best):
            for pair, change in _replace(words[number], best):
                pairs[pair] += change * times[number]
                places[pair].add(number)
                heappush(queue, (-pairs[pair], pair))
    return merges


def _may_merge(data: bytes) -> bool:
    """Say whether these bytes may be one token: whole short characters, or the beginning of one long character."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return error.start == 0 and error.reason == "unexpected end of data" and len(data) == len(b"\xf0\x9f")
    return all(ord(character) < _LONG for character in text)


def _replace(word: list[bytes], pair: Pair) -> list[tuple[Pair, int]]:
    """Merge ``pair`` in one word; give the pairs that are now more or less frequent in it."""
    joined = _join(word, pair)
    change = Counter(pairwise(joined))
    change.subtract(pairwise(word))
    word[:] = joined
    return [(other, by) for other, by in change.items() if by]


def _merge(data: bytes, ranks: Mapping[Pair, int]) -> list[bytes]:
    """Merge the bytes of one piece, the earliest learned pair first."""
    parts = [data[at : at + 1] for at in range(len(data))]
    while len(parts) > 1:
        pair = min(pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
        if pair not in ranks:
            break
        parts = _join(parts, pair)
    return parts


def _join(parts: Sequence[bytes], pair: Pair) -> list[bytes]:
    joined: list[bytes] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined
