"""Tables of two corpora: SAYCam's rows, which name their video, and BabyView's, which hold one token each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from babyvlm.corpus.transcripts.cues import Cue, Parsed
from babyvlm.corpus.transcripts.table import TableRow, read_seconds


def rows_of_video(rows: Sequence[TableRow], recording: str, parsed: Parsed) -> Iterator[TableRow]:
    """The rows of a recording; where a table names one other video alone, all of them, with a note."""
    videos = Counter(PurePath(row.cells["video"]).stem for row in rows if "video" in row.cells)
    if not recording or not videos or set(videos) == {recording}:
        yield from rows
        return
    if len(videos) == 1:
        parsed.note(
            f"its rows name the video {next(iter(videos))!r}, and it lies beside {recording!r}; they are used",
            rows[0].place,
            "Is this the transcript of another recording?",
        )
        yield from rows
        return
    for row in rows:
        if PurePath(row.cells.get("video", recording)).stem == recording:
            yield row
        else:
            parsed.not_speech["row of another video"] += 1


def token_cues(rows: Sequence[TableRow], parsed: Parsed) -> list[Cue]:
    """One cue for each utterance, from the start of its first token to the end of its last."""
    cues: list[Cue] = []
    for group, tokens in groupby(rows, key=lambda row: row.cells.get("group", "")):
        said = list(tokens)
        if not group:
            for row in said:
                parsed.skip("the token belongs to no utterance: utterance_id is empty", row.place)
            continue
        starts: list[float] = []
        ends: list[float] = []
        for row in said:
            for kind, times in (("tokenstart", starts), ("tokenend", ends)):
                if kind not in row.cells:
                    continue
                try:
                    times.append(read_seconds(kind, row.cells[kind], 1.0, decimal_comma=False))
                except ValueError as error:
                    parsed.skip(str(error), row.place)
        whole = said[0].cells.get("text") or " ".join(row.cells.get("token", "") for row in said)
        cues.append(
            Cue(
                place=said[0].place,
                start_s=min(starts, default=None),
                end_s=max(ends, default=None),
                speaker=said[0].cells.get("speaker", ""),
                text=" ".join(whole.split()),
            )
        )
    return cues
