"""Whether a run may go on with what an earlier one recorded: only the same run may, or answers to other questions would pass for its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.options import OptionError
from conformance.run.recording import Recording
from conformance.run.results_document import this_suite
from conformance.run.settings import Settings


def check_resumable(recording: Recording, settings: Settings, given: dict[str, Any]) -> None:
    """Raise `OptionError` where a run with `settings` is not the one that was recorded; `given` are the inputs that a user named."""
    for what, was, now in _differences(recording, settings, given):
        raise OptionError(
            f"--resume goes on with the same run only: its {what} was {was!r}, and is {now!r} now."
            " Repeat its options, or begin anew without --resume"
        )


def _differences(
    recording: Recording, settings: Settings, given: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """What is not as it was: its name, what it was, what it is."""
    (version, edition, _), (our_version, our_edition, _) = recording.suite, this_suite()
    was_and_is: dict[str, tuple[Any, Any]] = {
        "target": (recording.url, settings.url),
        "model": (recording.facts.model or settings.model, settings.model or recording.facts.model),
        "profile": (recording.profile or settings.profile.name, settings.profile.name),
        "version of the suite": (version, our_version),
        "edition of the requirements": (edition, our_edition),
    }
    if recording.inputs is not None:
        was_and_is["key"] = _key(has_one=recording.inputs.key), _key(has_one=settings.key is not None)
        for name, value in given.items():
            was_and_is[name] = getattr(recording.inputs, name), value
    for what, (was, now) in was_and_is.items():
        if was != now:
            yield what, was, now


def _key(*, has_one: bool) -> str:
    return "one" if has_one else "none"
