"""The items of the DevCV Toolbox: ``toolbox``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from babyvlm.audits import AuditConfig
from babyvlm.cli.apps import cores, toolbox_app
from babyvlm.errors import ConfigError
from babyvlm.records import Split
from babyvlm.toolbox import Scoring, ToolboxConfig
from babyvlm.toolbox.detection import DetectionConfig
from babyvlm.toolbox.published import ExportLayout, ImportConfig


@toolbox_app.command(name="build")
def build(
    source: Positional[Path | None] = None,
    *,
    out: Path,
    images: Path | None = None,
    annotations: Path | None = None,
    toolbox: Annotated[ToolboxConfig, arg(name="")] = ToolboxConfig(),  # noqa: B008
    split: Split = "test",
    licence: str = "",
    training: Path | None = None,
    review: Path | None = None,
    workers: int = 0,
) -> None:
    """Build the toolbox's items from a corpus with boxes, or from annotated photographs.

    Args:
        source: Corpus with boxes beside its recordings.
        out: Folder to write.
        images: Folder of photographs, in place of a corpus.
        annotations: Their boxes: a COCO file, or a folder of VOC, YOLO or one-line files (class left top right bottom).
        toolbox: Which items are built, and how.
        split: Recordings of the corpus to build from.
        licence: The photographs' licence; ``restricted`` when they may not leave this machine. A corpus has its
            licences in recordings.csv.
        training: Curated set that must share no recording and no near-duplicate frame with the items.
        review: Decisions of ``babyvlm toolbox review``, to be applied.
        workers: Processes; 0 for one a core.
    """
    from babyvlm.corpus import open_corpus
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.toolbox import CorpusSource, FrameSource, PhotoSource, TrainingSet, build_toolbox
    from babyvlm.toolbox.review import read_decisions

    if (images is None) != (annotations is None) or (images is None) == (source is None):
        raise ConfigError("give either SOURCE, a corpus with boxes, or both --images and --annotations")
    if source is not None and licence:
        raise ConfigError("--licence is for photographs; a corpus has its licences in recordings.csv, by recording")
    frames: FrameSource
    if source is not None:
        frames = CorpusSource(open_corpus(source), split)
    else:
        assert images is not None and annotations is not None
        frames = PhotoSource(images, annotations, licence=licence)
    trained_on = None if training is None else TrainingSet.of(PretrainingSet(training))
    decided = None if review is None else read_decisions(review)
    built = build_toolbox(frames, out, toolbox, training=trained_on, review=decided, workers=workers or cores())
    print("\n".join([f"{task:32} {built.manifest.counts[task]:6} items" for task in built.tasks]))


@toolbox_app.command(name="import")
def import_published(
    source: Positional[str],
    *,
    out: Path,
    battery: str = "published",
    image_root: Path | None = None,
    published: Annotated[ImportConfig, arg(name="")] = ImportConfig(),  # noqa: B008
) -> None:
    """Import published items, in any layout in which they are distributed, or the items of another battery.

    Nothing of published items is lost; ``babyvlm toolbox export`` writes them again.

    Args:
        source: Folder (<task>/data.json, <split>/<task>/data.json or <task>_<split>.json), JSON file, or the name of a
            hub data set (owner/name).
        out: Folder to write.
        battery: ``published``, or the name of a battery that another package adds.
        image_root: Where the picture paths of a bare JSON file start; its own folder when not given.
        published: How they are read.
    """
    from babyvlm.toolbox.batteries import REGISTRY
    from babyvlm.toolbox.published import report_import, warn_of_problems

    imported = REGISTRY.get(battery)(source, out, published, image_root=image_root)
    warn_of_problems(imported)
    print(report_import(imported))


@toolbox_app.command(name="export")
def export_published(toolbox: Positional[Path], *, out: Path, layout: ExportLayout | None = None) -> None:
    """Write a toolbox's items as the published ones are distributed.

    Args:
        toolbox: Folder written by ``babyvlm toolbox import`` or ``build``.
        out: Folder to write.
        layout: ``source`` as imported, ``tree``, ``flat`` or ``bare``; ``source``, or for built items ``tree``, when
            not given.
    """
    from babyvlm.toolbox import open_toolbox
    from babyvlm.toolbox.published import export_items

    for path, count in export_items(open_toolbox(toolbox), out, layout).items():
        print(f"{path:48} {count:6} records")


@toolbox_app.command(name="audit")
def audit_command(
    toolbox: Positional[Path],
    *,
    out: Path,
    training: Path | None = None,
    against: tuple[Path, ...] = (),
    audit: Annotated[AuditConfig, arg(name="")] = AuditConfig(),  # noqa: B008
) -> None:
    """Find what gives a toolbox's answers away: shortcuts, uneven answers, leaks, duplicates, overlap with training.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: Folder to write: audit.json, and audit.html to read.
        training: Curated set that must not share pictures with the toolbox.
        against: Other toolboxes that must not share items or pictures with it.
        audit: How it is judged.
    """
    from babyvlm.audits import audit_toolbox, render_page, write_audit
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.folders import Manifest, fresh_folder, refuse_existing
    from babyvlm.toolbox import TrainingSet, open_toolbox

    refuse_existing(out)
    opened, others = open_toolbox(toolbox), [open_toolbox(other) for other in against]
    trained_on = None if training is None else TrainingSet.of(PretrainingSet(training))
    found = audit_toolbox(opened, against=others, training=trained_on, config=audit)
    with fresh_folder(out) as partial:
        write_audit(found, partial)
        (partial / "audit.html").write_text(render_page(found), encoding="utf-8")
        Manifest(
            kind="audit",
            configuration=asdict(audit),
            inputs={"toolbox": found.toolbox_hash},
            extensions=opened.extensions,
        ).write(partial)
    for row in found.rows:
        print(f"{row.row:32} {row.items:6} items  {row.verdict:13}  {', '.join(row.shortcuts)}".rstrip())


@toolbox_app.command(name="lmms-eval")
def lmms_tasks(
    toolbox: Positional[Path],
    *,
    out: Path,
    scoring: Scoring = "default",
    limit: int | None = None,
) -> None:
    """Write task files with which lmms-eval 0.7 asks the same items.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build`` or ``import``.
        out: Folder to write.
        scoring: Our own reading of replies, or the published one with its faults (``leaderboard``). lmms-eval hands on
            text alone, so that ``reference``, which treats errors otherwise, is the same here.
        limit: Items a task; all when not given.
    """
    from babyvlm.leaderboard import write_lmms_tasks
    from babyvlm.toolbox import open_toolbox

    tasks = write_lmms_tasks(open_toolbox(toolbox), out, scoring=scoring, limit=limit)
    print(
        f"python -m lmms_eval --model babyvlm --model_args pretrained=CHECKPOINT --include_path {out} "
        f"--tasks {','.join(tasks)} --output_path LOGS"
    )


@toolbox_app.command(name="review")
def review_items(
    toolbox: Positional[Path],
    *,
    decisions: Path,
    reviewer: str = "",
    host: str = "127.0.0.1",
    port: int = 8321,
    i_may_share: Literal["", "restricted"] = "",
) -> None:
    """Accept, reject or relabel items in the browser. ``babyvlm toolbox build --review`` applies the decisions.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build``.
        decisions: File of decisions, one line an item, begun when absent; keep it under version control.
        reviewer: Your name or initials, noted with each decision.
        host: Address to listen at; the default lets no other machine in.
        port: Port to listen at.
        i_may_share: ``restricted`` lets other machines see restricted pictures.
    """
    from babyvlm.toolbox import open_toolbox
    from babyvlm.toolbox.review import read_decisions
    from babyvlm.toolbox.review.server import serve_review

    serve_review(
        open_toolbox(toolbox),
        read_decisions(decisions, must_exist=False),
        host=host,
        port=port,
        reviewer=reviewer,
        may_share_restricted=i_may_share == "restricted",
    )


@toolbox_app.command(name="detect")
def detect_boxes(
    images: Positional[Path],
    *,
    out: Path,
    detection: Annotated[DetectionConfig, arg(name="")],
) -> None:
    """Propose boxes for photographs that have none, with Grounding DINO, as a COCO file to build from.

    Args:
        images: Folder of photographs.
        out: COCO file to write.
        detection: What is looked for, and with which detector.
    """
    from babyvlm.toolbox.detection.detector import detect

    for label, count in detect(images, out, detection).items():
        print(f"{label:32} {count:6} boxes")
