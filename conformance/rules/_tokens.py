"""The tokens of log probabilities: how they are spelled, and whether they are those of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from conformance.wire.completion import Completion, Logprobs
from conformance.wire.exchange import is_int

_MARK = re.compile(r"<\|.*\|>|</?\w+>|<0x[0-9A-F]{2}>|bytes:.*", re.DOTALL)
"""A token that is not spelled as its text: a special one, or a part of a character."""

_SPACES = str.maketrans({"\u2581": " ", "\u0120": " ", "\u010a": "\n"})
"""SentencePiece writes a space as U+2581, GPT-2's vocabulary as U+0120 and a line end as U+010A."""


def legacy(completion: Completion) -> Iterator[tuple[int, Logprobs]]:
    """The legacy arrays of each choice, by index, where the request asks for log probabilities by number."""
    if is_int(completion.exchange.request.params.get("logprobs")):
        for index, choice in completion.choices.items():
            logprobs = choice.logprobs
            if logprobs is not None and logprobs.tokens is not None:
                yield index, logprobs


def joined_text(tokens: Iterable[Any]) -> str:
    """The text that tokens are pieces of."""
    return "".join(map(unmarked, tokens))


def is_spelled(text: str, tokens: Iterable[Any]) -> bool:
    """Whether the tokens are pieces of an ASCII text as it is read: no part of a character, no mark of a tokenizer."""
    found = list(tokens)
    return bool(found) and text.isascii() and all(map(_is_readable, found))


def _is_readable(token: object) -> bool:
    return isinstance(token, str) and bool(token) and token.isascii() and not _MARK.fullmatch(token)


def unmarked(token: Any) -> Any:
    """A token with the marks undone by which tokenizers write white space."""
    return token.translate(_SPACES) if isinstance(token, str) else token


def fits(text: str, joined: str) -> bool:
    """Whether the tokens are those of the text until one of them ends, as where a stop sequence has cut it; if not, LOGP-003 says so."""
    return bool(text) and (joined.startswith(text) or text.startswith(joined))
