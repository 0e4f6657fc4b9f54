"""The options of a run and their meaning, whatever front end they come through. Bad values end here, before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.catalogue import Profile, load_profile
from conformance.contract.known_failures import KnownFailures, load_known_failures
from conformance.contract.yaml_files import DocumentError
from conformance.run.recording import Recording, load_recording
from conformance.run.session import Budget
from conformance.run.settings import Settings
from conformance.wire.http import HttpClient
from conformance.wire.record import KEY_VARIABLE
from conformance.wire.redact import is_credential

DEFAULT_EXAMPLES = 30
DEFAULT_REPORT = "conformance-report"
_LONGEST_NAME = 80
_PORTS = 65536
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Get = Callable[[str], Any]
"""Gives the value of an option by its name, None where it was not given."""


class OptionError(ValueError):
    """An option has a value that can't be used; the message names the option and says what it takes."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option that takes a value."""

    name: str
    metavar: str
    help: str


OPTIONS = (
    Option(
        "target-url",
        "URL",
        "base URL of the target, such as https://host/v1 (default: the embedded reference server)",
    ),
    Option("model", "NAME", "name of the model to ask for (default: the only one that the target lists)"),
    Option("name", "TEXT", "what the report calls the target (default: what its Server header says)"),
    Option("api-key-env", "NAME", f"environment variable that holds the key (default: {KEY_VARIABLE})"),
    Option(
        "profile",
        "NAME",
        "which requirements count at which level: a name, or a YAML file (default: reference)",
    ),
    Option(
        "known-failures",
        "FILE",
        "a YAML list of requirements that are known to fail, each with its id and reason: only what is new fails the run",
    ),
    Option("concurrency", "N", "the most requests at a time (default: 8)"),
    Option("max-requests", "N", "send at most so many requests"),
    Option("max-tokens", "N", "have at most so many tokens generated"),
    Option("examples", "N", f"generate so many requests; 0: none (default: {DEFAULT_EXAMPLES})"),
    Option(
        "request-timeout",
        "SECONDS",
        "wait so long for the first byte of an answer, and between two (default: 60)",
    ),
    Option("run-timeout", "SECONDS", "end the run after so long, whatever is left to be judged"),
    Option(
        "gateway-upstream-port",
        "PORT",
        "serve a scripted upstream on 127.0.0.1:PORT, to which the gateway under test relays (use with -k GW)",
    ),
    Option("record", "FILE", "write all exchanges of the run to this file, to be judged again with --replay"),
    Option(
        "replay",
        "FILE",
        "judge recorded traffic by the rules and send nothing: what --record wrote, or the results.json of a report",
    ),
    Option("report", "DIR", f"folder for results.json and the reports (default: {DEFAULT_REPORT})"),
)
"""The options that take one value; a front end adds `header` (several values), `expensive`, `allow-http` and `strict` (switches)."""


def settings(get: Get, environment: Mapping[str, str] = MappingProxyType(os.environ)) -> Settings:
    """The settings of a run; `url` is empty where the target is the embedded server or a recording. Raises `OptionError`."""
    headers = tuple(_headers(get("header") or ()))
    variable = get("api-key-env") or KEY_VARIABLE
    key = environment.get(variable, "").strip() or None
    secret = key is not None or any(is_credential(name) for name, _ in headers)
    replayed = bool(get("replay"))
    url = "" if replayed else _url(get("target-url"), secret=secret, allow_http=bool(get("allow-http")))
    if get("api-key-env") and key is None:
        raise OptionError(f"--api-key-env: the environment variable {variable} is not set")
    found = Settings(
        url=url,
        profile=_profile(get("profile") or "reference"),
        model=get("model"),
        name=_name(get("name")),
        key=key if url or replayed else None,  # a replay sends none, but removes it from what is written
        key_variable=variable,
        headers=headers,
        strict=bool(get("strict")),
        known=_known_failures(get("known-failures")),
        concurrency=_count("concurrency", get("concurrency")) or 8,
        budget=Budget(_count("max-requests", get("max-requests")), _count("max-tokens", get("max-tokens"))),
        request_timeout=_seconds("request-timeout", get("request-timeout")) or 60.0,
        run_timeout=_seconds("run-timeout", get("run-timeout")),
        expensive=bool(get("expensive")),
        examples=_examples(get("examples")),
        seed=_seed(get("hypothesis-seed")),
        gateway_port=_port("gateway-upstream-port", get("gateway-upstream-port")),
    )
    if url:
        _check_sendable(found)
    return found


def recording(get: Get) -> Recording | None:
    """The traffic to judge instead of a target's, if any. Raises `OptionError`."""
    path = get("replay")
    if not path:
        return None
    for other in ("record", "plan"):
        if get(other):
            raise OptionError(
                f"--{other} is about what a run sends, and --replay sends nothing: leave one out"
            )
    try:
        return load_recording(Path(path))
    except DocumentError as error:
        raise OptionError(f"--replay: {error}") from error


def _check_sendable(found: Settings) -> None:
    """Let the client look at what it will send; it opens nothing."""
    try:
        HttpClient(found.url, key=found.key, headers=found.headers)
    except ValueError as error:
        raise OptionError(f"the target's URL, key or headers can't be sent: {error}") from error


def _name(text: str | None) -> str:
    name = (text or "").strip()
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise OptionError(f"--name takes a line of at most {_LONGEST_NAME} characters, not {text!r}")
    return name


def _port(name: str, value: str | None) -> int | None:
    port = _count(name, value)
    if port is not None and port >= _PORTS:
        raise OptionError(f"--{name} takes a port below {_PORTS}, not {value!r}")
    return port


def _count(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise OptionError(f"--{name} takes a whole number of at least 1, not {value!r}")
    return number


def _examples(value: str | None) -> int:
    return 0 if value == "0" else _count("examples", value) or DEFAULT_EXAMPLES


def _seed(value: str | int | None) -> int:
    """The seed of the generated requests: Hypothesis' own option, where it is a number."""
    try:
        return int(value or 0)
    except ValueError as error:
        raise OptionError(f"--hypothesis-seed takes a whole number here, not {value!r}") from error


def _seconds(name: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise OptionError(f"--{name} takes a number of seconds above 0, not {value!r}")
    return seconds


def _headers(given: Iterable[str]) -> Iterable[tuple[str, str]]:
    for header in given:
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or not header.isprintable():
            raise OptionError(f"--header takes 'NAME: VALUE', not {header!r}")
        yield name.strip(), value.strip()


def _profile(name: str) -> Profile:
    try:
        return load_profile(name)
    except (DocumentError, OSError) as error:
        raise OptionError(f"--profile: {error}") from error


def _known_failures(path: str | None) -> KnownFailures:
    try:
        return load_known_failures(Path(path)) if path else KnownFailures()
    except DocumentError as error:
        raise OptionError(f"--known-failures: {error}") from error


def _url(url: str | None, *, secret: bool, allow_http: bool) -> str:
    if url is None:
        return ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError(f"--target-url: {error}: {url!r}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise OptionError(
            f"--target-url takes a URL such as https://host/v1, with http:// or https://, not {url!r}"
        )
    if parts.username or parts.query or parts.fragment:
        raise OptionError(
            "--target-url takes no user name, query or fragment; the key comes from the environment"
        )
    if secret and parts.scheme == "http" and host not in _LOOPBACK and not allow_http:
        raise OptionError(
            f"--target-url: the key would go to {host} over plain http, readable by everyone in between;"
            " use https, or --allow-http if that network is yours"
        )
    return url.rstrip("/")
