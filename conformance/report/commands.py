"""`completions-conformance merge` and `diff`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.report import run_diff as differences
from conformance.report.atomic import write_atomically
from conformance.report.escaping import escape_line
from conformance.report.load import RefusedError, load
from conformance.report.matrix import matrix

_LOST = 1
_REFUSED = 2
_HIDDEN = 6
"""Exit statuses; the second is argparse's own for a bad command line, the third that of a run which has not judged enough."""

_FORMS = {"text": differences.as_text, "markdown": differences.as_markdown, "html": differences.as_html}


def merge(arguments: Sequence[str]) -> int:
    """Write the matrix of several results documents; 2 where they can't be compared."""
    parser = argparse.ArgumentParser(
        prog="completions-conformance merge",
        description="Show several targets side by side, what differs between them first.",
    )
    parser.add_argument(
        "documents",
        nargs="+",
        metavar="[NAME=]FILE",
        help="a results.json or the folder it is in, and what to call the target",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", type=Path, help="the folder that gets index.html"
    )
    given = parser.parse_args(arguments)
    try:
        page = matrix([(name, load(path)) for name, path in map(_named, given.documents)])
    except RefusedError as error:
        return _refuse("merge", error)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        write_atomically(given.output / "index.html", page.encode())
    except OSError as error:
        return _refuse("merge", _unwritable(given.output, error))
    sys.stdout.write(f"{escape_line(given.output / 'index.html')}\n")
    return 0


def _named(argument: str) -> tuple[str, Path]:
    """The name that was given, or "", and the path."""
    name, equals, path = argument.partition("=")
    return (name, Path(path)) if equals and not Path(argument).exists() else ("", Path(argument))


def diff(arguments: Sequence[str]) -> int:
    """Show what was gained and lost between two runs; 1 where something was lost, 2 where they can't be compared.

    6 where nothing was lost as far as the new run shows, which did not get to something that the old one judged.
    """
    parser = argparse.ArgumentParser(
        prog="completions-conformance diff",
        description="Show what was gained and lost from one run to another. Exit status 1 says that something was lost,"
        " 6 that nothing is known to be, since the new run did not get to what the old one judged.",
    )
    parser.add_argument("old", type=Path, help="a results.json or the folder it is in")
    parser.add_argument("new", type=Path, help="the same of the later run")
    parser.add_argument("--format", choices=_FORMS, default="text", help="the form of the answer (text)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to this file instead of the terminal"
    )
    given = parser.parse_args(arguments)
    try:
        found = differences.run_diff(load(given.old), load(given.new))
    except RefusedError as error:
        return _refuse("diff", error)
    text = _FORMS[given.format](found)
    if given.output:
        try:
            write_atomically(given.output, text.encode())
        except OSError as error:
            return _refuse("diff", _unwritable(given.output, error))
    else:
        sys.stdout.write(text)
    if found.lost:
        return _LOST
    return _HIDDEN if found.hidden else 0


def _unwritable(path: Path, error: OSError) -> str:
    return f"-o: {escape_line(path)} can't be written: {error.strerror or error}"


def _refuse(command: str, error: RefusedError | str) -> int:
    sys.stderr.write(f"completions-conformance {command}: {error}\n")
    return _REFUSED
