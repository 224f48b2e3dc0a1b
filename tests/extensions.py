"""Extension packages for tests: those under ``examples/``, and small ones written on the spot, installed by hand.

A package is installed as pip leaves it: its modules, and a ``dist-info`` folder with metadata and entry points.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from babyvlm.registry import Registry, installed_extensions

EXAMPLES = tuple(sorted((Path(__file__).resolve().parents[1] / "examples").glob("*/pyproject.toml")))


def names_of(registry: Registry) -> list[str]:
    """Every name that the contract suite of a registry runs over: built in, installed, and of the examples."""
    return [*dict.fromkeys([*registry.names(), *example_names(registry.group)])]


def example_names(group: str) -> list[str]:
    """The names that the examples add to a group."""
    return [name for project in map(_project, EXAMPLES) for name in project.get("entry-points", {}).get(group, {})]


def install_examples(folder: Path) -> None:
    """Installs every example into a folder."""
    for path in EXAMPLES:
        project = _project(path)
        for package in (path.parent / "src").iterdir():
            if package.suffix != ".egg-info":
                shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        write_metadata(folder, project["name"], project["version"], project["entry-points"])


def write_metadata(folder: Path, name: str, version: str, entry_points: Mapping[str, Mapping[str, str]]) -> None:
    """Writes what says that a package is installed."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))


@contextlib.contextmanager
def on_the_path(folder: Path) -> Iterator[None]:
    """Within it the packages of a folder are installed."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    installed_extensions.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        installed_extensions.cache_clear()


def _project(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]
