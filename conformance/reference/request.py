"""From the bytes of a request to `Params`: strict JSON, then one small check for each parameter.

The names, types, ranges and defaults are those of `CreateCompletionRequest` in OpenAI's OpenAPI description (2.3.0). Where it leaves a
choice, this server is strict about what it understands and indifferent to what it does not know: an unknown field is ignored.

To bend one parameter override its ``check_…`` method; to bend the request before any check override `Reading.incoming`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .values import Fields, Refusal, boolean, integer, number, read_object, string, wrong

PromptInput = str | tuple[int, ...]

MOST_PROMPTS: Final = 256
MOST_CHOICES: Final = 512
MOST_STOPS: Final = 4
_LONGEST_ID: Final = 9  # digits


@dataclass(frozen=True)
class Params:
    """A valid request; every default filled in. ``best_of`` is None where it was not sent (it then equals ``n``)."""

    model: str
    prompts: tuple[PromptInput, ...]
    suffix: str = ""
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 1
    best_of: int | None = None
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False
    stop: tuple[str, ...] = ()
    echo: bool = False
    logprobs: int | None = None
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    @property
    def candidates(self) -> int:
        """How many completions are generated for each prompt."""
        return self.n if self.best_of is None else max(self.n, self.best_of)


# Parameters that may be null, which equals leaving them out (`nullable: true` in OpenAI's description).
NULLABLE: Final = frozenset(
    {
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "presence_penalty",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
    }
)


class Reading:
    """The request side of the server. ``vocabulary`` is the number of token ids that a request may name."""

    model_name: str
    vocabulary: int

    # ---- the stages ------------------------------------------------------------------------------------------------

    def parse(self, body: bytes) -> Params:
        """Turn a request body into `Params`, or raise `Refusal`."""
        return self.validate(self.incoming(self.read_json(body)))

    def read_json(self, body: bytes) -> Fields:
        """Read the body as one JSON object."""
        return read_object(body)

    def incoming(self, fields: Fields) -> Fields:
        """Pass the fields of the request on, as they were sent."""
        return fields

    def validate(self, fields: Fields) -> Params:
        """Check each parameter, then what concerns several of them."""
        sent = {name: value for name, value in fields.items() if not (value is None and name in NULLABLE)}
        for name in ("model", "prompt"):
            if sent.get(name) is None:
                raise Refusal(400, f"You must provide a {name} parameter.", name)
        checked: Fields = {
            "model": self.check_model(sent["model"]),
            "prompts": self.check_prompt(sent["prompt"]),
        }
        for name in _OPTIONAL:
            if name in sent:
                checked[name] = getattr(self, f"check_{name}")(sent[name])
        checked.pop("user", None)
        checked |= checked.pop("stream_options", {})
        params = Params(**checked)
        self.check_zero_tokens(params)
        self.check_best_of_pair(params)
        self.check_stream_options_pair(params, sent)
        self.check_size(params)
        return params

    # ---- one parameter each: take the value that was sent (never null, but for `user`), give the value to use -------------

    def check_model(self, value: object) -> str:
        """Accept the one model that is served here; any other is 404, as at OpenAI."""
        name = string("model", value)
        if name != self.model_name:
            raise Refusal(404, f"The model '{name[:100]}' does not exist.", "model", "model_not_found")
        return name

    def check_prompt(self, value: object) -> tuple[PromptInput, ...]:
        """Accept a string, a list of strings, a list of token ids, or a list of such lists."""
        if isinstance(value, str):
            return (string("prompt", value),)
        if not isinstance(value, list):
            raise wrong("prompt", value, "a string or an array")
        if not value:
            raise Refusal(400, "'prompt' is an empty array; at least one prompt is needed.", "prompt")
        if all(isinstance(item, str) for item in value):
            return tuple(string("prompt", item) for item in value)
        if all(isinstance(item, list) for item in value):
            return tuple(self.check_token_ids(item) for item in value)
        return (self.check_token_ids(value),)

    def check_token_ids(self, value: list[Any]) -> tuple[int, ...]:
        """Accept a non-empty list of ids of the vocabulary."""
        if not value:
            raise Refusal(400, "'prompt' holds an empty array of tokens.", "prompt")
        return tuple(integer("prompt", item, 0, self.vocabulary - 1) for item in value)

    def check_suffix(self, value: object) -> str:
        """Accept a string; an empty one is no suffix."""
        return string("suffix", value)

    def check_max_tokens(self, value: object) -> int:
        """Accept an integer from 0; the context length is checked later, with the prompt."""
        return integer("max_tokens", value, 0)

    def check_temperature(self, value: object) -> float:
        """Accept 0 to 2."""
        return number("temperature", value, 0, 2)

    def check_top_p(self, value: object) -> float:
        """Accept 0 to 1; with 0 only the best token is left."""
        return number("top_p", value, 0, 1)

    def check_n(self, value: object) -> int:
        """Accept 1 to 128."""
        return integer("n", value, 1, 128)

    def check_best_of(self, value: object) -> int:
        """Accept 0 to 20; it is compared with `n` later."""
        return integer("best_of", value, 0, 20)

    def check_stream(self, value: object) -> bool:
        """Accept true or false."""
        return boolean("stream", value)

    def check_stream_options(self, value: object) -> Fields:
        """Accept an object; `continuous_usage_stats` is an extension that several engines share."""
        if not isinstance(value, dict):
            raise wrong("stream_options", value, "an object")
        names = {"include_usage": "include_usage", "continuous_usage_stats": "continuous_usage"}
        for name in value.keys() & {*names, "include_obfuscation"}:
            boolean(f"stream_options.{name}", value[name])
        return {own: value[name] for name, own in names.items() if name in value}

    def check_stop(self, value: object) -> tuple[str, ...]:
        """Accept a string or up to four; none of them empty, for an empty sequence stands everywhere."""
        stops = [value] if isinstance(value, str) else value
        if not isinstance(stops, list):
            raise wrong("stop", value, "a string or an array of strings")
        if len(stops) > MOST_STOPS:
            raise Refusal(
                400, f"'stop' has {len(stops)} sequences; at most {MOST_STOPS} are allowed.", "stop"
            )
        found = tuple(string("stop", item) for item in stops)
        if "" in found:
            raise Refusal(
                400, "'stop' holds an empty string; a stop sequence has at least one character.", "stop"
            )
        return found

    def check_echo(self, value: object) -> bool:
        """Accept true or false."""
        return boolean("echo", value)

    def check_logprobs(self, value: object) -> int:
        """Accept 0 to 5."""
        return integer("logprobs", value, 0, 5)

    def check_seed(self, value: object) -> int:
        """Accept a signed integer of 64 bits."""
        return integer("seed", value, -(2**63), 2**63 - 1)

    def check_presence_penalty(self, value: object) -> float:
        """Accept -2 to 2."""
        return number("presence_penalty", value, -2, 2)

    def check_frequency_penalty(self, value: object) -> float:
        """Accept -2 to 2."""
        return number("frequency_penalty", value, -2, 2)

    def check_logit_bias(self, value: object) -> dict[int, float]:
        """Accept a map from token ids, written as strings, to integers from -100 to 100."""
        if not isinstance(value, dict):
            raise wrong("logit_bias", value, "an object")
        bias: dict[int, float] = {}
        for key, amount in value.items():
            if not (
                key.isascii() and key.isdigit() and len(key) <= _LONGEST_ID and int(key) < self.vocabulary
            ):
                raise Refusal(
                    400, f"'logit_bias' names '{key[:40]}', which is no token id of this model.", "logit_bias"
                )
            bias[int(key)] = integer("logit_bias", amount, -100, 100)
        return bias

    def check_user(self, value: object) -> str:
        """Accept a string; nothing is done with it."""
        return string("user", value)

    # ---- several parameters together -----------------------------------------------------------------------------------

    def check_zero_tokens(self, params: Params) -> None:
        """Refuse to generate nothing, unless the prompt is wanted back."""
        if params.max_tokens == 0 and not params.echo:
            message = "You requested a length 0 completion ('max_tokens' is 0), but you did not set 'echo'."
            raise Refusal(400, message, "max_tokens")

    def check_best_of_pair(self, params: Params) -> None:
        """`best_of` at least `n`, and "Results cannot be streamed". OpenAI says "greater than `n`", but both default to 1."""
        if params.best_of is None:
            return
        if params.best_of < params.n:
            raise Refusal(400, f"'best_of' ({params.best_of}) is less than 'n' ({params.n}).", "best_of")
        if params.stream and params.best_of > 1:
            raise Refusal(400, "The results of 'best_of' cannot be streamed.", "best_of")

    def check_stream_options_pair(self, params: Params, sent: Fields) -> None:
        """Hold to "Only set this when you set `stream: true`"."""
        if "stream_options" in sent and not params.stream:
            raise Refusal(400, "'stream_options' is only allowed when 'stream' is true.", "stream_options")

    def check_size(self, params: Params) -> None:
        """Bound the number of prompts and of completions in one request."""
        if len(params.prompts) > MOST_PROMPTS:
            message = f"'prompt' has {len(params.prompts)} prompts; at most {MOST_PROMPTS} are allowed."
            raise Refusal(400, message, "prompt")
        if len(params.prompts) * params.candidates > MOST_CHOICES:
            message = f"'n' or 'best_of' times the number of prompts is more than {MOST_CHOICES}."
            raise Refusal(400, message, "n" if params.best_of is None else "best_of")


_OPTIONAL: Final = tuple(sorted(NULLABLE | {"user"}))
