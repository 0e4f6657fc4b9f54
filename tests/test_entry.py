"""Installing the suite harms nobody: other projects' options, plugins and start-up time are left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.contract.yaml_files import load_schema, spec_root
from conformance.options import OPTIONS, Option
from conformance.plugin import option_values
from fixtures.doubles import KEY

pytestmark = pytest.mark.whole_run

TAKEN_ANYWAY = {"strict", "hypothesis-seed"}  # by pytest and Hypothesis themselves
SHORT = [option.short_flag for option in OPTIONS if option.name not in TAKEN_ANYWAY]
MOST_MODULES = 10
NUMBERS = ("integer", "number", "boolean")
SPELLED = {  # a text for each type of value, and what an ini file makes of it
    "string": ("some text", "some text"),
    "integer": ("7", "7"),
    "number": ("7", "7"),
    "boolean": ("true", True),
    "array": ("X-Name: value", ["X-Name: value"]),
}
NO_OTHERS = (
    "-p",
    "no:profiling",
    "-p",
    "no:replay",
)  # installed for the tests, and with options of those names too


@pytest.fixture
def owned(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with an option of its own for each name that the suite has, and a test that reads them."""
    pytester.makeconftest(
        f"""
        NAMES = {SHORT!r}

        def pytest_addoption(parser):
            for name in NAMES:
                parser.addoption(name, dest="own" + name.replace("-", "_"), default="")

        def pytest_report_header(config):
            return [f"own {{name}} is {{config.getoption('own' + name.replace('-', '_'))}}" for name in NAMES]
        """
    )
    pytester.makepyfile("def test_own(): pass")
    return pytester


def test_another_projects_options_stay_its_own(owned: pytest.Pytester) -> None:
    """A project that has options of all our names runs its own tests, with its own values."""
    result = owned.runpytest_subprocess(*NO_OTHERS, *(f"{name}=mine" for name in SHORT))

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines_random([f"own {name} is mine" for name in SHORT])


@pytest.mark.parametrize("name", SHORT)
def test_one_option_of_a_name_of_ours_is_left_alone(pytester: pytest.Pytester, name: str) -> None:
    """A project that has an option of one of our names runs its own tests."""
    pytester.makeconftest(f"def pytest_addoption(parser): parser.addoption({name!r}, dest='own', default='')")
    pytester.makepyfile(f"def test_own(request): assert request.config.getoption('own') == 'mine', {name!r}")

    assert pytester.inline_run(*NO_OTHERS, f"{name}=mine").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("prefixed", [True, False])
def test_the_suite_runs_beside_them(
    owned: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str, *, prefixed: bool
) -> None:
    """A run of the suite takes the prefixed names, and short ones for its own once it is asked for by a prefixed one."""
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    before = "--conformance-" if prefixed else "--"
    result = owned.runpytest_subprocess(
        *NO_OTHERS, f"--conformance-target-url={server}", f"{before}report=out", f"{before}name=this one", "-k", "MAXTOK-002"
    )  # fmt: skip

    assert result.parseoutcomes()["passed"] == 1
    assert (owned.path / "out" / "results.json").is_file()
    assert "this one" in result.stdout.str()


@pytest.mark.parametrize(
    ("plugin", "argument"),
    [("pytest_profiling", "--profile"), ("pytest_replay", "--replay-record-dir=recorded")],
)
def test_plugins_with_our_names_work_beside_the_suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: str, plugin: str, argument: str
) -> None:
    """pytest-profiling has `--profile`, pytest-replay `--replay`: theirs they stay, and ours have a longer name."""
    # `.ci/run` installs both into an environment of their own: in ours they would take the short names from all other tests.
    pytest.importorskip(plugin)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile("def test_own(): pass")
    pytester.runpytest_subprocess(argument).assert_outcomes(passed=1)

    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    result = pytester.runpytest_subprocess(
        f"--target-url={server}", "--conformance-profile=openai", "--report=out", "-k", "MAXTOK-002"
    )
    assert result.parseoutcomes()["passed"] == 1
    assert "profile openai" in result.stdout.str()


def test_a_run_that_is_not_ours_loads_next_to_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside another project's tests few modules of ours are loaded, and none of what they need."""
    pytester.makepyfile("def test_own(): pass")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what other plugins load is not our business
    program = (
        "import pytest, sys; status = pytest.main(['-q', '-p', 'conformance.entry']);"
        " print(*sorted(sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=pytester.path, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    ours = [name for name in loaded if name.partition(".")[0] == "conformance"]

    assert 0 < len(ours) <= MOST_MODULES
    assert not {"yaml", "jinja2", "jsonschema"} & set(loaded)


def test_help_names_the_way_in(pytester: pytest.Pytester) -> None:
    """`pytest --help` says in a line how to run the suite, and `pytest --conformance --help` lists its options."""
    short, long = (
        pytester.runpytest_subprocess("--help"),
        pytester.runpytest_subprocess("--conformance", "--help"),
    )

    short.stdout.fnmatch_lines(["*--conformance*"])
    short.stdout.no_fnmatch_line("*--max-requests*")
    long.stdout.fnmatch_lines(["*--max-requests*"])


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_an_ini_twin_and_a_key_in_a_file(pytester: pytest.Pytester, option: Option) -> None:
    """Each option stands in an ini file as `conformance_NAME` and in conformance.toml as `NAME`, switches and headers alike."""
    text, value = SPELLED[option.schema]
    config = pytester.parseconfig("--conformance")
    assert option_values(config)(option.name) is None

    pytester.makeini(f"[pytest]\n{option.ini} = {text}\n")
    assert option_values(pytester.parseconfig("--conformance"))(option.name) == (
        [text] if option.repeated else value
    )

    pytester.makeini("[pytest]\n")
    written = f'["{text}"]' if option.repeated else text if option.schema in NUMBERS else f'"{text}"'
    pytester.path.joinpath("conformance.toml").write_text(f"{option.name} = {written}\n")
    found = option_values(pytester.parseconfig("--conformance"))(option.name)
    assert str(found) == str([text] if option.repeated else value)


def test_the_schema_of_the_file_is_the_table() -> None:
    """`spec/config.schema.json` knows the options and their types, and no others."""
    schema = load_schema(spec_root(), "config")

    assert {name: one["type"] for name, one in schema["properties"].items()} == {
        option.name: option.schema for option in OPTIONS
    }


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("conformance.toml", "max-request = 3", "*conformance.toml: *'max-request' was unexpected*"),
        (
            "conformance.toml",
            "max-requests = 'many'",
            "*conformance.toml, max-requests: 'many' is not of type*",
        ),
        ("conformance.toml", "model = ", "*conformance.toml cannot be read*"),
        (
            "pyproject.toml",
            "[tool.completions-conformance]\nexamples = -1",
            "*--examples takes a whole number of at least 1, not -1*",
        ),
    ],
)
def test_a_bad_file_is_a_usage_error(pytester: pytest.Pytester, file: str, text: str, message: str) -> None:
    """What a file says wrong is told in one line, with status 4, before anything is sent."""
    pytester.path.joinpath(file).write_text(text)
    result = pytester.runpytest_subprocess("--conformance", "-k", "MAXTOK-002")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_the_readme_lists_the_options() -> None:
    """README's table is the table of options."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = [
        f"| `{option.short_flag}{'=' if option.metavar else ''}{option.metavar}` | {option.help} |"
        for option in OPTIONS
    ]

    assert [row for row in rows if row not in readme] == []
