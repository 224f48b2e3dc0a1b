"""Ego4D narrations: one JSON file of timed sentences for all videos of the corpus.

    narration.json                  {uid: {"narration_pass_1": {"narrations": [...]}, "narration_pass_2": ...}}
    all_narrations_redacted.json    {"videos": {uid: {"narrations": [...]}}}

A narration has one moment, not a stretch: it is given the time from half way to the narration before it to half way to
the next, at most ``HALF_SPAN_S`` to either side (ours). ``#C C opens a drawer`` becomes ``C opens a drawer``, where C
wears the camera; a narration marked ``#unsure`` loses the mark.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babyvlm.corpus.transcripts.cues import Cue, Parsed, read_json
from babyvlm.errors import TranscriptError

NARRATION_FILES = ("narration.json", "all_narrations_redacted.json")
HALF_SPAN_S = 2.0
NARRATOR = "Narrator"

_MARK = re.compile(r"#\s*(?:unsure|summary|[a-z])\b", re.IGNORECASE)


def read_narrations(path: Path, video: str) -> Parsed:
    """Reads the narrations of one video, by ascending time within each pass.

    Raises:
        TranscriptError: The file holds no narrations.
    """
    parsed = Parsed(path=path)
    _read_passes(parsed, video, _read(path, path.stat().st_mtime_ns).get(video, {}))
    return parsed


def narrated_videos(path: Path) -> frozenset[str]:
    """The videos that a file of narrations speaks of.

    Raises:
        TranscriptError: The file holds no narrations.
    """
    return frozenset(_read(path, path.stat().st_mtime_ns))


@functools.lru_cache(maxsize=1)  # hundreds of megabytes, asked for once a video
def _read(path: Path, modified_ns: int) -> dict[str, Any]:
    del modified_ns  # only tells a changed file from the one remembered
    value = read_json(path)
    videos = value.get("videos", value) if isinstance(value, dict) else None
    if not isinstance(videos, dict):
        raise TranscriptError("expected narrations by video uid", path=path)
    return videos


def _read_passes(parsed: Parsed, video: str, entry: Any) -> None:
    for prefix, narrations in _passes(entry, video):
        moments: list[tuple[float, str, str]] = []
        for number, each in enumerate(narrations):
            place = f"{prefix}[{number}]"
            if (moment := _moment(each)) is None:
                parsed.skip("expected timestamp_sec and narration_text", place)
            else:
                moments.append((*moment, place))
        moments.sort(key=lambda moment: moment[0])
        for rank, (at_s, text, place) in enumerate(moments):
            before_s = moments[rank - 1][0] if rank else -math.inf
            after_s = moments[rank + 1][0] if rank + 1 < len(moments) else math.inf
            start_s = max((before_s + at_s) / 2, at_s - HALF_SPAN_S, 0.0)
            end_s = min((at_s + after_s) / 2, at_s + HALF_SPAN_S)
            if end_s <= start_s:  # two at the same moment
                start_s, end_s = max(0.0, at_s - HALF_SPAN_S / 2), at_s + HALF_SPAN_S / 2
            parsed.cues.append(
                Cue(place=place, start_s=start_s, end_s=end_s, speaker=NARRATOR, text=text, language="en")
            )


def _passes(entry: Any, video: str) -> Iterator[tuple[str, list[Any]]]:
    if not isinstance(entry, dict):
        return
    if isinstance(narrations := entry.get("narrations"), list):
        yield f"{video}.narrations", narrations
    for name in sorted(key for key in entry if key.startswith("narration_pass")):
        if isinstance(one := entry[name], dict) and isinstance(narrations := one.get("narrations"), list):
            yield f"{video}.{name}.narrations", narrations


def _moment(narration: Any) -> tuple[float, str] | None:
    if isinstance(narration, dict):
        at_s = next((narration[key] for key in ("timestamp_sec", "timestamp", "time") if key in narration), None)
        text = narration.get("narration_text", narration.get("text"))
        if isinstance(at_s, int | float) and math.isfinite(at_s) and isinstance(text, str):
            return float(at_s), " ".join(_MARK.sub(" ", text).split())
    return None
