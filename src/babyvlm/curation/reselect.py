"""Makes a part of an existing set, or applies other thresholds to it, from its stored candidates, without decoding.

    recordings ──RecordingChoice──> utterances, candidates ──ClipList──> ──SelectionChanges──> records of three formats
                              └──> instruction samples all of whose recordings stay

Images are hard-linked, in whole files of an image store: a file with no image of the new set is left out, and the
others come with all that they hold.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babyvlm.curation.clip_list import ClipList
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.part import copy_file, link_images, write_instruction_part, write_utterances_part
from babyvlm.curation.recording_choice import ChosenRecordings, RecordingChoice, choose_recordings
from babyvlm.curation.sets import CANDIDATES, INSTRUCTION, KIND, PretrainingSet
from babyvlm.curation.writing import SELECTED, TablesWriter
from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.folders import Manifest, fresh_folder
from babyvlm.records import write_jsonl

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

    @property
    def given(self) -> dict[str, Any]:
        """The settings that are given."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def apply(self, config: CurationConfig) -> CurationConfig:
        """The settings of a set, changed."""
        return dataclasses.replace(config, **self.given)


def _flags() -> list[str]:
    kinds = (RecordingChoice, SelectionChanges)
    return [*(f"--{field.name.replace('_', '-')}" for kind in kinds for field in dataclasses.fields(kind)), "--clips"]


def reselect(
    folder: Path,
    out: Path,
    changes: SelectionChanges,
    recordings: RecordingChoice | None = None,
    clips: ClipList | None = None,
) -> None:
    """Writes a part of a set, or a copy with other thresholds. Images are hard-linked where possible, else copied.

    Args:
        folder: A pretraining set.
        out: Where the new one goes; must not exist, or be empty.
        changes: The new thresholds.
        recordings: Which recordings stay; all by default.
        clips: Which clips of theirs stay, and with which texts; all as they are by default.

    Raises:
        InputError: A clip or frame is listed that the set does not have.
        DataFolderError: ``folder`` is no pretraining set, or was written without its candidates.
        ConfigError: Nothing changes, nothing is left, a setting has a bad value, or a threshold is on what was never
            scored.
        OutputExistsError: ``out`` holds something.
    """
    old, choice = PretrainingSet(folder), recordings or RecordingChoice()
    if not changes.given and not choice and clips is None:
        raise ConfigError(f"nothing changes: give one of {', '.join(_flags())}")
    config = changes.apply(_configuration(old))
    _check_scored(old, changes)
    chosen = choose_recordings(old.recordings, choice) if choice else None
    by_id = {recording.id: recording for recording in old.recordings}
    images: set[str] = set()
    with fresh_folder(out) as partial:
        with TablesWriter(partial, SELECTED) as records:
            for recording, candidates in itertools.groupby(old.candidates(), key=lambda each: each.recording):
                if recording not in by_id:
                    problem = f"lacks {recording!r}, of which {CANDIDATES} has clips"
                    raise DataFolderError(problem, path=folder / "recordings.jsonl", remedy="Curate the corpus again")
                if chosen is not None and recording not in chosen.kept:
                    continue
                held = list(candidates)
                if clips is not None and by_id[recording].split != "test":
                    held = clips.choose(held)
                if chosen is not None:
                    images.update(frame.image for candidate in held for frame in candidate.frames)
                records.add_candidates(by_id[recording], held, config)
        if clips is not None:
            clips.require_all_met(folder)
        if not records.counts["clips"]:
            raise ConfigError(f"nothing is left with these settings: {dict(+records.skipped)}")
        manifest = _manifest(old, config, records.counts, records.skipped)
        if clips is not None:
            manifest = _with_list(manifest, clips)
        if chosen is None:
            _copy_whole(folder, partial)
        else:
            manifest = _write_part(old, partial, chosen, images, choice, manifest)
        manifest.write(partial)


def _copy_whole(folder: Path, partial: Path) -> None:
    """Copies what thresholds leave as it is."""
    for name in ("recordings.jsonl", "utterances.parquet"):
        copy_file(folder / name, partial / name)
    link_images(folder / "images", partial / "images")
    if (folder / INSTRUCTION).is_dir():
        link_images(folder / INSTRUCTION, partial / INSTRUCTION)


def _write_part(
    old: PretrainingSet,
    partial: Path,
    chosen: ChosenRecordings,
    images: set[str],
    choice: RecordingChoice,
    manifest: Manifest,
) -> Manifest:
    """Writes what belongs to the recordings that stay; returns the manifest with what was left out."""
    kept = [recording for recording in old.recordings if recording.id in chosen.kept]
    write_jsonl(partial / "recordings.jsonl", kept)
    utterances = write_utterances_part(old, partial, chosen.kept)
    frames = link_images(old.folder / "images", partial / "images", images)
    skipped = Counter(manifest.skipped) + chosen.left_out
    notes = [*manifest.notes, "counts of cleaned, clipped and damaged data are those of all recordings"]
    if old.has_instruction:
        part = write_instruction_part(old, partial, chosen.kept)
        skipped += part.left_out
        if not part.samples:
            notes.append("no instruction set: no training sample of it shows these recordings alone")
        if unknown := part.left_out["instruction sample of unknown recordings"]:
            notes.append(
                f"{unknown} instruction samples do not say which recordings they show; curate again to keep them"
            )
    stale = ("recordings/", "utterances/")
    counts = {name: count for name, count in manifest.counts.items() if not name.startswith(stale)}
    counts |= dict(Counter(f"recordings/{recording.split}" for recording in kept)) | utterances | {"frames": frames}
    given = {name: value for name, value in dataclasses.asdict(choice).items() if value}
    return manifest.model_copy(
        update={
            "configuration": {**manifest.configuration, "recordings": given},
            "counts": dict(sorted(counts.items())),
            "skipped": dict(sorted(skipped.items())),
            "notes": notes,
        }
    )


def _with_list(manifest: Manifest, clips: ClipList) -> Manifest:
    """The manifest, with which list it was and what it left out."""
    listed = {"file": clips.path.name, "clips": len(clips.clips), "other_texts": clips.retold}
    notes = [*manifest.notes]
    if clips.retold:
        notes.append("texts from a list stand in place of speech; the language corpus is as it was heard")
    return manifest.model_copy(
        update={
            "configuration": {**manifest.configuration, "clips": listed},
            "inputs": {**manifest.inputs, clips.path.name: clips.digest},
            "skipped": dict(sorted((Counter(manifest.skipped) + clips.left_out).items())),
            "notes": notes,
        }
    )


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
                "Curate the corpus with --aligner clip, self or encoder first"
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
