"""Several prompts in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.contract.check import Phase, scenario
from conformance.contract.symptom import ignored, text_differs
from conformance.contract.verdict import Broken, Ignored, Inconclusive, NotRun
from conformance.kit.capabilities import SOME_IDS, has
from conformance.kit.invalid_requests import all_refused, invalid_requests
from conformance.kit.same_text import begins, same
from conformance.kit.several_choices import (
    ECHO_LENGTH,
    LENGTH,
    by_prompts,
    expect_choices,
    expect_ends,
    expect_indices,
    misplaced,
    objects,
    singles,
)
from conformance.kit.target import Target
from conformance.kit.telling import usage_option
from conformance.scenarios.request_effects import BIASED_TOKENS
from conformance.scenarios.sampling import HOT, HOT_DRAWS
from conformance.wire.completion import Completion
from conformance.wire.error_text import error_text
from conformance.wire.shown import shown

_MANY = 16


@scenario("MULTI-001", shows=ignored("multi_prompt"))
async def a_list_of_prompts_gets_a_choice_for_each(target: Target) -> None:
    """A list of three prompts gets three choices."""
    answer = await target.complete(**by_prompts(target), optional="a list of prompts")
    expect_choices(answer, 3, "a list of 3 prompts")


@scenario("MULTI-002", shows=text_differs("list"))
async def the_index_tells_the_prompt(target: Target) -> None:
    """The choice with index i is the completion of prompt i, in a stream too."""
    echoes = await has(target, "echo")
    if echoes:
        # The first prompt is by far the longest, so that a server which answers in the order of completion ends it last.
        first, *others = target.prompts(3)
        prompts = [" ".join([first] * 12), *others]
        exchange = await target.post(prompt=prompts, echo=True, max_tokens=ECHO_LENGTH)
        echoes = not exchange.refused
        if echoes:
            _expect_echoes(target.read(exchange), prompts, range(3))
    try:
        await _expect_own_answers(target, by_prompts(target), range(3))
    except Inconclusive:
        if not echoes:
            raise


@scenario("MULTI-003")
async def several_choices_are_numbered_by_prompt(target: Target) -> None:
    """With two prompts and `n` 2 the indices 0 and 1 are of the first prompt, 2 and 3 of the second."""
    prompts, wanted = list(target.prompts(2)), (0, 0, 1, 1)
    request: dict[str, Any] = {"prompt": prompts, "n": 2, "max_tokens": LENGTH}
    if not await has(target, "echo"):
        refused = await target.post(**request)
        if refused.refused and (await target.post(**request, temperature=1)).served:
            raise NotRun(
                f"without echo only greedy answers tell the prompts apart, and `n` 2 is refused at temperature 0, not for several prompts:"
                f" {error_text(refused)}; see N-003"
            )
        await _expect_own_answers(target, request, wanted)
        return
    # Temperature 1, since some servers refuse several choices of a greedy answer.
    request |= {"temperature": 1, "echo": True, "max_tokens": ECHO_LENGTH}
    answer = await target.complete(**request, optional="n with a list of prompts")
    _expect_echoes(answer, prompts, wanted)
    # As USAGE-017 sends it.
    stream = await target.post(stream=True, **request, **await usage_option(target))
    if stream.served and _echoes_something(target.read(stream), prompts, wanted):
        _expect_echoes(target.read(stream), prompts, wanted)


async def _expect_own_answers(target: Target, request: dict[str, Any], wanted: Sequence[int]) -> None:
    """Each choice of a greedy request resembles what the prompt of the number in `wanted` gives when it is sent alone."""
    plain = await target.complete(**request, optional="several choices for several prompts")
    if set(plain.choices) != set(range(len(wanted))):
        raise NotRun(f"the indices are {sorted(plain.choices)}; see MULTI-001 and RESP-008")
    alone = [answer.text for answer in await singles(target, request["prompt"])]
    stream = await target.post(**request, stream=True)
    for answer in (plain, target.read(stream)) if stream.served else (plain,):
        # A stream without all indices is the business of STREAM-013.
        wrong = misplaced(answer, wanted, alone) if set(answer.choices) == set(plain.choices) else None
        if wrong:
            raise Broken(f"{'in a stream' if answer.streamed else 'in a plain answer'} {wrong}")


def _echoes_something(answer: Completion, prompts: Sequence[str], wanted: Sequence[int]) -> bool:
    """Whether every choice of a stream begins with some prompt; otherwise see STREAM-013 and ECHO-006."""
    texts = [choice.text for choice in answer.choices.values()]
    return len(texts) == len(wanted) and all(text.startswith(tuple(prompts)) for text in texts)


def _expect_echoes(answer: Completion, prompts: Sequence[str], wanted: Sequence[int]) -> None:
    """Each choice begins with the prompt of the number that `wanted` has for its index."""
    for index, number in enumerate(wanted):
        text = answer.choices[index].text if index in answer.choices else None
        if text is None or not text.startswith(prompts[number]):
            began = shown((text or "")[:80])
            raise Broken(
                f"with echo the choice with index {index} begins {began}, not with prompt {number}: {shown(prompts[number][:80])}",
                *(() if any(prompt in (text or "") for prompt in prompts) else (ignored("echo"),)),
            )


@scenario("MULTI-004", shows=text_differs("list"))
async def a_batch_equals_its_single_requests(target: Target) -> None:
    """The greedy completions of a list of prompts are those of the prompts sent alone."""
    prompts = target.prompts(3)
    batch = await target.complete(**by_prompts(target))
    for number, alone in enumerate(await singles(target, prompts)):
        choice = batch.choices.get(number)
        if choice is not None and not same(choice.text, alone.text):
            raise Broken(
                f"prompt {number} of the list is answered with {shown(choice.text)}, but with {shown(alone.text)} when it is sent alone"
            )


@scenario("MULTI-005", shows=text_differs("list"))
async def permuted_prompts_permute_the_answers(target: Target) -> None:
    """When the prompts of a list change places, so do the answers."""
    for prompts in (list(target.prompts(3)), list(reversed(target.prompts(3)))):
        answer = await target.complete(
            prompt=prompts, echo=True, max_tokens=ECHO_LENGTH, optional="echo with a list of prompts"
        )
        _expect_echoes(answer, prompts, range(3))


@scenario("MULTI-006")
async def equal_prompts_are_not_merged(target: Target) -> None:
    """A list with the same prompt twice gets two choices."""
    answer = await target.complete(prompt=[target.prompt] * 2, max_tokens=1)
    if len(objects(answer)) == 1:
        raise Broken("a list with the same prompt twice was answered with one choice")
    expect_choices(answer, 2, "a list with the same prompt twice")


@scenario("MULTI-007")
async def streams_carry_all_prompts(target: Target) -> None:
    """A stream for three prompts has the indices 0, 1 and 2, and each ends once."""
    stream = await target.stream(**by_prompts(target), optional="a list of prompts with stream")
    expect_indices(stream, 3, "a list of 3 prompts in a stream")
    expect_ends(stream, "a list of 3 prompts in a stream")


@scenario("MULTI-008", phase=Phase.MALFORMED)
async def one_illegal_element_refuses_the_list(target: Target) -> None:
    """A list of prompts with one element of an illegal type is refused."""
    # Not a number: llama.cpp documents that numbers and texts may be mixed.
    all_refused(target, await invalid_requests(target, "prompt", [target.prompt, {}], [target.prompt, None]))


@scenario("MULTI-009")
async def a_list_of_token_arrays_is_a_list_of_prompts(target: Target) -> None:
    """A list of two token arrays gets two choices."""
    arrays = [list(SOME_IDS), list(SOME_IDS[:2])]
    answer = await target.complete(prompt=arrays, max_tokens=1, optional="a list of token arrays")
    expect_choices(answer, 2, "a list of 2 token arrays")


@scenario("MULTI-010")
async def sixteen_prompts_work(target: Target) -> None:
    """Sixteen prompts in one request get sixteen choices."""
    prompts = [f"{target.prompt} {number}" for number in range(_MANY)]
    answer = await target.complete(prompt=prompts, max_tokens=1, optional="a list of 16 prompts")
    expect_choices(answer, _MANY, "a list of 16 prompts")


@scenario("MULTI-011", shows=ignored("logit_bias"))
async def a_bias_acts_on_every_prompt(target: Target) -> None:
    """A `logit_bias` that changes the text of a single prompt changes the text of each prompt of a list."""
    prompts = list(target.prompts(2))
    biased: dict[str, Any] = {"logit_bias": {str(SOME_IDS[0]): 100}, "max_tokens": BIASED_TOKENS}
    plain = [await target.complete(prompt=prompt) for prompt in prompts]
    alone = await target.complete(optional="logit_bias", **biased)
    if begins(plain[0].text, alone.text):
        raise NotRun("a `logit_bias` of 100 for one token changes no answer to a single prompt; see REQ-030")
    together = await target.complete(prompt=prompts, optional="logit_bias with a list", **biased)
    for index, whole in enumerate(plain):
        text = together.choices[index].text if index in together.choices else ""
        if text and begins(whole.text, text):
            raise Ignored(
                f"with `logit_bias` 100 for one token a single prompt gets {shown(alone.text)}; in a list of 2 prompts choice {index} is"
                f" the same as without it: {shown(text)}"
            )


@scenario("MULTI-012")
async def the_temperature_acts_on_every_prompt(target: Target) -> None:
    """At temperature 2 no prompt of a list gets its greedy text each time, unless it does when it is sent alone."""
    # If p is the chance of a greedy text, a sound target gives it in three lists of three and in no single answer of three with
    # p^3 (1-p)^3, which is at most 1/64, and less than once in 4,000 with the confirmation on fresh answers.
    prompts = list(target.prompts(3))
    hot: dict[str, Any] = {"temperature": HOT, "top_p": 1}
    cold = {index: (await target.complete(prompt=prompt)).text for index, prompt in enumerate(prompts)}
    for draw in range(HOT_DRAWS):
        together = await target.complete(
            prompt=prompts, fresh=draw > 0, optional=f"temperature {HOT} with a list of prompts", **hot
        )
        texts = {index: choice.text for index, choice in together.choices.items()}
        cold = {index: text for index, text in cold.items() if same(texts.get(index, ""), text)}
        if not cold:
            return
    for index, text in cold.items():
        alone = [
            (await target.complete(prompt=prompts[index], fresh=draw > 0, **hot)).text
            for draw in range(HOT_DRAWS)
        ]
        if not any(same(text, other) for other in alone):
            raise Ignored(
                f"at `temperature` {HOT} choice {index} of a list is the greedy text each of {HOT_DRAWS} times, {shown(text)}, but"
                f" when its prompt is sent alone it is {shown(alone)}"
            )
    if len(cold) == len(prompts):
        raise Inconclusive(f"at `temperature` {HOT} single prompts get their greedy texts too; see DET-008")
