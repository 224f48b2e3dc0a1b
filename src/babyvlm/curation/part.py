"""The parts of a set that belong to some of its recordings: utterances, instruction samples, image files."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from babyvlm.curation.sets import INSTRUCTION, SOURCES, UTTERANCE_SCHEMA, PretrainingSet, write_conversations
from babyvlm.errors import DataFolderError
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.images import image_batches
from babyvlm.records import Conversation
from babyvlm.regular_files import require_regular


def write_utterances_part(old: PretrainingSet, partial: Path, kept: Collection[str]) -> dict[str, int]:
    """Writes the utterances of some recordings.

    Returns:
        ``utterances/SPLIT`` and how many there are.

    Raises:
        DataFolderError: The old set's utterances do not read.
    """
    path = old.folder / "utterances.parquet"
    try:
        require_regular(path)
        table = pq.read_table(path, schema=UTTERANCE_SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise DataFolderError(f"does not read as utterances ({error})", path=path) from error
    part = table.filter(pc.is_in(table.column("recording"), pa.array(sorted(kept), pa.string())))
    pq.write_table(part, partial / path.name, compression="zstd")
    return dict(Counter(f"utterances/{split}" for split in part.column("split").to_pylist()))


@dataclass(frozen=True, kw_only=True)
class InstructionPart:
    """What of an instruction set shows some recordings alone."""

    samples: int
    """Training samples; the set is not written where there are none."""
    left_out: Counter[str]
    """Samples by reason."""


def write_instruction_part(old: PretrainingSet, partial: Path, kept: Collection[str]) -> InstructionPart:
    """Writes the instruction samples all of whose recordings stay, with the image files that they need.

    A sample that does not say which recordings it shows cannot be proven to show no other, and is left out.
    """
    stay: list[Conversation] = []
    left_out = Counter[str]()
    for sample in old.conversations("instruction"):
        shown = old.recordings_of(sample)
        if shown and all(recording in kept for recording in shown):
            stay.append(sample)
        else:
            left_out[f"instruction sample of {'other' if shown else 'unknown'} recordings"] += 1
    training = sum(sample.split == "train" for sample in stay)
    if training:
        source, out = old.folder / INSTRUCTION, partial / INSTRUCTION
        out.mkdir()
        write_conversations(out / f"{INSTRUCTION}.parquet", stay)
        if (source / SOURCES).is_file():
            copy_file(source / SOURCES, out / SOURCES)
        pictures = link_images(source / "images", out / "images", {image for one in stay for image in one.images})
        if (source / MANIFEST).is_file():
            before = read_manifest(source, "instruction-set")
            counts = Counter(f"{sample.split}: {sample.source}" for sample in stay)
            skipped = Counter(before.skipped) + left_out
            changed = {"counts": dict(sorted(counts.items())) | {"images": pictures}, "skipped": dict(skipped)}
            before.model_copy(update=changed).write(out)
    return InstructionPart(samples=training, left_out=left_out)


def link_images(source: Path, target: Path, images: Collection[str] | None = None) -> int:
    """Links the files of an image store that hold one of some images; all files by default.

    Args:
        source: The folder of an image store, or one that has such a folder in it.
        target: Where it goes; must not exist.
        images: Ids; None for all files as they are.

    Returns:
        How many images the linked files hold; 0 where all are linked without being read.
    """
    if images is None:
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link)
        return 0
    target.mkdir()
    held = 0
    for path in sorted(source.glob("images-*.arrow")):
        ids = [each for batch in image_batches(path) for each in batch.column("id").to_pylist()]
        if any(each in images for each in ids):
            _link(str(path), str(target / path.name))
            held += len(ids)
    return held


def _link(source: str, target: str) -> None:
    try:
        require_regular(Path(source))
        os.link(source, target)
    except OSError:
        copy_file(Path(source), Path(target))


def copy_file(source: Path, target: Path) -> None:
    """Copies a file of the set.

    Raises:
        DataFolderError: It is missing, or no file.
    """
    try:
        require_regular(source)
    except OSError as error:
        raise DataFolderError(f"does not read ({error.strerror})", path=source) from error
    shutil.copyfile(source, target)
