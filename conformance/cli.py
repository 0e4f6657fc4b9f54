"""The console script `completions-conformance`: the suite for those who installed the wheel.

`run` (the default) is pytest with the suite as its tests and takes all of pytest's options; `judge` does the same with recorded traffic;
`verify` holds a report against its own evidence; `serve` serves the reference server, `upstream` that of a gateway under test; `merge` and `diff` compare results documents.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__
from conformance.contract.yaml_files import DocumentError, did_you_mean
from conformance.gateway.serve import serve_upstream
from conformance.plugin import ROOMS
from conformance.reference import Reference
from conformance.reference.serve import serve
from conformance.report.commands import diff, merge
from conformance.report.escaping import escape_line
from conformance.report.text import printable
from conformance.run.embedded import MODEL
from conformance.run.explain import explain, explain_all
from conformance.run.verify import told, verify
from conformance.wire.record import KEY_VARIABLE

_INI = Path(__file__).parent / "cli.ini"
_USAGE = f"""\
completions-conformance {__version__}

  completions-conformance [run] --target-url=https://host/v1 --model=NAME [pytest options]
      judge a server; the key comes from ${KEY_VARIABLE}. Without --target-url the embedded reference server is judged.
      `completions-conformance run --help` lists all options, those of the suite under "conformance".
  completions-conformance plan [pytest options]
      say what the same run would cost, and send nothing.
  completions-conformance judge FILE [pytest options]
      judge recorded traffic (what --record=FILE wrote, or a results.json), and send nothing. With run, --resume=FILE goes on with it.
  completions-conformance verify FILE [--profile=FILE]
      say whether the verdicts of a results.json follow from the exchanges that it holds; exit status 1 says that they do not.
  completions-conformance explain [ID]
      say what a requirement demands, who says so, who is hurt, and how it is checked; without an id list them all.
  completions-conformance serve [--host 127.0.0.1] [--port 8000] [--model {MODEL}] [--double NAME]
      serve the reference server, with the key of ${KEY_VARIABLE} if that is set; with --double (in a checkout) one with a named
      defect, which a run against it finds.
  completions-conformance upstream [--host 127.0.0.1] [--port 9000]
      serve the scripted upstream that a gateway under test relays to, and print what arrives: to set a gateway up, and for curl.
  completions-conformance merge [NAME=]FILE... -o DIR
      show several targets side by side in one page, from the results.json of each.
  completions-conformance diff OLD NEW [--format text|markdown|html] [-o FILE]
      show what was gained and lost between two runs; exit status 1 says that something was lost, 6 that nothing is known to be,
      since the new run did not get to what the old one judged.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["-h"], ["--help"], ["help"]):
        sys.stdout.write(_USAGE)
        return 0
    if given == ["--version"]:
        sys.stdout.write(f"{__version__}\n")
        return 0
    commands: Mapping[str, Callable[[list[str]], int]] = {
        "run": _run,
        "plan": lambda rest: _run(["--plan", *rest]),
        "judge": _judge,
        "verify": _verify,
        "serve": _serve,
        "upstream": _upstream,
        "explain": _explain,
        "merge": merge,
        "diff": diff,
    }
    if given and given[0] in commands:
        return commands[given[0]](given[1:])
    return _run(given)


def _run(arguments: list[str]) -> int:
    # `-c` keeps the ini file of whatever project the user stands in out of the run; the cache for --lf stays where they stand.
    own = ["-c", str(_INI), f"--rootdir={Path.cwd()}", "-p", "conformance.entry", "--conformance"]
    named = [one for one in arguments if not one.startswith("-") and ("::" in one or Path(one).exists())]
    return int(pytest.main([*own, *arguments, *([] if named else map(str, ROOMS))]))


def _judge(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write("completions-conformance judge: name a recording or a results.json\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    return _run([f"--replay={arguments[0]}", *arguments[1:]])


def _verify(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="completions-conformance verify",
        description="Say whether the verdicts of a report follow from its own evidence. Exit status 1 says that they do not.",
    )
    parser.add_argument("document", type=Path, metavar="FILE", help="a results.json or the folder it is in")
    parser.add_argument(
        "--profile", metavar="NAME", help="the profile it was judged by, where that was a file of its owner's"
    )
    given = parser.parse_args(arguments)
    try:
        found = verify(given.document, given.profile)
    except DocumentError as error:
        sys.stderr.write(f"completions-conformance verify: {printable(str(error))}\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    for line in told(found):
        sys.stdout.write(f"{escape_line(line)}\n")
    return 0 if found.holds else 1


def _serve(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="completions-conformance serve", description="Serve the reference server."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument(
        "--double", metavar="NAME", help="serve a double of fixtures/ instead (in a checkout)"
    )
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "").strip() or None

    what = options.model

    def ready(url: str) -> None:
        wants = f", wants the key of ${KEY_VARIABLE}" if key else ""
        sys.stdout.write(f"{what} at {url}{wants}; Ctrl-C ends it\n")
        sys.stdout.flush()

    try:
        server = Reference(options.model, key)
        if options.double is not None:
            double = _double(options.double)
            server, what = double.build(options.model, key), f"{double.name} ({double.what})"
        serve(server, options.host, options.port, ready=ready)
    except LookupError as error:
        sys.stderr.write(f"completions-conformance serve: {error.args[0]}\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    except OSError as error:
        sys.stderr.write(
            f"completions-conformance serve: {options.host}:{options.port}: {error.strerror or error}\n"
        )
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _upstream(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="completions-conformance upstream",
        description="Serve the scripted upstream of a gateway under test, and print what arrives.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 for a gateway in a container (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=9000, help="the port to listen on (9000)")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        sys.stdout.write(f"{escape_line(line)}\n")
        sys.stdout.flush()

    try:
        asyncio.run(serve_upstream(options.host, options.port, say, version=__version__))
    except OSError as error:
        sys.stderr.write(
            f"completions-conformance upstream: {options.host}:{options.port}: {error.strerror or error}\n"
        )
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _double(name: str) -> Any:
    """The double of that name; raises `LookupError` where there is none, or no folder of them."""
    if find_spec("fixtures") is None:
        raise LookupError("--double: the doubles come with a checkout of the project, not with the wheel")
    gate = importlib.import_module("fixtures.gate")  # by name: nothing in the wheel depends on it
    doubles = {double.name: double for double in (*gate.MUTANTS, *gate.CONTROLS, *gate.FUZZ_MUTANTS)}
    if name not in doubles:
        raise LookupError(f"--double: there is no double {name!r}{did_you_mean(name, doubles)}")
    return doubles[name]


def _explain(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="completions-conformance explain", description="Say what the suite knows of a requirement."
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="such as STOP-002; all are listed without one")
    given = parser.parse_args(arguments)
    try:
        for line in explain_all() if given.id is None else explain(given.id):
            sys.stdout.write(f"{line}\n")
    except DocumentError as error:
        sys.stderr.write(f"completions-conformance explain: {error}\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    return 0


if __name__ == "__main__":
    sys.exit(main())
