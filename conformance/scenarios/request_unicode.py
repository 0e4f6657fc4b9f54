"""What becomes of the characters of a prompt."""

from __future__ import annotations

from conformance.contract.check import Phase, scenario
from conformance.contract.verdict import Broken, Inconclusive, NotRun
from conformance.kit.beyond_ascii import PROMPTS, plain_exchange
from conformance.kit.invalid_requests import survived, survives
from conformance.kit.target import Target
from conformance.rules.headers import falls_short
from conformance.wire.moderation import is_moderated
from conformance.wire.shown import shown

_SCRIPTS = (
    "\u6f22\u5b57\u3068\u304b\u306a",  # CJK
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # an emoji of three, joined by U+200D
    "e\u0301a\u0308",  # combining marks, which normalisation would melt
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",  # from right to left
    "one\u2028two",  # a line end in JavaScript and in Python's splitlines, but not in JSON
)
_ODD = ("a\u0001b\u0007c\u001bd", "a\u0000b", "a\ud800b")
"""Control characters, NUL, and half of a surrogate pair, which JSON can spell though no text contains it."""


@scenario("REQ-027")
async def unicode_in_the_prompt_survives(target: Target) -> None:
    """An echoed prompt is the prompt, code point for code point, in any script."""
    for prompt in PROMPTS:
        exchange = await plain_exchange(target, prompt)
        if is_moderated(exchange):
            raise Inconclusive(f"a moderator refuses the prompt {shown(prompt)}")
        if not exchange.served:
            raise NotRun(
                "the target does not get through prompts beyond ASCII even without `echo`; see REQ-038"
            )
    # All in one prompt; one by one only to find out which of them is changed.
    together = await _echoed(target, " / ".join(_SCRIPTS))
    if together is None:
        return
    changed = [found for text in _SCRIPTS if (found := await _echoed(target, text))]
    raise Broken("; ".join(changed or [together]))


async def _echoed(target: Target, prompt: str) -> str | None:
    """What an echo makes of a prompt, in words; None where the echo is exact."""
    text = (await target.complete(prompt=prompt, echo=True, max_tokens=1)).text
    if text.startswith(prompt):
        return None
    same = next(
        (number for number, (sent, came) in enumerate(zip(prompt, text, strict=False)) if sent != came),
        min(len(prompt), len(text)),
    )
    return f"the prompt {_points(prompt[same:])} came back as {_points(text[same:])}"


def _points(text: str) -> str:
    """The first characters with their code points, so that invisible differences show."""
    return f"{shown(text[:12])} ({' '.join(f'U+{ord(character):04X}' for character in text[:3])})"


# A tokenizer that is left without a token has closed the connection, and a server of one thread has ended with it.
@scenario("REQ-038", phase=Phase.DEADLY)
async def a_prompt_without_tokens_causes_no_failure(target: Target) -> None:
    """A prompt of white space alone, or in a script that a vocabulary may lack, is served or refused with a 4xx."""
    await survives(target, "prompt", "\t")
    for prompt in PROMPTS:
        exchange = await plain_exchange(target, prompt)
        if not falls_short(exchange):  # HDR-003
            survived(exchange, f"the prompt {shown(prompt)}")


@scenario("REQ-028", phase=Phase.MALFORMED)
async def odd_characters_cause_no_failure(target: Target) -> None:
    """A prompt with control characters, NUL or a lone surrogate is served or refused with a 4xx."""
    await survives(target, "prompt", *_ODD)
