"""What the suite imports is what it declares, so that a fresh environment has all of it and nothing besides."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

UNIMPORTED = {
    "pytest-html": "pytest loads it by its entry point; every run writes pytest.html with it",
    "sniffio": "httpcore imports it where it is there",
}
"""Declared, and imported by no module of ours."""

UNDECLARED = {"pytest-xdist": "only its own hook imports it, which nobody calls where it is not installed"}
"""Imported, and no dependency."""


def imported() -> set[str]:
    """The third-party distributions that the modules below `conformance/` import."""
    providers = packages_distributions()
    modules = {name for file in (ROOT / "conformance").rglob("*.py") for name in modules_of(file)}
    third_party = modules - {"conformance"} - sys.stdlib_module_names
    # A module that no distribution provides is not installed: it keeps its own name, and is found missing.
    return {canonicalize_name(provider) for name in third_party for provider in providers.get(name, [name])}


def modules_of(file: Path) -> Iterator[str]:
    """The top-level modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def declared() -> set[str]:
    """The distributions that an installation of the suite brings with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}


def test_what_is_imported_is_declared() -> None:
    """Nothing is there only because something else happens to need it."""
    assert imported() - declared() == UNDECLARED.keys()


def test_what_is_declared_is_imported() -> None:
    """Nothing is installed for nobody."""
    assert declared() - imported() == UNIMPORTED.keys()
