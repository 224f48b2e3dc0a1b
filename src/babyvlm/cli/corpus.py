"""Recordings and what is curated from them: ``corpus``, ``curate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from babyvlm.cli.apps import Layout, app, cores, corpus_app
from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.curation.alignment import AlignerKind
from babyvlm.curation.configuration import ClipModels, CurationConfig, OwnEncoderConfig
from babyvlm.curation.reselect import SelectionChanges
from babyvlm.toolbox import InstructionConfig


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
def index(
    corpus: Positional[Path], *, layout: Layout = "auto", quick: bool = False, problems: Path | None = None
) -> None:
    """List recordings, ages, hours, speech coverage and problems of a corpus.

    Args:
        corpus: Folder of recordings.
        layout: How recordings are named.
        quick: Do not read the videos to their ends, which finds gaps and missing ends.
        problems: CSV file to write every problem and note to.
    """
    from babyvlm.corpus import describe, index, open_corpus, write_problems

    opened = open_corpus(corpus, layout)
    found = index(opened, read_media=not quick)
    print(describe(opened, found))
    if problems is not None:
        write_problems(problems, found.problems)


@corpus_app.command(name="transcribe")
def transcribe(
    corpus: Positional[Path],
    *,
    recognition: Annotated[RecognitionConfig, arg(name="")] = RecognitionConfig(),  # noqa: B008
    workers: int = 1,
    layout: Layout = "auto",
) -> None:
    """Write a transcript beside each recording that has none; the same command goes on after an interruption.

    Args:
        corpus: Folder of recordings.
        recognition: What recognises, and how.
        workers: Processes, each with a model of its own; 0 for one a core.
        layout: How recordings are named.
    """
    from babyvlm.corpus import open_corpus
    from babyvlm.corpus.recognition import transcribe_corpus

    done = transcribe_corpus(open_corpus(corpus, layout), recognition, workers or cores())
    print(f"{done.utterances} utterances; recordings: " + ", ".join(f"{n} {what}" for what, n in done.counts.items()))
    for problem in done.problems:
        print(f"  {problem.reason}: {problem.message}", file=sys.stderr)


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

    The same command goes on after an interruption: recordings that were finished are kept beside OUT until it is whole.

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
        layout: How recordings are named.
    """
    import contextlib
    import shutil

    from babyvlm.corpus import open_corpus
    from babyvlm.curation import curate
    from babyvlm.curation.alignment import make_aligner
    from babyvlm.curation.pipeline import shards_beside
    from babyvlm.executors import dask_executor
    from babyvlm.folders import fresh_folder
    from babyvlm.reports.card import write_card
    from babyvlm.toolbox.instruction import write_instruction_set

    opened, shards = open_corpus(corpus, layout), shards_beside(out)
    boxed = [recording for recording in opened.recordings if opened.has_boxes(recording)]
    for recording in boxed:
        opened.boxed_frames(recording)  # what is wrong with boxes is told before hours of decoding
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
