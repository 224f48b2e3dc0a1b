"""Builds a benchmark: any source of boxed frames in, a toolbox folder out. Settings without a source are our choice.

toolbox/
├── items.jsonl      sorted by task and id; answers included
├── images/          named by content: no name or metadata tells an answer
└── manifest.json    items by task, what was skipped and why, which tasks came out short
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from babyvlm.errors import ConfigError, InputError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.records import Item, write_jsonl
from babyvlm.toolbox import balanced_cropping, departures, rephotographs
from babyvlm.toolbox.builders import ConstructionName, MemoryTests, construction_named
from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.disjoint import TrainingSet, prove_disjoint
from babyvlm.toolbox.drawing import Drawing, draw
from babyvlm.toolbox.folder import IMAGES, ITEMS, Toolbox, open_toolbox
from babyvlm.toolbox.review import Decisions, apply_decisions
from babyvlm.toolbox.sources import FrameSource, boxes_digest
from babyvlm.toolbox.tasks import HARD_TASKS, REGISTRY, TASKS, Variant, in_table_order, row_name, task_named
from babyvlm.toolbox.vocabulary import WordConfig

_MAX_REUSE = 4  # items of a task that may turn on the same object in the same frame


@dataclass(frozen=True, kw_only=True)
class ToolboxConfig:
    """Settings of a toolbox to build."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Sub-tasks to build items for: the twelve by default; those of other packages only if named."""
    construction: ConstructionName = "published"
    """How items are built: ``published`` follows the published items; ``balanced`` removes other cues to the
    answer. A toolbox has one construction, since a mean over different ones has no meaning."""
    variants: tuple[Variant, ...] = ("published",)
    """``published`` for the items of the construction, ``hard`` or both: hard items are built so that pixel matching
    and summed area are at chance. They are scored in rows of their own, outside the overall mean."""
    items_per_task: int = 120
    """Items per sub-task (published test sets hold 250 to 3019)."""
    items: Mapping[str, int] = field(default_factory=dict)
    """Items of single sub-tasks, overriding ``items_per_task``."""
    seed: int = 0
    """Random seed."""
    max_crops: int = 2500
    """Most crops in the pool that items share."""
    words: WordConfig = field(default_factory=WordConfig)
    memory_tests: MemoryTests = "random"
    """Order of test in a Memory item: ``random``, or ``rotated``, in which every serial position has every lag equally
    often over five items."""
    crops: CropConfig = field(default_factory=CropConfig)

    def __post_init__(self) -> None:
        construction_named(self.construction)
        if not self.tasks:
            raise ConfigError("no task is named; leave out tasks to build all of them")
        for task in (*self.tasks, *self.items):
            if battery := task_named(task).battery:
                raise ConfigError(
                    f"items of {task} are not built: babyvlm toolbox import SOURCE --battery {battery} imports them"
                )
        if not self.wanted:
            raise ConfigError(
                f"{', '.join(self.tasks)}: no hard variant. There is one of {', '.join(HARD_TASKS)}; "
                "add them to tasks, or published to variants"
            )
        for task, count in self.items.items():
            if count < 1:
                raise ConfigError(f"items: {task} must get at least 1 item, not {count}; leave it out of tasks instead")
        for name in ("items_per_task", "max_crops"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def wanted(self) -> dict[str, int]:
        """Items to build, by row."""
        return {
            row_name(task, variant): self.items.get(task, self.items_per_task)
            for variant in self.variants
            for task in self.tasks
            if variant == "published" or task in HARD_TASKS
        }


def _relaxed(config: ToolboxConfig) -> list[str]:
    """A note naming the bounds of the published construction that are relaxed."""
    if config.construction != "published" or not config.crops.relaxed:
        return []
    return ["bounds of the published construction relaxed: " + "; ".join(config.crops.relaxed)]


def build_toolbox(
    source: FrameSource,
    out: Path,
    config: ToolboxConfig | None = None,
    *,
    workers: int = 0,
    training: TrainingSet | None = None,
    review: Decisions | None = None,
) -> Toolbox:
    """Builds items from a source and writes them as a toolbox folder.

    A task that the source cannot serve in full gets fewer items; the shortfall and its reason are printed to standard
    error and recorded in the manifest.

    Args:
        source: Boxed frames of one split.
        out: The folder to write; absent or empty.
        config: What to build.
        workers: Number of worker processes; the result does not depend on it.
        training: Training data; if given, the manifest records that the items are disjoint from it.
        review: Decisions of reviewers: rejected items are left out, corrected ones are corrected.

    Raises:
        OutputExistsError: ``out`` already holds something.
        InputError: The source does not allow a single item, or a recording is in both the source and ``training``.
        MediaError: A recording or photograph is missing or does not decode.
    """
    config = config or ToolboxConfig()
    refuse_existing(out)
    drawing = draw(
        source,
        config.wanted,
        construction=config.construction,
        crops=config.crops,
        seed=config.seed,
        max_crops=config.max_crops,
        max_reuse=_MAX_REUSE,
        words=config.words,
        memory_tests=config.memory_tests,
        workers=workers,
    )
    items = [draft.item(drawing.pictures, source.licence, source.split) for draft in drawing.drafts]
    reviewed = apply_decisions(items, review.by_item.values(), source=review.path) if review else None
    if reviewed is not None:
        items = list(reviewed.items)
    rows = in_table_order(row_name(item.task, item.variant) for item in items)
    order = {row: place for place, row in enumerate(rows)}
    items.sort(key=lambda item: (order[row_name(item.task, item.variant)], item.id))
    if not items:
        raise InputError(
            f"no item of any task can be built from {len(source.frames)} boxed frames of split {source.split!r}",
            remedy="; ".join(drawing.notes) or None,
        )
    pictures = {picture.name: picture.data for picture in drawing.pictures.values()}
    with fresh_folder(out) as partial:
        (partial / IMAGES).mkdir()
        for name in sorted({name for item in items for turn in item.turns for name in turn.images}):
            (partial / IMAGES / name).write_bytes(pictures[name])
        write_jsonl(partial / ITEMS, items)
        manifest = _manifest(source, config, drawing, items)
        if reviewed is not None:
            manifest.notes.append("review: " + ", ".join(f"{count} {what}" for what, count in reviewed.counts.items()))
            manifest.skipped["item: rejected in review"] = reviewed.counts.get("rejected", 0)
        if training is not None:
            proof = prove_disjoint(items, partial / IMAGES, training)
            manifest.notes.append(proof.sentence)
            manifest.counts["near duplicates of training images"] = proof.near_duplicates
        manifest.write(partial)
    return open_toolbox(out)


def _manifest(source: FrameSource, config: ToolboxConfig, drawing: Drawing, items: Sequence[Item]) -> Manifest:
    """What a toolbox holds and how it was built, review and training data aside."""
    return Manifest(
        kind="toolbox",
        configuration={
            **asdict(config),
            "pictures": balanced_cropping.SETTINGS,
            "exits": departures.SETTINGS,
            "retakes": rephotographs.SETTINGS,
            "max_reuse": _MAX_REUSE,
            "split": source.split,
        },
        inputs={"boxes": boxes_digest(source.frames)},
        counts=dict(Counter(row_name(item.task, item.variant) for item in items)),
        skipped=dict(sorted(drawing.skipped.items())),
        notes=[*drawing.notes, *_relaxed(config)],
        extensions=REGISTRY.used(item.task for item in items),
    )
