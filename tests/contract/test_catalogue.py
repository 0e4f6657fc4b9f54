"""The catalogue is complete, consistent and readable, and a broken file is reported in words."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from conformance.contract.catalogue import (
    READING_ORDER,
    Catalogue,
    Level,
    Requirement,
    load_catalogue,
    load_profile,
    profile_names,
)
from conformance.contract.yaml_files import DocumentError, spec_root

# How many requirements each area has, and the prefix of their ids: an id that disappears is noticed here.
AREAS = {
    "http": ("HTTP", 17),
    "auth": ("AUTH", 8),
    "errors": ("ERR", 14),
    "request": ("REQ", 35),
    "response": ("RESP", 17),
    "finish": ("FIN", 5),
    "max_tokens": ("MAXTOK", 11),
    "stop": ("STOP", 25),
    "echo": ("ECHO", 11),
    "suffix": ("SUF", 9),
    "n": ("N", 6),
    "batch": ("MULTI", 10),
    "best_of": ("BEST", 7),
    "usage": ("USAGE", 15),
    "logprobs": ("LOGP", 21),
    "sampling": ("DET", 7),
    "stream": ("STREAM", 28),
    "headers": ("HDR", 3),
    "gateway": ("GW", 10),
}

# What finds out whether a feature is honoured cannot have the feature as its precondition.
DETECTORS = {
    "BEST-004": "best_of",
    "DET-002": "seed",
    "ECHO-001": "echo",
    "LOGP-001": "logprobs",
    "MULTI-001": "multi_prompt",
    "N-001": "n",
    "REQ-030": "logit_bias",
    "RESP-012": "usage",
    "STREAM-001": "stream",
    "STREAM-019": "stream_usage",
    "SUF-002": "suffix",
}

CATALOGUE = load_catalogue(validate=True)

ENTRY = """\
area: stop
title: Stop sequences
summary: Where generation ends.

requirements:
  - id: STOP-001
    level: MUST
    tier: core
    title: The text never contains a stop sequence
    statement: The text MUST NOT contain a stop sequence.
    sources:
      - authority: OAS
        place: StopConfiguration
    hurts: Parsers find the delimiter inside the answer.
    planned: true
"""

PROFILE = """\
name: mine
title: My server
description: A server of mine.
"""

every_requirement = pytest.mark.parametrize("requirement", CATALOGUE.requirements, ids=lambda one: one.id)
every_profile = pytest.mark.parametrize("name", profile_names())


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec folder of its own with one area and one profile, to be broken."""
    for name in ("requirement", "profile"):
        source = spec_root() / f"{name}.schema.json"
        (tmp_path / f"{name}.schema.json").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "stop.yaml").write_text(ENTRY, encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(PROFILE, encoding="utf-8")
    return tmp_path


def test_every_requirement_is_there() -> None:
    """The areas come in reading order, each with its requirements numbered without gaps, at least as many as the contract has."""
    found = {area.name: [one.id for one in area.requirements] for area in CATALOGUE.areas}

    assert tuple(found) == READING_ORDER
    for area, (prefix, count) in AREAS.items():
        assert found[area] == [f"{prefix}-{i:03}" for i in range(1, len(found[area]) + 1)]
        assert len(found[area]) >= count


@every_requirement
def test_the_statement_uses_the_word_of_its_level(requirement: Requirement) -> None:
    """A statement has the word of its level in capitals, and none of a stronger level."""
    words = set(re.findall(r"\b(?:MUST|SHOULD|MAY)\b", requirement.statement))
    stronger = {Level.MUST: set(), Level.SHOULD: {"MUST"}, Level.MAY: {"MUST", "SHOULD"}}[requirement.level]

    assert requirement.level in words
    assert not words & stronger


@every_requirement
def test_the_prose_stands_alone(requirement: Requirement) -> None:
    """Every sentence can be read by itself: it is complete and points to nothing that is not public."""
    prose = [requirement.title, requirement.statement, requirement.hurts, *map(repr, requirement.sources)]

    assert not re.search(
        r"contract\.md|design\.md|\bOBS-\d|shared/|\b(?:NA|LCPP|LCPY|SGL)\b", " ".join(prose)
    )
    assert "should" not in requirement.title
    assert requirement.statement.endswith(".")
    assert requirement.hurts.endswith(".")
    assert not requirement.title.endswith(".")


@every_requirement
def test_observations_name_a_public_thread(requirement: Requirement) -> None:
    """What was observed at a service can be looked up in a thread."""
    places = [source.place for source in requirement.sources if source.authority == "OBSERVED"]

    assert all(re.search(r"[\w.-]+/[\w.-]+#\d+", place) for place in places)


@pytest.mark.parametrize(("requirement_id", "capability"), sorted(DETECTORS.items()))
def test_detectors_need_not_what_they_detect(requirement_id: str, capability: str) -> None:
    """A requirement that shows whether a feature is honoured is judged on every target."""
    assert capability not in CATALOGUE.requirement(requirement_id).needs.capabilities


def test_authorities_have_full_names() -> None:
    """Every authority that is cited has a name for the report."""
    cited = {source.authority for requirement in CATALOGUE for source in requirement.sources}

    assert cited <= set(CATALOGUE.authorities)
    assert CATALOGUE.authorities["DOC"] == "Reference page of the text completions endpoint"


def test_titles_are_unique() -> None:
    """No two requirements look the same in a report."""
    titles = [requirement.title for requirement in CATALOGUE]

    assert sorted(titles) == sorted(set(titles))


def test_validation_changes_nothing() -> None:
    """The quick way of loading gives the same catalogue as the careful one."""
    assert load_catalogue() == CATALOGUE


def test_the_order_of_ids_is_the_order_of_the_catalogue() -> None:
    """Iteration goes through the areas in reading order."""
    assert [one.id for one in CATALOGUE] == [one.id for area in CATALOGUE.areas for one in area.requirements]


def test_an_unknown_id_suggests_a_known_one() -> None:
    """Asking for a requirement that does not exist names the nearest one."""
    assert CATALOGUE.get("STOP-99") is None
    with pytest.raises(DocumentError, match=r"no requirement 'STOP-01'; did you mean 'STOP-0\d1'"):
        CATALOGUE.requirement("STOP-01")


@every_profile
def test_profiles_are_valid(name: str) -> None:
    """Every profile fits its schema, bears the name of its file and speaks of requirements that exist."""
    profile = load_profile(str(spec_root() / "profiles" / f"{name}.yaml"), catalogue=CATALOGUE)

    assert profile == load_profile(name)
    assert profile.name == name


@every_profile
def test_overrides_change_something(name: str) -> None:
    """No profile repeats the level that the catalogue has anyway."""
    profile = load_profile(name)

    assert [key for key, one in profile.levels.items() if one.level is CATALOGUE.requirement(key).level] == []


@every_profile
def test_no_profile_excuses_server_errors(name: str) -> None:
    """A fault of the client that is answered with 5xx fails under every profile."""
    profile = load_profile(name)

    for requirement_id in ("ERR-004", "HTTP-005", "HTTP-010", "HTTP-011"):
        assert profile.level(CATALOGUE.requirement(requirement_id)) is Level.MUST


def test_the_reference_profile_raises_what_the_page_promises() -> None:
    """The default profile requires usage and error objects, which the catalogue only recommends."""
    profile = load_profile("reference")

    for requirement_id in ("ERR-001", "RESP-012"):
        requirement = CATALOGUE.requirement(requirement_id)
        assert requirement.level is Level.SHOULD
        assert profile.level(requirement) is Level.MUST
    assert profile.level(CATALOGUE.requirement("STOP-001")) is Level.MUST


def test_limits_have_defaults(spec: Path) -> None:
    """A profile that declares nothing has the limits of the reference page, without a reason."""
    profile = load_profile("mine", spec)

    assert profile.max_stop.value == 4
    assert profile.max_stop.reason is None
    assert profile.completion_tokens_slack.value == 0
    assert not profile.errors_in_200.value


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: MUST", "level: WILL", "stop.yaml, STOP-001, level: 'WILL' is none of MUST, SHOULD, MAY"),
        (
            "authority: OAS",
            "authority: ME",
            "stop.yaml, STOP-001, sources, entry 1, authority: 'ME' is none of",
        ),
        (
            "    planned: true\n",
            "    planned: true\n    excluded: nobody can see it\n",
            "stop.yaml, STOP-001: it takes at most one of the keys excluded, planned",
        ),
        (
            "title: The",
            "title: One two three four five six seven The",
            "STOP-001, title: .* at most eight words",
        ),
        ("    tier: core\n", "", "stop.yaml, STOP-001: 'tier' is a required property"),
        (
            "    tier: core\n",
            "    tier: core\n    teir: core\n",
            "stop.yaml, STOP-001: .*'teir' was unexpected",
        ),
        (
            "    tier: core\n",
            "    tier: core\n    tier: core\n",
            "stop.yaml, line 9: the key 'tier' is given twice",
        ),
        ("id: STOP-001", "id: [", "stop.yaml cannot be read"),
        (ENTRY, "", "stop.yaml: None is not of type 'object'"),
    ],
)
def test_broken_areas_are_explained(spec: Path, old: str, new: str, message: str) -> None:
    """The message names the file, the entry, the key and what is wrong with it."""
    assert old in ENTRY
    (spec / "requirements" / "stop.yaml").write_text(ENTRY.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(DocumentError, match=message):
        load_catalogue(spec, validate=True)


def test_an_id_belongs_to_one_area(spec: Path) -> None:
    """An id that is given twice is refused, also without validation."""
    (spec / "requirements" / "zebra.yaml").write_text(ENTRY.replace("area: stop", "area: zebra"))

    with pytest.raises(DocumentError, match=r"zebra.yaml, STOP-001: the id is already taken in stop.yaml"):
        load_catalogue(spec)


def test_a_missing_folder_is_named(spec: Path) -> None:
    """An installation without its data says so."""
    shutil.rmtree(spec / "requirements")

    with pytest.raises(DocumentError, match="requirements is missing: the installation is incomplete"):
        load_catalogue(spec)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("levels: {STOP-001: {level: MAY}}", "user.yaml, levels, STOP-001: 'reason' is a required property"),
        (
            "levels: {STOP-002: {level: MAY, reason: We do not do that.}}",
            "user.yaml, levels: there is no requirement 'STOP-002'; did you mean 'STOP-001'",
        ),
        ("requires: [echo, echo]", r"user.yaml, requires: \['echo', 'echo'\] has non-unique elements"),
        ("requires: echo", "user.yaml, requires: 'echo' is not of type 'array'"),
        (
            "limits: {max_stop: {value: 0, reason: We take none.}}",
            "user.yaml, limits, max_stop, value: 0 is less",
        ),
        ("limits: {max_stops: {}}", "user.yaml, limits: .*'max_stops' was unexpected"),
        (
            "extra_finish_reasons: [{value: '', reason: Our own value.}]",
            "extra_finish_reasons, entry 1, value",
        ),
    ],
)
def test_broken_profiles_are_explained(spec: Path, extra: str, message: str) -> None:
    """A user's profile is checked as it is loaded, and may only name requirements that exist."""
    path = spec / "user.yaml"
    path.write_text(PROFILE + extra, encoding="utf-8")

    with pytest.raises(DocumentError, match=message):
        load_profile(str(path), spec)


def test_a_capability_that_nothing_needs_cannot_be_required(tmp_path: Path) -> None:
    """A misspelt name gets the nearest one that a requirement needs."""
    path = tmp_path / "user.yaml"
    path.write_text(PROFILE + "requires: [n, ehco]", encoding="utf-8")

    with pytest.raises(
        DocumentError, match=r"user\.yaml, requires: there is no capability 'ehco'; did you mean 'echo'"
    ):
        load_profile(str(path))
    path.write_text(PROFILE + "requires: [n, echo]", encoding="utf-8")
    assert load_profile(str(path)).requires == ("n", "echo")


def test_a_profile_of_ones_own_counts(spec: Path) -> None:
    """A path works where a name does."""
    path = spec / "user.yaml"
    levels = "levels: {STOP-001: {level: SHOULD, reason: Our users want the delimiter.}}"
    path.write_text(PROFILE + levels, encoding="utf-8")
    catalogue: Catalogue = load_catalogue(spec)

    assert load_profile(str(path), spec).level(catalogue.requirement("STOP-001")) is Level.SHOULD


def test_an_unknown_profile_suggests_a_known_one() -> None:
    """A misspelt name gets the nearest name and the list of all."""
    with pytest.raises(
        DocumentError, match=r"no profile 'refrence'.* did you mean 'reference'\? Profiles: .*vllm"
    ):
        load_profile("refrence")
