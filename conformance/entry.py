"""What every pytest run in an environment with the suite loads: a few lines that do nothing unless a run of the suite is asked for.

It is asked for by `--target-url` or `--replay` (where no other plugin and no conftest has an option of that name), by `--conformance` or
any option that begins so, by `conformance_target_url` or `conformance_replay` in the ini file, by a path or node id of a check, and in a
checkout of the suite. Only then is the rest of the suite imported, and only then are its options there.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Literal

import pytest

from conformance.options import OPTIONS, Option

SWITCH = "--conformance"
_HERE = Path(__file__).parent
_PLUGIN = "conformance.plugin"
_ASKED_FOR = "conformance_asked_for"
_ASKING = tuple(option for option in OPTIONS if option.name in {"target-url", "replay"})
"""The options that ask for a run of the suite by themselves."""
_HELP = (
    "run the conformance suite for POST /v1/completions, on its own server where no target is named;"
    f" `{SWITCH} --help` lists its options"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest the names of the suite in ini files, all of which begin with `conformance_`."""
    for option in OPTIONS:
        kind: Literal["bool", "linelist", "string"] = (
            "bool" if option.is_switch else "linelist" if option.repeated else "string"
        )
        parser.addini(option.ini, f"default of {option.flag}: {option.help}", type=kind, default=None)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """See, when all other options are known, whether a run of the suite is asked for, and load the suite then."""
    yield
    given = {argument.partition("=")[0] for argument in args}
    free = [one for one in _ASKING if one.short_flag in given and not _is_taken(parser, one.short_flag)]
    group = parser.getgroup("conformance", "conformance of a POST /v1/completions endpoint")
    if not free and not _is_asked_for(early_config, args):
        if not given.isdisjoint({"-h", "--help"}):
            group.addoption(SWITCH, action="store_true", help=_HELP)
        return
    setattr(early_config.option, _ASKED_FOR, True)
    group.addoption(SWITCH, action="store_true", help=_HELP)
    taken = {option.short_flag for option in OPTIONS if _is_taken(parser, option.short_flag)}
    for option in OPTIONS:
        _add(group, option, *({option.flag, option.short_flag} - taken))
    # In a run of the suite a short name is the suite's, whoever else has an option of that name.
    here = early_config.invocation_params.dir
    args[:] = [_with_prefix(_with_place(here, argument), taken) for argument in args]
    early_config.pluginmanager.import_plugin(_PLUGIN)


def _is_taken(parser: pytest.Parser, flag: str) -> bool:
    """Whether pytest, another plugin or a conftest has an option of that name."""
    argument = f"{flag}=x"
    try:
        _, unknown = parser.parse_known_and_unknown_args([argument])
    except pytest.UsageError:  # it is there, and takes another kind of value, or none
        return True
    return argument not in unknown


def _is_asked_for(config: pytest.Config, args: list[str]) -> bool:
    return (
        any(one == SWITCH or one.startswith(f"{SWITCH}-") for one in args)
        or hasattr(config.option, _ASKED_FOR)  # a worker of xdist is handed the options of its controller
        or any(config.getini(option.ini) for option in _ASKING)
        or any(_place_of(config.invocation_params.dir, one) for one in args)
        or config.rootpath == _HERE.parent
    )


def _place_of(folder: Path, argument: str) -> Path | None:
    """The file or folder of the suite that an argument names, as a path or as a node id that was printed; None where it names none."""
    named = argument.partition("::")[0]
    if argument.startswith("-") or _HERE.name not in named:
        return None
    place = folder / named
    if not place.exists():
        # It may be a node id, which begins with the name of the package wherever that lies.
        place = _HERE.parent / named
    return place if place.exists() and place.resolve().is_relative_to(_HERE) else None


def _with_place(folder: Path, argument: str) -> str:
    place = _place_of(folder, argument)
    _, colons, names = argument.partition("::")
    return argument if place is None else f"{place}{colons}{names}"


def _add(group: pytest.OptionGroup, option: Option, *flags: str) -> None:
    kind = {"action": "store_true"} if option.is_switch else {"metavar": option.metavar}
    if option.repeated:
        kind["action"] = "append"
    text = option.help.replace("%", "%%")
    group.addoption(*sorted(flags, key=len), dest=option.ini, default=None, help=text, **kind)


def _with_prefix(argument: str, taken: set[str]) -> str:
    name = argument.partition("=")[0]
    return f"{SWITCH}-{argument[2:]}" if name in taken else argument
