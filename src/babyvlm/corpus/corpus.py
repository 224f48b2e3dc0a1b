"""A corpus on disk: any folder tree of videos in, its recordings, speech and boxes out.

    corpus = open_corpus(Path("saycam"))            names and recordings.csv are read, and headers that no index knows
    for recording in corpus.recordings:
        corpus.utterances(recording)                the sidecar transcript, checked against the recording
        corpus.boxed_frames(recording)              the sidecar boxes, checked against their images

What cannot be used is in ``corpus.problems``; the commands decide what to do about it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babyvlm.corpus.accounting import FileAccount, account_of
from babyvlm.corpus.ego4d import METADATA_FILE, find_narrations
from babyvlm.corpus.files import BOXES_SUFFIX, VIDEO_SUFFIXES, CorpusFiles, find_files
from babyvlm.corpus.layouts import REGISTRY as LAYOUTS
from babyvlm.corpus.layouts import Layout, check_layout, commonest_layout, layout_of, read_name
from babyvlm.corpus.media_memory import MediaMemory
from babyvlm.corpus.problems import Problem
from babyvlm.corpus.recording_boxes import RecordingBoxes, read_boxes
from babyvlm.corpus.recordings import RECORDINGS_CSV, SplitFractions, read_recordings, read_recordings_csv
from babyvlm.corpus.transcripts import Transcript, read_transcript, transcript_suffixes
from babyvlm.corpus.transcripts.kinds import REGISTRY as TRANSCRIPTS
from babyvlm.errors import AnnotationError, InputError, TranscriptError
from babyvlm.records import BoxedFrame, Recording, Utterance


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The recordings of a folder, with what lies beside them."""

    folder: Path
    layout: Layout
    """How most of the recordings are named."""
    recordings: tuple[Recording, ...]
    """By id; only those whose video opens."""
    problems: tuple[Problem, ...]
    """Videos that are missing, unreadable or share a name. Transcripts and boxes are checked when asked for."""
    fractions: SplitFractions
    files: FileAccount = field(repr=False)
    """Every file of the folder, before transcripts and boxes are read."""
    media: MediaMemory = field(repr=False)
    """What is known of the videos."""
    _transcripts: Mapping[str, tuple[Path, ...]] = field(repr=False)
    _boxes: Mapping[str, Path] = field(repr=False)

    @property
    def extensions(self) -> dict[str, str]:
        """The packages whose layout and transcript formats it is read with, as manifests record them."""
        paths = [path for beside in self._transcripts.values() for path in beside]
        return LAYOUTS.used([self.layout]) | TRANSCRIPTS.used(path.suffix.lower()[1:] for path in paths)

    def recording(self, recording_id: str) -> Recording:
        """The recording with this id.

        Raises:
            InputError: There is none.
        """
        for recording in self.recordings:
            if recording.id == recording_id:
                return recording
        raise InputError(f"there is no recording {recording_id!r} in this corpus", path=self.folder)

    def media_path(self, recording: Recording) -> Path:
        """Where the recording's video is."""
        return self.folder / recording.media

    def transcript_path(self, recording: Recording) -> Path | None:
        """Where the recording's transcript is, the first where there are several; None when it has none."""
        beside = self._transcripts.get(recording.id)
        return beside[0] if beside else None

    def transcript(self, recording: Recording) -> Transcript:
        """What the recording's transcript holds, with what is wrong in it.

        Where there are several transcripts the first that parses is used. Those that do not parse, and those that say
        something else, are notes; a recogniser that wrote the same in four formats is nothing to mention.

        Raises:
            TranscriptError: There is no transcript, or it does not parse.
        """
        path = self.transcript_path(recording)
        if path is None:
            expected = self.media_path(recording).with_name(recording.id + transcript_suffixes()[0])
            raise TranscriptError(f"the recording {recording.id!r} has no transcript", path=expected)
        broken: dict[Path, TranscriptError] = {}
        for path in self._transcripts[recording.id]:
            try:
                used = read_transcript(path, recording=recording.id, duration_s=recording.duration_s)
                break
            except TranscriptError as error:
                broken[path] = error
        else:
            raise next(iter(broken.values()))
        others = [other for other in self._transcripts[recording.id] if other != path and other not in broken]
        notes = [_passed_by(error, path) for error in broken.values()]
        if differing := [other.name for other in others if self._differs(other, recording, used)]:
            problem = f"the recording has other transcripts that do not say the same ({', '.join(differing)})"
            remedy = "Take away, or rename, all but one"
            notes.append(TranscriptError(f"{problem}; this one is used", path=path, remedy=remedy))
        stands_in = path if broken else None
        return dataclasses.replace(used, notes=(*notes, *used.notes), path=stands_in, broken=tuple(broken))

    def _differs(self, other: Path, recording: Recording, used: Transcript) -> bool:
        try:
            found = read_transcript(other, recording=recording.id, duration_s=recording.duration_s)
        except TranscriptError:
            return True
        return _words(found) != _words(used)

    def utterances(self, recording: Recording) -> tuple[Utterance, ...]:
        """The recording's utterances by start; none when it has no transcript.

        Raises:
            TranscriptError: The transcript does not parse, one of its cues does not, or an utterance passes the end of
                the recording.
        """
        if self.transcript_path(recording) is None:
            return ()
        transcript = self.transcript(recording)
        for fault in (*transcript.unreadable, *transcript.problems):
            raise fault
        return transcript.utterances

    def has_boxes(self, recording: Recording) -> bool:
        """Whether the recording has a file of boxes."""
        return recording.id in self._boxes

    def boxed_frames(self, recording: Recording) -> tuple[BoxedFrame, ...]:
        """The recording's boxes that can be used, by ascending time, in pixels of the picture as shown.

        Raises:
            AnnotationError: There is no file of boxes, or it does not parse.
        """
        return self.boxes(recording).frames

    def boxes(self, recording: Recording) -> RecordingBoxes:
        """The recording's boxes, with what of their file cannot be used.

        Raises:
            AnnotationError: There is no file of boxes, or it does not parse.
            MediaError: The video does not open.
        """
        if recording.id not in self._boxes:
            expected = self.media_path(recording).with_name(recording.id + BOXES_SUFFIX)
            raise AnnotationError(f"the recording {recording.id!r} has no boxes", path=expected)
        return read_boxes(self._boxes[recording.id], recording, self.media.info(self.media_path(recording)))

    def boxes_path(self, recording: Recording) -> Path | None:
        """Where the recording's boxes are; None where it has none."""
        return self._boxes.get(recording.id)


def _passed_by(error: TranscriptError, used: Path) -> TranscriptError:
    problem = f"{error.problem}; {used.name} is used in its place"
    return TranscriptError(problem, path=error.path, place=error.place, remedy=error.remedy)


def _words(transcript: Transcript) -> list[str]:
    return [word for utterance in transcript.utterances for word in utterance.text.lower().split()]


def open_corpus(folder: Path, layout: str = "auto", *, fractions: SplitFractions | None = None) -> Corpus:
    """Opens a folder tree of videos with their sidecar files.

    Headers are read of those videos alone that ``babyvlm corpus index`` did not see as they are now.

    Args:
        folder: The folder; it is never written to.
        layout: How all recordings are named: ``saycam``, ``babyview``, ``ego4d``, ``plain``, one of another package, or
            ``auto`` to tell from each name.
        fractions: Shares held out where ``recordings.csv`` gives no split; None for the defaults.

    Raises:
        InputError: The folder is missing, holds no video, or has a ``recordings.csv`` that does not read.
        ConfigError: There is no such layout.
    """
    chosen = check_layout(layout)
    if not folder.is_dir():
        raise InputError("there is no such folder", path=folder, remedy="Give the folder that holds the recordings")
    fractions = fractions or SplitFractions()
    found = find_files(folder)
    if not found.videos:
        raise InputError(
            "there is no video in this folder or below it",
            path=folder,
            remedy=f"Videos end in {', '.join(sorted(VIDEO_SUFFIXES))}",
        )
    if chosen is not None and not any(read_name(stem, chosen) for stem in found.videos):
        example = min(found.videos)
        raise InputError(
            f"no video here is named as in the layout {chosen}; one is {example!r}",
            path=folder,
            remedy="Give --layout plain, and child, age and date in recordings.csv",
        )
    rows = read_recordings_csv(folder / RECORDINGS_CSV)
    memory = MediaMemory.load(folder)
    recordings, problems = read_recordings(folder, found, rows, memory=memory, layout=chosen, fractions=fractions)
    return Corpus(
        folder=folder,
        layout=chosen or commonest_layout(found.videos),
        recordings=tuple(recordings),
        problems=(*found.problems, *problems),
        fractions=fractions,
        files=account_of(
            {*found.files, *found.left_out},
            left_out=found.left_out,
            unopened=_unopened(found, {recording.id for recording in recordings}),
            tables=_tables(folder, found, chosen),
        ),
        media=memory,
        _transcripts=_with_narrations(found, chosen),
        _boxes=found.boxes,
    )


def _unopened(found: CorpusFiles, opened: set[str]) -> dict[Path, str]:
    """Videos that did not open, with what lies beside them."""
    lost: dict[Path, str] = {}
    for stem in found.videos.keys() - opened:
        lost[found.videos[stem]] = "unreadable video"
        beside = [*found.transcripts.get(stem, ()), *([found.boxes[stem]] if stem in found.boxes else [])]
        lost |= dict.fromkeys(beside, "sidecar of an unreadable video")
    return lost


def _tables(folder: Path, found: CorpusFiles, layout: Layout | None) -> list[Path]:
    """The tables of the corpus that are read."""
    read = [folder / RECORDINGS_CSV]
    if any((layout or layout_of(stem)) == "ego4d" for stem in found.videos):
        read += [path for path in found.files if path.name == METADATA_FILE][:1]
        read += [narrations] if (narrations := find_narrations(found.files)) is not None else []
    return read


def _with_narrations(found: CorpusFiles, layout: Layout | None) -> dict[str, tuple[Path, ...]]:
    """The transcripts by recording: what lies beside a video, and else, for Ego4D's, the narrations of all."""
    of_ego4d = [stem for stem in found.videos if (layout or layout_of(stem)) == "ego4d"]
    narrations = find_narrations(found.files) if of_ego4d else None
    shared = dict.fromkeys(of_ego4d, (narrations,)) if narrations is not None else {}
    return {**shared, **found.transcripts}
