"""The options of a run: one table, whatever front end they come through.

Every option stands on the command line under `--conformance-NAME`, and under `--NAME` too where no other plugin or conftest has that name;
in an ini file as `conformance_NAME`; and in `conformance.toml` or `[tool.completions-conformance]` of `pyproject.toml` as `NAME`. README's
table and `spec/config.schema.json` are held to this one by tests.

A new option is a row here and a field of the same name in `Settings` (or in `ScenarioSettings`, for what a scenario reads). This module
imports nothing of the suite: every pytest run in an environment that has the suite reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DEFAULT_EXAMPLES = 10
EXAMPLES_BESIDE_A_RELAY = 2
"""A run that judges a gateway's relay as well has a hundred requests more to send."""
DEFAULT_REPORT = "conformance-report"
_LONGEST_NAME = 80
_PORTS = 65536


class OptionError(ValueError):
    """An option has a value that can't be used; the message names the option and says what it takes."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option. A switch has no `metavar`."""

    name: str
    help: str
    metavar: str = ""
    takes: str = ""
    """What the option takes, for the message about a bad value: "a whole number of at least 1"."""
    parse: Callable[[str], Any] = str
    """The value that a text stands for; raises `ValueError` for a bad one."""
    default: str = ""
    """The text that stands for the value where none is given."""
    repeated: bool = False
    """It may be given several times."""
    secret: bool = False
    """Its value may be a secret, and so is in no message."""
    schema: str = "string"
    """The JSON type of its value in a configuration file."""

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar

    @property
    def field(self) -> str:
        """The name of the option as an attribute, in ini files with `conformance_` before it."""
        return self.name.replace("-", "_")

    @property
    def ini(self) -> str:
        """Its name in an ini file; also where its value lands when a command line is read."""
        return f"conformance_{self.field}"

    @property
    def flag(self) -> str:
        """Its name on any command line."""
        return f"--conformance-{self.name}"

    @property
    def short_flag(self) -> str:
        """Its name on a command line where no one else has it."""
        return f"--{self.name}"

    def read(self, given: Any) -> Any:
        """The value of the option, given what stood on the command line or in a file (None: nothing did). Raises `OptionError`."""
        if self.is_switch:
            return bool(given)
        if self.repeated:
            return tuple(self._parsed(one) for one in given or ())
        text = given if given is not None else self.default or None
        return None if text is None else self._parsed(text)

    def _parsed(self, text: Any) -> Any:
        try:
            return self.parse(str(text))
        except ValueError as error:
            told = "" if self.secret else f", not {text!r}"
            raise OptionError(f"--{self.name} takes {self.takes}{told}") from error


# -- values ----------------------------------------------------------------------------------------------------------------------------


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _count_or_none_at_all(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _port(text: str) -> int:
    port = _count(text)
    if port >= _PORTS:
        raise ValueError(text)
    return port


def _own_server(text: str) -> str:
    """The root of a server on this machine, whose questions are answered to this machine only."""
    scheme, _, rest = text.strip().rstrip("/").removesuffix("/v1").partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "http" or host not in {"127.0.0.1", "localhost", "[::1]"}:
        raise ValueError(text)
    return f"http://{host}:{_port(port)}"


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _prices(text: str) -> tuple[float, float]:
    prompt, generated = (float(part) for part in text.split(","))
    if not all(0 <= price < float("inf") for price in (prompt, generated)):
        raise ValueError(text)
    return prompt, generated


def _line(text: str) -> str:
    line = text.strip()
    if not line.isprintable() or len(line) > _LONGEST_NAME:
        raise ValueError(text)
    return line


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise ValueError(text)
    return name.strip(), value.strip()


def _header_name(text: str) -> str:
    name = text.strip()
    # Of the characters that a name may have only these: it stands in lines for a shell.
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(text)
    return name


# -- the table -------------------------------------------------------------------------------------------------------------------------

_WHOLE_NUMBER = "a whole number of at least 1"
_NUMBER_OF_SECONDS = "a number of seconds above 0"

OPTIONS = (
    Option("target-url", "base URL of the target, such as https://host/v1", "URL"),
    Option("model", "the model to ask for; may be left out where the target lists exactly one", "NAME"),
    Option(
        "name",
        "what the report calls the target, instead of what its `Server` header says",
        "TEXT",
        takes=f"a line of at most {_LONGEST_NAME} characters",
        parse=_line,
    ),
    Option(
        "api-key-env", "the environment variable with the key, instead of `COMPLETIONS_API_KEY`", "NAME"
    ),
    Option(
        "api-key-header",
        "the header that takes the key as it is, such as `api-key`, instead of `Authorization: Bearer`",
        "NAME",
        takes="the name of a header",
        parse=_header_name,
    ),
    Option(
        "header",
        "send this header with every request, and what is secret in it with none that goes without a key; may be repeated",
        "'NAME: VALUE'",
        takes="'NAME: VALUE'",
        parse=_header,
        repeated=True,
        secret=True,
        schema="array",
    ),
    Option(
        "public-header",
        "the same, for a header in which nothing is secret, whatever it looks like",
        "'NAME: VALUE'",
        takes="'NAME: VALUE'",
        parse=_header,
        repeated=True,
        secret=True,
        schema="array",
    ),
    Option(
        "profile",
        "which requirements count at which level: `reference` (default), `openai`, `vllm`, `llama.cpp`, … or a YAML file of your own",
        "NAME",
        default="reference",
    ),
    Option("strict", "a broken SHOULD fails", schema="boolean"),
    Option(
        "known-failures", "a list of what is known to fail: only what is new fails the run", "FILE"
    ),
    Option("plan", "say what the selected checks would cost, and send nothing", schema="boolean"),
    Option(
        "quick",
        "judge only what is worth most for some 55 requests: core MUST, the cheapest first, and the rules over that",
        schema="boolean",
    ),
    Option(
        "max-requests",
        "send at most this many requests",
        "N",
        takes=_WHOLE_NUMBER,
        parse=_count,
        schema="integer",
    ),
    Option(
        "max-tokens",
        "let at most this many tokens be generated",
        "N",
        takes=_WHOLE_NUMBER,
        parse=_count,
        schema="integer",
    ),
    Option(
        "max-cost",
        "spend at most this much, by `--price`, whatever currency that is in",
        "AMOUNT",
        takes="an amount above 0",
        parse=_above_zero,
        schema="number",
    ),
    Option(
        "price",
        "what a million prompt tokens and a million generated tokens cost, such as `0.15,0.60`",
        "IN,OUT",
        takes="two prices, such as 0.15,0.60",
        parse=_prices,
    ),
    Option(
        "concurrency",
        "the most requests at a time (8)",
        "N",
        takes=_WHOLE_NUMBER,
        parse=_count,
        default="8",
        schema="integer",
    ),
    Option(
        "rate",
        "send no faster, such as `60/min`, `2/s` or `20/min,1000/day`; without it the pace is learned from the target",
        "N/UNIT",
    ),
    Option(
        "wait-ready",
        "poll a server that is still starting for at most this long, before anything is judged",
        "SECONDS",
        takes=_NUMBER_OF_SECONDS,
        parse=_above_zero,
        schema="number",
    ),
    Option(
        "request-timeout",
        "how long to wait for the first byte of an answer, and between two (60)",
        "SECONDS",
        takes=_NUMBER_OF_SECONDS,
        parse=_above_zero,
        default="60",
        schema="number",
    ),
    Option(
        "run-timeout",
        "a hard bound on the time of the run: what was not judged by then is inconclusive",
        "SECONDS",
        takes=_NUMBER_OF_SECONDS,
        parse=_above_zero,
        schema="number",
    ),
    Option("expensive", "also run the checks that cost much", schema="boolean"),
    Option(
        "examples",
        f"how many requests are generated from the specification ({DEFAULT_EXAMPLES}; {EXAMPLES_BESIDE_A_RELAY} with a scripted upstream); 0: none",
        "N",
        takes=_WHOLE_NUMBER,
        parse=_count_or_none_at_all,
        schema="integer",
    ),
    Option(
        "hypothesis-seed",
        "the seed of the generated requests; the same seed repeats a run exactly",
        "N",
        takes="a whole number here",
        parse=int,
        schema="integer",
    ),
    Option(
        "gateway-upstream-port",
        "where the scripted upstream of a gateway under test listens: the gateway relays to http://127.0.0.1:PORT/v1",
        "PORT",
        takes=f"a port from 1 to {_PORTS - 1}",
        parse=_port,
        schema="integer",
    ),
    Option(
        "gateway-upstream-url",
        "a scripted upstream that is up already (`completions-conformance upstream`), instead of one that the run serves",
        "URL",
        takes="the address of a server on this machine, such as http://127.0.0.1:9000",
        parse=_own_server,
    ),
    Option(
        "gateway-model",
        "the model that a gateway under test relays to the scripted upstream (scripted), beside the one of `--model`",
        "NAME",
        default="scripted",
    ),
    Option("report", "where `index.html`, `results.json` and the other forms are written", "DIR", default=DEFAULT_REPORT),
    Option("record", "write all exchanges of the run to this file", "FILE"),
    Option(
        "replay",
        "judge such a file, or a `results.json`, and send nothing",
        "FILE",
    ),
    Option(
        "resume",
        "go on where an earlier run ended, whose `results.json` or record this is: what it has asked is not asked again",
        "FILE",
    ),
    Option(
        "allow-http", "send the key over plain http to a host that is not this machine", schema="boolean"
    ),
)  # fmt: skip
"""All of them, in the order in which they are shown."""
