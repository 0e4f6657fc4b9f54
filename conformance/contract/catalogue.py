"""What has to hold: the requirements and profiles of `spec/`, as values.

`spec/` is data that any language can read; this module is its Python reading. It has two speeds. The suite's
own files are checked against their schemas by the tests, so that a run loads them without paying for it; a file
that a user wrote is always checked, because there the error message is the whole point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from conformance.contract.yaml_files import (
    DocumentError,
    check_document,
    did_you_mean,
    load_schema,
    read_yaml,
    spec_root,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from importlib.resources.abc import Traversable

T = TypeVar("T")

# The order in which a newcomer reads the contract. A file that is not named here comes after these, by name.
READING_ORDER = (
    "http",
    "auth",
    "errors",
    "request",
    "response",
    "finish",
    "max_tokens",
    "stop",
    "echo",
    "suffix",
    "n",
    "batch",
    "best_of",
    "usage",
    "logprobs",
    "sampling",
    "stream",
    "headers",
    "gateway",
    "generated",
)


class Level(StrEnum):
    """How much a requirement binds: a broken MUST fails, a broken SHOULD warns, a MAY is recorded."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Tier(StrEnum):
    """`core`: what the reference page documents, and HTTP, SSE and JSON themselves; `extended`: the rest."""

    CORE = "core"
    EXTENDED = "extended"


@dataclass(frozen=True)
class Source:
    """Who says so: an authority, the place to look it up, and a short quotation where the wording decides."""

    authority: str
    place: str
    says: str | None = None


@dataclass(frozen=True)
class Needs:
    """What has to be given before a requirement can be judged; without it the verdict is not a failure."""

    capabilities: tuple[str, ...] = ()
    det: bool = False
    expensive: bool = False


@dataclass(frozen=True)
class Requirement:
    """One normative sentence. A check carries its id, unless it is `excluded` (why nobody can see it from outside) or still `planned`."""

    id: str
    area: str
    level: Level
    tier: Tier
    title: str
    statement: str
    sources: tuple[Source, ...]
    needs: Needs
    hurts: str
    excluded: str | None = None
    planned: bool = False


@dataclass(frozen=True)
class Area:
    """The requirements of one file below `spec/requirements/`, in its order."""

    name: str
    title: str
    summary: str
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True)
class Catalogue:
    """Every requirement there is. `authorities` gives the full name behind each `Source.authority`."""

    areas: tuple[Area, ...]
    authorities: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """All requirements, areas in reading order and each area in file order."""
        return tuple(requirement for area in self.areas for requirement in area.requirements)

    @cached_property
    def _by_id(self) -> Mapping[str, Requirement]:
        return {requirement.id: requirement for requirement in self.requirements}

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The names of the optional features that requirements need."""
        return frozenset(name for requirement in self.requirements for name in requirement.needs.capabilities)

    def __iter__(self) -> Iterator[Requirement]:
        """Iterate over `requirements`."""
        return iter(self.requirements)

    def __len__(self) -> int:
        """Count the requirements."""
        return len(self.requirements)

    def get(self, requirement_id: str) -> Requirement | None:
        """Return the requirement with this id, or None."""
        return self._by_id.get(requirement_id)

    def requirement(self, requirement_id: str) -> Requirement:
        """Return the requirement with this id; a `DocumentError` names the nearest id there is."""
        found = self._by_id.get(requirement_id)
        if found is None:
            hint = did_you_mean(requirement_id, self._by_id)
            raise DocumentError(f"there is no requirement {requirement_id!r}{hint}")
        return found


@dataclass(frozen=True)
class Override:
    """The level a profile gives to a requirement, and why."""

    level: Level
    reason: str


@dataclass(frozen=True)
class Limit(Generic[T]):
    """One declared value of a profile. `reason` is None where the profile leaves the default alone."""

    value: T
    reason: str | None = None


@dataclass(frozen=True)
class Profile:
    """How a kind of server is judged. The defaults are those of `spec/profile.schema.json`.

    `max_stop` and `default_max_tokens` are None where the server has no limit; `completion_tokens_slack` counts
    tokens.
    """

    name: str
    title: str
    description: str
    levels: Mapping[str, Override] = field(default_factory=dict)
    extra_finish_reasons: Mapping[str, str] = field(default_factory=dict)
    max_stop: Limit[int | None] = field(default_factory=lambda: Limit(4))
    default_max_tokens: Limit[int | None] = field(default_factory=lambda: Limit(16))
    completion_tokens_slack: Limit[int] = field(default_factory=lambda: Limit(0))
    errors_in_200: Limit[bool] = field(default_factory=lambda: Limit(value=False))
    requires: tuple[str, ...] = ()
    """The capabilities that the server must have, so that refusing one is a failure."""

    def level(self, requirement: Requirement) -> Level:
        """Return the level at which this profile judges a requirement."""
        override = self.levels.get(requirement.id)
        return requirement.level if override is None else override.level


def load_catalogue(root: Traversable | None = None, *, validate: bool = False) -> Catalogue:
    """Read every file below `<root>/requirements/`; with `validate` each is held against its schema first.

    Raises `DocumentError` for a missing folder, unreadable YAML, a file that breaks its schema, and an id that is
    given twice.
    """
    root = spec_root() if root is None else root
    schema = load_schema(root, "requirement")
    areas = tuple(
        _area(_read(entry, schema if validate else None))
        for entry in _yaml_files(root / "requirements", READING_ORDER)
    )
    _refuse_repeated_ids(areas)
    choices = schema["$defs"]["source"]["properties"]["authority"]["oneOf"]
    return Catalogue(areas, MappingProxyType({choice["const"]: choice["title"] for choice in choices}))


def profile_names(root: Traversable | None = None) -> tuple[str, ...]:
    """Return the names that `load_profile` knows without a path, sorted."""
    folder = (spec_root() if root is None else root) / "profiles"
    return tuple(entry.name.removesuffix(".yaml") for entry in _yaml_files(folder))


def load_profile(
    name_or_path: str, root: Traversable | None = None, *, catalogue: Catalogue | None = None
) -> Profile:
    """Read a profile: a name of `spec/profiles/`, or the path of a YAML file of the same form.

    A file of the user's is checked against the schema and may only speak of requirements and capabilities that exist
    (in `catalogue`, by default the one of `root`). Raises `DocumentError` for that, and for a name that is neither.
    """
    root = spec_root() if root is None else root
    if name_or_path in (names := profile_names(root)):
        return _profile(_read(root / "profiles" / f"{name_or_path}.yaml"))
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(names)
        hint = did_you_mean(name_or_path, names)
        raise DocumentError(
            f"there is no profile {name_or_path!r}, and no file of that name{hint} Profiles: {known}."
        )
    profile = _profile(_read(path, load_schema(root, "profile")))
    catalogue = catalogue or load_catalogue(root)
    _refuse_unknown(path.name, "levels", "requirement", profile.levels, {one.id for one in catalogue})
    _refuse_unknown(path.name, "requires", "capability", profile.requires, catalogue.capabilities)
    return profile


def _refuse_unknown(file: str, key: str, kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise DocumentError(f"{file}, {key}: there is no {kind} {name!r}{hint}")


def _yaml_files(folder: Traversable, order: tuple[str, ...] = ()) -> list[Traversable]:
    if not folder.is_dir():
        raise DocumentError(f"{folder} is missing: the installation is incomplete")

    def position(entry: Traversable) -> tuple[int, str]:
        name = entry.name.removesuffix(".yaml")
        return (order.index(name) if name in order else len(order), name)

    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=position)


def _read(entry: Traversable, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read one YAML file; with a schema it is checked, too."""
    document = read_yaml(entry, strictly=schema is not None)
    if schema is not None:
        check_document(document, schema, entry.name)
    return cast("dict[str, Any]", document)


def _refuse_repeated_ids(areas: Iterable[Area]) -> None:
    seen: dict[str, str] = {}
    for area in areas:
        for requirement in area.requirements:
            if requirement.id in seen:
                first = f"{seen[requirement.id]}.yaml"
                raise DocumentError(f"{area.name}.yaml, {requirement.id}: the id is already taken in {first}")
            seen[requirement.id] = area.name


def _area(document: Mapping[str, Any]) -> Area:
    name = document["area"]
    requirements = tuple(_requirement(name, entry) for entry in document["requirements"])
    return Area(name, document["title"], document["summary"], requirements)


def _requirement(area: str, entry: Mapping[str, Any]) -> Requirement:
    needs = entry.get("needs", {})
    return Requirement(
        id=entry["id"],
        area=area,
        level=Level(entry["level"]),
        tier=Tier(entry["tier"]),
        title=entry["title"],
        statement=entry["statement"],
        sources=tuple(Source(one["authority"], one["place"], one.get("says")) for one in entry["sources"]),
        needs=Needs(
            capabilities=tuple(needs.get("capabilities", ())),
            det=needs.get("det", False),
            expensive=needs.get("expensive", False),
        ),
        hurts=entry["hurts"],
        excluded=entry.get("excluded"),
        planned=entry.get("planned", False),
    )


def _profile(document: Mapping[str, Any]) -> Profile:
    levels = document.get("levels", {}).items()
    reasons = {one["value"]: one["reason"] for one in document.get("extra_finish_reasons", ())}
    limits = {key: Limit(one["value"], one["reason"]) for key, one in document.get("limits", {}).items()}
    return Profile(
        document["name"],
        document["title"],
        document["description"],
        MappingProxyType({key: Override(Level(one["level"]), one["reason"]) for key, one in levels}),
        MappingProxyType(reasons),
        requires=tuple(document.get("requires", ())),
        **limits,
    )
