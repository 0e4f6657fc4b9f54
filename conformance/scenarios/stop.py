"""Where a stop sequence cuts, and that nothing else cuts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from conformance.contract.check import scenario
from conformance.contract.symptom import ends_wrongly, ignored
from conformance.contract.verdict import (
    Broken,
    BrokenShould,
    Ignored,
    Inconclusive,
    NotRecorded,
    NotRun,
    Outcome,
)
from conformance.kit.beyond_ascii import PROMPTS, plain_answer
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.invalid_requests import repeats
from conformance.kit.stop_sequences import (
    NEVER,
    Finder,
    absent,
    across,
    across_words,
    apart,
    before,
    beyond_ascii,
    inside_words,
    long_pieces,
    other_case,
    pairs_beyond_ascii,
    repeated,
    restarts,
    spread,
    words_of,
)
from conformance.kit.stopped_answers import (
    CUTS,
    AnswerToCut,
    answer_to_cut,
    expect_cut,
    expect_whole,
    stopped,
)
from conformance.kit.target import Target
from conformance.wire.completion import Completion
from conformance.wire.shown import shown

_PATTERNS = (".*", r"\n", r"\w", "[")


async def _cuts(target: Target) -> tuple[AnswerToCut, dict[str, Completion]]:
    """An answer, and the same cut at several places."""
    whole = await answer_to_cut(target)
    stops = spread(whole.found, CUTS)
    answers = await asyncio.gather(
        *(stopped(target, stop, optional="stop", prompt=whole.prompt) for stop in stops)
    )
    return whole, dict(zip(stops, answers, strict=True))


def _shortened(whole: AnswerToCut, cuts: dict[str, Completion]) -> dict[str, Completion]:
    found = {stop: cut for stop, cut in cuts.items() if len(cut.text) < len(whole.text)}
    if not found:
        raise NotRun("no stop sequence shortened the text; see STOP-002")
    return found


@scenario("STOP-002", shows=ends_wrongly("stop"))
async def the_text_ends_where_the_sequence_begins(target: Target) -> None:
    """With a stop sequence the text is exactly what came before its first occurrence."""
    whole, cuts = await _cuts(target)
    if all(cut.text == whole.text for cut in cuts.values()):
        raise Ignored(
            f"none of the stop sequences {shown(list(cuts))} changed anything: the text was {shown(whole.text)} each time",
            ignored("stop"),
        )
    for stop, cut in cuts.items():
        expect_cut(stop, cut, whole.text)
    for find in (repeated, restarts, long_pieces):
        await _odd_piece(target, find)
    with suppress(NotRecorded):  # by a run of before this was asked
        await _expect_cut_at_the_limit(target, whole, cuts)


async def _expect_cut_at_the_limit(
    target: Target, whole: AnswerToCut, cuts: Mapping[str, Completion]
) -> None:
    """A sequence cuts as well where the limit comes with its last token; which of them the reason names is left open (FIN-005)."""
    stop, cut = list(cuts.items())[-1]
    tokens = cut.usage.completion_tokens if cut.usage is not None else None
    if tokens and tokens > 1 and cut.finish_reason == "stop":
        limited = await stopped(target, stop, prompt=whole.prompt, max_tokens=tokens)
        # Where the count is too small the limit comes first, and leaves less.
        if not before(whole.text, stop).startswith(limited.text):
            expect_cut(stop, limited, whole.text)


async def _odd_piece(target: Target, find: Finder) -> None:
    """A word that comes again cuts where it comes first; a sequence that seems to begin a letter too early cuts as well, and a long one."""
    try:
        whole = await answer_to_cut(target, find)
    except Inconclusive:
        return  # the ordinary places have been looked at
    expect_cut(whole.found[0], await stopped(target, whole.found[0], prompt=whole.prompt), whole.text)


@scenario("STOP-003")
async def a_stop_sequence_ends_with_reason_stop(target: Target) -> None:
    """An answer that a stop sequence ended has the finish reason `stop`."""
    whole, cuts = await _cuts(target)
    for stop, cut in _shortened(whole, cuts).items():
        if cut.finish_reason != "stop":
            raise Broken(
                f"`stop`: {shown(stop)} shortened the text to {shown(cut.text)}, and finish_reason is {shown(cut.finish_reason)}"
            )


@scenario("STOP-004")
async def a_string_equals_a_list_of_one(target: Target) -> None:
    """A stop sequence means the same as a string and as a list of one."""
    whole = await answer_to_cut(target)
    stop = whole.found[0]
    string, several = await asyncio.gather(
        target.complete(prompt=whole.prompt, stop=stop), target.complete(prompt=whole.prompt, stop=[stop])
    )
    for name in ("text", "finish_reason"):
        one, other = getattr(string, name), getattr(several, name)
        if one != other:
            raise Broken(
                f"`stop`: {shown(stop)} gave the {name} {shown(one)}, `stop`: {shown([stop])} gave {shown(other)}"
            )


@scenario("STOP-005")
async def a_sequence_that_never_occurs_changes_nothing(target: Target) -> None:
    """A stop sequence that does not occur changes neither text nor finish reason."""
    whole = await answer_to_cut(target, absent, what="characters that make another sequence")
    for stop in (f"{NEVER}\N{SECTION SIGN}", whole.found[0]):
        expect_whole(stop, await stopped(target, stop, prompt=whole.prompt), whole.answer)


async def _two_stops(target: Target) -> tuple[AnswerToCut, str, str]:
    """An answer and two pieces of it that no engine can find in one step, the early one first."""
    whole = await answer_to_cut(
        target, lambda text: apart(text, words_of(text)) or (), what="two places to cut it that are far apart"
    )
    early, late = whole.found
    return whole, early, late


@scenario("STOP-006")
async def the_earliest_of_several_sequences_decides(target: Target) -> None:
    """Of two stop sequences the one that comes first in the text ends it, whatever their order in the list."""
    whole, early, late = await _two_stops(target)
    # Against the answer to the early one alone: whether that is right is the business of STOP-002.
    alone, *both = await asyncio.gather(
        *(stopped(target, stop, prompt=whole.prompt) for stop in (early, [early, late], [late, early]))
    )
    for stops, cut in zip(([early, late], [late, early]), both, strict=True):
        if cut.text != alone.text:
            raise Broken(
                f"`stop`: {shown(early)} alone gave {shown(alone.text)}, but `stop`: {shown(stops)} gave {shown(cut.text)}"
            )


@scenario("STOP-007")
async def four_sequences_are_accepted(target: Target) -> None:
    """A list of four stop sequences is served, and the fourth has an effect like the first."""
    # Plain letters: a target that refuses control characters, as it may, is asked for nothing but a list.
    never = [f"zqxj{number}" for number in range(4)]
    try:
        whole = await answer_to_cut(target)
    except Inconclusive as why:
        await target.complete(stop=never)
        raise NotRun(
            f"four sequences are taken, and whether they have an effect does not show: {why}"
        ) from None
    stops = [*never[:3], whole.found[0]]
    answer = await target.complete(prompt=whole.prompt, stop=stops)
    if stops[-1] in answer.text:
        raise Broken(f"`stop` was {shown(stops)}, and the last of them is in the text: {shown(answer.text)}")
    if not await repeats(target):
        raise NotRun(
            "four sequences are taken, and whether the last cut the text does not show, since answers do not repeat"
        )
    if answer.text != before(whole.text, stops[-1]):
        raise Broken(
            f"`stop` was {shown(stops)}, of which only the last is in the text without them, {shown(whole.text)}: the text is {shown(answer.text)}"
        )


@scenario("STOP-009", shows=ends_wrongly("stop"))
async def a_sequence_may_cross_token_borders(target: Target) -> None:
    """A stop sequence takes effect wherever it occurs, also from inside one token to inside another."""
    for stop, whole in await _off_the_borders(target):
        expect_cut(stop, await stopped(target, stop, prompt=whole.prompt), whole.text)


async def _off_the_borders(target: Target) -> list[tuple[str, AnswerToCut]]:
    """Pieces that begin or end inside tokens: by the tokens that the target reports, else by words, which tokens rarely cross."""
    found = []
    whole = await answer_to_cut(
        target, lambda text: across_words(text) + inside_words(text), what="words to cut it inside of"
    )
    for find, count in ((across_words, 2), (inside_words, 1)):
        found += [(stop, whole) for stop in spread(find(whole.text), count)]
    if await has(target, "logprobs"):
        try:
            logprobs = (await target.complete(logprobs=2, max_tokens=8)).choice.logprobs
        except Outcome:
            return found  # judged elsewhere
        tokens = [token for token in (logprobs and logprobs.tokens) or () if isinstance(token, str)]
        first = await answer_to_cut(target)
        known = across(first.text, tokens) if first.prompt == target.prompt else ()
        found += [(stop, first) for stop in known[:1]]
    return found


@scenario("STOP-010", shows=ends_wrongly("stop"))
async def a_text_may_be_cut_to_nothing(target: Target) -> None:
    """Where the text begins with the stop sequence the answer is one choice with an empty text and the reason `stop`."""
    whole = await answer_to_cut(target)
    stop = whole.text[:3]
    cut = await stopped(target, stop, prompt=whole.prompt)
    if (len(cut.choices), cut.text, cut.finish_reason) != (1, "", "stop"):
        raise Broken(
            f"`stop` was {shown(stop)}, with which the text begins: {len(cut.choices)} choices came, the text is {shown(cut.text)}, "
            f"finish_reason is {shown(cut.finish_reason)}"
        )


@scenario("STOP-011")
async def sequences_beyond_ascii_cut_correctly(target: Target) -> None:
    """A stop sequence of characters beyond ASCII cuts exactly where it first occurs, plain and in a stream."""
    found: list[tuple[str, Completion, Completion]] = []
    unclear: Outcome = Inconclusive("the model answered no prompt with characters beyond ASCII")
    for prompt in PROMPTS:
        whole = await plain_answer(target, prompt)
        if whole is None:
            continue
        # Two characters, the first of which a stream has to hold back until the other comes; and once one by itself.
        pairs, single = pairs_beyond_ascii(whole.text)[:1], spread(beyond_ascii(whole.text), 1)
        for stop in (single or pairs) if prompt == PROMPTS[1] else (pairs or single):
            try:
                cut = await stopped(target, stop, prompt=prompt)
            except NotRecorded as missing:  # by a run of before pairs were asked for
                unclear = missing
                continue
            expect_cut(stop, cut, whole.text)
            found.append((stop, whole, cut))
    if not found:
        raise unclear
    if await has(target, "stream"):
        await _expect_same_in_stream(target, *max(found, key=lambda one: len(one[0].encode())))


async def _expect_same_in_stream(target: Target, stop: str, whole: Completion, cut: Completion) -> None:
    """A stream is cut at the sequence as the plain answer `cut` is, where it has the text of the plain one without it."""
    prompt = whole.exchange.request.params["prompt"]
    try:
        streamed = await stopped(target, stop, prompt=prompt, stream=True)
    except NotRecorded:
        return  # the plain answers have been judged
    except NotRun as unreadable:
        raise Broken(f"`stop` was {shown(stop)} in a stream: {unreadable}") from None
    if streamed.text == cut.text:
        return
    if stop not in streamed.text and (await target.stream(prompt=prompt)).text != whole.text:
        raise NotRun("even without `stop` the stream has another text than the plain answer; see STREAM-014")
    raise Broken(
        f"`stop` was {shown(stop)}: the plain text is {shown(cut.text)}, the stream's pieces are {shown(list(streamed.choice.texts))}"
    )


@scenario("STOP-012", shows=ends_wrongly("stop"))
async def white_space_counts_in_sequences(target: Target) -> None:
    """Spaces and line breaks are stop sequences like any other: neither trimmed nor ignored."""
    target.prompts(1)
    answers = [(prompt, await target.complete(prompt=prompt)) for prompt in target.facts.prompts[:3]]
    for stop in ("\n", " "):
        # The answer that the sequence cuts latest; a text that it does not cut shows least.
        prompt, whole = max(answers, key=lambda item: item[1].text.find(stop))
        cut = await stopped(target, stop, prompt=prompt)
        if cut.text == "" and not any(answer.text[:1].isspace() for _, answer in answers):
            # The text may have begun with a blank that the target removes.
            raise Inconclusive(
                f"`stop`: {shown(stop)} cut everything, and no text of the target begins with white space"
            )
        wanted = before(whole.text, stop)
        trimmed = stop not in cut.text and cut.text.rstrip() == wanted.rstrip()
        if cut.text != wanted and trimmed:
            # No authority speaks of texts that are trimmed, so that is no more than a warning.
            raise BrokenShould(
                f"`stop` was {shown(stop)}: the text is {shown(cut.text)} instead of {shown(wanted)}"
            )
        expect_cut(stop, cut, whole.text)


@scenario("STOP-015")
async def sequences_are_literal_text(target: Target) -> None:
    """A stop sequence is not a pattern: a full stop is a full stop."""
    whole = await answer_to_cut(target)
    patterns = [pattern for pattern in _PATTERNS if pattern not in whole.text]
    dot, answer = await asyncio.gather(
        *(stopped(target, stop, prompt=whole.prompt) for stop in (".", patterns))
    )
    # The part before, since a pattern cuts too early; cutting too late is the business of STOP-002.
    if not dot.text.startswith(before(whole.text, ".").rstrip()):
        raise Broken(
            f'`stop` was ".": the text is {shown(dot.text)}. Without it the text is {shown(whole.text)}, '
            f"so {shown(before(whole.text, '.'))} was expected"
        )
    expect_whole(patterns, answer, whole.answer)


@scenario("STOP-016")
async def case_matters_in_sequences(target: Target) -> None:
    """A sequence that occurs only in another case changes nothing."""
    whole = await answer_to_cut(target, other_case, what="words that occur in one case only")
    expect_whole(whole.found[0], await stopped(target, whole.found[0], prompt=whole.prompt), whole.answer)


@scenario("STOP-022")
async def stopping_never_costs_more_tokens(target: Target) -> None:
    """With a stop sequence no more tokens are counted than without."""
    whole, cuts = await _cuts(target)
    most = _completion_tokens(whole.answer)
    compared = False
    for stop, cut in _shortened(whole, cuts).items():
        counted = _completion_tokens(cut)
        if most is None or counted is None:
            continue
        compared = True
        if counted > most:
            raise Broken(
                f"`completion_tokens` is {counted} with `stop`: {shown(stop)}, and {most} without it"
            )
        # "Up to 4 sequences where the API will stop generating further tokens": a few may have been on their way, but not all.
        if counted == most > _A_FEW and _EARLY * len(cut.text) < len(whole.text):
            raise Broken(
                f"`completion_tokens` is {counted} with `stop`: {shown(stop)} as without it, though the text is {shown(cut.text)}"
                f" instead of {shown(whole.text)}: the target counts what it did not generate, or went on generating"
            )
    if not compared:
        raise NotRun("no two answers with and without `stop` have integer completion_tokens; see USAGE-001")


_A_FEW = 8
_EARLY = 3
"""A text is cut early where less than the third part of it is left."""


def _completion_tokens(completion: Completion) -> int | None:
    return completion.usage.completion_tokens if completion.usage else None


@scenario("STOP-025")
async def more_sequences_never_mean_more_text(target: Target) -> None:
    """One more stop sequence gives a beginning of the text that the others leave."""
    whole, early, late = await _two_stops(target)
    one, two = await asyncio.gather(
        stopped(target, late, prompt=whole.prompt), stopped(target, [early, late], prompt=whole.prompt)
    )
    if not one.text.startswith(two.text):
        raise Broken(
            f"`stop`: {shown([early, late])} gave {shown(two.text)}, which is not the beginning of what `stop`: {shown([late])} "
            f"gave, {shown(one.text)}"
        )


@scenario("STOP-026")
async def sequences_act_behind_token_ids(target: Target) -> None:
    """After a prompt of token ids a stop sequence cuts the text as it does after a prompt in letters."""
    ids = list(SOME_IDS)
    whole = await target.complete(prompt=ids)
    found = words_of(whole.text)
    if not found:
        raise Inconclusive("the answer to a prompt of token ids has no pieces to cut it at")
    expect_cut(found[0], await stopped(target, found[0], prompt=ids), whole.text)
