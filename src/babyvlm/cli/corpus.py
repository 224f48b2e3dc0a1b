"""Recordings and what is curated from them: ``corpus``, ``curate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from babyvlm.cli.apps import Layout, app, cores, corpus_app
from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.curation.configuration import CurationConfig
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
def index(corpus: Positional[Path], *, layout: Layout = "auto") -> None:
    """List recordings, ages, hours, speech coverage and problems of a corpus.

    Args:
        corpus: Folder of recordings.
        layout: How recordings are named.
    """
    from babyvlm.corpus import describe, open_corpus

    print(describe(open_corpus(corpus, layout)))


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
            write_instruction_set(opened, partial / "instruction", instruction, workers=workers or cores())
        else:
            print("no instruction set: no recording has boxes beside it", file=sys.stderr)
