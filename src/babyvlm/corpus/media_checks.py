"""Properties of a video: display, frame rate, sound tracks, gaps, damage, a missing end.

Its packets are read from front to back, which takes about as long as copying the file. Whether they decode is seen only
where every frame is decoded, which takes far longer and is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.media_memory import Seen, settled_state, state_of
from babyvlm.corpus.problems import Problem
from babyvlm.errors import MediaError
from babyvlm.media import Damage, MediaInfo, Timeline, find_damage, probe, read_timeline
from babyvlm.records import Recording

GAP_S = 1.0
"""Shortest gap without a frame that is reported, in seconds: a paused or failing camera (ours)."""
LATE_START_S = 0.5
"""Seconds after the start of the file at which a picture that begins later is noted (ours)."""
MISSING_END_S = 2.0
"""Seconds by which the picture may end before the file says it does (ours)."""


@dataclass(frozen=True, kw_only=True)
class MediaFacts:
    """Properties of the video of one recording."""

    recording: str
    width: int
    """Pixels, upright."""
    height: int
    rotation: int
    """Degrees by which a flag turns the stored picture."""
    mirrored: bool
    """Whether a flag mirrors it."""
    square_pixels: bool
    """Whether stored pixels are as wide as they are high."""
    fps: float
    variable_rate: bool
    audio_tracks: int

    @property
    def portrait(self) -> bool:
        return self.height > self.width


@dataclass(frozen=True, kw_only=True)
class MediaJob:
    """A video to read from front to back."""

    path: Path
    decode: bool
    """Whether every frame is decoded, to find those that are damaged."""


def read_video(job: MediaJob) -> Seen | MediaError:
    """Reads a video's header and packets. Runs in a worker; a file that does not read is an error in its place."""
    before = state_of(job.path)
    try:
        info, timeline = probe(job.path), read_timeline(job.path, gap_s=GAP_S)
        damage = find_damage(job.path) if job.decode else None
    except MediaError as error:
        return error
    return Seen(state=settled_state(job.path, before), info=info, timeline=timeline, damage=damage)


def is_enough(seen: Seen | None, *, decode: bool) -> bool:
    """Whether what is known of a video is all that reading it would find."""
    return seen is not None and seen.timeline is not None and (seen.damage is not None or not decode)


def judge_media(
    path: Path, recording: Recording, seen: Seen | MediaError, *, decode: bool
) -> tuple[list[MediaFacts], list[Problem]]:
    """Facts about a recording's video, and what is wrong or odd in it.

    Args:
        path: The video.
        recording: The recording it is of.
        seen: What was found in it, up to its end.
        decode: Whether damage is to be told.

    Returns:
        The facts, in a list that is empty where the video does not read, and the problems.
    """
    if isinstance(seen, MediaError):
        return [], [Problem(reason="unreadable video", error=seen)]
    info, timeline = seen.info, seen.timeline
    assert timeline is not None
    facts = MediaFacts(
        recording=recording.id,
        width=info.width,
        height=info.height,
        rotation=info.rotation,
        mirrored=info.orientation.mirrored,
        square_pixels=info.pixel_aspect == 1,
        fps=info.fps,
        variable_rate=timeline.variable_rate,
        audio_tracks=info.audio_tracks,
    )
    damage = seen.damage if decode and seen.damage is not None else Damage()
    return [facts], [*_missing_end(path, info, timeline), *_odd(path, info, timeline, damage)]


def _missing_end(path: Path, info: MediaInfo, timeline: Timeline) -> list[Problem]:
    if timeline.end_s >= info.duration_s - MISSING_END_S:
        return []
    error = MediaError(
        f"the picture ends at {timeline.end_s:.1f} s, though the file says it lasts {info.duration_s:.1f} s",
        path=path,
        remedy="The file is cut short, or its camera stopped before its microphone: fetch it again",
    )
    return [Problem(reason="picture ends early", error=error)]


def _odd(path: Path, info: MediaInfo, timeline: Timeline, damage: Damage) -> list[Problem]:
    notes: list[tuple[str, MediaError]] = []
    if damage.stretches or timeline.marked_damaged:
        marked = f"the file marks {timeline.marked_damaged} packets as damaged" if timeline.marked_damaged else ""
        problem = str(damage) if damage.stretches else marked
        remedy = "Clips there have no frames; copy the file again"
        notes.append(("damaged picture", MediaError(problem, path=path, remedy=remedy)))
    if timeline.start_s > LATE_START_S:
        problem = f"the picture begins {timeline.start_s:.1f} s after the file does; clips before have no frames"
        notes.append(("picture begins late", MediaError(problem, path=path)))
    if timeline.gaps:
        at_s, lasts_s = max(timeline.gaps, key=lambda gap: gap[1])
        more = f", the longest of {len(timeline.gaps)}" if len(timeline.gaps) > 1 else ""
        problem = f"no frame for {lasts_s:.1f} s after {at_s:.1f} s{more}; the frame before stands for it"
        notes.append(("gap in the picture", MediaError(problem, path=path)))
    if info.audio_tracks > 1:
        problem = f"there are {info.audio_tracks} sound tracks; speech is looked for in the first"
        remedy = "Choose with: babyvlm corpus transcribe --track N"
        notes.append(("several sound tracks", MediaError(problem, path=path, remedy=remedy)))
    return [Problem(reason=reason, error=error, used=True) for reason, error in notes]
