"""Applies other thresholds to an existing set, from its stored candidates and scores, without decoding."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.sets import CANDIDATES, INSTRUCTION, KIND, PretrainingSet
from babyvlm.curation.writing import RecordsWriter
from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.folders import Manifest, fresh_folder
from babyvlm.regular_files import require_regular

_OF_SELECTION = ("clip below", "clip without a frame", "frame ", "recording too short for an interleaved")
"""How the reasons begin that selection gives; all others stay as they were."""


@dataclass(frozen=True, kw_only=True)
class SelectionChanges:
    """Settings that can change without decoding; those not given keep the values of the set."""

    min_clip_alignment: float | None = None
    """Threshold on the score of a clip, if scored (paper: 0.1)."""
    min_frame_alignment: float | None = None
    """Threshold on the score of a frame, if scored (paper: 0.2)."""
    min_sharpness: float | None = None
    """Least sharpness of a frame, squared grey levels."""
    duplicate_bits: int | None = None
    """A frame is left out if it differs by at most so many bits from an earlier one of its clip; -1 keeps all."""
    clip_frames: int | None = None
    """Most frames of one video record."""
    min_window: int | None = None
    """Fewest clips of an interleaved sequence."""
    max_window: int | None = None
    """Most clips of an interleaved sequence."""
    window_stride: int | None = None
    """Clips from the start of one sequence to that of the next."""
    seed: int | None = None
    """Seed of the lengths of interleaved sequences."""

    def apply(self, config: CurationConfig) -> CurationConfig:
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if not given:
            raise ConfigError(f"nothing changes: give one of {', '.join(_flags())}")
        return dataclasses.replace(config, **given)


def _flags() -> list[str]:
    return [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(SelectionChanges)]


def reselect(folder: Path, out: Path, changes: SelectionChanges) -> None:
    """Writes a copy of a set with other thresholds. Images are hard-linked where possible, else copied.

    Args:
        folder: A pretraining set.
        out: Where the new one goes; must not exist, or be empty.
        changes: The new values.

    Raises:
        DataFolderError: ``folder`` is no pretraining set, or was written without its candidates.
        ConfigError: Nothing changes, a setting has a bad value, or a threshold is on what was never scored.
        OutputExistsError: ``out`` holds something.
    """
    old = PretrainingSet(folder)
    config = changes.apply(_configuration(old))
    _check_scored(old, changes)
    by_id = {recording.id: recording for recording in old.recordings}
    with fresh_folder(out) as partial:
        for name in ("recordings.jsonl", "utterances.parquet"):
            _copy(folder / name, partial / name)
        for name in ("images", INSTRUCTION):
            if (folder / name).is_dir():
                shutil.copytree(folder / name, partial / name, copy_function=_link)
        with RecordsWriter(partial, config) as records:
            for recording, candidates in itertools.groupby(old.candidates(), key=lambda each: each.recording):
                if recording not in by_id:
                    problem = f"lacks {recording!r}, of which {CANDIDATES} has clips"
                    raise DataFolderError(problem, path=folder / "recordings.jsonl", remedy="Curate the corpus again")
                records.add(by_id[recording], candidates)
        if not records.counts["clips"]:
            raise ConfigError(f"nothing is left with these thresholds: {dict(+records.skipped)}")
        _manifest(old, config, records.counts, records.skipped).write(partial)


def _check_scored(old: PretrainingSet, changes: SelectionChanges) -> None:
    """Refuses thresholds of similarity on a set in which nothing that they filter is scored."""
    asked = {
        "min_clip_alignment": changes.min_clip_alignment is not None,
        "min_frame_alignment": changes.min_frame_alignment is not None,
    }
    if not any(asked.values()):
        return
    scored = {"min_clip_alignment": False, "min_frame_alignment": False}
    for candidate in old.candidates():
        scored["min_clip_alignment"] |= candidate.score is not None
        scored["min_frame_alignment"] |= any(frame.score is not None for frame in candidate.frames)
        if all(scored.values()):
            return
    for name, is_asked in asked.items():
        if is_asked and not scored[name]:
            what = "clips" if name == "min_clip_alignment" else "frames"
            aligner = old.manifest.configuration.get("aligner", "none")
            raise ConfigError(
                f"{name} cannot apply: the {what} of {old.folder} were never scored (its aligner was {aligner}). "
                "Curate the corpus with --aligner clip or --aligner self first"
            )


def _configuration(old: PretrainingSet) -> CurationConfig:
    saved: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in old.manifest.configuration.get("curation", {}).items()
    }
    try:
        return CurationConfig(**saved)
    except TypeError as error:
        raise DataFolderError(
            f"its configuration is not of this version ({error})", path=old.folder, remedy="Curate the corpus again"
        ) from error


def _manifest(old: PretrainingSet, config: CurationConfig, counts: Counter[str], skipped: Counter[str]) -> Manifest:
    formats = ("image/", "video/", "interleaved/")
    kept = {name: count for name, count in old.manifest.counts.items() if not name.startswith(formats)}
    kept_skips = {
        reason: count for reason, count in old.manifest.skipped.items() if not reason.startswith(_OF_SELECTION)
    }
    return Manifest(
        kind=KIND,
        configuration={**old.manifest.configuration, "curation": dataclasses.asdict(config)},
        inputs=old.manifest.inputs,
        counts=dict(sorted({**kept, **{name: count for name, count in counts.items() if count}}.items())),
        skipped=dict(sorted({**kept_skips, **{name: count for name, count in skipped.items() if count}}.items())),
        notes=[*old.manifest.notes, f"selected again from {old.folder.name}"],
        extensions=old.manifest.extensions,
    )


def _link(source: str, target: str) -> None:
    try:
        require_regular(Path(source))
        os.link(source, target)
    except OSError:
        _copy(Path(source), Path(target))


def _copy(source: Path, target: Path) -> None:
    """Copies a file of the set.

    Raises:
        DataFolderError: It is missing, or no file.
    """
    try:
        require_regular(source)
    except OSError as error:
        raise DataFolderError(f"does not read ({error.strerror})", path=source) from error
    shutil.copyfile(source, target)
