"""The items of the DevCV Toolbox: ``toolbox``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.audits import AuditConfig
from babyvlm.cli.shared import Sharing, closing
from babyvlm.records import Split
from babyvlm.toolbox import Scoring, ToolboxConfig
from babyvlm.toolbox.contrasts import ContrastConfig
from babyvlm.toolbox.detection import DetectionConfig
from babyvlm.toolbox.published import ExportLayout, ImportConfig


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
) -> str:
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
    built = babyvlm.build_toolbox(
        source, out, toolbox, images=images, annotations=annotations, split=split, licence=licence, training=training,
        review=review, workers=workers,
    )  # fmt: skip
    print("\n".join([f"{task:32} {built.manifest.counts[task]:6} items" for task in built.tasks]))
    return closing(f"{out} is a toolbox of {len(built.items)} items", "toolbox", "audit", out, "--out", "AUDIT")


def import_published(
    source: Positional[str],
    *,
    out: Path,
    battery: str = "published",
    image_root: Path | None = None,
    published: Annotated[ImportConfig, arg(name="")] = ImportConfig(),  # noqa: B008
) -> str:
    """Import published items, in any layout in which they are distributed, or the items of another battery.

    Nothing of published items is lost; ``babyvlm toolbox export`` writes them again.

    Args:
        source: Folder (<task>/data.json, <split>/<task>/data.json or <task>_<split>.json), JSON file, or the name of a
            hub data set (owner/name).
        out: Folder to write.
        battery: ``published``; ``devbench`` (Looking While Listening, visual vocabulary, TROG), ``words`` (WORD/*.jpg),
            ``minimal-pairs`` (Zorro, BLiMP) or ``machine-devbench`` (EgoBabyVLM); or the name of a battery that
            another package adds.
        image_root: Where the picture paths of a bare JSON file start; its own folder when not given.
        published: How they are read.
    """
    from babyvlm.toolbox.published import report_import

    imported = babyvlm.import_toolbox(source, out, published, battery=battery, image_root=image_root)
    print(report_import(imported))
    items = len(imported.toolbox.items)
    return closing(f"{out} is a toolbox of {items} items", "evaluate", "MODEL", out, "--out", "RUN")


def contrasts(
    data: Positional[Path],
    *,
    out: Path,
    pictures: Path | None = None,
    licence: str = "",
    contrasts: Annotated[ContrastConfig, arg(name="")] = ContrastConfig(),  # noqa: B008
) -> str:
    """Make contrasts of pictures and captions in a training set's own words, by how often each was said.

    Args:
        data: Curated set, or a TSV file with the columns word and count.
        out: Folder to write.
        pictures: Labelled pictures of nouns, beside the drawn ones: WORD/*.jpg, or words.tsv and HAND/WORD.png.
        licence: Theirs; ``restricted`` when they may not leave this machine.
        contrasts: How many, and of which pictures.
    """
    made = babyvlm.make_contrasts(data, out, contrasts, pictures=pictures, licence=licence)
    print("\n".join(f"{kind:32} {count:6} contrasts" for kind, count in made.trials.items()))
    for one in made.left_out:
        print(f"left out: {one.kind}{'' if one.what == one.kind else f', {one.what}'}: {one.reason}")
    items = len(made.toolbox.items)
    return closing(f"{out} is a toolbox of {items} items", "evaluate", "MODEL", out, "--out", "RUN")


def export_published(toolbox: Positional[Path], *, out: Path, layout: ExportLayout | None = None) -> str:
    """Write a toolbox's items as the published ones are distributed.

    Args:
        toolbox: Folder written by ``babyvlm toolbox import`` or ``build``.
        out: Folder to write.
        layout: ``source`` as imported, ``tree``, ``flat`` or ``bare``; ``source``, or for built items ``tree``, when
            not given.
    """
    for path, count in babyvlm.export_toolbox(toolbox, out, layout).items():
        print(f"{path:48} {count:6} records")
    return closing(f"{out} has the items as they are distributed")


def audit(
    toolbox: Positional[Path],
    *,
    out: Path,
    training: Path | None = None,
    against: tuple[Path, ...] = (),
    audit: Annotated[AuditConfig, arg(name="")] = AuditConfig(),  # noqa: B008
) -> str:
    """Find what gives a toolbox's answers away: shortcuts, uneven answers, leaks, duplicates, overlap with training.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: Folder to write: audit.json, and audit.html to read.
        training: Curated set that must not share pictures with the toolbox.
        against: Other toolboxes that must not share items or pictures with it.
        audit: How it is judged.
    """
    found = babyvlm.audit(toolbox, out, audit, training=training, against=against)
    for row in found.rows:
        print(f"{row.row:32} {row.items:6} items  {row.verdict:13}  {', '.join(row.shortcuts)}".rstrip())
    return closing(f"{out / 'audit.html'} shows the audit", "evaluate", "MODEL", toolbox, "--out", "RUN")


def lmms_tasks(
    toolbox: Positional[Path],
    *,
    out: Path,
    scoring: Scoring = "default",
    limit: int | None = None,
) -> str:
    """Write task files with which lmms-eval 0.7 asks the same items.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build`` or ``import``.
        out: Folder to write.
        scoring: Our own reading of replies, or the published one with its faults (``leaderboard``). lmms-eval hands on
            text alone, so that ``reference``, which treats errors otherwise, is the same here.
        limit: Items a task; all when not given.
    """
    tasks = babyvlm.write_lmms_tasks(toolbox, out, scoring=scoring, limit=limit)
    print(
        f"python -m lmms_eval --model babyvlm --model_args pretrained=CHECKPOINT --include_path {out} "
        f"--tasks {','.join(tasks)} --output_path LOGS"
    )
    return closing(f"{out} has the task files of {len(tasks)} tasks; the line above runs them")


def review_items(
    toolbox: Positional[Path],
    *,
    decisions: Path,
    reviewer: str = "",
    host: str = "127.0.0.1",
    port: int = 8321,
    i_may_share: Sharing = "",
) -> str:
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
    return closing(
        f"{decisions} has the decisions", "toolbox", "build", "SOURCE", "--review", decisions, "--out", "NEW"
    )


def detect_boxes(
    images: Positional[Path],
    *,
    out: Path,
    detection: Annotated[DetectionConfig, arg(name="")],
) -> str:
    """Propose boxes for photographs that have none, with Grounding DINO, as a COCO file to build from.

    Args:
        images: Folder of photographs.
        out: COCO file to write.
        detection: What is looked for, and with which detector.
    """
    for label, count in babyvlm.detect_boxes(images, out, detection).items():
        print(f"{label:32} {count:6} boxes")
    return closing(
        f"{out} has the boxes", "toolbox", "build", "--images", images, "--annotations", out, "--out", "TOOLBOX"
    )
