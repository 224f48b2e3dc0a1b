"""One door to every format: a transcript file in, the utterances of one recording out.

    file --its reader--> cues --roll_up--> captions once --read_transcript--> utterances that lie within their recording

What cannot be read or is impossible (no end after the start, past the end of the recording) is left out, one by one,
and reported; what is only odd (one speaker talking over themselves, a transcript that stops long before its recording)
is used and noted. A whole transcript is refused where its times are evidently in another unit.
"""

from __future__ import annotations

import bisect
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from babyvlm.corpus.transcripts.captions import roll_up
from babyvlm.corpus.transcripts.cues import Cue, Parsed
from babyvlm.corpus.transcripts.kinds import REGISTRY, transcript_suffixes
from babyvlm.corpus.transcripts.narrations import NARRATION_FILES, read_narrations
from babyvlm.errors import TranscriptError
from babyvlm.records import Utterance

PAST_END_TOLERANCE_S = 1.0
"""An utterance may pass the end of its recording by so much and is then clipped: containers round their duration."""
OVERLAP_TOLERANCE_S = 0.25
"""A speaker's utterances may overlap by so much before it is noted."""
SILENT_END_S = 600.0
"""A recording may continue for so long after its last utterance before it is noted."""
OPEN_END_S = 15.0
"""An utterance with a start alone lasts until the next one, and no longer than this (ours: the longest clip)."""
FASTEST_WORDS_PER_S, LONGEST_UTTERANCE_S, _MOST = 30.0, 600.0, 0.8
"""Where most utterances are beyond these it is no speech: the times are in another unit (ours; people reach ten words
per second)."""

_ANY_UNIT = (".csv", ".tsv", ".json")
"""Files whose times may be in any unit; those of other formats are fixed."""

_NO_SPEECH = re.compile(
    r"(?:\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|\*[^*]{1,40}\*|<\|[^<>|]*\|>|</?[A-Za-z]\w{0,15}>|[♪♫♩♬]|[^\w\s])"
    r"(?:\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|\*[^*]{1,40}\*|<\|[^<>|]*\|>|</?[A-Za-z]\w{0,15}>|[^\w\s]|\s)*"
)
"""Nothing but what recognisers write for other sounds: [BLANK_AUDIO], (music), *coughs*, <noise>, notes of music."""


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
    unreadable: tuple[TranscriptError, ...] = ()
    """One for each cue, row or record that could not be read."""
    not_speech: Mapping[str, int] = field(default_factory=dict)
    """What stands in the file and is no speech, by reason: codes, captions shown again, marks of other sounds."""
    notes: tuple[TranscriptError, ...] = ()
    """What is odd, and used all the same."""
    path: Path | None = None
    """The file, where it stands in for others of its recording that do not parse."""
    broken: tuple[Path, ...] = ()
    """Those others."""


def parse_transcript(path: Path, recording: str = "") -> list[Cue]:
    """Reads the cues of a transcript in any known format, in the order of the file.

    Args:
        path: The transcript.
        recording: Id of the recording, for files that hold those of many (Ego4D narrations).

    Raises:
        TranscriptError: The file is missing, of no known format, or naming the first cue that cannot be read.
    """
    parsed = _parse(path, recording)
    if parsed.unreadable:
        raise parsed.unreadable[0]
    return parsed.cues


def _parse(path: Path, recording: str) -> Parsed:
    """What a transcript holds: each word once, and nothing of what could not be read."""
    parsed = _read_format(path, recording)
    if path.suffix.lower() in (".vtt", ".srt"):
        roll_up(parsed)
    parsed.leave_out_broken()
    return parsed


def _read_format(path: Path, recording: str) -> Parsed:
    try:
        if path.name in NARRATION_FILES and path.is_file():
            return read_narrations(path, recording)
        if path.suffix.lower() not in transcript_suffixes():
            known = ", ".join(transcript_suffixes())
            raise TranscriptError("no known transcript format", path=path, remedy=f"Known are {known}")
        return REGISTRY.get(path.suffix.lower().removeprefix(".")).read(path, recording)
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        problem = f"the transcript does not read as {path.suffix} ({type(error).__name__}: {error})"
        raise TranscriptError(problem, path=path, remedy="Save it again with the program that wrote it") from error


def read_transcript(path: Path, *, recording: str, duration_s: float) -> Transcript:
    """Reads a transcript and fits its utterances to their recording.

    Args:
        path: The transcript, in any known format.
        recording: Id of the recording it belongs to.
        duration_s: How long that recording is.

    Raises:
        TranscriptError: The file is missing, is of no known format, or its times are in another unit than its format
            defines. What is wrong with single cues does not raise; it is in the transcript's ``unreadable`` and
            ``problems``.
    """
    parsed = _parse(path, recording)
    not_speech = Counter(parsed.not_speech)
    timed: list[Cue] = []
    empty = untimed = 0
    for cue in parsed.cues:
        if not cue.text:
            empty += 1
        elif _NO_SPEECH.fullmatch(cue.text):
            not_speech["mark of another sound than speech"] += 1
        elif cue.start_s is None:
            untimed += 1
        else:
            timed.append(cue)
    _check_unit(timed, path, duration_s)
    utterances, clipped, problems = _fit(_closed(timed, duration_s, parsed), path, recording, duration_s)
    return Transcript(
        utterances=tuple(utterance for utterance, _ in utterances),
        clipped=clipped,
        empty=empty,
        untimed=untimed,
        problems=tuple(problems),
        unreadable=tuple(parsed.unreadable),
        not_speech=dict(sorted(not_speech.items())),
        notes=(*parsed.notes, *_overlaps(utterances, path), *_silent_end(utterances, path, duration_s)),
    )


def _closed(cues: Sequence[Cue], duration_s: float, parsed: Parsed) -> list[tuple[Cue, float]]:
    """Each cue with its end, which is where the next one begins if it has none of its own."""
    starts = sorted({cue.start_s for cue in parsed.cues if cue.start_s is not None})
    ended: list[tuple[Cue, float]] = []
    open_cues = 0
    for cue in cues:
        if cue.end_s is not None:
            ended.append((cue, cue.end_s))
            continue
        open_cues += 1
        start_s = cue.start_s or 0.0
        following = bisect.bisect_right(starts, start_s)
        next_s = starts[following] if following < len(starts) else duration_s
        ended.append((cue, min(next_s, start_s + OPEN_END_S)))
    if open_cues:
        parsed.note(f"{open_cues} utterances have a start alone; each lasts until the next, at most {OPEN_END_S:g} s")
    return ended


def _fit(
    cues: Iterable[tuple[Cue, float]], path: Path, recording: str, duration_s: float
) -> tuple[list[tuple[Utterance, str]], int, list[TranscriptError]]:
    """The utterances that lie in their recording, by start, with their places; how many were clipped; the others."""
    utterances: list[tuple[Utterance, str]] = []
    problems: list[TranscriptError] = []
    clipped = 0
    for cue, end_s in cues:
        start_s = cue.start_s or 0.0
        if (fault := _impossible(start_s, end_s, duration_s)) is not None:
            problem, remedy = fault
            problems.append(TranscriptError(problem, path=path, place=cue.place, remedy=remedy))
            continue
        clipped += end_s > duration_s
        utterance = Utterance(
            recording=recording,
            start_s=start_s,
            end_s=min(end_s, duration_s),
            speaker=cue.speaker,
            text=cue.text,
            language=cue.language,
        )
        utterances.append((utterance, cue.place))
    return sorted(utterances, key=lambda placed: (placed[0].start_s, placed[0].end_s)), clipped, problems


def _check_unit(cues: Sequence[Cue], path: Path, duration_s: float) -> None:
    """Refuses a transcript whose times are evidently not in the unit they are read in."""
    whole = [(cue, cue.start_s, cue.end_s) for cue in cues if cue.start_s is not None and cue.end_s is not None]
    if len(whole) < 2:
        return
    last_s = max(end_s for _, _, end_s in whole)
    beyond = sum(end_s > duration_s + PAST_END_TOLERANCE_S for _, _, end_s in whole)
    remedy = "Give the unit in the names of the columns (start_ms, end_ms), or times as its format defines them"
    if (
        path.suffix.lower() in _ANY_UNIT
        and 2 * beyond >= len(whole)
        and last_s / 1000 <= duration_s + PAST_END_TOLERANCE_S
    ):
        raise TranscriptError(
            f"its times are read as seconds and reach {last_s:.0f} s, where the recording lasts {duration_s:.1f} s; "
            "as milliseconds they would fit",
            path=path,
            place=whole[0][0].place,
            remedy=remedy,
        )
    lasting = [(len(cue.text.split()), end_s - start_s) for cue, start_s, end_s in whole if end_s > start_s]
    if len(lasting) < 2:
        return
    fast = sum(words / lasts_s > FASTEST_WORDS_PER_S for words, lasts_s in lasting)
    long = sum(lasts_s > LONGEST_UTTERANCE_S for _, lasts_s in lasting)
    if max(fast, long) >= _MOST * len(lasting):
        usual_s = statistics.median(lasts_s for _, lasts_s in lasting)
        raise TranscriptError(
            f"its utterances last {usual_s:.3g} s on median, which no speech does: its times are in another unit",
            path=path,
            place=whole[0][0].place,
            remedy=remedy,
        )


def _impossible(start_s: float, end_s: float, duration_s: float) -> tuple[str, str | None] | None:
    """What is wrong with an utterance's times, and the remedy; None where nothing is."""
    if start_s < 0:
        return f"the utterance starts at {start_s:.3f} s, before its recording; it is left out", None
    if start_s < duration_s and not end_s > start_s:
        return (
            f"the utterance ends at {end_s:.3f} s, not after its start at {start_s:.3f} s; it is left out",
            "Correct the times, or take the utterance out",
        )
    if end_s > duration_s + PAST_END_TOLERANCE_S or not start_s < duration_s:
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
