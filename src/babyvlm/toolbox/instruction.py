"""The instruction-tuning set: the toolbox's own tasks, built on recordings that no test item is drawn from.

    train split ─┐                                ┌ instruction.parquet   conversations with the right answers
                 ├-> the builders of the toolbox ─┤ images/               every crop and frame once
    validation ──┘                                ├ sources.jsonl         recordings of samples that show several
                                                  └ manifest.json

Looking While Listening and Subitizing are left out, as in the paper, to probe generalisation. Settings without a source
are our choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from babyvlm.corpus import Corpus
from babyvlm.curation.sets import SOURCES, SampleSources, write_conversations
from babyvlm.errors import ConfigError, InputError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Conversation, Split, write_jsonl
from babyvlm.toolbox import balanced_cropping, departures
from babyvlm.toolbox.builders import ConstructionName, construction_named
from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.drawing import Drawing, draw
from babyvlm.toolbox.sources import CorpusSource, FrameSource, boxes_digest
from babyvlm.toolbox.tasks import REGISTRY, TASKS, task_named

CONVERSATIONS = "instruction.parquet"
IMAGE_STORE = "images"
KIND = "instruction-set"
TAUGHT = "categories_taught"
"""Where the manifest's configuration names the categories that training items ask for or show."""


def published_proportions(total: int) -> dict[str, int]:
    """``total`` items shared out among the tasks as in the published instruction set.

    >>> published_proportions(12000)["memory"]
    1272
    """
    whole = sum(spec.published_training_items for spec in TASKS.values())
    shares = {name: round(total * spec.published_training_items / whole) for name, spec in TASKS.items()}
    return {name: share for name, share in shares.items() if not TASKS[name].held_out}


def published_amounts() -> dict[str, int]:
    """Training items by task as in the published instruction set of SAYCam.

    >>> sum(published_amounts().values())
    113211
    """
    return {name: spec.published_training_items for name, spec in TASKS.items() if not spec.held_out}


_MAX_REUSE = 1000  # items of a task that may turn on the same object in the same frame: unlimited in effect


@dataclass(frozen=True, kw_only=True)
class InstructionConfig:
    """Settings of the instruction set."""

    items: Mapping[str, int] = field(default_factory=lambda: published_proportions(12000))
    """Training items by task (paper: the proportions; ours: the total)."""
    easy_matching: int = 0
    """Additional training items of Left/Right, and as many of Spatial Details, whose foils show other objects: a
    curriculum for small corpora, where mirror images and details are too hard to begin with."""
    easy_words: int = 0
    """Additional training items of Picture Vocabulary with few, very frequent words: a curriculum for small corpora."""
    easy_memory: int = 0
    """Additional training items of Memory with one or two objects to learn instead of five."""
    validation_share: float = 0.03
    """Items of the validation split, as a fraction of those for training."""
    seed: int = 0
    """Random seed."""
    max_crops: int = 6000
    """Most crops of the training split in the pool that items share."""
    construction: ConstructionName = "published"
    """How items are built; must match the construction of the toolbox to be answered."""
    crops: CropConfig = field(default_factory=CropConfig)
    heard_only: float = 0.0
    """Part of the categories that no item asks for or shows as a foil, drawn by the seed. Their words are met in
    pretraining alone, so that what is known of them was learned there; reports give them a row of their own."""

    def __post_init__(self) -> None:
        construction_named(self.construction)
        for task, count in self.items.items():
            if task_named(task).held_out:
                raise ConfigError(f"{task} is held out from instruction tuning; remove it from items")
            if count < 0:
                raise ConfigError(f"items[{task!r}] must not be negative, not {count}")
        for name in ("easy_matching", "easy_words", "easy_memory"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.validation_share <= 1:
            raise ConfigError(f"validation_share is a fraction between 0 and 1, not {self.validation_share}")
        if not 0 <= self.heard_only < 1:
            raise ConfigError(f"heard_only is a fraction from 0 to below 1, not {self.heard_only}")


def write_instruction_set(
    corpus: Corpus, out: Path, config: InstructionConfig | None = None, *, workers: int = 0
) -> None:
    """Builds the instruction set of a corpus with boxes.

    Args:
        corpus: Recordings split into train, validation and test; the test split is not opened.
        out: The folder to write; absent or empty.
        config: What to build.
        workers: Processes besides this one; the result does not depend on it.

    Raises:
        OutputExistsError: ``out`` already holds something.
        InputError: No training item can be built, for lack of boxes.
        MediaError: A recording is missing or does not decode.
    """
    config = config or InstructionConfig()
    refuse_existing(out)
    easy = {
        "picture_vocabulary.easy": config.easy_words,
        "left_right.easy": config.easy_matching,
        "spatial_details.easy": config.easy_matching,
        "memory.easy": config.easy_memory,
    }
    items = {**config.items, **{row: count for row, count in easy.items() if count}}
    validation = {task: -int(-count * config.validation_share // 1) for task, count in items.items()}
    wanted: dict[Split, Mapping[str, int]] = {"train": items, "validation": validation}
    max_crops: dict[Split, int] = {"train": config.max_crops, "validation": max(1, config.max_crops // 10)}
    sources = {split: CorpusSource(corpus, split) for split in wanted}
    withheld = withheld_categories(sources["train"], config)
    drawings = {
        split: draw(
            source,
            wanted[split],
            construction=config.construction,
            crops=config.crops,
            seed=config.seed,
            max_crops=max_crops[split],
            max_reuse=_MAX_REUSE,
            workers=workers,
            augment=split == "train",
            withheld=withheld,
        )
        for split, source in sources.items()
    }
    collected = _collect(drawings)
    samples, pictures = collected.samples, collected.pictures
    counts = Counter(f"{sample.split}: {sample.source}" for sample in samples.values())
    if not any(sample.split == "train" for sample in samples.values()):
        raise InputError(
            "no training item can be built from this corpus: its train split has no boxes to build from",
            path=corpus.folder,
            remedy="Annotate recordings of the train split with boxes and tracks",
        )
    with fresh_folder(out) as partial:
        write_conversations(partial / CONVERSATIONS, (samples[name] for name in sorted(samples)))
        several = (SampleSources(id=name, recordings=collected.sources[name]) for name in sorted(collected.sources))
        write_jsonl(partial / SOURCES, several)
        with ImageStoreWriter(partial / IMAGE_STORE) as store:
            for name in sorted(pictures):
                store.add(name, pictures[name])
        Manifest(
            kind=KIND,
            configuration={
                **asdict(config),
                "pictures": balanced_cropping.SETTINGS,
                "exits": departures.SETTINGS,
                "max_reuse": _MAX_REUSE,
                "categories_heard_only": withheld,
                TAUGHT: sorted(_categories(drawings["train"])),
            },
            inputs={f"boxes of {split}": boxes_digest(source.frames) for split, source in sources.items()},
            counts={**dict(sorted(counts.items())), "images": len(pictures)},
            skipped=dict(sorted(collected.skipped.items())),
            notes=[f"{split}: {note}" for split, drawing in drawings.items() for note in drawing.notes],
            extensions=REGISTRY.used(sample.task for sample in samples.values()),
        ).write(partial)


def withheld_categories(source: FrameSource, config: InstructionConfig) -> list[str]:
    """The categories that are heard only: as many of those boxed in training as the settings ask for."""
    labels = sorted({box.label for frame in source.frames for box in frame.boxes})
    return sorted(Random(f"{config.seed}/heard only").sample(labels, round(config.heard_only * len(labels))))


def _categories(drawing: Drawing) -> set[str]:
    """The categories that items ask for or show as an option."""
    shown = {label for draft in drawing.drafts for turn in draft.turns for label in turn.labels}
    return shown | {draft.category for draft in drawing.drafts if draft.category}


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """Distinct conversations of all splits."""

    samples: dict[str, Conversation]
    """By their ids."""
    pictures: dict[str, bytes]
    """What they show, by name."""
    sources: dict[str, tuple[str, ...]]
    """The recordings of those that show several."""
    skipped: dict[str, int]
    """What was left out, by reason."""


def _collect(drawings: Mapping[Split, Drawing]) -> _Collected:
    """Makes conversations of the drafts; one that repeats another is left out."""
    samples: dict[str, Conversation] = {}
    pictures: dict[str, bytes] = {}
    sources: dict[str, tuple[str, ...]] = {}
    skipped: Counter[str] = Counter()
    for split, drawing in drawings.items():
        skipped.update(drawing.skipped)
        for draft in drawing.drafts:
            sample = draft.conversation(drawing.pictures, split)
            if sample.id in samples:
                skipped["item: repeats another"] += 1
                continue
            samples[sample.id] = sample
            if not sample.recording:
                sources[sample.id] = draft.sources
            pictures.update((drawing.pictures[image].id, drawing.pictures[image].data) for image in draft.images)
    return _Collected(samples=samples, pictures=pictures, sources=sources, skipped=skipped)
