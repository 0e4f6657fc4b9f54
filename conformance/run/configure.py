"""From options to the settings of a run. What a user may have got wrong ends here, before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.catalogue import Profile, load_profile
from conformance.contract.known_failures import KnownFailures, load_known_failures
from conformance.contract.yaml_files import DocumentError
from conformance.options import DEFAULT_EXAMPLES, EXAMPLES_BESIDE_A_RELAY, OPTIONS, OptionError
from conformance.run.rate import Rate
from conformance.run.recorded_traffic import RecordedTraffic
from conformance.run.recording import Recording, load_recording
from conformance.run.resuming import check_resumable
from conformance.run.settings import Settings
from conformance.wire.http import HttpClient
from conformance.wire.record import KEY_VARIABLE
from conformance.wire.secret_values import is_secret_header

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Get = Callable[[str], Any]
"""Gives what stands for an option, by its name; None where it was not given."""


def settings(get: Get, environment: Mapping[str, str] = MappingProxyType(os.environ)) -> Settings:
    """The settings of a run; `url` is empty where the target is the embedded server or a recording. Raises `OptionError`."""
    given = {option.field: option.read(get(option.name)) for option in OPTIONS}
    headers = given["header"]
    variable = given["api_key_env"] or KEY_VARIABLE
    key = environment.get(variable, "").strip() or None
    secret = key is not None or any(is_secret_header(*header) for header in headers)
    replayed = bool(given["replay"])
    url = "" if replayed else _url(given["target_url"], secret=secret, allow_http=given["allow_http"])
    if given["api_key_env"] and key is None:
        raise OptionError(f"--api-key-env: the environment variable {variable} is not set")
    names = {field.name for field in fields(Settings)}
    same = {name: value for name, value in given.items() if name in names and value is not None}
    found = Settings(
        **same
        | {
            "url": url,
            "embedded": not url and not replayed,
            "profile": _profile(given["profile"]),
            "key": key
            if url or replayed
            else None,  # a replay sends none, but removes it from what is written
            "key_variable": variable,
            "headers": headers,
            "public_headers": given["public_header"],
            "rate": _rate(given["rate"]),
            "known": _known_failures(given["known_failures"]),
            "seed": given["hypothesis_seed"] or 0,
            "examples": _examples(given),
        }
    )
    if found.max_cost is not None and found.price is None:
        raise OptionError(
            "--max-cost needs to know what tokens cost: --price=IN,OUT says it, for a million each"
        )
    if found.gateway_upstream_url is not None and found.gateway_upstream_port is not None:
        raise OptionError(
            "--gateway-upstream-port serves the scripted upstream, and --gateway-upstream-url uses one that is up: leave one out"
        )
    if url:
        _check_sendable(found)
    return found


def _examples(given: Mapping[str, Any]) -> int:
    if given["examples"] is not None:
        return int(given["examples"])
    relays = given["gateway_upstream_port"] is not None or given["gateway_upstream_url"] is not None
    return EXAMPLES_BESIDE_A_RELAY if relays else DEFAULT_EXAMPLES


def recorded_traffic(get: Get, chosen: Settings) -> RecordedTraffic | None:
    """The traffic to judge instead of a target's, or to go on with, if any. Raises `OptionError`."""
    if path := get("replay"):
        for other in ("record", "plan", "resume"):
            if get(other):
                raise OptionError(
                    f"--{other} is about what a run sends, and --replay sends nothing: leave one out"
                )
        if get("target-url"):
            raise OptionError("--replay judges recorded traffic and asks no target: leave out --target-url")
        return RecordedTraffic(_load("replay", path), chosen.redactor)
    if path := get("resume"):
        if not chosen.url:
            raise OptionError("--resume asks the target of the earlier run: name it with --target-url")
        if get("plan"):
            raise OptionError("--plan counts what a run sends that begins anew: leave out --resume")
        recording, named = _load("resume", path), ("hypothesis-seed", "examples", "expensive")
        given = {_INPUTS.get(name, name): _value(name, get(name)) for name in named if get(name) is not None}
        check_resumable(recording, chosen, given)
        return RecordedTraffic(recording, chosen.redactor, goes_on=True)
    return None


_INPUTS = {"hypothesis-seed": "seed"}
"""What the inputs of a run call an option, where that is not its name."""


def _value(name: str, given: Any) -> Any:
    return next(option.read(given) for option in OPTIONS if option.name == name)


def _load(option: str, path: str) -> Recording:
    try:
        return load_recording(Path(path))
    except DocumentError as error:
        raise OptionError(f"--{option}: {error}") from error


def _check_sendable(found: Settings) -> None:
    """Let the client look at what it will send; it opens nothing."""
    try:
        HttpClient(
            found.url,
            key=found.key,
            key_header=found.api_key_header,
            headers=found.headers,
            public_headers=found.public_headers,
        )
    except ValueError as error:
        raise OptionError(f"the target's URL, key or headers can't be sent: {error}") from error


def _profile(name: str) -> Profile:
    try:
        return load_profile(name)
    except (DocumentError, OSError) as error:
        raise OptionError(f"--profile: {error}") from error


def _rate(text: str | None) -> Rate | None:
    try:
        return None if text is None else Rate.parse(text)
    except ValueError as error:
        raise OptionError(f"--rate: {error}") from error


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
        raise OptionError(f"--target-url: {error}: {_without_user(url)!r}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise OptionError(
            f"--target-url takes a URL such as https://host/v1, with http:// or https://, not {_without_user(url)!r}"
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


def _without_user(url: str) -> str:
    """The URL as it may be shown: a password may stand before its host."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('//')[0]}//…@{after}" if at else url
