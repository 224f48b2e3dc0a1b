"""Curation: a corpus of recordings with transcripts in, a pretraining set out. Section 3 of the paper.

    transcript --select_utterances--> language corpus --cut_clips--> clips
    video + clips --sample_frames, score--> kept clips --formats--> image | video | interleaved records

Each recording is one job: its video is decoded once, in a worker, and what comes back is written in the order of the
recordings, so that the bytes do not depend on who did the work. DEVIATIONs: see ``alignment.py``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from babyvlm.corpus import Corpus, Problem, Transcript, open_corpus
from babyvlm.corpus.recordings import RECORDINGS_CSV
from babyvlm.curation.alignment import Aligner, NoAligner
from babyvlm.curation.clips import Clip, cut_clips
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.formats import (
    KeptClip,
    KeptFrame,
    image_conversations,
    interleaved_conversations,
    video_conversations,
)
from babyvlm.curation.frames import sample_frames, sharpness
from babyvlm.curation.sets import CONVERSATION_SCHEMA, KIND, UTTERANCE_SCHEMA, RowWriter
from babyvlm.curation.utterances import select_utterances
from babyvlm.errors import BabyVLMError, InputError, MediaError, TranscriptError
from babyvlm.folders import Manifest, fresh_folder
from babyvlm.images import ImageStoreWriter, encode_jpeg
from babyvlm.progress import progress
from babyvlm.records import Conversation, Recording, Utterance, write_jsonl

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

_HASHED_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One recording to curate, and all that its worker needs to know."""

    recording: Recording
    media: Path
    utterances: tuple[Utterance, ...]
    clips: tuple[Clip, ...]
    config: CurationConfig
    aligner: Aligner


@dataclass(frozen=True, kw_only=True)
class _Curated:
    """What one recording yields."""

    conversations: tuple[Conversation, ...] = ()
    frames: tuple[tuple[str, bytes], ...] = ()
    """Id and JPEG of each frame of the records."""
    skipped: Counter[str] = field(default_factory=Counter)
    media_hash: str = ""
    problem: Problem | None = None
    """Why the recording could not be used; then there is nothing else."""


class _Tally:
    """Counts what is kept and skipped, and decides when a problem stops curation."""

    def __init__(self, config: CurationConfig) -> None:
        self._config = config
        self._first: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def problem(self, problem: Problem) -> None:
        """Raises the problem, or counts it, as ``on_problem`` has it."""
        if self._config.on_problem == "fail":
            raise problem.error
        self.skipped[problem.reason] += 1
        self._first.setdefault(problem.reason, problem.message)

    def check(self, what: str, skipped: int, total: int, folder: Path) -> None:
        """Raises InputError when too large a part of the corpus had to be skipped."""
        if skipped > self._config.max_skipped_fraction * total:
            examples = "; ".join(f"{reason}: {message}" for reason, message in self._first.items())
            raise InputError(
                f"{skipped} of {total} {what} cannot be used, more than max_skipped_fraction "
                f"({self._config.max_skipped_fraction:g}) allows. {examples}",
                path=folder,
            )


def curate(
    corpus: Path | Corpus,
    out: Path,
    config: CurationConfig | None = None,
    workers: int = 0,
    *,
    executor: Executor | None = None,
    aligner: Aligner | None = None,
) -> None:
    """Makes a pretraining set of a corpus.

    Args:
        corpus: A folder of videos with transcripts, or an opened corpus.
        out: Where the set goes; must not exist, or be empty.
        config: The knobs; None for the defaults.
        workers: Processes to decode with; 0 for one a core, 1 to stay in this process. With an ``executor``, how many
            recordings it works on at a time.
        executor: Any executor that takes pickled jobs, such as one of ``dask.distributed``, in place of a process pool.
        aligner: Scores frames and clips against their texts; None scores nothing.

    Raises:
        InputError: The corpus has no videos, no transcripts, or nothing to learn from; with ``on_problem="fail"``,
            anything in it that cannot be used; with ``"skip"``, too much of it.
        OutputExistsError: ``out`` holds something.
    """
    config, aligner = config or CurationConfig(), aligner or NoAligner()
    workers = workers or os.cpu_count() or 1
    with fresh_folder(out) as partial:
        if isinstance(corpus, Path):
            corpus = open_corpus(corpus)
        tally = _Tally(config)
        inputs: dict[str, str] = {}
        jobs = _prepare(corpus, config, aligner, tally, inputs)
        with (
            _pool(workers, len(jobs), executor) as run,
            contextlib.closing(_in_order(_curate_recording, jobs, run, ahead=2 * workers)) as results,
        ):
            recordings = _write(partial, zip(jobs, results, strict=True), len(jobs), tally, inputs)
        unusable = sum(count for reason, count in tally.skipped.items() if reason in _UNUSABLE_RECORDING)
        tally.check("recordings", unusable, len(corpus.recordings) + len(corpus.problems), corpus.folder)
        if not tally.counts["clips"]:
            raise InputError(
                f"nothing to learn from: not one clip in {len(recordings)} recordings. Left out: {dict(tally.skipped)}",
                path=corpus.folder,
            )
        Manifest(
            kind=KIND,
            configuration={
                "curation": dataclasses.asdict(config),
                "aligner": aligner.name,
                "layout": corpus.layout,
                "split_fractions": dataclasses.asdict(corpus.fractions),
            },
            inputs=dict(sorted(inputs.items())),
            counts=dict(sorted(tally.counts.items())),
            skipped=dict(sorted((reason, count) for reason, count in tally.skipped.items() if count)),
        ).write(partial)


_UNREADABLE_TRANSCRIPT, _IMPOSSIBLE_UTTERANCE = "unreadable transcript", "impossible utterance"
_UNUSABLE_RECORDING = {"missing video", "unreadable video", "name used twice", _UNREADABLE_TRANSCRIPT}


def _prepare(
    corpus: Corpus, config: CurationConfig, aligner: Aligner, tally: _Tally, inputs: dict[str, str]
) -> list[_Job]:
    """Reads all transcripts, so that what is wrong with them is told before hours of decoding."""
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
    for recording in corpus.recordings:
        path = corpus.transcript_path(recording)
        if path is None:
            tally.skipped["recording without a transcript"] += 1
            continue
        try:
            transcript = corpus.transcript(recording)
        except TranscriptError as error:
            tally.problem(Problem(reason=_UNREADABLE_TRANSCRIPT, error=error))
            continue
        for fault in transcript.problems:
            tally.problem(Problem(reason=_IMPOSSIBLE_UTTERANCE, error=fault))
        heard += len(transcript.utterances) + len(transcript.problems)
        impossible += len(transcript.problems)
        inputs[path.relative_to(corpus.folder).as_posix()] = _sha256(path.read_bytes())
        jobs.append(_job(corpus, recording, transcript, config, aligner, tally))
    tally.check("utterances", impossible, heard, corpus.folder)
    return jobs


def _job(
    corpus: Corpus,
    recording: Recording,
    transcript: Transcript,
    config: CurationConfig,
    aligner: Aligner,
    tally: _Tally,
) -> _Job:
    utterances, without_speech = select_utterances(transcript.utterances, recording.child, config)
    clips, without_clip = cut_clips(utterances, recording.duration_s, config)
    tally.skipped += without_speech + without_clip
    tally.skipped["cue without text"] += transcript.empty
    tally.counts["utterances clipped at the end of their recording"] += transcript.clipped
    return _Job(
        recording=recording,
        media=corpus.media_path(recording),
        utterances=tuple(utterances),
        clips=tuple(clips),
        config=config,
        aligner=aligner,
    )


def _curate_recording(job: _Job) -> _Curated:
    """Decodes one recording and makes its records. Runs in a worker."""
    kept: list[KeptClip] = []
    frames: list[tuple[str, bytes]] = []
    skipped: Counter[str] = Counter()
    try:
        sampled = sample_frames(
            job.media,
            job.clips,
            duration_s=job.recording.duration_s,
            fps=job.config.fps,
            frame_size=job.config.frame_size,
        )
        for clip, images in sampled:
            stem = clip.stem(job.recording.id)
            clip_score = job.aligner.clip_score(images, clip.text) if images else None
            if clip_score is not None and clip_score <= job.config.min_clip_alignment:
                skipped["clip below the alignment threshold"] += 1
                continue
            scores = job.aligner.frame_scores(images, clip.text)
            passed: list[KeptFrame] = []
            for number, image in enumerate(images, start=1):
                sharp = sharpness(image)
                score = sharp if scores is None else scores[number - 1]
                if sharp < job.config.min_sharpness:
                    skipped["frame below the sharpness threshold"] += 1
                elif scores is not None and score <= job.config.min_frame_alignment:
                    skipped["frame below the alignment threshold"] += 1
                else:
                    passed.append(KeptFrame(id=f"{stem}_frame_{number}", score=score))
                    frames.append((passed[-1].id, encode_jpeg(image)))
            if passed:
                kept.append(KeptClip(clip=clip, frames=tuple(passed)))
            else:
                skipped["clip without a frame"] += 1
        media_hash = fingerprint(job.media)
    except MediaError as error:
        return _Curated(problem=Problem(reason="unreadable video", error=error))
    kept.sort(key=lambda each: each.clip)
    if len(kept) < job.config.min_window:
        skipped["recording too short for an interleaved sequence"] += 1
    conversations = (
        *image_conversations(job.recording, kept),
        *video_conversations(job.recording, kept, job.config),
        *interleaved_conversations(job.recording, kept, job.config),
    )
    return _Curated(conversations=conversations, frames=tuple(frames), skipped=skipped, media_hash=media_hash)


def _write(
    folder: Path, results: Iterable[tuple[_Job, _Curated]], total: int, tally: _Tally, inputs: dict[str, str]
) -> list[Recording]:
    """Writes what the recordings yield, in their order; returns the recordings that could be used."""
    recordings: list[Recording] = []
    with contextlib.ExitStack() as stack:
        images = stack.enter_context(ImageStoreWriter(folder / "images"))
        speech = stack.enter_context(RowWriter(folder / "utterances.parquet", UTTERANCE_SCHEMA))
        files = {
            name: stack.enter_context(RowWriter(folder / f"{name}.parquet", CONVERSATION_SCHEMA))
            for name in ("image", "video", "interleaved")
        }
        for job, curated in progress(results, description="curate", total=total, unit="recording"):
            if curated.problem is not None:
                tally.problem(curated.problem)
                continue
            split = job.recording.split
            recordings.append(job.recording)
            inputs[job.recording.media] = curated.media_hash
            for image_id, jpeg in curated.frames:
                images.add(image_id, jpeg)
            for utterance in job.utterances:
                speech.add({**utterance.model_dump(), "split": split})
            for conversation in curated.conversations:
                files[conversation.format].add(conversation.model_dump())
                tally.counts[f"{conversation.format}/{split}"] += 1
                tally.counts["clips"] += conversation.format == "video"
            tally.counts[f"recordings/{split}"] += 1
            tally.counts[f"utterances/{split}"] += len(job.utterances)
            tally.skipped += curated.skipped
        tally.counts["frames"] = len(images)
    write_jsonl(folder / "recordings.jsonl", recordings)
    return recordings


@contextlib.contextmanager
def _pool(workers: int, jobs: int, executor: Executor | None) -> Iterator[Executor | None]:
    """The executor given, or a process pool; None where one process is enough."""
    if executor is not None or min(workers, jobs) <= 1:
        yield executor
        return
    # Not forked: the parent may hold threads and locks (torch, the progress bar) that a fork would copy in mid-use.
    with ProcessPoolExecutor(min(workers, jobs), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def _in_order(
    function: Callable[[JobT], ResultT], jobs: Iterable[JobT], executor: Executor | None, *, ahead: int
) -> Generator[ResultT, None, None]:
    """Yields the results in the order of the jobs, with no more than ``ahead`` of them submitted or held in memory."""
    if executor is None:
        yield from map(function, jobs)
        return
    pending: deque[Future[ResultT]] = deque()
    try:
        for job in jobs:
            if len(pending) == ahead:
                yield pending.popleft().result()
            pending.append(executor.submit(function, job))
        while pending:
            yield pending.popleft().result()
    except BrokenExecutor as error:
        raise BabyVLMError(
            "a worker process died, most likely for want of memory; nothing was written. Try again with fewer --workers"
        ) from error
    finally:
        for future in pending:
            future.cancel()


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
