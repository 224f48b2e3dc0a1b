"""Recordings and what is curated from them: ``corpus``, ``curate``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from babyvlm.cli.apps import Layout, app, cores, corpus_app
from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.curation.alignment import AlignerKind
from babyvlm.curation.configuration import ClipModels, CurationConfig, OwnEncoderConfig
from babyvlm.curation.reselect import SelectionChanges
from babyvlm.errors import AnnotationError, ConfigError, InputError
from babyvlm.toolbox import InstructionConfig

if TYPE_CHECKING:
    from babyvlm.corpus import Corpus
    from babyvlm.records import Recording

_SHOWN_BOXES = 5


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
    print(f"{out}: {sum(1 for _ in out.rglob('*.mp4'))} recordings rendered")


@corpus_app.command(name="index")
def index(
    corpus: Positional[Path],
    *,
    layout: Layout = "auto",
    quick: bool = False,
    decode: bool = False,
    problems: Path | None = None,
) -> None:
    """List recordings, ages, hours, speech coverage and problems of a corpus.

    Args:
        corpus: Folder of recordings.
        layout: How recordings are named; NAME is a layout that another package adds.
        quick: Do not read the videos to their ends, which finds gaps and missing ends.
        decode: Decode every frame as well, which finds damaged ones and takes far longer.
        problems: CSV file to write every problem and note to.
    """
    from babyvlm.corpus import describe, index, open_corpus, write_problems

    if quick and decode:
        raise ConfigError("--quick does not read the videos and --decode decodes all of them: give one of the two")
    opened = open_corpus(corpus, layout)
    found = index(opened, read_media=not quick, decode=decode)
    if problems is not None:
        write_problems(problems, found.problems)
        print(f"{problems}: {len(found.problems)} problems and notes written")
    print(describe(opened, found))


@corpus_app.command(name="transcribe")
def transcribe(
    corpus: Positional[Path],
    *,
    recognition: Annotated[RecognitionConfig, arg(name="")] = RecognitionConfig(),  # noqa: B008
    workers: int = 1,
    layout: Layout = "auto",
) -> None:
    """Write a transcript beside each recording that has none; run it again after an interruption to resume.

    Args:
        corpus: Folder of recordings.
        recognition: What recognises, and how.
        workers: Processes, each with a model of its own; 0 for one a core.
        layout: How recordings are named; NAME is a layout that another package adds.
    """
    from babyvlm.corpus import open_corpus
    from babyvlm.corpus.recognition import transcribe_corpus

    done = transcribe_corpus(open_corpus(corpus, layout), recognition, workers or cores())
    print(f"{done.utterances} utterances; recordings: " + ", ".join(f"{n} {what}" for what, n in done.counts.items()))
    for problem in done.problems:
        print(f"  {problem.reason}: {problem.message}", file=sys.stderr)
    failed = [problem for problem in done.problems if not problem.used]
    if failed and not done.counts["transcribed"] and not done.counts["had a transcript"]:
        raise InputError(f"not one recording could be transcribed: {failed[0].message}")


@corpus_app.command(name="select")
def select_command(
    curated: Positional[Path],
    *,
    out: Path,
    changes: Annotated[SelectionChanges, arg(name="")] = SelectionChanges(),  # noqa: B008
) -> None:
    """Make a curated set anew with other thresholds, without decoding or scoring again.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: Folder to write.
        changes: What is different.
    """
    from babyvlm.curation.reselect import reselect

    reselect(curated, out, changes)
    print(_describe_set(out))


@corpus_app.command(name="export")
def export(curated: Positional[Path], *, out: Path, layout: Literal["llava", "huggingface"]) -> None:
    """Write a curated set in a layout that others read.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: Folder to write.
        layout: ``llava``, the published JSON with image files; ``huggingface``, a folder for ``datasets``.
    """
    from babyvlm.curation.exporting import export_huggingface, export_llava

    {"llava": export_llava, "huggingface": export_huggingface}[layout](curated, out)
    print(f"{out}: {sum(path.is_file() for path in out.rglob('*'))} files written in the layout {layout}")


@corpus_app.command(name="card")
def card(curated: Positional[Path], *, out: Path, i_may_share: Literal["", "restricted"] = "") -> None:
    """Write the card of a curated set again: hours, coverage, language, similarities, examples.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: The page, an .html file.
        i_may_share: ``restricted`` embeds restricted frames; by default the page leaves them out and says so.
    """
    from babyvlm.reports.card import write_card

    write_card(curated, out, share_restricted=i_may_share == "restricted")
    print(f"{out}: card of {curated} written")


@app.command(name="curate")
def curate_command(
    corpus: Positional[Path],
    *,
    out: Path,
    curation: Annotated[CurationConfig, arg(name="")] = CurationConfig(),  # noqa: B008
    instruction: InstructionConfig = InstructionConfig(),  # noqa: B008
    aligner: AlignerKind = "none",
    models: ClipModels = ClipModels(),  # noqa: B008
    own: OwnEncoderConfig = OwnEncoderConfig(),  # noqa: B008
    workers: int = 0,
    dask: str = "",
    layout: Layout = "auto",
) -> None:
    """Make the pretraining set of a corpus and, where it has boxes, the instruction set.

    Run it again after an interruption to resume: recordings that were finished are kept beside OUT until it is whole.

    Args:
        corpus: Folder of recordings, with transcripts beside them.
        out: Folder to write.
        curation: How the pretraining set is made.
        instruction: How the instruction set is made.
        aligner: What scores pictures against speech: nothing, CLIP and X-CLIP (paper), or an encoder trained on the
            corpus itself.
        models: The models of ``--aligner clip``.
        own: The encoder of ``--aligner self``.
        workers: Processes; 0 for one a core. With --dask, how many recordings are in work at a time.
        dask: Address of a Dask scheduler, or its scheduler file, to decode on a cluster; see docs/clusters.md.
        layout: How recordings are named; NAME is a layout that another package adds.
    """
    import contextlib
    import shutil

    from babyvlm.corpus import open_corpus
    from babyvlm.curation import curate
    from babyvlm.curation.alignment import check_aligner, make_aligner
    from babyvlm.curation.pipeline import shards_beside
    from babyvlm.executors import dask_executor
    from babyvlm.folders import MANIFEST, fresh_folder
    from babyvlm.reports.card import write_card
    from babyvlm.toolbox.instruction import write_instruction_set

    check_aligner(aligner, curation, models, own)
    opened, shards = open_corpus(corpus, layout), shards_beside(out)
    boxed = _check_boxes(opened, curation)  # what is wrong with boxes is reported before hours of decoding
    if not boxed and instruction != InstructionConfig():
        raise ConfigError(
            "--instruction.* cannot apply: no recording has boxes beside it, so there is no instruction set"
        )
    if (out / MANIFEST).exists():  # left by a run that was killed right after its end
        shutil.rmtree(shards, ignore_errors=True)
    with fresh_folder(out) as partial, contextlib.ExitStack() as cluster:
        executor = cluster.enter_context(dask_executor(dask)) if dask else None
        curate(
            opened,
            partial,
            curation,
            workers=workers,
            executor=executor,
            aligner=make_aligner(aligner, models, own),
            shards=shards,
        )
        if boxed:
            write_instruction_set(opened, partial / "instruction", instruction, workers=workers or cores())
        else:
            print("no instruction set: no recording has boxes beside it", file=sys.stderr)
        write_card(partial, partial / "card.html")
    shutil.rmtree(shards, ignore_errors=True)
    print(_describe_set(out))


def _check_boxes(corpus: Corpus, curation: CurationConfig) -> list[Recording]:
    """The recordings that have boxes; those that cannot be used stop curation, or are named, as it is configured."""
    boxed = [recording for recording in corpus.recordings if corpus.has_boxes(recording)]
    lost = used = 0
    for recording in boxed:
        found = corpus.boxes(recording)
        if found.problems and curation.on_problem == "fail":
            raise found.problems[0]
        lost += len(found.problems)
        used += sum(len(frame.boxes) for frame in found.frames)
        for problem in found.problems[:_SHOWN_BOXES]:
            print(f"  left out: {problem}", file=sys.stderr)
    if lost:
        print(f"boxes: {used} used, {lost} entries of their files left out", file=sys.stderr)
    if lost > 1 and lost > curation.max_skipped_fraction * (used + lost):
        raise AnnotationError(
            f"{lost} of {used + lost} boxes cannot be used, more than max_skipped_fraction "
            f"({curation.max_skipped_fraction:g}) allows",
            path=corpus.folder,
        )
    return boxed


def _describe_set(folder: Path) -> str:
    """What a curated set holds, in the lines with which commands end."""
    from babyvlm.curation import PretrainingSet

    manifest = PretrainingSet(folder).manifest
    totals = Counter[str]()
    for name, count in manifest.counts.items():
        totals[name.partition("/")[0]] += count
    made = ", ".join(f"{totals[name]} {name}" for name in ("recordings", "utterances", "clips", "frames"))
    records = ", ".join(f"{totals[name]} {name}" for name in ("image", "video", "interleaved"))
    lines = [f"{folder}: {made}; records: {records}"]
    noted = {name: count for name, count in manifest.counts.items() if name.startswith(("noted: ", "seconds of "))}
    if noted:
        lines.append(
            "used all the same: " + ", ".join(f"{n} {what.removeprefix('noted: ')}" for what, n in noted.items())
        )
    if manifest.skipped:
        lines.append("left out: " + ", ".join(f"{count} {reason}" for reason, count in manifest.skipped.items()))
    return "\n".join([*lines, *manifest.notes])
