"""A room that is given bad input, and how its inputs are made, damaged and used."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import babyvlm.cli
from fuzzed.damage import damage, damage_folder
from kills import every_byte


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A room that is given bad input.

    Args:
        name: Of the stage.
        share: Of the inputs; quick stages take more.
        run: Uses the inputs of a folder, writes to another, and returns what came of it, for comparison.
        inputs: Makes the folder's inputs, from those that commands made before.
        damaged: Which of the inputs are damaged.
        neutral: Changes that must make no difference.
        spoil: Damages something other than a file and says how; None for files.
        telling: Changes that must be refused or seen in the result.
        keeps_output: Whether a refused command may leave its output, as a run that can be resumed does.
        says_where: Whether a refusal must name the file.
        longest_s: After which a command counts as hung.
    """

    name: str
    share: float
    run: Callable[[Path, Path], Any]
    inputs: Callable[[Path, Path], None]
    damaged: Sequence[str] = ()
    neutral: Sequence[str] = ()
    spoil: Callable[[Path, random.Random], str] | None = None
    telling: Callable[[Path, random.Random], str] | None = None
    keeps_output: bool = False
    says_where: bool = True
    longest_s: float = 20.0

    def damage(self, folder: Path, draw: random.Random) -> str:
        if self.spoil is not None:
            return self.spoil(folder, draw)
        files = sorted({path for pattern in self.damaged for path in folder.glob(pattern) if path.is_file()})
        if draw.random() < 0.03 and (folders := sorted({path.parent for path in files} - {folder})):
            chosen = draw.choice(folders)
            return f"{chosen.relative_to(folder)}: {damage_folder(chosen, draw)}"
        by_kind: dict[str, list[Path]] = {}
        for path in files:
            by_kind.setdefault(path.suffix + str(path.parent), []).append(path)
        chosen = draw.choice(by_kind[draw.choice(sorted(by_kind))])
        return f"{chosen.relative_to(folder)}: {damage(chosen, draw)}"


def command(*words: str, content: Callable[[Path], Any] = every_byte) -> Callable[[Path, Path], Any]:
    """Runs a command; ``{in}`` and ``{out}`` in its words are the folders."""

    def run(folder: Path, out: Path) -> Any:
        babyvlm.cli.main([word.replace("{in}", str(folder)).replace("{out}", str(out)) for word in words])
        return content(out)

    return run


def copies(**folders: str) -> Callable[[Path, Path], None]:
    """Copies of what commands made, by name."""

    def make(given: Path, folder: Path) -> None:
        for name, source in folders.items():
            shutil.copytree(given / source, folder / name)

    return make
