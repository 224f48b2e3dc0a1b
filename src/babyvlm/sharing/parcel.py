"""What would leave this machine: a checkpoint, a toolbox or a run, its files and its card, or a refusal.

    folder ── of which kind? ── whose licences? ── refused, unless sharing them is asked for in so many words
                                       └── Parcel: files as they are, and those written for the occasion

Files whose names begin with a dot stay behind. Paths of this machine in ``run.json`` are cut to their last name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babyvlm.errors import BabyVLMError, ConfigError, DataFolderError
from babyvlm.evaluation.runs import Run, read_run, run_scores
from babyvlm.folders import MANIFEST, Manifest, read_manifest
from babyvlm.licences import UNKNOWN, is_restricted, joint_licence, refuse_restricted, remedy
from babyvlm.records import Item, read_record
from babyvlm.sharing.cards import run_card, toolbox_card
from babyvlm.toolbox import Toolbox, open_toolbox
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.weights.card import CARD

Kind = Literal["checkpoint", "toolbox", "run"]
Permission = Literal["", "restricted"]
_RUN = "run.json"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Everything that would be handed on, and under which licence."""

    kind: Kind
    files: dict[str, Path]
    """Files as they are, by their names in the parcel."""
    written: dict[str, bytes]
    """Files written for the parcel, by name; they replace those of ``files``."""
    licence: str
    """Of the material behind it."""

    @property
    def names(self) -> list[str]:
        """Every file of the parcel."""
        return sorted({*self.files, *self.written})

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        left = [path for name, path in self.files.items() if name not in self.written]
        return sum(path.stat().st_size for path in left) + sum(map(len, self.written.values()))


def pack(source: Path, where: str, permission: Permission = "") -> Parcel:
    """Gathers what is to be handed on.

    Args:
        source: A finished stage of ``babyvlm train``, what ``babyvlm convert`` wrote, a toolbox, or a run.
        where: Who would get it, as a clause: ``"this puts them on the hub"``.
        permission: ``restricted`` where restricted material, or people's answers, may be handed on.

    Raises:
        DataFolderError: The folder is nothing that can be handed on, is not whole, or holds a link.
        ConfigError: It holds, or was made of, material that may not be handed on.
    """
    kind = _kind_of(source)
    written: dict[str, bytes] = {}
    if kind == "checkpoint":
        licences = _checkpoint_licences(source)
        if not permission:
            _refuse_weights(source, licences, where)
    elif kind == "toolbox":
        toolbox = open_toolbox(source)
        licences = [item.licence for item in toolbox.items]
        if not permission:
            refuse_restricted(toolbox.items, where)
        written[CARD] = toolbox_card(toolbox, joint_licence(licences)).encode()
    else:
        run = read_run(source)
        asked = _asked(source, run)
        licences = [UNKNOWN] if asked is None else [item.licence for item in asked[1]]
        if not permission:
            _refuse_run(source, run, None if asked is None else asked[1], where)
        scores = run_scores(source, toolbox=asked[0]) if asked else None
        written[CARD] = run_card(run, scores, joint_licence(licences)).encode()
        written[_RUN] = _without_paths(run).model_dump_json(indent=2).encode() + b"\n"
    return Parcel(kind=kind, files=_files_of(source), written=written, licence=joint_licence(licences))


def _kind_of(source: Path) -> Kind:
    if (source / _RUN).is_file():
        return "run"
    path = source / MANIFEST
    kind = read_record(path, Manifest).kind if path.is_file() else ""
    if kind == "checkpoint":
        return "checkpoint"
    if kind == "toolbox":
        return "toolbox"
    remedy = "Give a checkpoint (a stage's folder, such as OUT/instruction), a toolbox, or a run"
    if (source / "recipe.json").is_file():
        raise DataFolderError("a run of training holds a checkpoint for each stage", path=source, remedy=remedy)
    found = f"this is a babyvlm {kind}" if kind else "no folder that babyvlm wrote"
    raise DataFolderError(f"{found}, which cannot be pushed", path=source, remedy=remedy)


def _checkpoint_licences(source: Path) -> list[str]:
    """Of everything that went into its weights; where it does not say so, nobody knows them."""
    said = read_manifest(source, "checkpoint").configuration.get("licences", [])
    return [str(licence) for licence in said] or [UNKNOWN]


def _refuse_weights(source: Path, licences: Iterable[str], where: str) -> None:
    if held := sorted(licence for licence in set(licences) if is_restricted(licence)):
        raise ConfigError(
            f"{source}: these weights were trained on recordings that may not leave this machine ({'; '.join(held)}), "
            f"and {where}. Nothing was sent. {remedy(held)}"
        )


def _refuse_run(source: Path, run: Run, items: list[Item] | None, where: str) -> None:
    if run.family == "human":
        raise ConfigError(
            f"{source}: these are the answers of people who took part in a study, and {where}. Nothing was sent. "
            "Add --i-may-share restricted if they agreed to it"
        )
    if items is None:
        raise ConfigError(
            f"{source}: its toolbox is not at {run.toolbox}, so that the licence of what it answers is unknown, and "
            f"{where}. Nothing was sent. Put the toolbox back, or add --i-may-share restricted"
        )
    refuse_restricted(items, where)


def _asked(source: Path, run: Run) -> tuple[Toolbox, list[Item]] | None:
    """The run's toolbox and the items that it asked; None where the toolbox is not at hand any more."""
    try:
        toolbox = open_toolbox((source / run.toolbox).resolve())
    except BabyVLMError:
        return None
    return (toolbox, run.select(toolbox)) if toolbox_hash(toolbox) == run.toolbox_hash else None


def _without_paths(run: Run) -> Run:
    """The run's description without the folders of this machine."""

    def last(path: str) -> str:
        return Path(path).name if Path(path).is_absolute() else path

    return run.model_copy(update={"model": last(run.model), "toolbox": last(run.toolbox)})


def _files_of(source: Path) -> dict[str, Path]:
    """Every file of a folder by its name in it, but those whose name or folder begins with a dot."""
    found: dict[str, Path] = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if any(part.startswith(".") for part in name.parts):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise DataFolderError(
                "a link or a device, which is not handed on",
                path=path,
                remedy="Put the file itself there, or take it out of the folder",
            )
        if path.is_file():
            found[name.as_posix()] = path
    if twice := [name for name, count in Counter(name.casefold() for name in found).items() if count > 1]:
        raise DataFolderError(f"{twice[0]} differs from another file by its case alone", path=source)
    return found
