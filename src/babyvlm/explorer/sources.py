"""What a folder holds that can be looked at: curated sets, toolboxes, runs; itself, or anywhere below it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import DataFolderError
from babyvlm.folders import MANIFEST

_DEEPEST = 4
_KINDS = {"pretraining-set": "sets", "toolbox": "toolboxes"}
_RUN = "run.json"


@dataclass(frozen=True)
class Sources:
    """Folders to look at, each in the order of their paths."""

    root: Path
    sets: tuple[Path, ...]
    toolboxes: tuple[Path, ...]
    runs: tuple[Path, ...]

    def fingerprint(self) -> str:
        """Changes when a manifest, a run or its replies do."""
        parts = [str(self.root.resolve())]
        for folder in (*self.sets, *self.toolboxes, *self.runs):
            for name in (MANIFEST, _RUN, "responses.jsonl", "items.jsonl"):
                if (folder / name).is_file():
                    found = (folder / name).stat()
                    parts.append(f"{folder / name} {found.st_size} {found.st_mtime_ns}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def find_sources(root: Path) -> Sources:
    """Looks through a folder.

    Raises:
        DataFolderError: There is nothing to look at.
    """
    found: dict[str, list[Path]] = {"sets": [], "toolboxes": [], "runs": []}
    for folder in _folders(root, _DEEPEST):
        if (folder / _RUN).is_file():
            found["runs"].append(folder)
        elif kind := _KINDS.get(_manifest_kind(folder)):
            found[kind].append(folder)
    if not any(found.values()):
        raise DataFolderError(
            "nothing to look at: no curated set, toolbox or run",
            path=root,
            remedy="Give a folder that babyvlm curate, toolbox build or evaluate wrote, or one that holds such folders",
        )
    return Sources(root, *(tuple(found[kind]) for kind in ("sets", "toolboxes", "runs")))


def _folders(folder: Path, deep: int) -> Iterator[Path]:
    """The folder and those below it; nothing below a toolbox's pictures or a hidden folder."""
    if not folder.is_dir():
        return
    yield folder
    if deep:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
            if inner.name != "images" and not inner.name.startswith("."):
                yield from _folders(inner, deep - 1)


def _manifest_kind(folder: Path) -> str:
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("kind", ""))
    except (OSError, ValueError, AttributeError):
        return ""
