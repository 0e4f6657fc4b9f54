"""The console script `completions-conformance`: the suite for those who installed the wheel.

`run` (the default) is pytest with the suite as its tests and takes all of pytest's options; `judge` does the same with recorded traffic; `serve` serves the reference server; `merge` and
`diff` compare results documents.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from conformance import __version__
from conformance.plugin import ROOMS
from conformance.reference.serve import serve
from conformance.report.commands import diff, merge
from conformance.run.embedded import MODEL
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
      judge recorded traffic (what --record=FILE wrote, or a results.json) by the rules, and send nothing.
  completions-conformance serve [--host 127.0.0.1] [--port 8000] [--model {MODEL}]
      serve the reference server, with the key of ${KEY_VARIABLE} if that is set.
  completions-conformance merge [NAME=]FILE... -o DIR
      show several targets side by side in one page, from the results.json of each.
  completions-conformance diff OLD NEW [--format text|markdown|html] [-o FILE]
      show what was gained and lost between two runs; exit status 1 says that something was lost.
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
        "serve": _serve,
        "merge": merge,
        "diff": diff,
    }
    if given and given[0] in commands:
        return commands[given[0]](given[1:])
    return _run(given)


def _run(arguments: list[str]) -> int:
    # `-c` keeps the ini file of whatever project the user stands in out of the run; the cache for --lf stays where they stand.
    own = ["-c", str(_INI), f"--rootdir={Path.cwd()}", "-p", "conformance.entry", "--conformance"]
    named = [argument for argument in arguments if not argument.startswith("-") and "::" in argument]
    return int(pytest.main([*own, *arguments, *([] if named else map(str, ROOMS))]))


def _judge(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write("completions-conformance judge: name a recording or a results.json\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    return _run([f"--replay={arguments[0]}", *arguments[1:]])


def _serve(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="completions-conformance serve", description="Serve the reference server."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default=MODEL)
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "").strip() or None

    def ready(url: str) -> None:
        wants = f", wants the key of ${KEY_VARIABLE}" if key else ""
        sys.stdout.write(f"{options.model} at {url}{wants}; Ctrl-C ends it\n")
        sys.stdout.flush()

    try:
        serve(options.host, options.port, key, options.model, ready=ready)
    except OSError as error:
        sys.stderr.write(
            f"completions-conformance serve: {options.host}:{options.port}: {error.strerror or error}\n"
        )
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
