"""Recordings and what is curated from them.

corpus ──> index, transcripts ──> curated set: records, frames, instruction part, card ──> other thresholds, layouts
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from babyvlm.chain import Place, usable_cores
from babyvlm.errors import AnnotationError, ConfigError, InputError

if TYPE_CHECKING:
    from babyvlm.corpus import Corpus, CorpusIndex
    from babyvlm.corpus.nursery import NurseryConfig
    from babyvlm.corpus.recognition import RecognitionConfig, Transcribed
    from babyvlm.curation import CurationConfig, PretrainingSet
    from babyvlm.curation.choose import AlignerKind
    from babyvlm.curation.configuration import ClipModels, EncoderConfig, OwnEncoderConfig
    from babyvlm.curation.recording_choice import RecordingChoice
    from babyvlm.curation.reselect import SelectionChanges
    from babyvlm.evaluation.dual_encoder import PictureTextEncoder
    from babyvlm.names import MaterialName
    from babyvlm.records import Recording
    from babyvlm.toolbox import InstructionConfig

SetLayout = Literal["llava", "huggingface"]
"""``llava``, the published JSON with image files; ``huggingface``, a folder for ``datasets``."""
_SHOWN_BOXES = 5


def make_corpus(out: Place, config: NurseryConfig | None = None, *, workers: int = 0) -> Path:
    """Renders the simulated nursery: mp4 files with sound, transcripts and boxes, laid out like a provider's corpus.

    Args:
        out: Folder to write; absent or empty.
        config: What is rendered (ours: the paper has no simulation).
        workers: Processes; 0 for one a core. The files do not depend on it.

    Returns:
        The corpus folder.

    Raises:
        OutputExistsError: ``out`` holds something.
        ConfigError: The speech engine asked for is not installed.
        MissingExtraError: The extra ``render`` is not installed.
    """
    from babyvlm.corpus.nursery import NurseryConfig, render_nursery

    render_nursery(config or NurseryConfig(), Path(out), workers)
    return Path(out)


def index_corpus(
    corpus: Place | Corpus,
    *,
    layout: str = "auto",
    read_media: bool = True,
    decode: bool = False,
    problems: Place | None = None,
    workers: int = 0,
) -> CorpusIndex:
    """Lists recordings, ages, hours, speech coverage and problems of a corpus.

    What is found in the videos is kept in the user's cache: called again it reads those alone that are new or changed
    since, and opening the corpus, as every step does, reads none.

    Args:
        corpus: Folder of recordings, or an opened corpus.
        layout: How recordings are named: a built-in name, that of another package, or ``auto``.
        read_media: Whether the videos are read to their ends, which finds gaps and missing ends.
        decode: Whether every frame is decoded as well, which finds damaged ones and takes far longer.
        problems: CSV file to write every problem and note to.
        workers: Processes that read videos; 0 for one a core. The result does not depend on it.

    Returns:
        Recordings by child and month of age, hours, utterances, and everything wrong.

    Raises:
        ConfigError: ``decode`` without ``read_media``, negative ``workers``, or an unknown layout.
        InputError: The folder has no recordings.
    """
    from babyvlm.corpus import index, write_problems

    if decode and not read_media:
        raise ConfigError("--quick does not read the videos and --decode decodes all of them: give one of the two")
    if workers < 0:
        raise ConfigError(f"workers must be 0, for one per core, or more; it is {workers}")
    corpus = opened(corpus, layout)
    found = index(corpus, read_media=read_media, decode=decode, workers=workers or usable_cores(), remember=True)
    print(f"videos: {found.news}", file=sys.stderr)
    if found.not_remembered is not None:
        print(f"note: {found.not_remembered}", file=sys.stderr)
    if problems is not None:
        write_problems(Path(problems), found.problems)
    return found


def opened(corpus: Place | Corpus, layout: str = "auto") -> Corpus:
    """Opens a corpus folder; one that is open already is given back.

    Args:
        corpus: Folder of recordings, or an opened corpus.
        layout: How recordings are named.

    Raises:
        InputError: The folder has no recordings.
    """
    from babyvlm.corpus import open_corpus

    return open_corpus(Path(corpus), layout) if isinstance(corpus, str | Path) else corpus


def transcribe(
    corpus: Place | Corpus, config: RecognitionConfig | None = None, *, workers: int = 1, layout: str = "auto"
) -> Transcribed:
    """Writes a transcript beside each recording that has none; called again after an interruption it resumes.

    Args:
        corpus: Folder of recordings, or an opened corpus; it is written to.
        config: What recognises speech, and how.
        workers: Processes, each with a model of its own; 0 for one a core.
        layout: How recordings are named.

    Returns:
        Recordings by what became of them, utterances written, and problems.

    Raises:
        MissingExtraError: The engine is not installed.
        CheckpointError: Its model does not load.
        InputError: Not one recording could be transcribed.
    """
    from babyvlm.corpus.recognition import RecognitionConfig, transcribe_corpus

    done = transcribe_corpus(opened(corpus, layout), config or RecognitionConfig(), workers or usable_cores())
    for problem in done.problems:
        print(f"  {problem.reason}: {problem.message}", file=sys.stderr)
    failed = [problem for problem in done.problems if not problem.used]
    if failed and not done.counts["transcribed"] and not done.counts["had a transcript"]:
        raise InputError(f"not one recording could be transcribed: {failed[0].message}")
    return done


def curate(
    corpus: Place | Corpus,
    out: Place,
    config: CurationConfig | None = None,
    *,
    instruction: InstructionConfig | None = None,
    aligner: AlignerKind = "none",
    models: ClipModels | None = None,
    own: OwnEncoderConfig | None = None,
    encoder: EncoderConfig | None = None,
    workers: int = 0,
    dask: str = "",
    layout: str = "auto",
    recipe: MaterialName | None = None,
) -> PretrainingSet:
    """Makes the pretraining set of a corpus, its card and, where the corpus has boxes, the instruction set.

    Called again after an interruption it resumes: recordings that were finished are kept beside ``out`` until it is
    whole.

    Args:
        corpus: Folder of recordings with transcripts beside them, or an opened corpus.
        out: Folder to write; absent or empty.
        config: How the pretraining set is made (paper, but for what is marked as ours).
        instruction: How the instruction set is made.
        aligner: What scores pictures against speech: nothing, CLIP and X-CLIP (paper), an encoder trained on the corpus
            itself (ours), or a dual encoder trained before (ours).
        models: The models of ``aligner="clip"``.
        own: The encoder of ``aligner="self"``.
        encoder: That of ``aligner="encoder"``. Pairs it was trained on score higher than others: it should come from
            other recordings.
        workers: Processes; 0 for one a core. With ``dask``, how many recordings are in work at a time.
        dask: Address of a Dask scheduler, or its scheduler file, to decode on a cluster.
        layout: How recordings are named.
        recipe: The recipe that is to learn from the set: its numbers of instruction items stand in place of the
            defaults of ``instruction``. Those of ``saycam`` are the published ones (paper).

    Returns:
        The set, opened.

    Raises:
        InputError: The corpus has no videos, no transcripts, nothing to learn from, or something that cannot be used.
        ConfigError: Settings contradict each other or cannot apply.
        CheckpointError: ``encoder`` or one of ``models`` is none, or is out of reach.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.curation import CurationConfig, PretrainingSet
    from babyvlm.curation import curate as curate_pretraining
    from babyvlm.curation.choose import check_aligner, make_aligner
    from babyvlm.curation.configuration import ClipModels, EncoderConfig, OwnEncoderConfig
    from babyvlm.curation.pipeline import shards_beside
    from babyvlm.executors import dask_executor
    from babyvlm.folders import MANIFEST, fresh_folder
    from babyvlm.reports.card import write_card
    from babyvlm.toolbox import InstructionConfig, write_instruction_set

    out, config, instruction = Path(out), config or CurationConfig(), instruction or InstructionConfig()
    models, own, encoder = models or ClipModels(), own or OwnEncoderConfig(), encoder or EncoderConfig()
    check_aligner(aligner, config, models, own, encoder, on_cluster=bool(dask))
    scorer = make_aligner(aligner, models, own, encoder, functools.partial(_open_encoder, encoder.model))
    corpus, shards = opened(corpus, layout), shards_beside(out)
    boxed = _check_boxes(corpus, config)  # what is wrong with boxes is reported before hours of decoding
    if not boxed and instruction != InstructionConfig():
        raise ConfigError(
            "--instruction.* cannot apply: no recording has boxes beside it, so there is no instruction set"
        )
    instruction = instruction if recipe is None else _for_recipe(recipe, instruction)
    if (out / MANIFEST).exists():  # left by a run that was killed right after its end
        shutil.rmtree(shards, ignore_errors=True)
    with fresh_folder(out) as partial, contextlib.ExitStack() as cluster:
        executor = cluster.enter_context(dask_executor(dask)) if dask else None
        curate_pretraining(corpus, partial, config, workers, executor=executor, aligner=scorer, shards=shards)
        if boxed:
            write_instruction_set(corpus, partial / "instruction", instruction, workers=workers or usable_cores())
        else:
            print("no instruction set: no recording has boxes beside it", file=sys.stderr)
        write_card(partial, partial / "card.html")
    shutil.rmtree(shards, ignore_errors=True)
    return PretrainingSet(out)


def _open_encoder(name: str) -> PictureTextEncoder:
    from babyvlm.evaluation.choose import open_pair_encoder

    return open_pair_encoder(name)


def _for_recipe(recipe: MaterialName, instruction: InstructionConfig) -> InstructionConfig:
    """The settings of an instruction set, with a recipe's amounts in place of defaults."""
    from babyvlm.recipes.material import material_of  # which loads torch

    return material_of(recipe).instruction(instruction)


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


def select(
    curated: Place,
    out: Place,
    changes: SelectionChanges | None = None,
    *,
    recordings: RecordingChoice | None = None,
    clips: Place | None = None,
) -> PretrainingSet:
    """Makes a part of a curated set, by age, child, date, hours or a list of clips, or the set again with other
    thresholds.

    Nothing is decoded or scored again. The new set has a card of its own.

    Args:
        curated: Folder that `curate` wrote.
        out: Folder to write; absent or empty.
        changes: Thresholds that are different.
        recordings: Which recordings stay; all by default.
        clips: CSV file of the training and validation clips that stay, one row each: ``clip``, the id of its video
            record; ``frames`` that stay, all by default; ``text`` in place of what was heard. All stay by default.

    Returns:
        The new set, opened.

    Raises:
        InputError: ``clips`` does not read, or names what the set does not have.
        ConfigError: Nothing changes, nothing is left, or a setting cannot apply.
        DataFolderError: ``curated`` is no whole set.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.curation import PretrainingSet
    from babyvlm.curation.clip_list import ClipList
    from babyvlm.curation.reselect import SelectionChanges, reselect
    from babyvlm.folders import fresh_folder
    from babyvlm.reports.card import write_card

    listed = None if clips is None else ClipList(Path(clips))
    with fresh_folder(Path(out)) as partial:
        reselect(Path(curated), partial, changes or SelectionChanges(), recordings, listed)
        write_card(partial, partial / "card.html")
    return PretrainingSet(Path(out))


def export_set(curated: Place, out: Place, *, layout: SetLayout) -> Path:
    """Writes a curated set in a layout that others read.

    Args:
        curated: Folder that `curate` wrote.
        out: Folder to write; absent or empty.
        layout: Which one.

    Returns:
        The folder written.

    Raises:
        ConfigError: An unknown layout.
        DataFolderError: ``curated`` is no whole set.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.curation.exporting import export_huggingface, export_llava

    writers = {"llava": export_llava, "huggingface": export_huggingface}
    if layout not in writers:
        raise ConfigError(f"there is no layout {layout!r} of curated sets; choose one of {', '.join(writers)}")
    writers[layout](Path(curated), Path(out))
    return Path(out)


def write_card(curated: Place, out: Place, *, share_restricted: bool = False) -> Path:
    """Writes the card of a curated set again: hours, coverage, language, similarities, examples.

    Args:
        curated: Folder that `curate` wrote.
        out: The page, an .html file; absent.
        share_restricted: Whether frames of a restricted licence are embedded.

    Returns:
        The page.

    Raises:
        DataFolderError: ``curated`` is no whole set.
        OutputExistsError: ``out`` is there.
    """
    from babyvlm.reports.card import write_card

    write_card(Path(curated), Path(out), share_restricted=share_restricted)
    return Path(out)
