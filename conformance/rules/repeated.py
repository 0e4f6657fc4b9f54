"""What is said twice is said alike: answers to the same request that have the same text.

A near tie gives another text. Where the text is the same, no chance explains that it ended for another reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.contract.check import NOT_APPLICABLE, Judgement, Scope, broken, rule
from conformance.contract.symptom import ends_wrongly
from conformance.rules._shapes import has_failed
from conformance.wire.completion import Choice, Completion
from conformance.wire.exchange import Intent
from conformance.wire.greedy import takes_the_best
from conformance.wire.shown import shown

_ENOUGH = 2
"""So many requests show it where nobody knows how many tokens a text has: the last one of them may be nothing but white space, or the end."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One choice of one answer."""

    completion: Completion
    choice: Choice

    @property
    def tokens(self) -> int | None:
        """How many it has, where the answer tells."""
        scores, usage = self.choice.logprobs, self.completion.usage
        if scores is not None and scores.tokens is not None:
            return len(scores.tokens)
        alone = usage is not None and len(self.completion.choices) == 1
        return usage.completion_tokens if usage is not None and alone else None

    @property
    def place(self) -> str:
        """Where it is to be found."""
        return f"choice {shown(self.choice.index)} of {self.completion.exchange.id}"


@rule("DET-015", Scope.RUN, shows=ends_wrongly("again"))
def the_same_answer_ends_for_the_same_reason(completions: Sequence[Completion]) -> Judgement:
    """Where the same greedy request is answered with the same text, it has the same finish_reason."""
    first: dict[tuple[bytes, int, str], _Said] = {}
    looked, odd = False, list[tuple[_Said, _Said]]()
    for said in _comparable(completions):
        key = (said.completion.exchange.request.body, said.choice.index, said.choice.text)
        before = first.setdefault(key, said)
        looked |= before is not said
        if before.choice.finish_reason != said.choice.finish_reason and _have_equal_lengths(before, said):
            odd.append((before, said))
    if not odd:
        return None if looked else NOT_APPLICABLE
    before, said = odd[0]
    requests = {one.completion.exchange.request.body for _, one in odd}
    if said.tokens is None and len(requests) < _ENOUGH:
        return None
    return broken(
        f"the same request was answered twice with the text {shown(said.choice.text)}, which ends with"
        f" {shown(before.choice.finish_reason)} in {before.place} and with {shown(said.choice.finish_reason)} in {said.place}",
        evidence=(before.completion.exchange, said.completion.exchange),
    )


def _comparable(completions: Sequence[Completion]) -> Iterator[_Said]:
    """The choices that have a text and a reason, of greedy answers that came to their end."""
    for completion in completions:
        exchange = completion.exchange
        if (
            exchange.request.intent is Intent.VALID
            and takes_the_best(exchange.request.params)
            and exchange.complete
            and not has_failed(completion)
            and len(completion.choices) >= exchange.request.choices
        ):
            for choice in completion.choices.values():
                if choice.text.strip() and choice.finish_reason:
                    yield _Said(completion, choice)


def _have_equal_lengths(one: _Said, other: _Said) -> bool:
    """Whether nothing says that one has more tokens than the other."""
    return one.tokens is None or other.tokens is None or one.tokens == other.tokens
