"""`spec/openapi.yaml` is valid OpenAPI, its examples are true, and it tells right answers from wrong ones.

The tables are samples with one change each: a name says what was changed, and the sample without it is right.
"""

from __future__ import annotations

import copy
import json
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate as validate_openapi
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from conformance.contract.catalogue import load_catalogue
from conformance.contract.openapi import odd, undecided

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).parents[2] / "spec" / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
BASE = "urn:openapi"
REGISTRY: Registry[Any] = Registry().with_resource(BASE, DRAFT202012.create_resource(DOCUMENT))


@cache
def validator(pointer: str) -> OAS31Validator:
    """The validator of the schema at a JSON pointer of the document, such as `/components/schemas/Usage`."""
    return OAS31Validator(
        {"$ref": f"{BASE}#{pointer}"}, registry=REGISTRY, format_checker=oas31_format_checker
    )


def fits(name: str, value: object) -> bool:
    """Whether a value fits the component schema of that name."""
    return bool(validator(f"/components/schemas/{name}").is_valid(value))


def event_fits(event: dict[str, Any]) -> bool:
    """Whether an event fits, and its data too: validators leave `contentSchema` alone, as they may."""
    if not fits("StreamEvent", event):
        return False
    if event["data"] == "[DONE]":
        return True
    data = json.loads(event["data"])
    return fits("CompletionChunk", data) or fits("ErrorResponse", data)


def changed(value: object, *path_and_new: object) -> Any:
    """A deep copy in which the member at a path is another: `changed(v, "choices", 0, "text", None)`."""
    result: Any = copy.deepcopy(value)
    *path, last, new = path_and_new
    inner = result
    for step in path:
        inner = inner[step]
    inner[last] = new
    return result


def without(value: object, *path: object) -> Any:
    """A deep copy that lacks the member at a path."""
    result: Any = copy.deepcopy(value)
    inner = result
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return result


def walk(node: object, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its JSON pointer."""
    if isinstance(node, dict):
        yield pointer, node
        for key, value in node.items():
            yield from walk(value, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from walk(value, f"{pointer}/{place}")


def examples() -> Iterator[tuple[str, str, object]]:
    """Every example of the document: where it stands, the pointer of its schema, its value."""
    for pointer, node in walk(DOCUMENT):
        if pointer.startswith("/components/schemas"):
            for place, value in enumerate(node.get("examples", [])):
                yield f"{pointer}/examples/{place}", pointer, value
        elif isinstance(node.get("schema"), dict):
            for name, example in node.get("examples", {}).items():
                yield f"{pointer}/examples/{name}", f"{pointer}/schema", example["value"]
            if "example" in node:
                yield f"{pointer}/example", f"{pointer}/schema", node["example"]


EXAMPLES = list(examples())


# The document ------------------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi() -> None:
    """The document satisfies the OpenAPI 3.1 meta-schema, and every reference in it resolves."""
    validate_openapi(DOCUMENT)


@pytest.mark.parametrize(
    ("schema", "value"), [example[1:] for example in EXAMPLES], ids=[example[0] for example in EXAMPLES]
)
def test_every_example_fits_its_schema(schema: str, value: object) -> None:
    """An example of the document is an instance of the schema that it stands beside."""
    assert [error.message for error in validator(schema).iter_errors(value)] == []


def test_every_example_of_an_event_carries_what_it_claims() -> None:
    """The data of an example event is `[DONE]`, a chunk or an error."""
    stream = DOCUMENT["paths"]["/completions"]["post"]["responses"]["200"]["content"]["text/event-stream"]

    assert [event_fits(example["value"]) for example in stream["examples"].values()] == [True, True, True]


@pytest.mark.parametrize("path", ["/completions", "/models", "/models/{model}"])
def test_every_operation_documents_its_refusals(path: str) -> None:
    """Each operation has a JSON error body for 401, 429, any other 4xx and everything else."""
    (operation,) = DOCUMENT["paths"][path].values()
    for status in ("401", "429", "4XX", "default"):
        name = operation["responses"][status]["$ref"].rpartition("/")[2]
        content = DOCUMENT["components"]["responses"][name]["content"]

        assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}


def test_a_key_is_optional() -> None:
    """A request with a bearer key is documented, and one without: local servers have none."""
    assert DOCUMENT["security"] == [{"bearer": []}, {}]


ANSWERS = ["Completion", "CompletionChunk", "Choice", "ChunkChoice", "Logprobs", "Usage"]
ANSWERS += ["ErrorResponse", "Error", "Model", "ModelList", "StreamEvent"]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_open(name: str) -> None:
    """No object of an answer forbids members that the document does not know."""
    assert SCHEMAS[name].keys().isdisjoint({"additionalProperties", "unevaluatedProperties", "propertyNames"})


# The request -------------------------------------------------------------------------------------------------

REQUEST = {"model": "m", "prompt": "a"}
PARAMETERS = SCHEMAS["CreateCompletionRequest"]["properties"]
NULLABLE = sorted(PARAMETERS.keys() - {"model", "prompt", "user"})

PAGE = {"model", "prompt", "max_tokens", "temperature", "top_p", "n", "stream", "stop", "suffix", "echo"}
OPENAI = {"logprobs", "best_of", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "user"}


def test_the_parameters_are_the_documented_ones() -> None:
    """The request has the parameters of the reference page and OpenAI's, and no other."""
    assert PARAMETERS.keys() == PAGE | OPENAI | {"stream_options"}


@pytest.mark.parametrize("name", [name for name, schema in PARAMETERS.items() if "default" in schema])
def test_a_default_may_be_sent(name: str) -> None:
    """What a parameter is without being sent may be sent as well."""
    assert fits("CreateCompletionRequest", {**REQUEST, name: PARAMETERS[name]["default"]})


@pytest.mark.parametrize("name", NULLABLE)
def test_an_optional_parameter_may_be_null(name: str) -> None:
    """Null is the same as absent, for every optional parameter but `user`."""
    assert fits("CreateCompletionRequest", {**REQUEST, name: None})


VALID_REQUESTS: dict[str, dict[str, Any]] = {
    "the least": {},
    "several prompts": {"prompt": ["a", "b"]},
    "a prompt that is JSON only by accident": {"prompt": "[1]"},
    "an empty prompt": {"prompt": ""},
    "an empty prompt among others": {"prompt": ["a", ""]},
    "token ids": {"prompt": [0, 1, 2]},
    "several prompts of token ids": {"prompt": [[0], [1, 2]]},
    "no tokens, with echo": {"max_tokens": 0, "echo": True},
    "scoring": {"max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0},
    "temperature as an integer": {"temperature": 2},
    "temperature as a float": {"temperature": 0.0},
    "the least top_p": {"top_p": 0},
    "the most top_p": {"top_p": 1},
    "the most completions": {"n": 128},
    "one stop": {"stop": "\n"},
    "a list of one stop": {"stop": ["\n"]},
    "four stops": {"stop": ["a", "b", "c", "d"]},
    "stops that are alike": {"stop": ["a", "a"]},
    "an empty suffix": {"suffix": ""},
    "logprobs of the chosen tokens alone": {"logprobs": 0},
    "the most logprobs": {"logprobs": 5},
    "best_of equal to n": {"best_of": 2, "n": 2},
    "best_of above n": {"best_of": 20, "n": 1},
    "best_of without n, which is 1": {"best_of": 1},
    "best_of with n null, which is 1": {"best_of": 1, "n": None},
    "best_of null leaves n alone": {"best_of": None, "n": 128},
    "the most of both": {"best_of": 20, "n": 20},
    "best_of 1 in a stream": {"best_of": 1, "stream": True},
    "best_of null in a stream": {"best_of": None, "stream": True},
    "best_of without a stream": {"best_of": 2, "stream": False},
    "the edges of a penalty": {"presence_penalty": -2, "frequency_penalty": 2.0},
    "a bias": {"logit_bias": {"0": -100, "50256": 100}},
    "no bias": {"logit_bias": {}},
    "the least seed": {"seed": -(2**63)},
    "a user": {"user": ""},
    "a stream": {"stream": True},
    "a stream with usage": {"stream": True, "stream_options": {"include_usage": True}},
    "a stream with no options": {"stream": True, "stream_options": {}},
    "a stream with null options": {"stream": True, "stream_options": None},
    "null options without a stream": {"stream_options": None},
    "no obfuscation": {"stream": True, "stream_options": {"include_obfuscation": False}},
}

INVALID_REQUESTS: dict[str, dict[str, Any]] = {
    "no name is a model": {"model": ""},
    "null is no model": {"model": None},
    "a list is no model": {"model": ["m"]},
    "null is undecided as a prompt": {"prompt": None},
    "a list of no prompts asks for nothing": {"prompt": []},
    "a prompt of no tokens": {"prompt": [[]]},
    "a number is no prompt": {"prompt": 1},
    "an object is no prompt": {"prompt": {"a": 1}},
    "strings and tokens don't mix": {"prompt": ["a", 1]},
    "prompts of strings are not nested": {"prompt": [["a"]]},
    "tokens and lists of tokens don't mix": {"prompt": [1, [2]]},
    "a truth value is no token": {"prompt": [True]},
    "a fraction is no token": {"prompt": [1.5]},
    "a token id is not negative": {"prompt": [-1]},
    "a count is not negative": {"max_tokens": -5},
    "a count has no fraction": {"max_tokens": 4.5},
    "a count is no string": {"max_tokens": "4"},
    "a truth value is no count": {"max_tokens": True},
    "no context has 2^31 tokens": {"max_tokens": 2**31},
    "no tokens and no echo leave nothing to do": {"max_tokens": 0},
    "no tokens and echo false": {"max_tokens": 0, "echo": False},
    "no tokens and echo null": {"max_tokens": 0, "echo": None},
    "too hot": {"temperature": 2.1},
    "too cold": {"temperature": -0.1},
    "temperature is no string": {"temperature": "1"},
    "top_p above 1": {"top_p": 1.1},
    "top_p below 0": {"top_p": -0.1},
    "no completions": {"n": 0},
    "too many completions": {"n": 129},
    "stream is no string": {"stream": "true"},
    "stream is no number": {"stream": 1},
    "options without a stream": {"stream_options": {"include_usage": True}},
    "options with stream false": {"stream_options": {"include_usage": True}, "stream": False},
    "options with stream null": {"stream_options": {}, "stream": None},
    "include_usage is no string": {"stream": True, "stream_options": {"include_usage": "yes"}},
    "an option that is not documented": {"stream": True, "stream_options": {"x": 1}},
    "options are no list": {"stream": True, "stream_options": []},
    "the empty stop is undecided": {"stop": ""},
    "the empty list of stops is undecided": {"stop": []},
    "an empty stop among others": {"stop": ["a", ""]},
    "five stops": {"stop": ["a", "b", "c", "d", "e"]},
    "a stop is no number": {"stop": 5},
    "a stop in a list is no number": {"stop": ["a", 1]},
    "a stop in a list is not null": {"stop": [None]},
    "a stop is no list of tokens": {"stop": [["a"]]},
    "a suffix is no list": {"suffix": ["a"]},
    "echo is no number": {"echo": 1},
    "logprobs is a number, not a switch as in chat": {"logprobs": True},
    "too many logprobs": {"logprobs": 6},
    "fewer than no logprobs": {"logprobs": -1},
    "best_of 0 is below every n": {"best_of": 0},
    "too many candidates": {"best_of": 21},
    "fewer candidates than completions": {"best_of": 1, "n": 2},
    "one candidate too few": {"best_of": 19, "n": 20},
    "more completions than there can be candidates": {"best_of": 20, "n": 21},
    "candidates can't be streamed": {"best_of": 2, "stream": True},
    "too large a penalty": {"presence_penalty": 2.1},
    "too small a penalty": {"frequency_penalty": -2.1},
    "a biased token has a number": {"logit_bias": {"the": 1}},
    "a biased token is not negative": {"logit_bias": {"-1": 1}},
    "a biased token has no empty name": {"logit_bias": {"": 1}},
    "too much bias": {"logit_bias": {"1": 101}},
    "a bias has no fraction": {"logit_bias": {"1": 0.5}},
    "a bias is not null": {"logit_bias": {"1": None}},
    "biases are no list": {"logit_bias": [1]},
    "a seed has 64 bits": {"seed": 2**63},
    "a seed has no fraction": {"seed": 1.5},
    "a user is not null": {"user": None},
    "a parameter of the chat endpoint": {"messages": []},
}


@pytest.mark.parametrize("change", VALID_REQUESTS.values(), ids=VALID_REQUESTS.keys())
def test_a_documented_request_fits(change: dict[str, Any]) -> None:
    """A request that the documentation allows fits."""
    assert fits("CreateCompletionRequest", {**REQUEST, **change})


@pytest.mark.parametrize("change", INVALID_REQUESTS.values(), ids=INVALID_REQUESTS.keys())
def test_a_request_with_one_fault_does_not_fit(change: dict[str, Any]) -> None:
    """A request with one fault does not fit, and without the fault it does."""
    assert fits("CreateCompletionRequest", REQUEST)
    assert not fits("CreateCompletionRequest", {**REQUEST, **change})


@pytest.mark.parametrize("value", [None, [], "a", 1, {}, {"model": "m"}, {"prompt": "a"}], ids=json.dumps)
def test_a_request_is_an_object_with_a_model_and_a_prompt(value: object) -> None:
    """A body of another type, or without one of the two required members, does not fit."""
    assert not fits("CreateCompletionRequest", value)


# Requests that nobody may judge ------------------------------------------------------------------------------


def test_an_undecided_member_is_one_that_the_request_does_not_know() -> None:
    """The list of known members in UndecidedRequest is the list of the request's properties."""
    (known,) = [
        branch["not"]["propertyNames"]["enum"]
        for branch in SCHEMAS["UndecidedRequest"]["anyOf"]
        if "propertyNames" in branch.get("not", {})
    ]

    assert known == list(PARAMETERS)


@pytest.mark.parametrize("branch", range(len(SCHEMAS["UndecidedRequest"]["anyOf"])))
def test_every_undecided_kind_has_a_reason_and_an_example_of_its_own(branch: int) -> None:
    """Each kind says why it is undecided, and its examples are undecided for that reason alone."""
    pointer = "/components/schemas/UndecidedRequest/anyOf"
    kind = SCHEMAS["UndecidedRequest"]["anyOf"][branch]

    assert kind["description"].strip()
    for example in kind["examples"]:
        fitting = [
            place
            for place in range(len(SCHEMAS["UndecidedRequest"]["anyOf"]))
            if validator(f"{pointer}/{place}").is_valid(example)
        ]
        assert fitting == [branch]


def test_every_undecided_kind_has_a_requirement_that_speaks_of_it() -> None:
    """The level of what is wrong about a kind is that of a requirement of the catalogue."""
    known = {requirement.id for requirement in load_catalogue()}

    assert {kind["x-requirement"] for kind in SCHEMAS["UndecidedRequest"]["anyOf"]} <= known


@pytest.mark.parametrize("place", ["prompt", "stop", "suffix", "user"])
@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b", "\x9fb"])
def test_what_is_no_text_is_undecided(place: str, text: str) -> None:
    """YAML can't spell half of a surrogate pair, so no example of the schema does."""
    kinds = undecided({**REQUEST, place: text})

    assert "REQ-028" in {kind.requirement_id for kind in kinds}
    assert odd({**REQUEST, place: text})


def test_an_integer_with_a_point_is_undecided() -> None:
    """To JSON Schema 5.0 is 5, to many servers it is not."""
    assert undecided({**REQUEST, "max_tokens": 5.0})
    assert not undecided({**REQUEST, "max_tokens": 5, "temperature": 0.5})


DECIDED = ["the least", "several prompts", "one stop", "four stops", "the most logprobs"]
DECIDED += ["best_of equal to n", "a stream with usage", "null options without a stream"]
DECIDED += ["an empty suffix", "no bias"]
WRONG = ["a number is no prompt", "prompts of strings are not nested", "a truth value is no token"]
WRONG += [
    "a count is not negative",
    "a stop is no number",
    "too hot",
    "no completions",
    "too many candidates",
]
WRONG += [
    "too many logprobs",
    "too large a penalty",
    "stream is no string",
    "echo is no number",
    "five stops",
]


@pytest.mark.parametrize("change", [VALID_REQUESTS[name] for name in DECIDED], ids=DECIDED)
def test_an_ordinary_request_is_decided(change: dict[str, Any]) -> None:
    """A plain request is not among the undecided: a server that refuses it lacks a feature or is wrong."""
    assert not fits("UndecidedRequest", {**REQUEST, **change})


@pytest.mark.parametrize("change", [INVALID_REQUESTS[name] for name in WRONG], ids=WRONG)
def test_a_plain_fault_is_decided(change: dict[str, Any]) -> None:
    """A plain fault is not among the undecided: a server that serves it is wrong."""
    assert not fits("UndecidedRequest", {**REQUEST, **change})


def test_schemathesis_draws_requests_from_the_schema() -> None:
    """The schema is one that requests can be generated from, and what is drawn fits it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Schemathesis' own imports warn, and differently in each release.
        import schemathesis  # noqa: PLC0415
        from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415
    operation = schemathesis.openapi.from_dict(DOCUMENT)["/completions"]["POST"]
    drawn: list[object] = []

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(operation.as_strategy())
    def draw(case: Any) -> None:
        drawn.append(case.body)

    draw()

    assert drawn
    assert all(fits("CreateCompletionRequest", body) for body in drawn)


# The answers -------------------------------------------------------------------------------------------------

USAGE = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
HEAD = {"id": "cmpl-1", "object": "text_completion", "created": 1715000000, "model": "m"}
COMPLETION: dict[str, Any] = {
    **HEAD,
    "choices": [{"text": " a", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE,
}
LOGPROBS: dict[str, Any] = {
    "tokens": ["a", " b"],
    "token_logprobs": [None, -0.5],
    "top_logprobs": [None, {" b": -0.5, " c": -2}],
    "text_offset": [0, 1],
}
SCORED = changed(COMPLETION, "choices", 0, "logprobs", LOGPROBS)
CHUNK: dict[str, Any] = {
    **HEAD,
    "choices": [{"text": " a", "index": 0, "logprobs": None, "finish_reason": None}],
    "usage": None,
}
ERROR: dict[str, Any] = {
    "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
}

RIGHT_ANSWERS: dict[str, tuple[str, object]] = {
    "a completion": ("Completion", COMPLETION),
    "without logprobs, as on the reference page": (
        "Completion",
        without(COMPLETION, "choices", 0, "logprobs"),
    ),
    "without usage, which OpenAI leaves optional": ("Completion", without(COMPLETION, "usage")),
    "an empty text": ("Completion", changed(COMPLETION, "choices", 0, "text", "")),
    "cut by the limit": ("Completion", changed(COMPLETION, "choices", 0, "finish_reason", "length")),
    "held back": ("Completion", changed(COMPLETION, "choices", 0, "finish_reason", "content_filter")),
    "a fingerprint": ("Completion", {**COMPLETION, "system_fingerprint": "fp_1"}),
    "a fingerprint that is null": ("Completion", {**COMPLETION, "system_fingerprint": None}),
    "a null error": ("Completion", {**COMPLETION, "error": None}),
    "members that nobody documents": (
        "Completion",
        {**COMPLETION, "timings": {}, "kv_transfer_params": None},
    ),
    "a choice with members of its own": ("Completion", changed(COMPLETION, "choices", 0, "stop_reason", 2)),
    "details of usage": (
        "Completion",
        changed(COMPLETION, "usage", "prompt_tokens_details", {"cached_tokens": 1}),
    ),
    "echo with logprobs": ("Completion", SCORED),
    "no alternatives": ("Completion", changed(SCORED, "choices", 0, "logprobs", "top_logprobs", None)),
    "offsets that nobody keeps": (
        "Completion",
        changed(SCORED, "choices", 0, "logprobs", "text_offset", None),
    ),
    "an impossible token": ("Logprobs", changed(LOGPROBS, "token_logprobs", 1, -9999.0)),
    "a certain token": ("Logprobs", changed(LOGPROBS, "token_logprobs", 1, 0)),
    "no tokens": ("Logprobs", {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}),
    "a chunk": ("CompletionChunk", CHUNK),
    "a chunk without usage": ("CompletionChunk", without(CHUNK, "usage")),
    "a chunk without a finish_reason": ("CompletionChunk", without(CHUNK, "choices", 0, "finish_reason")),
    "a chunk with logprobs": ("CompletionChunk", changed(CHUNK, "choices", 0, "logprobs", LOGPROBS)),
    "the last chunk of a choice": ("CompletionChunk", changed(CHUNK, "choices", 0, "finish_reason", "stop")),
    "the usage chunk": ("CompletionChunk", {**CHUNK, "choices": [], "usage": USAGE}),
    "usage on the last choice": ("CompletionChunk", {**CHUNK, "usage": USAGE}),
    "a whole completion as one chunk": ("CompletionChunk", COMPLETION),
    "an error": ("ErrorResponse", ERROR),
    "an error that names its cause": ("ErrorResponse", changed(ERROR, "error", "param", "n")),
    "an error with a code": ("ErrorResponse", changed(ERROR, "error", "code", "model_not_found")),
    "a list of no models": ("ModelList", {"object": "list", "data": []}),
}

WRONG_ANSWERS: dict[str, tuple[str, object]] = {
    "id is required": ("Completion", without(COMPLETION, "id")),
    "id is not empty": ("Completion", {**COMPLETION, "id": ""}),
    "id is a string": ("Completion", {**COMPLETION, "id": 1}),
    "object is not that of a chat": ("Completion", {**COMPLETION, "object": "chat.completion"}),
    "object is spelled with an underscore": ("Completion", {**COMPLETION, "object": "text.completion"}),
    "created is required": ("Completion", without(COMPLETION, "created")),
    "created has no fraction": ("Completion", {**COMPLETION, "created": 1715000000.5}),
    "created is a number": ("Completion", {**COMPLETION, "created": "1715000000"}),
    "created is in seconds": ("Completion", {**COMPLETION, "created": 1715000000000}),
    "model is not empty": ("Completion", {**COMPLETION, "model": ""}),
    "choices is required": ("Completion", without(COMPLETION, "choices")),
    "choices is a list": ("Completion", {**COMPLETION, "choices": COMPLETION["choices"][0]}),
    "text is required, also when empty": ("Completion", without(COMPLETION, "choices", 0, "text")),
    "text is not null": ("Completion", changed(COMPLETION, "choices", 0, "text", None)),
    "a choice holds a text, not a message": (
        "Completion",
        {**COMPLETION, "choices": [{"message": {"content": "a"}, "index": 0, "finish_reason": "stop"}]},
    ),
    "index is required": ("Completion", without(COMPLETION, "choices", 0, "index")),
    "index is not negative": ("Completion", changed(COMPLETION, "choices", 0, "index", -1)),
    "an answer is finished": ("Completion", changed(COMPLETION, "choices", 0, "finish_reason", None)),
    "finish_reason is required": ("Completion", without(COMPLETION, "choices", 0, "finish_reason")),
    "no reason is no reason": ("Completion", changed(COMPLETION, "choices", 0, "finish_reason", "")),
    "a reason of its own": ("Completion", changed(COMPLETION, "choices", 0, "finish_reason", "eos_token")),
    "a reason of the chat endpoint": (
        "Completion",
        changed(COMPLETION, "choices", 0, "finish_reason", "tool_calls"),
    ),
    "usage is an object": ("Completion", {**COMPLETION, "usage": None}),
    "usage has a total": ("Completion", without(COMPLETION, "usage", "total_tokens")),
    "usage counts whole tokens": ("Completion", changed(COMPLETION, "usage", "prompt_tokens", 1.5)),
    "usage is not null inside": ("Completion", changed(COMPLETION, "usage", "completion_tokens", None)),
    "usage is not negative": ("Completion", changed(COMPLETION, "usage", "prompt_tokens", -1)),
    "usage has numbers": ("Completion", changed(COMPLETION, "usage", "prompt_tokens", "2")),
    "a 200 is no error": ("Completion", {**COMPLETION, **ERROR}),
    "an error is no completion": ("Completion", ERROR),
    "logprobs of the chat endpoint": (
        "Completion",
        changed(COMPLETION, "choices", 0, "logprobs", {"content": []}),
    ),
    "logprobs is not a list": ("Completion", changed(COMPLETION, "choices", 0, "logprobs", [])),
    "tokens are strings": ("Logprobs", changed(LOGPROBS, "tokens", 0, None)),
    "tokens are no ids": ("Logprobs", changed(LOGPROBS, "tokens", 0, 17)),
    "a probability is at most one": ("Logprobs", changed(LOGPROBS, "token_logprobs", 1, 0.5)),
    "a log probability is a number": ("Logprobs", changed(LOGPROBS, "token_logprobs", 1, "-0.5")),
    "an alternative has a number": ("Logprobs", changed(LOGPROBS, "top_logprobs", 1, " b", None)),
    "alternatives are a map": ("Logprobs", changed(LOGPROBS, "top_logprobs", 1, [" b", -0.5])),
    "an offset has no fraction": ("Logprobs", changed(LOGPROBS, "text_offset", 1, 0.5)),
    "an offset is not null": ("Logprobs", changed(LOGPROBS, "text_offset", 0, None)),
    "a chunk has the object of a completion": (
        "CompletionChunk",
        {**CHUNK, "object": "chat.completion.chunk"},
    ),
    "a chunk has an id": ("CompletionChunk", without(CHUNK, "id")),
    "a chunk has choices, if empty ones": ("CompletionChunk", without(CHUNK, "choices")),
    "choices of a chunk are not null": ("CompletionChunk", {**CHUNK, "choices": None}),
    "text of a chunk is not null": ("CompletionChunk", changed(CHUNK, "choices", 0, "text", None)),
    "a chunk holds a text, not a delta": (
        "CompletionChunk",
        {**CHUNK, "choices": [{"delta": {"content": "a"}, "index": 0, "finish_reason": None}]},
    ),
    "an unfinished choice has no empty reason": (
        "CompletionChunk",
        changed(CHUNK, "choices", 0, "finish_reason", ""),
    ),
    "a chunk is no error": ("CompletionChunk", {**CHUNK, **ERROR}),
    "usage of a chunk is complete": ("CompletionChunk", {**CHUNK, "usage": {"total_tokens": 3}}),
    "an error is nested": ("ErrorResponse", {"object": "error", **ERROR["error"]}),
    "an error is an object": ("ErrorResponse", {"error": "No."}),
    "an error is not FastAPI's": ("ErrorResponse", {"detail": "No."}),
    "an error is not null": ("ErrorResponse", {"error": None}),
    "an error has no choices": ("ErrorResponse", {**ERROR, "choices": []}),
    "an error says something": ("ErrorResponse", changed(ERROR, "error", "message", "")),
    "an error has a type": ("ErrorResponse", without(ERROR, "error", "type")),
    "an error has a param, if null": ("ErrorResponse", without(ERROR, "error", "param")),
    "an error has a code, if null": ("ErrorResponse", without(ERROR, "error", "code")),
    "param is a name": ("ErrorResponse", changed(ERROR, "error", "param", {"loc": ["n"]})),
    "code is not the status": ("ErrorResponse", changed(ERROR, "error", "code", 400)),
    "models come in an object": ("ModelList", []),
    "a model has an id": ("ModelList", {"object": "list", "data": [{"object": "model"}]}),
}


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS.values(), ids=RIGHT_ANSWERS.keys())
def test_a_right_answer_fits(name: str, answer: object) -> None:
    """An answer that one of the authorities gives or allows fits."""
    assert [error.message for error in validator(f"/components/schemas/{name}").iter_errors(answer)] == []


@pytest.mark.parametrize(("name", "answer"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_an_answer_with_one_fault_does_not_fit(name: str, answer: object) -> None:
    """An answer with one fault does not fit."""
    assert not fits(name, answer)


def test_a_stream_is_chunks_and_an_end_that_is_no_json() -> None:
    """Every event of a right stream fits, `[DONE]` and an error after the first chunk among them."""
    usage = {**CHUNK, "choices": [], "usage": USAGE}
    stream = [json.dumps(CHUNK), json.dumps(usage), json.dumps(ERROR), "[DONE]"]

    assert [event_fits({"data": data, "event": "message"}) for data in stream] == [True] * 4


@pytest.mark.parametrize(
    "event",
    [{}, {"data": json.dumps({**CHUNK, "object": "x"})}, {"data": "[DONE]", "event": "done"}, {"data": "{}"}],
    ids=["no data", "a chunk with a fault", "a name", "an object that is neither"],
)
def test_an_event_with_one_fault_does_not_fit(event: dict[str, Any]) -> None:
    """An event without data, with a name, or with other data does not fit."""
    assert not event_fits(event)
