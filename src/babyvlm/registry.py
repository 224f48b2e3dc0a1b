"""Registries: the named things of one kind, built in or brought by another installed package.

    built-in names ─┐
                    ├─ Registry ─ names()     from lists and package metadata alone: nothing is imported
    entry points  ──┘           ─ get(name)   imports this one and checks that it is what its kind needs

Another package adds a thing by an entry point in its ``pyproject.toml``; the name of the entry point is the name on the
command line:

    [project.entry-points."babyvlm.tasks"]
    odd_one_out = "my_package.odd_one_out:ODD_ONE_OUT"

A built-in name always means the built-in thing. An extension that does not load, or whose name two packages give, is an
error where it is asked for and nowhere else; ``babyvlm doctor`` lists all of them. ``docs/extending.md`` has an example
of each kind.
"""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from babyvlm.errors import ConfigError, ExtensionError

GROUPS = {
    "babyvlm.tasks": "task",
    "babyvlm.respondents": "respondent",
    "babyvlm.baselines": "baseline",
    "babyvlm.transcripts": "transcript format",
    "babyvlm.layouts": "corpus layout",
    "babyvlm.objectives": "vision objective",
    "babyvlm.batteries": "battery",
}
"""Entry point groups and the kind of thing in each."""

ThingT = TypeVar("ThingT")


@dataclass(frozen=True, kw_only=True, order=True)
class Extension:
    """One entry point of another package."""

    group: str
    name: str
    package: str
    version: str
    target: str
    """``module:attribute``."""

    @property
    def release(self) -> str:
        """Package and version, as outputs record them."""
        return f"{self.package} {self.version}"

    @property
    def where(self) -> str:
        """The place to look at."""
        return f"package {self.release}, entry point {self.name} = {self.target!r} in group {self.group}"


@functools.cache
def installed_extensions() -> tuple[Extension, ...]:
    """Every extension of the installed packages, by group and name, read from their metadata."""
    found = {
        Extension(group=point.group, name=point.name, package=name, version=version, target=point.value)
        for point, name, version in _entry_points()
    }
    return tuple(sorted(found))


def _entry_points() -> Iterator[tuple[importlib.metadata.EntryPoint, str, str]]:
    every = importlib.metadata.entry_points()  # reads the metadata of all packages, so it is called once
    for group in GROUPS:
        for point in every.select(group=group):
            if point.dist is not None:
                yield point, point.dist.name, point.dist.version


class Registry(Generic[ThingT]):
    """The things of one kind by name.

    Args:
        group: The entry point group, one of `GROUPS`.
        builtin: Name to thing, or to ``"module:attribute"`` where importing it costs time; in the order of listings.
        check: Given a name and what was loaded for it, says what is wrong with that; empty where nothing is.
    """

    def __init__(self, group: str, builtin: Mapping[str, ThingT | str], check: Callable[[str, object], str]) -> None:
        self.group, self.kind = group, GROUPS[group]
        self._builtin, self._check = builtin, check

    @property
    def builtin(self) -> tuple[str, ...]:
        """The built-in names."""
        return tuple(self._builtin)

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """What other packages bring under names that are not built in."""
        return tuple(one for one in installed_extensions() if one.group == self.group and one.name not in self._builtin)

    def names(self) -> tuple[str, ...]:
        """Every name: the built-in ones, then those of other packages in alphabetical order. Imports nothing."""
        return (*self._builtin, *dict.fromkeys(one.name for one in self.extensions))

    def __contains__(self, name: str) -> bool:
        return name in self._builtin or any(one.name == name for one in self.extensions)

    def get(self, name: str) -> ThingT:
        """The thing of this name.

        Raises:
            ConfigError: There is none; the nearest name is suggested.
            ExtensionError: Two packages give the name, or what it names does not import or is of another kind.
        """
        if name in self._builtin:
            thing = self._builtin[name]
            return cast(ThingT, _load(self.group, name, thing) if isinstance(thing, str) else thing)
        return cast(ThingT, self.load(self.extension(name)))

    def extension(self, name: str) -> Extension:
        """The one extension of this name.

        Raises:
            ConfigError: There is none.
            ExtensionError: Two packages give the name.
        """
        found = [one for one in self.extensions if one.name == name]
        if not found:
            near = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.0)
            meant = f"; did you mean {near[0]!r}?" if near else "."
            raise ConfigError(f"there is no {self.kind} {name!r}{meant} The {self.kind}s are {', '.join(self.names())}")
        if len(found) > 1:
            packages = " and ".join(sorted({one.release for one in found}))
            if len({one.package for one in found}) == 1:
                raise ExtensionError(f"the {self.kind} {name!r} stands twice in {found[0].where}", "Remove one")
            raise ExtensionError(
                f"several packages give the {self.kind} {name!r}: {packages}",
                f"Uninstall all but one: pip uninstall {found[-1].package}",
            )
        return found[0]

    def load(self, extension: Extension) -> object:
        """Imports an extension and checks it.

        Raises:
            ExtensionError: It does not import, or is not what its kind needs.
        """
        what = f"the {self.kind} {extension.name!r} of {extension.where}"
        remedy = f"Correct or update {extension.package}, or remove it: pip uninstall {extension.package}"
        try:
            thing = _load(self.group, extension.name, extension.target)
        except Exception as error:  # whatever another package's module raises on import
            raise ExtensionError(f"{what}: does not import ({type(error).__name__}: {error})", remedy) from error
        if problem := self._check(extension.name, thing):
            raise ExtensionError(f"{what}: {problem}", remedy)
        return thing

    def used(self, names: Iterable[str]) -> dict[str, str]:
        """The extensions among some names with the package each is of, as manifests record them.

        Args:
            names: Names of this kind; built-in ones and unknown ones are passed over.
        """
        wanted = set(names)
        return {f"{self.kind} {one.name}": one.release for one in self.extensions if one.name in wanted}


def instance_of(kind: type) -> Callable[[str, object], str]:
    """A check for things that are instances of a class."""

    def check(name: str, thing: object) -> str:
        return "" if isinstance(thing, kind) else f"it is a {type(thing).__name__}, where a {kind.__name__} belongs"

    return check


@functools.cache
def _load(group: str, name: str, target: str) -> Any:
    return importlib.metadata.EntryPoint(name=name, value=target, group=group).load()


def faults(registries: Iterable[Registry[Any]]) -> dict[Extension, str]:
    """What is wrong with each extension that cannot be used. Imports all of them."""
    by_group = {registry.group: registry for registry in registries}
    found: dict[Extension, str] = {}
    for one in installed_extensions():
        registry = by_group[one.group]
        if one.name in registry.builtin:
            found[one] = (
                f"not used: {one.name!r} is the name of a built-in {registry.kind}; {one.package} must rename it"
            )
            continue
        try:
            registry.load(registry.extension(one.name))
        except (ExtensionError, ConfigError) as error:
            found[one] = str(error)
    return found
