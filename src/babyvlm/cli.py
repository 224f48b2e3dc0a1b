"""The ``babyvlm`` command: parses, calls one function of one room, and turns our errors into a message and exit code 2.

Heavy rooms are imported inside the commands that need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.curation.configuration import CurationConfig
from babyvlm.errors import BabyVLMError, ConfigError
from babyvlm.leaderboard import SubmissionConfig
from babyvlm.records import Split
from babyvlm.toolbox import InstructionConfig, ToolboxConfig
from babyvlm.toolbox.detection import DetectionConfig
from babyvlm.toolbox.published import ExportLayout, ImportConfig

Layout = Literal["auto", "saycam", "babyview", "plain"]
Stage = Literal["vision", "language", "alignment", "joint", "instruction"]

app = SubcommandApp()
corpus_app = SubcommandApp()
toolbox_app = SubcommandApp()
app.command(corpus_app, name="corpus", help="Recordings with their transcripts and boxes.")


@corpus_app.command(name="render")
def render(
    *,
    out: Path,
    nursery: Annotated[NurseryConfig, arg(name="")] = NurseryConfig(),  # noqa: B008
    workers: int = 0,
) -> None:
    """Render the simulated nursery: mp4 files with sound, transcripts and boxes.

    Args:
        out: Folder to write.
        nursery: What is rendered.
        workers: Processes; 0 for one a core.
    """
    from babyvlm.corpus.nursery import render_nursery

    render_nursery(nursery, out, workers)


@corpus_app.command(name="index")
def index(corpus: Positional[Path], *, layout: Layout = "auto") -> None:
    """List recordings, ages, hours, speech coverage and problems of a corpus.

    Args:
        corpus: Folder of recordings.
        layout: How recordings are named.
    """
    from babyvlm.corpus import describe, open_corpus

    print(describe(open_corpus(corpus, layout)))


@app.command(name="curate")
def curate_command(
    corpus: Positional[Path],
    *,
    out: Path,
    curation: Annotated[CurationConfig, arg(name="")] = CurationConfig(),  # noqa: B008
    instruction: InstructionConfig = InstructionConfig(),  # noqa: B008
    workers: int = 0,
    layout: Layout = "auto",
) -> None:
    """Make the pretraining set of a corpus and, where it has boxes, the instruction set.

    Args:
        corpus: Folder of recordings, with transcripts beside them.
        out: Folder to write.
        curation: How the pretraining set is made.
        instruction: How the instruction set is made.
        workers: Processes; 0 for one a core.
        layout: How recordings are named.
    """
    from babyvlm.corpus import open_corpus
    from babyvlm.curation import curate
    from babyvlm.folders import fresh_folder
    from babyvlm.toolbox.instruction import write_instruction_set

    opened = open_corpus(corpus, layout)
    with fresh_folder(out) as partial:
        curate(opened, partial, curation, workers=workers)
        if any(opened.has_boxes(recording) for recording in opened.recordings):
            write_instruction_set(opened, partial / "instruction", instruction, workers=workers or _cores())
        else:
            print("no instruction set: no recording has boxes beside it", file=sys.stderr)


@app.command(name="train")
def train(
    recipe: Positional[str],
    changes: Positional[tuple[str, ...]] = (),
    *,
    data: Path,
    out: Path,
    stage: tuple[Stage, ...] = (),
) -> None:
    """Train one or all stages of a recipe. Interrupted, the same command goes on where it stopped.

    Args:
        recipe: ``nursery`` or ``saycam``.
        changes: Knobs to change, as key=value; ``babyvlm config RECIPE`` lists them.
        data: Folder written by ``babyvlm curate``.
        out: Folder of the run.
        stage: Stages to run; all that the data allow when not given.
    """
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.recipes import resolve
    from babyvlm.training import Trainer, possible_stages, run_in_processes, train_in_process, worth_starting

    resolved, opened = resolve(recipe, changes), PretrainingSet(data)
    stages = stage or possible_stages(opened)
    processes = worth_starting(resolved.cpu_processes)
    if processes == 1:
        Trainer(resolved, opened, out).run(stages)
    else:
        Trainer.claim(out, resolved)
        run_in_processes(train_in_process, (resolved, data, out, stages), processes)


app.command(toolbox_app, name="toolbox", help="The DevCV Toolbox: its items.")


@toolbox_app.command(name="build")
def build(
    source: Positional[Path | None] = None,
    *,
    out: Path,
    images: Path | None = None,
    annotations: Path | None = None,
    toolbox: Annotated[ToolboxConfig, arg(name="")] = ToolboxConfig(),  # noqa: B008
    split: Split = "test",
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
    frames: FrameSource
    if source is not None:
        frames = CorpusSource(open_corpus(source), split)
    else:
        assert images is not None and annotations is not None
        frames = PhotoSource(images, annotations)
    trained_on = None if training is None else TrainingSet.of(PretrainingSet(training))
    decided = None if review is None else read_decisions(review)
    built = build_toolbox(frames, out, toolbox, training=trained_on, review=decided, workers=workers or _cores())
    print("\n".join([f"{task:32} {built.manifest.counts[task]:6} items" for task in built.tasks]))


@toolbox_app.command(name="import")
def import_published(
    source: Positional[str],
    *,
    out: Path,
    image_root: Path | None = None,
    published: Annotated[ImportConfig, arg(name="")] = ImportConfig(),  # noqa: B008
) -> None:
    """Import published items, in any layout in which they are distributed. Nothing of them is lost.

    Args:
        source: Folder (<task>/data.json, <split>/<task>/data.json or <task>_<split>.json), JSON file, or the name of a
            hub data set (owner/name).
        out: Folder to write.
        image_root: Where the picture paths of a bare JSON file start; its own folder when not given.
        published: How they are read.
    """
    from babyvlm.toolbox.published import import_items, report_import, warn_of_problems

    imported = import_items(source, out, published, image_root=image_root)
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


@toolbox_app.command(name="lmms-eval")
def lmms_tasks(
    toolbox: Positional[Path],
    *,
    out: Path,
    scoring: Literal["default", "reference"] = "default",
    limit: int | None = None,
) -> None:
    """Write task files with which lmms-eval 0.7 asks the same items.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build`` or ``import``.
        out: Folder to write.
        scoring: Our own reading of replies, or the published reference's with its faults.
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


@app.command(name="evaluate")
def evaluate_command(
    model: Positional[str],
    toolbox: Positional[Path],
    *,
    out: Path,
    tasks: tuple[str, ...] = (),
    limit: int | None = None,
    seed: int = 0,
) -> None:
    """Let a respondent answer a toolbox's items. Interrupted, the same command goes on where it stopped.

    Args:
        model: A checkpoint folder, or baseline:random, baseline:majority, baseline:blind-match.
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: The run folder.
        tasks: Tasks to ask; all when not given.
        limit: Items a task; all when not given.
        seed: Seed of the random baseline.
    """
    from babyvlm.evaluation import choose_respondent, evaluate
    from babyvlm.evaluation.table import describe_scores
    from babyvlm.toolbox import open_toolbox

    opened = open_toolbox(toolbox)
    respondent = choose_respondent(model, opened, seed=seed)
    scores = evaluate(respondent, opened, out, model=model, tasks=tasks, limit=limit)
    print(describe_scores(scores))


@app.command(name="score")
def score(run: Positional[Path], *, scoring: Literal["default", "reference"] = "default") -> None:
    """Score a run's replies again, without asking anybody.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        scoring: Our own reading of replies, or the published reference's with its faults.
    """
    from babyvlm.evaluation import score_run
    from babyvlm.evaluation.table import describe_scores

    print(describe_scores(score_run(run, scoring)))


@app.command(name="submit")
def submit(
    run: Positional[Path],
    *,
    model: Path,
    out: Path,
    submission: Annotated[SubmissionConfig, arg(name="")] = SubmissionConfig(),  # noqa: B008
) -> None:
    """Write a folder that the public leaderboard takes.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        model: The checkpoint folder that answered in it.
        out: Folder to write.
        submission: What the leaderboard shows beside the figures.
    """
    from babyvlm.leaderboard.submission import why_missing, write_submission

    for key in write_submission(run, model, out, submission):
        print(f"{key:24} missing, counts as 0 on the leaderboard: {why_missing(key)}")
    print(f"written to {out}: submission.json, model.py, scores.json")


@app.command(name="report")
def report(
    runs: Positional[tuple[Path, ...]],
    *,
    out: Path,
    training: Path | None = None,
    data: Path | None = None,
    times: Path | None = None,
    share_restricted: bool = False,
) -> None:
    """Write the comparison page of some runs, with its tables and figures.

    Args:
        runs: Folders written by ``babyvlm evaluate``.
        out: The page, an .html file; tables and figures go beside it.
        training: Run of ``babyvlm train`` whose curves to show.
        data: Curated set whose statistics to show.
        times: JSON file of stage names and seconds, as ``babyvlm demo`` writes it.
        share_restricted: Embed pictures of restricted licence; by default the page leaves them out and says so.
    """
    from babyvlm.reports import write_report

    write_report(runs, out, training=training, data=data, times=times, share_restricted=share_restricted)


@app.command(name="config")
def config(recipe: Positional[str], changes: Positional[tuple[str, ...]] = ()) -> None:
    """Print every resolved knob of a recipe, with its meaning, unit and source.

    Args:
        recipe: ``nursery`` or ``saycam``.
        changes: Knobs to change, as key=value.
    """
    from babyvlm.recipes import describe, resolve

    print(describe(resolve(recipe, changes)))


@app.command(name="doctor")
def doctor() -> None:
    """Say what this machine can and cannot do."""
    from babyvlm.doctor import examine

    print(examine())


@app.command(name="demo")
def demo(*, out: Path, hours: float = 0.9, seed: int = 0) -> None:
    """Run everything on the simulated nursery, in minutes, on two cores; ends with a link to the report.

    Args:
        out: Folder of the demonstration; finished steps in it are kept.
        hours: Recordings to render, hours.
        seed: Seed of everything.
    """
    from babyvlm.demo import run_demo

    run_demo(out, hours=hours, seed=seed)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 2 on an error that a person can mend."""
    try:
        app.cli(
            prog="babyvlm", description="From infants' head-camera video to a model and a benchmark.", args=arguments
        )
    except BabyVLMError as error:
        print(f"babyvlm: error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("babyvlm: interrupted; give the same command again to go on or begin anew", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
