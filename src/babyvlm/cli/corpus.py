"""Recordings and what is curated from them: ``corpus``, ``curate``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.chain.data import SetLayout, opened
from babyvlm.cli.shared import Layout, Sharing, closing
from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.curation.choose import AlignerKind
from babyvlm.curation.configuration import ClipModels, CurationConfig, EncoderConfig, OwnEncoderConfig
from babyvlm.curation.recording_choice import RecordingChoice
from babyvlm.curation.reselect import SelectionChanges
from babyvlm.names import MaterialName
from babyvlm.toolbox import InstructionConfig

if TYPE_CHECKING:
    from babyvlm.curation import PretrainingSet


def render(
    *,
    out: Path,
    nursery: Annotated[NurseryConfig, arg(name="")] = NurseryConfig(),  # noqa: B008
    workers: int = 0,
) -> str:
    """Render the simulated nursery: mp4 files with sound, transcripts and boxes.

    Args:
        out: Folder to write.
        nursery: What is rendered.
        workers: Processes; 0 for one a core.
    """
    babyvlm.make_corpus(out, nursery, workers=workers)
    print(f"{out}: {sum(1 for _ in out.rglob('*.mp4'))} recordings rendered")
    return closing(f"{out} is a corpus", "curate", out, "--out", "SET")


def index(
    corpus: Positional[Path],
    *,
    layout: Layout = "auto",
    quick: bool = False,
    decode: bool = False,
    problems: Path | None = None,
    workers: int = 0,
) -> str:
    """List recordings, ages, hours, speech coverage and problems of a corpus.

    Videos that are as they were at the last index are not read again.

    Args:
        corpus: Folder of recordings.
        layout: How recordings are named; NAME is a layout that another package adds.
        quick: Do not read the videos to their ends, which finds gaps and missing ends.
        decode: Decode every frame as well, which finds damaged ones and takes far longer.
        problems: CSV file to write every problem and note to.
        workers: Processes that read videos; 0 for one a core.
    """
    from babyvlm.corpus import describe

    recordings = opened(corpus, layout)
    found = babyvlm.index_corpus(recordings, read_media=not quick, decode=decode, problems=problems, workers=workers)
    if problems is not None:
        print(f"{problems}: {len(found.problems)} problems and notes written")
    print(describe(recordings, found))
    if any(recordings.transcript_path(recording) is None for recording in recordings.recordings):
        return closing(f"{corpus} has recordings without a transcript", "corpus", "transcribe", corpus)
    return closing(f"{corpus} is indexed", "curate", corpus, "--out", "SET")


def transcribe(
    corpus: Positional[Path],
    *,
    recognition: Annotated[RecognitionConfig, arg(name="")] = RecognitionConfig(),  # noqa: B008
    workers: int = 1,
    layout: Layout = "auto",
) -> str:
    """Write a transcript beside each recording that has none; run it again after an interruption to resume.

    Args:
        corpus: Folder of recordings.
        recognition: What recognises, and how.
        workers: Processes, each with a model of its own; 0 for one a core.
        layout: How recordings are named; NAME is a layout that another package adds.
    """
    done = babyvlm.transcribe(corpus, recognition, workers=workers, layout=layout)
    print(f"{done.utterances} utterances; recordings: " + ", ".join(f"{n} {what}" for what, n in done.counts.items()))
    return closing(f"{done.counts['transcribed']} transcripts are written", "curate", corpus, "--out", "SET")


def select(
    curated: Positional[Path],
    *,
    out: Path,
    recordings: Annotated[RecordingChoice, arg(name="")] = RecordingChoice(),  # noqa: B008
    changes: Annotated[SelectionChanges, arg(name="")] = SelectionChanges(),  # noqa: B008
    clips: Path | None = None,
) -> str:
    """Make a part of a curated set, by age, child, date, hours or list, or the set again with other thresholds.

    Nothing is decoded or scored again. What is left out is counted by its reason.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: Folder to write.
        recordings: Which recordings stay.
        changes: Thresholds that are different.
        clips: CSV file of the training and validation clips that stay, one row each: ``clip``, the id of its video
            record; ``frames``, places of those that stay, such as ``1 3``; ``text`` in place of what was heard.
    """
    print(_describe_set(babyvlm.select(curated, out, changes, recordings=recordings, clips=clips)))
    return _train_next(out)


def export(curated: Positional[Path], *, out: Path, layout: SetLayout) -> str:
    """Write a curated set in a layout that others read.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: Folder to write.
        layout: ``llava``, the published JSON with image files; ``huggingface``, a folder for ``datasets``.
    """
    babyvlm.export_set(curated, out, layout=layout)
    print(f"{out}: {sum(path.is_file() for path in out.rglob('*'))} files written in the layout {layout}")
    readers = {
        "llava": "LLaVA's training code reads it",
        "huggingface": f"datasets.load_dataset({str(out)!r}) reads it",
    }
    return closing(f"{out} is a copy of {curated}; {readers[layout]}")


def card(curated: Positional[Path], *, out: Path, i_may_share: Sharing = "") -> str:
    """Write the card of a curated set again: hours, coverage, language, similarities, examples.

    Args:
        curated: Folder that ``babyvlm curate`` wrote.
        out: The page, an .html file.
        i_may_share: ``restricted`` embeds restricted frames; by default the page leaves them out and says so.
    """
    babyvlm.write_card(curated, out, share_restricted=i_may_share == "restricted")
    print(f"{out}: card of {curated} written")
    return closing(f"open {out} in a browser")


def curate(
    corpus: Positional[Path],
    *,
    out: Path,
    curation: Annotated[CurationConfig, arg(name="")] = CurationConfig(),  # noqa: B008
    instruction: InstructionConfig = InstructionConfig(),  # noqa: B008
    aligner: AlignerKind = "none",
    models: ClipModels = ClipModels(),  # noqa: B008
    own: OwnEncoderConfig = OwnEncoderConfig(),  # noqa: B008
    encoder: EncoderConfig = EncoderConfig(),  # noqa: B008
    workers: int = 0,
    dask: str = "",
    layout: Layout = "auto",
    recipe: MaterialName | None = None,
) -> str:
    """Make the pretraining set of a corpus and, where it has boxes, the instruction set.

    Run it again after an interruption to resume: recordings that were finished are kept beside OUT until it is whole.

    Args:
        corpus: Folder of recordings, with transcripts beside them.
        out: Folder to write.
        curation: How the pretraining set is made.
        instruction: How the instruction set is made.
        aligner: What scores pictures against speech: nothing, CLIP and X-CLIP (paper), an encoder trained on the corpus
            itself, or a dual encoder trained before.
        models: The models of ``--aligner clip``.
        own: The encoder of ``--aligner self``.
        encoder: The encoder of ``--aligner encoder``.
        workers: Processes; 0 for one a core. With --dask, how many recordings are in work at a time.
        dask: Address of a Dask scheduler, or its scheduler file, to decode on a cluster; see docs/clusters.md.
        layout: How recordings are named; NAME is a layout that another package adds.
        recipe: The recipe that will learn from the set: as many instruction items as it needs, where --instruction.*
            do not say; for saycam the published 113,211 (paper).
    """
    made = babyvlm.curate(
        corpus, out, curation, instruction=instruction, aligner=aligner, models=models, own=own, encoder=encoder,
        workers=workers, dask=dask, layout=layout, recipe=recipe,
    )  # fmt: skip
    print(_describe_set(made))
    return _train_next(out)


def _train_next(out: Path) -> str:
    return closing(f"{out / 'card.html'} shows the set", "train", "RECIPE", "--data", out, "--out", "MODEL")


def _describe_set(made: PretrainingSet) -> str:
    """What a curated set holds, in the lines with which commands end."""
    manifest = made.manifest
    totals = Counter[str]()
    for name, count in manifest.counts.items():
        totals[name.partition("/")[0]] += count
    held = ", ".join(f"{totals[name]} {name}" for name in ("recordings", "utterances", "clips", "frames"))
    records = ", ".join(f"{totals[name]} {name}" for name in ("image", "video", "interleaved"))
    lines = [f"{made.folder}: {held}; records: {records}"]
    noted = {name: count for name, count in manifest.counts.items() if name.startswith(("noted: ", "seconds of "))}
    if noted:
        lines.append(
            "used all the same: " + ", ".join(f"{n} {what.removeprefix('noted: ')}" for what, n in noted.items())
        )
    if manifest.skipped:
        lines.append("left out: " + ", ".join(f"{count} {reason}" for reason, count in manifest.skipped.items()))
    return "\n".join([*lines, *manifest.notes])
