"""One door to every format: a transcript file in, the utterances of one recording out.

    file --format_of--> its reader --> cues --read_transcript--> utterances that lie within their recording

What is impossible (no end after the start, past the end of the recording) is left out and told; what is only odd (one
speaker talking over themselves, a transcript that stops long before its recording) is used and told as a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.transcripts.chat import parse_chat
from babyvlm.corpus.transcripts.cues import Cue
from babyvlm.corpus.transcripts.documents import parse_document
from babyvlm.corpus.transcripts.elan import parse_elan
from babyvlm.corpus.transcripts.narrations import NARRATION_FILES, parse_narrations
from babyvlm.corpus.transcripts.subrip import parse_subrip
from babyvlm.corpus.transcripts.table import is_transcript_header, parse_table
from babyvlm.corpus.transcripts.webvtt import parse_webvtt
from babyvlm.errors import TranscriptError
from babyvlm.records import Utterance

PAST_END_TOLERANCE_S = 1.0
"""An utterance may pass the end of its recording by so much and is then clipped: containers round their duration."""
OVERLAP_TOLERANCE_S = 0.25
"""A speaker's utterances may overlap by so much before it is noted."""
SILENT_END_S = 600.0
"""A recording may go on for so long after its last utterance before it is noted."""

TRANSCRIPT_SUFFIXES = (".cha", ".eaf", ".vtt", ".en.vtt", ".srt", ".en.srt", ".csv", ".tsv", ".json")
"""What a transcript's name adds to its recording's. Where one has several that differ, the first of these is used: what
people correct by hand comes before what programs write."""

_SNIFFED_BYTES = 65536
_DOCUMENT = re.compile(rb'"(?:segments|recognizedPhrases|phrases|NBest|DisplayText|RecognitionStatus)"')


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The utterances of one recording, by start, and what reading them came upon."""

    utterances: tuple[Utterance, ...]
    clipped: int = 0
    """Utterances cut off at the end of the recording."""
    empty: int = 0
    """Cues without any text, which are no utterances."""
    untimed: int = 0
    """Cues to which the transcript gives no times, and which therefore belong to no picture."""
    problems: tuple[TranscriptError, ...] = ()
    """One for each utterance left out because its times cannot be: never empty text, always a fault to mend."""
    notes: tuple[TranscriptError, ...] = ()
    """What is odd, and used all the same."""


def is_transcript(path: Path) -> bool:
    """Whether a file is a transcript: by its suffix, and for CSV, TSV and JSON by how it begins."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".json"):
        return suffix in _BY_SUFFIX
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except OSError:
        return False
    if suffix == ".json":
        return _DOCUMENT.search(head) is not None or (b'"start"' in head and b'"text"' in head)
    first = head.split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    return is_transcript_header(first.rstrip("\r"))


def parse_transcript(path: Path, recording: str = "") -> list[Cue]:
    """Reads the cues of a transcript in any known format, in the order of the file.

    Args:
        path: The transcript.
        recording: Id of the recording, for files that hold those of many (Ego4D narrations).

    Raises:
        TranscriptError: The file is missing, of no known format, or does not parse.
    """
    if path.name in NARRATION_FILES and path.is_file():
        return parse_narrations(path, recording)
    reader = _BY_SUFFIX.get(path.suffix.lower())
    if reader is None:
        raise TranscriptError("no known transcript format", path=path, remedy=f"Known are {', '.join(_BY_SUFFIX)}")
    return reader(path)


def read_transcript(path: Path, *, recording: str, duration_s: float) -> Transcript:
    """Reads a transcript and fits its utterances to their recording.

    Args:
        path: The transcript, in any known format.
        recording: Id of the recording it belongs to.
        duration_s: How long that recording is.

    Raises:
        TranscriptError: The file is missing or does not parse. Utterances with impossible times do not raise; they are
            the transcript's ``problems``.
    """
    utterances: list[tuple[Utterance, str]] = []
    problems: list[TranscriptError] = []
    clipped = empty = untimed = 0
    for cue in parse_transcript(path, recording):
        if not cue.text:
            empty += 1
        elif cue.start_s is None or cue.end_s is None:
            untimed += 1
        elif (fault := _impossible(cue.start_s, cue.end_s, duration_s)) is not None:
            problem, remedy = fault
            problems.append(TranscriptError(problem, path=path, place=cue.place, remedy=remedy))
        else:
            clipped += cue.end_s > duration_s
            utterance = Utterance(
                recording=recording,
                start_s=cue.start_s,
                end_s=min(cue.end_s, duration_s),
                speaker=cue.speaker,
                text=cue.text,
                language=cue.language,
            )
            utterances.append((utterance, cue.place))
    utterances.sort(key=lambda placed: (placed[0].start_s, placed[0].end_s))
    return Transcript(
        utterances=tuple(utterance for utterance, _ in utterances),
        clipped=clipped,
        empty=empty,
        untimed=untimed,
        problems=tuple(problems),
        notes=(*_overlaps(utterances, path), *_silent_end(utterances, path, duration_s)),
    )


def _impossible(start_s: float, end_s: float, duration_s: float) -> tuple[str, str | None] | None:
    """What is wrong with an utterance's times, and the remedy; None where nothing is."""
    if start_s < 0:
        return f"the utterance starts at {start_s:.3f} s, before its recording; it is left out", None
    if not end_s > start_s:
        return (
            f"the utterance ends at {end_s:.3f} s, not after its start at {start_s:.3f} s; it is left out",
            "Correct the times, or take the utterance out",
        )
    if end_s > duration_s + PAST_END_TOLERANCE_S or start_s >= duration_s:
        return (
            f"the utterance from {start_s:.3f} s to {end_s:.3f} s passes the end of its recording at "
            f"{duration_s:.3f} s; it is left out",
            "Is this the transcript of another recording, or is the video cut short?",
        )
    return None


def _overlaps(utterances: Iterable[tuple[Utterance, str]], path: Path) -> list[TranscriptError]:
    """A note on the first place at which a named speaker talks over themselves, with how many more there are."""
    reached: dict[str, tuple[float, str]] = {}
    found: list[tuple[str, str, float]] = []
    for utterance, place in utterances:
        if not utterance.speaker:
            continue
        end_s, earlier = reached.get(utterance.speaker, (0.0, ""))
        if utterance.start_s < end_s - OVERLAP_TOLERANCE_S:
            found.append((place, earlier, end_s - utterance.start_s))
        if utterance.end_s > end_s:
            reached[utterance.speaker] = (utterance.end_s, place)
    if not found:
        return []
    place, earlier, by_s = found[0]
    more = f"; {len(found) - 1} more like it" if len(found) > 1 else ""
    problem = f"the speaker is still talking from {earlier}, for another {by_s:.2f} s; both are used{more}"
    return [TranscriptError(problem, path=path, place=place, remedy="Correct the times, or name the second speaker")]


def _silent_end(utterances: list[tuple[Utterance, str]], path: Path, duration_s: float) -> list[TranscriptError]:
    if not utterances:
        return []
    last, place = max(utterances, key=lambda placed: placed[0].end_s)
    silent_s = duration_s - last.end_s
    if silent_s <= SILENT_END_S:
        return []
    problem = (
        f"the last utterance ends {silent_s:.0f} s before its recording, which lasts {duration_s:.0f} s; used as it is"
    )
    return [TranscriptError(problem, path=path, place=place, remedy="Was the rest of the recording transcribed?")]


_BY_SUFFIX: dict[str, Callable[[Path], list[Cue]]] = {
    ".cha": parse_chat,
    ".eaf": parse_elan,
    ".vtt": parse_webvtt,
    ".srt": parse_subrip,
    ".csv": parse_table,
    ".tsv": parse_table,
    ".json": parse_document,
}
