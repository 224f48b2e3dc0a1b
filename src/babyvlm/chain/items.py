"""The items of the DevCV Toolbox: built, imported, exported, audited.

corpus with boxes | photographs + boxes | published items | a set's own words ──> toolbox
toolbox ──> audit | published layout | lmms-eval tasks
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path, usable_cores
from babyvlm.errors import ConfigError

if TYPE_CHECKING:
    from babyvlm.audits import Audit, AuditConfig
    from babyvlm.records import Split
    from babyvlm.toolbox import FrameSource, Scoring, Toolbox, ToolboxConfig
    from babyvlm.toolbox.contrasts import ContrastConfig
    from babyvlm.toolbox.contrasts.build import ContrastsMade
    from babyvlm.toolbox.detection import DetectionConfig
    from babyvlm.toolbox.published import ExportLayout, ImportConfig, Imported


def detect_boxes(images: Place, out: Place, config: DetectionConfig) -> dict[str, int]:
    """Proposes boxes for photographs that have none, with Grounding DINO, as a COCO file to build from (ours).

    Args:
        images: Folder of photographs.
        out: COCO file to write; absent.
        config: What is looked for, and with which detector.

    Returns:
        Boxes found, by label; 0 for labels found nowhere.

    Raises:
        OutputExistsError: ``out`` exists.
        InputError: No photograph, or none that opens.
        CheckpointError: The detector does not load.
    """
    from babyvlm.toolbox.detection.detector import detect

    return detect(Path(images), Path(out), config)


def build_toolbox(
    source: Place | None,
    out: Place,
    config: ToolboxConfig | None = None,
    *,
    images: Place | None = None,
    annotations: Place | None = None,
    split: Split = "test",
    licence: str = "",
    training: Place | None = None,
    review: Place | None = None,
    workers: int = 0,
) -> Toolbox:
    """Builds the toolbox's items from a corpus with boxes, or from annotated photographs.

    Args:
        source: Corpus with boxes beside its recordings; None for photographs.
        out: Folder to write; absent or empty.
        config: Which items are built, and how (paper, but for what is marked as ours).
        images: Folder of photographs, in place of a corpus.
        annotations: Their boxes: a COCO file, or a folder of VOC, YOLO or one-line files.
        split: Recordings of the corpus to build from.
        licence: The photographs' licence; ``restricted`` when they may not leave this machine.
        training: Curated set that must share no recording and no near-duplicate frame with the items.
        review: Decisions of ``babyvlm toolbox review``, to be applied.
        workers: Processes; 0 for one a core. The items do not depend on it.

    Returns:
        The toolbox, opened.

    Raises:
        ConfigError: Neither or both of a corpus and photographs, or a licence for a corpus.
        InputError: The source allows no item, or shares a recording with ``training``.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.corpus import open_corpus
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.toolbox import CorpusSource, PhotoSource, TrainingSet
    from babyvlm.toolbox import build_toolbox as build
    from babyvlm.toolbox.review import read_decisions

    if (images is None) != (annotations is None) or (images is None) == (source is None):
        raise ConfigError("give either SOURCE, a corpus with boxes, or both --images and --annotations")
    if source is not None and licence:
        raise ConfigError("--licence is for photographs; a corpus has its licences in recordings.csv, by recording")
    frames: FrameSource
    if source is not None:
        frames = CorpusSource(open_corpus(Path(source)), split)
    else:
        assert images is not None and annotations is not None
        frames = PhotoSource(Path(images), Path(annotations), licence=licence)
    trained_on = None if training is None else TrainingSet.of(PretrainingSet(Path(training)))
    decided = None if review is None else read_decisions(Path(review))
    return build(frames, Path(out), config, training=trained_on, review=decided, workers=workers or usable_cores())


def import_toolbox(
    source: Place,
    out: Place,
    config: ImportConfig | None = None,
    *,
    battery: str = "published",
    image_root: Place | None = None,
) -> Imported:
    """Imports published items, in any layout in which they are distributed, or the items of another battery.

    Nothing of published items is lost; `export_toolbox` writes them again. What came to no item is named on standard
    error.

    Args:
        source: Folder, JSON file, or the name of a hub data set (``owner/name``).
        out: Folder to write; absent or empty.
        config: How they are read.
        battery: ``published``, ``devbench``, ``words``, ``minimal-pairs`` or ``machine-devbench``, or the name of a
            battery that another package adds.
        image_root: Where the picture paths of a bare JSON file start; its own folder when None.

    Returns:
        The toolbox with an account of its records.

    Raises:
        ConfigError: There is no such battery.
        InputError: No records at ``source``, or too many of them come to nothing.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.toolbox.batteries import REGISTRY
    from babyvlm.toolbox.published import ImportConfig, warn_of_problems

    importer = REGISTRY.get(battery)
    imported = importer(str(source), Path(out), config or ImportConfig(), image_root=maybe_path(image_root))
    warn_of_problems(imported)
    return imported


def make_contrasts(
    data: Place,
    out: Place,
    config: ContrastConfig | None = None,
    *,
    pictures: Place | None = None,
    licence: str = "",
) -> ContrastsMade:
    """Makes contrasts of pictures and captions in a training set's own words, by how often each was said.

    Args:
        data: Curated set, or a TSV file with the columns ``word`` and ``count``.
        out: The toolbox to write; absent or empty.
        config: How many, and of which pictures (ours).
        pictures: Labelled pictures of nouns, beside the drawn ones: ``WORD/*.jpg``, or ``words.tsv`` and
            ``HAND/WORD.png``.
        licence: Theirs; ``restricted`` when they may not leave this machine.

    Returns:
        The toolbox, how many contrasts of each kind it has, and what was left out and why.

    Raises:
        DataFolderError: ``data`` is no curated set.
        InputError: Nothing was said in it, or its words allow no contrast.
        MissingExtraError: Pictures are to be drawn, and the extra ``render`` is not installed.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.toolbox.contrasts.build import build_contrasts

    return build_contrasts(Path(data), Path(out), config, pictures=maybe_path(pictures), licence=licence)


def export_toolbox(toolbox: Place, out: Place, layout: ExportLayout | None = None) -> dict[str, int]:
    """Writes a toolbox's items as the published ones are distributed.

    Args:
        toolbox: Folder written by `import_toolbox` or `build_toolbox`.
        out: Folder to write; absent or empty.
        layout: ``source`` as imported, ``tree``, ``flat`` or ``bare``; ``source``, or for built items ``tree``, when
            None.

    Returns:
        Records, by the path of the file that holds them.

    Raises:
        ConfigError: ``source`` is asked for, and the items were not imported.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.toolbox import open_toolbox
    from babyvlm.toolbox.published import export_items

    return export_items(open_toolbox(Path(toolbox)), Path(out), layout)


def audit(
    toolbox: Place,
    out: Place,
    config: AuditConfig | None = None,
    *,
    training: Place | None = None,
    against: Sequence[Place] = (),
) -> Audit:
    """Finds what gives a toolbox's answers away: shortcuts, uneven answers, leaks, duplicates, overlap with training.

    Args:
        toolbox: Folder written by `build_toolbox` or `import_toolbox`.
        out: Folder to write: audit.json, and audit.html to read; absent or empty.
        config: How it is judged (ours).
        training: Curated set that must not share pictures with the toolbox.
        against: Other toolboxes that must not share items or pictures with it.

    Returns:
        What was found, by row of the results table.

    Raises:
        DataFolderError: A folder is no toolbox or set, or a picture is missing or damaged.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.audits import AuditConfig, audit_toolbox, render_page, write_audit
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.folders import Manifest, fresh_folder, refuse_existing
    from babyvlm.toolbox import TrainingSet, open_toolbox

    config, out = config or AuditConfig(), Path(out)
    refuse_existing(out)
    opened, others = open_toolbox(Path(toolbox)), [open_toolbox(Path(other)) for other in against]
    trained_on = None if training is None else TrainingSet.of(PretrainingSet(Path(training)))
    found = audit_toolbox(opened, against=others, training=trained_on, config=config)
    with fresh_folder(out) as partial:
        write_audit(found, partial)
        (partial / "audit.html").write_text(render_page(found), encoding="utf-8")
        Manifest(
            kind="audit",
            configuration=asdict(config),
            inputs={"toolbox": found.toolbox_hash},
            extensions=opened.extensions,
        ).write(partial)
    return found


def write_lmms_tasks(
    toolbox: Place, out: Place, *, scoring: Scoring = "default", limit: int | None = None
) -> tuple[str, ...]:
    """Writes task files with which lmms-eval 0.7 asks the same items.

    Args:
        toolbox: Folder written by `build_toolbox` or `import_toolbox`.
        out: Folder to write; absent or empty.
        scoring: Our own reading of replies, or the published one with its faults (``leaderboard``).
        limit: Items a task; None for all.

    Returns:
        The names of the tasks.

    Raises:
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.leaderboard import write_lmms_tasks
    from babyvlm.toolbox import open_toolbox

    return tuple(write_lmms_tasks(open_toolbox(Path(toolbox)), Path(out), scoring=scoring, limit=limit))
