"""What a corpus holds, at a glance: hours, ages, speech and problems, as a table of records or as text."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from babyvlm.corpus.accounting import FileAccount
from babyvlm.corpus.corpus import Corpus
from babyvlm.corpus.media_checks import MediaFacts, MediaJob, is_enough, judge_media, read_video
from babyvlm.corpus.media_memory import MediaLog, MediaNews, Seen, state_of
from babyvlm.corpus.problems import Problem
from babyvlm.errors import AnnotationError, DataFolderError, InputError, MediaError, TranscriptError
from babyvlm.executors import in_order, process_pool
from babyvlm.licences import summary
from babyvlm.progress import progress
from babyvlm.records import Utterance
from babyvlm.spreadsheets import cell

_SHOWN_PROBLEMS = 20
_VIDEOS_A_WORKER, _READ_BYTES_A_WORKER, _DECODED_BYTES_A_WORKER = 500, 500 * 2**20, 20 * 2**20
"""What another process must have to read for its start, of about a second, to be worth it (ours)."""


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """The recordings of one child in one month of age."""

    child: str
    month: int | None
    """Completed months of age; None where it is not known."""
    recordings: int
    transcribed: int
    """Recordings with a transcript that reads."""
    boxed: int
    """Recordings with boxes."""
    hours: float
    speech_hours: float
    """Time during which somebody is transcribed to speak, counted once where voices overlap."""
    utterances: int


@dataclass(frozen=True, kw_only=True)
class CorpusIndex:
    """A corpus by child and month, with everything wrong in it, transcripts and boxes included."""

    rows: tuple[IndexRow, ...]
    problems: tuple[Problem, ...]
    media: tuple[MediaFacts, ...] = ()
    """What the videos are like, by recording; empty where they were not read."""
    decoded: bool = False
    """Whether every frame was decoded, to find those that are damaged."""
    not_speech: Mapping[str, int] = field(default_factory=dict)
    """What transcripts hold that is no speech, by reason."""
    files: FileAccount | None = None
    """Every file of the folder: used, or left out by a reason."""
    news: MediaNews | None = None
    """How the videos compare with the last time; None where they were not remembered."""
    not_remembered: DataFolderError | None = None
    """Why the next index of this corpus will not know what this one found."""


def index(
    corpus: Corpus, *, read_media: bool = True, decode: bool = False, workers: int = 1, remember: bool = False
) -> CorpusIndex:
    """Reads every transcript, every file of boxes, and the videos that are not known as they are now; sums up.

    Args:
        corpus: The corpus.
        read_media: Whether the videos are read from front to back, though not decoded, for gaps and missing ends.
        decode: Whether every frame is decoded as well, for damage.
        workers: Processes that read videos, as far as their start is worth it. The result does not depend on it.
        remember: Whether what is found in the videos is kept for the next time, in the user's cache.
    """
    news = corpus.media.news(map(corpus.media_path, corpus.recordings)) if remember else None
    with contextlib.ExitStack() as files:
        log = files.enter_context(corpus.media.write_down()) if remember else None
        seen = files.enter_context(contextlib.closing(_videos(corpus, log, decode, workers))) if read_media else None
        found = _sum_up(corpus, seen, decode=decode)
    return dataclasses.replace(found, news=news, not_remembered=log.problem if log is not None else None)


def _videos(
    corpus: Corpus, log: MediaLog | None, decode: bool, workers: int
) -> Generator[Seen | MediaError, None, None]:
    """What is in each video, in the order of the recordings; those that are known are not read."""
    known = [corpus.media.find(corpus.media_path(recording)) for recording in corpus.recordings]
    lacking = [not is_enough(seen, decode=decode) for seen in known]
    jobs = [
        MediaJob(path=corpus.media_path(recording), decode=decode)
        for recording, lacks in zip(corpus.recordings, lacking, strict=True)
        if lacks
    ]
    with (
        process_pool(min(workers, _worthwhile(jobs)), len(jobs)) as run,
        contextlib.closing(in_order(read_video, jobs, run, ahead=4 * workers)) as read,
    ):
        remaining = iter(jobs)
        for seen, lacks in zip(known, lacking, strict=True):
            if not lacks:
                assert seen is not None
                yield seen
                continue
            job, found = next(remaining), next(read)
            if log is not None and isinstance(found, Seen):
                log.add(job.path, found)
            yield found


def _worthwhile(jobs: Sequence[MediaJob]) -> int:
    """Processes that take less time to start than they save."""
    size = sum(state.size for job in jobs if (state := state_of(job.path)) is not None)
    by_size = size // (_DECODED_BYTES_A_WORKER if jobs and jobs[0].decode else _READ_BYTES_A_WORKER)
    return max(1, by_size, len(jobs) // _VIDEOS_A_WORKER)


def _sum_up(corpus: Corpus, seen: Iterator[Seen | MediaError] | None, *, decode: bool) -> CorpusIndex:
    """Reads every transcript and file of boxes, and sums up.

    Args:
        corpus: The corpus.
        seen: What is in the videos, in the order of the recordings; None where they are not to be read.
        decode: Whether every frame was decoded.
    """
    problems = list(corpus.problems)
    media: list[MediaFacts] = []
    parts: dict[tuple[str, int], list[IndexRow]] = {}
    not_speech: Counter[str] = Counter()
    unusable: dict[Path, str] = {}
    stand_ins: list[Path] = []
    for recording in progress(corpus.recordings, description="index", unit="recording", silent=seen is None):
        if seen is not None:
            facts, found = judge_media(corpus.media_path(recording), recording, next(seen), decode=decode)
            media += facts
            problems += found
        utterances: tuple[Utterance, ...] = ()
        transcribed = False
        if (path := corpus.transcript_path(recording)) is not None:
            try:
                transcript = corpus.transcript(recording)
            except TranscriptError as error:
                problems.append(Problem(reason="unreadable transcript", error=error))
                unusable[path] = "unreadable transcript"
            else:
                utterances, transcribed = transcript.utterances, True
                unusable |= dict.fromkeys(transcript.broken, "unreadable transcript")
                stand_ins += [transcript.path] if transcript.path is not None else []
                not_speech.update(transcript.not_speech)
                not_speech.update({"cue without text": transcript.empty, "cue without times": transcript.untimed})
                problems += (Problem(reason="unreadable cue", error=error) for error in transcript.unreadable)
                problems += (Problem(reason="impossible utterance", error=error) for error in transcript.problems)
                problems += (Problem(reason="odd transcript", error=error, used=True) for error in transcript.notes)
        if corpus.has_boxes(recording):
            try:
                found_boxes = corpus.boxes(recording)
                problems += (Problem(reason="unusable box", error=error) for error in found_boxes.problems)
            except (AnnotationError, MediaError) as error:
                problems.append(Problem(reason="unusable boxes", error=error))
                if (boxes_path := corpus.boxes_path(recording)) is not None:
                    unusable[boxes_path] = "unusable boxes"
        month = None if recording.age_months is None else math.floor(recording.age_months)
        row = IndexRow(
            child=recording.child,
            month=month,
            recordings=1,
            transcribed=int(transcribed),
            boxed=int(corpus.has_boxes(recording)),
            hours=recording.duration_s / 3600,
            speech_hours=covered_s(utterances) / 3600,
            utterances=len(utterances),
        )
        parts.setdefault((recording.child, -1 if month is None else month), []).append(row)
    rows = tuple(_sum(parts[key]) for key in sorted(parts))
    return CorpusIndex(
        rows=rows,
        problems=tuple(problems),
        media=tuple(media),
        decoded=decode,
        not_speech=dict(sorted((+not_speech).items())),
        files=corpus.files.without(unusable, in_their_place=stand_ins),
    )


def covered_s(utterances: Iterable[Utterance]) -> float:
    """Seconds that utterances cover together; they must come by start."""
    total_s = reached_s = 0.0
    for utterance in utterances:
        total_s += max(0.0, utterance.end_s - max(utterance.start_s, reached_s))
        reached_s = max(reached_s, utterance.end_s)
    return total_s


def describe(corpus: Corpus, found: CorpusIndex | None = None) -> str:
    """The index of a corpus as text for a terminal; made here where it is not given."""
    found = found or index(corpus)
    heads = ("child", "month", "recordings", "transcribed", "boxed", "hours", "speech", "utterances")
    table = [heads, *(_cells(row, row.child, "?" if row.month is None else str(row.month)) for row in found.rows)]
    if found.rows:
        table.append(_cells(_sum(found.rows), "all", ""))
    lines = [f"{corpus.folder}: {len(corpus.recordings)} recordings, layout {corpus.layout}", ""]
    lines += [f"{first:<14}" + "".join(f"{cell:>12}" for cell in rest) for first, *rest in table]
    splits = {
        split: sum(each.split == split for each in corpus.recordings) for split in ("train", "validation", "test")
    }
    lines += [
        "",
        "split: " + ", ".join(f"{count} {split}" for split, count in splits.items()),
        f"licence: {summary(recording.licence for recording in corpus.recordings)}",
    ]
    lines += _describe_media(found)
    if found.not_speech:
        lines.append("not speech: " + ", ".join(f"{count} {reason}" for reason, count in found.not_speech.items()))
    lines += _list([problem for problem in found.problems if not problem.used], "problems")
    lines += _list([problem for problem in found.problems if problem.used], "notes (used all the same)")
    lines.append(str(found.files or corpus.files))
    return "\n".join(lines)


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Writes every problem as a row of a CSV file.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"the problems cannot be written there ({error})", path=path) from error
    with file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("reason", "used", "file", "place", "message"))
        for problem in problems:
            used = "yes" if problem.used else "no"
            row = (problem.reason, used, problem.file, problem.error.place or "", problem.message)
            table.writerow([cell(value) for value in row])


def _describe_media(found: CorpusIndex) -> list[str]:
    media = found.media
    if not media:
        return ["videos: not read to their ends (--quick)"]
    sizes = Counter(f"{facts.width}x{facts.height}{' portrait' if facts.portrait else ''}" for facts in media)
    kinds = {
        "turned by a rotation flag": sum(facts.rotation != 0 for facts in media),
        "mirrored by a flag": sum(facts.mirrored for facts in media),
        "with pixels that are not square": sum(not facts.square_pixels for facts in media),
        "of variable frame rate": sum(facts.variable_rate for facts in media),
        "without sound": sum(facts.audio_tracks == 0 for facts in media),
        "with several sound tracks": sum(facts.audio_tracks > 1 for facts in media),
    }
    return [
        "pictures: " + ", ".join(f"{count} of {size}" for size, count in sizes.most_common()),
        "recordings: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()),
        "damage: every frame was decoded"
        if found.decoded
        else "damage: frames were not decoded; --decode looks for it",
    ]


def _list(problems: list[Problem], title: str) -> list[str]:
    """Each reason with its count, then the first few problems in full."""
    reasons = Counter(problem.reason for problem in problems)
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    lines = [f"{title}: {counted or 'none'}"]
    lines += [f"  {problem.reason}: {problem.message}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  and {len(problems) - _SHOWN_PROBLEMS} more; --problems FILE writes them all")
    return lines


def _sum(rows: Iterable[IndexRow]) -> IndexRow:
    rows = list(rows)
    return IndexRow(
        child=rows[0].child,
        month=rows[0].month,
        recordings=sum(row.recordings for row in rows),
        transcribed=sum(row.transcribed for row in rows),
        boxed=sum(row.boxed for row in rows),
        hours=sum(row.hours for row in rows),
        speech_hours=sum(row.speech_hours for row in rows),
        utterances=sum(row.utterances for row in rows),
    )


def _cells(row: IndexRow, child: str, month: str) -> tuple[str, ...]:
    counts = (str(row.recordings), str(row.transcribed), str(row.boxed))
    return child, month, *counts, f"{row.hours:.2f}", f"{row.speech_hours / row.hours:.0%}", str(row.utterances)
