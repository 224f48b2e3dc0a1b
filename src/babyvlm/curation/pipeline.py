"""Curation: a corpus of recordings with transcripts in, a pretraining set out. Section 3 of the paper.

    1 read     every transcript, so that what is wrong is told before hours of decoding
    2 decode   each recording once, in a worker, into a shard of its own            listen, look (candidates.py)
    3 score    the candidates of every shard, where there is an aligner             alignment.py
    4 select   what of each recording's candidates becomes rows, in a worker        select, formats (rows.py)
    5 write    the rows of recording after recording into the set's tables          writing.py

Shards and rows outlive an interruption, and the set is written from them in one order, so that its bytes depend neither
on who did the work nor on how often it was stopped. No step holds more than one recording. DEVIATIONs: see
``alignment.py``.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from babyvlm.corpus import Corpus, Problem, open_corpus, read_transcript
from babyvlm.corpus.recordings import RECORDINGS_CSV
from babyvlm.curation.alignment import Aligner, NoAligner, RecordingShard, aligner_thresholds, score_shards
from babyvlm.curation.candidates import listen
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.rows import TABLES, keep_rows, rows_of
from babyvlm.curation.sets import KIND
from babyvlm.curation.shards import Shard, clear_unfinished, make_shard, shard_of
from babyvlm.curation.tally import (
    IMPOSSIBLE_UTTERANCE,
    NO_TRANSCRIPT,
    UNREADABLE_CUE,
    UNREADABLE_TRANSCRIPT,
    UNREADABLE_VIDEO,
    Tally,
)
from babyvlm.curation.writing import TablesWriter
from babyvlm.errors import ConfigError, InputError, MediaError, TranscriptError
from babyvlm.executors import in_order, process_pool
from babyvlm.folders import MANIFEST, Manifest, fresh_folder
from babyvlm.images import ImageStoreWriter
from babyvlm.media import Damage
from babyvlm.progress import progress
from babyvlm.records import Recording, write_jsonl

_HASHED_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One recording to decode, and all that its worker needs to know."""

    recording: Recording
    media: Path
    transcript: Path
    shards: Path
    config: CurationConfig


@dataclass(frozen=True, kw_only=True)
class _Decoded:
    """What became of one recording."""

    shard: Shard | None = None
    media_hash: str = ""
    damage: Damage | None = None
    """What of its picture does not decode."""
    problem: Problem | None = None
    """Why there is no shard."""


def curate(
    corpus: Path | Corpus,
    out: Path,
    config: CurationConfig | None = None,
    workers: int = 0,
    *,
    executor: Executor | None = None,
    aligner: Aligner | None = None,
    shards: Path | None = None,
) -> None:
    """Builds a pretraining set from a corpus.

    Args:
        corpus: A folder of videos with transcripts, or an opened corpus.
        out: Where the set goes; must not exist, or be empty.
        config: The settings; the defaults when None.
        workers: Number of decoding processes; 0 for one per core, 1 for this process only. With an ``executor``, the
            number of recordings in flight.
        executor: Any executor that takes pickled jobs, such as one of ``dask.distributed``, in place of a process pool.
        aligner: Scores frames and clips against their texts; None scores nothing.
        shards: Folder of finished recordings, which the caller removes; None for a hidden one beside ``out``, which is
            removed once the set is complete. After an interruption the same call resumes from it.

    Raises:
        InputError: The corpus has no videos, no transcripts, or nothing to learn from; with ``on_problem="fail"``,
            anything in it that cannot be used; with ``"skip"``, too much of it.
        OutputExistsError: ``out`` holds something.
        ConfigError: ``workers`` is negative, or a filter needs a field that no transcript has.
    """
    config, aligner = config or CurationConfig(), aligner or NoAligner()
    if workers < 0:
        raise ConfigError(f"workers must be 0, for one per core, or more; it is {workers}")
    workers = workers or len(os.sched_getaffinity(0))
    kept_shards = (shards or shards_beside(out)).absolute()
    if shards is None and (out / MANIFEST).exists():
        shutil.rmtree(kept_shards, ignore_errors=True)
    with fresh_folder(out) as partial:
        if isinstance(corpus, Path):
            corpus = open_corpus(corpus)
        tally = Tally(config, corpus)
        inputs: dict[str, str] = {}
        jobs = _read(corpus, config, kept_shards, tally, inputs)
        clear_unfinished(kept_shards)
        with process_pool(workers, len(jobs), executor) as run:
            made = _decode(jobs, run, 2 * workers, tally, inputs)
            # A model is loaded once for each device; a cluster's workers each load their own.
            _score(made, aligner, executor, 2 * workers)
            _select(made, config, aligner, run, 2 * workers)
        _write(partial, made, config, aligner, tally)
        if not tally.counts["clips"]:
            raise InputError(
                f"nothing to learn from: not one clip in {len(made)} recordings. Left out: {_positive(tally.skipped)}",
                path=corpus.folder,
            )
        Manifest(
            kind=KIND,
            configuration={
                "curation": dataclasses.asdict(config),
                "aligner": aligner.name,
                "layout": corpus.layout,
                "split_fractions": dataclasses.asdict(corpus.fractions),
                "not_applied": list(aligner_thresholds(aligner)),
            },
            inputs=dict(sorted(inputs.items())),
            counts=_positive(tally.counts),
            skipped=_positive(tally.skipped),
            notes=[str(tally.files)],
            extensions=corpus.extensions,
        ).write(partial)
    if shards is None:
        shutil.rmtree(kept_shards, ignore_errors=True)


def shards_beside(out: Path) -> Path:
    """Where the finished recordings of an unfinished set are kept."""
    return out.parent / f".{out.name}.shards"


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count}


def _read(corpus: Corpus, config: CurationConfig, shards: Path, tally: Tally, inputs: dict[str, str]) -> list[_Job]:
    """Reads all transcripts and keeps none: there is one job for each recording whose transcript can be used."""
    for problem in corpus.problems:
        tally.problem(problem)
    if all(corpus.transcript_path(recording) is None for recording in corpus.recordings):
        raise TranscriptError(
            f"none of the {len(corpus.recordings)} recordings has a transcript",
            path=corpus.folder,
            remedy="Put <video name>.vtt beside each video, or make them with: babyvlm corpus transcribe",
        )
    if (table := corpus.folder / RECORDINGS_CSV).is_file():
        inputs[RECORDINGS_CSV] = _sha256(table.read_bytes())
    jobs: list[_Job] = []
    heard = impossible = 0
    speakers: set[str] = set()
    languages: set[str] = set()
    for recording in corpus.recordings:
        path = corpus.transcript_path(recording)
        if path is None:
            tally.skipped[NO_TRANSCRIPT] += 1
            tally.lose(recording, NO_TRANSCRIPT)
            continue
        try:
            transcript = corpus.transcript(recording)
        except TranscriptError as error:
            tally.problem(Problem(reason=UNREADABLE_TRANSCRIPT, error=error))
            tally.lose(recording, UNREADABLE_TRANSCRIPT, path)
            continue
        if transcript.path is not None:
            path = transcript.path
            tally.stand_in(path, transcript.broken)
        tally.problems(UNREADABLE_CUE, transcript.unreadable)
        tally.problems(IMPOSSIBLE_UTTERANCE, transcript.problems)
        for note in transcript.notes:
            tally.problem(Problem(reason="odd transcript", error=note, used=True))
        left_out = len(transcript.problems) + len(transcript.unreadable)
        heard += len(transcript.utterances) + left_out
        impossible += left_out
        speakers |= {utterance.speaker.lower() for utterance in transcript.utterances}
        languages |= {utterance.language for utterance in transcript.utterances}
        name = path.relative_to(corpus.folder).as_posix()
        if name not in inputs:  # one file may hold the speech of many recordings
            inputs[name] = _sha256(path.read_bytes())
        media = corpus.media_path(recording).absolute()
        jobs.append(_Job(recording=recording, media=media, transcript=path.absolute(), shards=shards, config=config))
    tally.check_cues(impossible, heard)
    tally.check_recordings()
    _check_filters(config, speakers, languages)
    return jobs


def _check_filters(config: CurationConfig, speakers: set[str], languages: set[str]) -> None:
    """Refuses filters that would leave out nothing because the transcripts do not say what they ask about."""
    if config.languages and not languages - {""}:
        raise ConfigError("--languages cannot apply: no transcript declares a language. Leave it out")
    unknown = [label for label in config.child_speakers if label.lower() not in speakers]
    if speakers and unknown:
        known = ", ".join(sorted(speakers - {""})[:20]) or "none"
        raise ConfigError(f"no transcript has a speaker {unknown[0]!r} (--child-speakers); they have: {known}")


def _decode_recording(job: _Job) -> _Decoded:
    """Makes one recording's shard. Runs in a worker."""
    try:
        transcript = read_transcript(job.transcript, recording=job.recording.id, duration_s=job.recording.duration_s)
        heard = listen(job.recording, transcript, job.config)
        media_hash = fingerprint(job.media)
        shard = shard_of(job.shards, job.recording, media_hash, heard, job.config)
        make_shard(shard, job.recording, job.media, heard, job.config)
    except MediaError as error:
        return _Decoded(problem=Problem(reason=UNREADABLE_VIDEO, error=error))
    return _Decoded(shard=shard, media_hash=media_hash, damage=shard.damage)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A recording with its shard."""

    recording: Recording
    shard: Shard


def _decode(jobs: list[_Job], run: Executor | None, ahead: int, tally: Tally, inputs: dict[str, str]) -> list[_Made]:
    """Makes the shards of all recordings; those that cannot be decoded are problems."""
    made: list[_Made] = []
    with contextlib.closing(in_order(_decode_recording, jobs, run, ahead=ahead)) as results:
        decoded = progress(results, description="decode", total=len(jobs), unit="recording")
        for job, found in zip(jobs, decoded, strict=True):
            if found.shard is None:
                assert found.problem is not None
                tally.problem(found.problem)
                tally.lose(job.recording, UNREADABLE_VIDEO)
                tally.check_recordings()
                continue
            if found.damage is not None:
                tally.damage(job.recording, found.damage)
                tally.check_recordings()
            inputs[job.recording.media] = found.media_hash
            made.append(_Made(recording=job.recording, shard=found.shard))
    return made


def _score(made: list[_Made], aligner: Aligner, executor: Executor | None, ahead: int) -> None:
    """Adds the aligner's scores to the shards that lack them."""
    if isinstance(aligner, NoAligner):
        return
    recordings = [
        RecordingShard(recording=each.recording.id, split=each.recording.split, shard=each.shard) for each in made
    ]
    aligner.fit(recordings)
    with contextlib.closing(score_shards(aligner, recordings, executor, ahead=ahead)) as scored:
        for _ in progress(scored, description=f"score ({aligner.name})", total=len(recordings), unit="recording"):
            pass


@dataclass(frozen=True, kw_only=True)
class _Selection:
    """A recording to select from, and all that its worker needs to know."""

    made: _Made
    config: CurationConfig
    aligner: str | None


def _scored_by(aligner: Aligner) -> str | None:
    return None if isinstance(aligner, NoAligner) else aligner.name


def _select_recording(job: _Selection) -> None:
    """Makes one recording's rows. Runs in a worker."""
    with _memory_of_the_system():
        keep_rows(job.made.shard, job.made.recording, job.config, job.aligner)
    _give_memory_back()


def _select(made: list[_Made], config: CurationConfig, aligner: Aligner, run: Executor | None, ahead: int) -> None:
    """Makes the rows of all recordings that lack them."""
    name = _scored_by(aligner)
    jobs = [
        _Selection(made=each, config=config, aligner=name)
        for each in made
        if not rows_of(each.shard, each.recording, config, name).folder.is_dir()
    ]
    with contextlib.closing(in_order(_select_recording, jobs, run, ahead=ahead)) as selected:
        for _ in progress(selected, description="select", total=len(jobs), unit="recording"):
            pass


@contextlib.contextmanager
def _memory_of_the_system() -> Iterator[None]:
    """Lets Arrow take its memory from the system, since its own allocator keeps a little more with every recording."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _give_memory_back() -> None:
    """Hands what is free to the kernel, so that a long corpus leaves no more holes than a short one. Needs glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _write(folder: Path, made: Iterable[_Made], config: CurationConfig, aligner: Aligner, tally: Tally) -> None:
    """Writes the set from the shards and their rows, in the order of the recordings."""
    name = _scored_by(aligner)
    recordings: list[Recording] = []
    _give_memory_back()
    with (
        _memory_of_the_system(),
        ImageStoreWriter(folder / "images") as images,
        TablesWriter(folder, list(TABLES)) as tables,
    ):
        for each in progress(made, description="write", unit="recording"):
            recordings.append(each.recording)
            images.add_store(each.shard.images_folder)
            tables.add(rows_of(each.shard, each.recording, config, name))
        tally.counts["frames"] = len(images)
    _give_memory_back()
    tally.counts.update(tables.counts)
    tally.skipped.update(tables.skipped)
    write_jsonl(folder / "recordings.jsonl", recordings)


def fingerprint(path: Path) -> str:
    """Size and partial hash of a large file: its first and last mebibyte, which for a video hold its index.

    Raises:
        MediaError: The file is gone.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            ends = file.read(_HASHED_BYTES)
            file.seek(max(_HASHED_BYTES, size - _HASHED_BYTES))
            ends += file.read()
    except OSError as error:
        raise MediaError(f"the file does not read ({error})", path=path) from error
    return f"{size} bytes, ends {_sha256(ends)[:32]}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
