"""Captions that show a line again while the next one comes: each word once, at the time it was first shown.

    00:00.5 look the red ball                       kept
    00:02.8 look the red ball                       for 10 ms: shown again
    00:02.8 look the red ball / do you want it      "do you want it" is kept
    00:05.1 do you want it                          for 10 ms: shown again

YouTube's automatic captions roll so, in WebVTT and in what is converted from them; television's roll-up captions,
captions that grow word by word, and Whisper's with ``highlight_words`` are of the same kind. People repeat themselves
too: only a file in which cues follow upon each other in this way is taken to roll.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from itertools import pairwise

from babyvlm.corpus.transcripts.cues import Cue, Parsed

CONTIGUOUS_S = 0.5
"""A caption shown again follows the one before within so much (ours)."""
FLASH_S = 0.05
"""A cue no longer than this only moves a line up."""
_LEAST_CARRIED, _LEAST_SHARE = 2, 0.3
"""Fewest cues, and least share of those that follow closely, that begin with a line shown before (ours)."""
_LEAST_GROWING, _LEAST_SHARE_GROWING = 3, 0.6
"""The same for cues that begin with all the words of the one before: people speak so as well ("no", "no no") (ours)."""
_WORD_TIME = re.compile(r"<\d[\d:.]*>")


def roll_up(parsed: Parsed) -> None:
    """Takes out of captions what was shown before, and counts it; changes nothing where they do not roll."""
    _leave_out_copies(parsed)
    if not _rolls(parsed.cues):
        return
    kept: list[Cue] = []
    shown: Sequence[str] = ()
    added: Sequence[str] = ()
    last: Cue | None = None
    for cue in parsed.cues:
        words = cue.text.split()
        again = _carried(last, shown, added, cue) if last is not None and _follows(last, cue) else 0
        if again:
            parsed.not_speech["caption shown again" if again == len(words) else "words of a caption shown again"] += 1
        rest = words[again:]
        if rest:
            kept.append(dataclasses.replace(cue, text=" ".join(rest)))
            added = rest
        elif kept and words and not _is_flash(cue):
            kept[-1] = dataclasses.replace(kept[-1], end_s=max(kept[-1].end_s or 0.0, cue.end_s or 0.0))
        elif not words:
            kept.append(cue)
        if words:
            shown = words
        last = cue
    parsed.cues = kept


def _leave_out_copies(parsed: Parsed) -> None:
    """Takes out cues that are another one word by word and moment by moment, as at the seams of joined segments."""
    known: set[tuple[float | None, float | None, str, str]] = set()
    kept: list[Cue] = []
    for cue in parsed.cues:
        key = (cue.start_s, cue.end_s, cue.speaker, cue.text)
        if key in known and cue.text:
            parsed.not_speech["caption shown again"] += 1
        else:
            kept.append(cue)
        known.add(key)
    parsed.cues = kept


def _rolls(cues: Sequence[Cue]) -> bool:
    pairs = [(first, second) for first, second in pairwise(cues) if _follows(first, second) and second.text]
    carried = growing = 0
    added: Sequence[str] = ()
    for first, second in pairs:
        before, words = first.text.split(), second.text.split()
        if not before:
            continue
        same = before == words or second.lines == first.lines[-len(second.lines) :]
        if same and (_is_flash(second) or _is_flash(first) or _highlights(first, second)):
            return True
        grows = len(words) > len(before) and words[: len(before)] == before
        lines = _line_carried(first, second)
        if (lines or grows) and _WORD_TIME.search(second.markup):
            return True
        echoes = len(words) > len(added) > 1 and words[: len(added)] == list(added)
        carried += bool(lines or (echoes and not grows))
        growing += grows and not lines
        added = words[len(before) :] if grows else words[len(added) :] if echoes else words
    likely = carried >= _LEAST_CARRIED and carried >= _LEAST_SHARE * len(pairs)
    least = _LEAST_CARRIED if carried else _LEAST_GROWING
    return likely or (carried + growing >= least and carried + growing >= _LEAST_SHARE_GROWING * len(pairs))


def _highlights(first: Cue, second: Cue) -> bool:
    """Whether two cues mark different words of one text."""
    return first.markup != second.markup and "<" in first.markup and "<" in second.markup


def _line_carried(first: Cue, second: Cue) -> int:
    """How many lines the second cue begins with that the first ends with, where it adds others."""
    for count in range(min(len(first.lines), len(second.lines) - 1), 0, -1):
        if first.lines[-count:] == second.lines[:count]:
            return count
    return 0


def _carried(last: Cue, shown: Sequence[str], added: Sequence[str], cue: Cue) -> int:
    """How many words a cue begins with that are on screen already."""
    words = cue.text.split()
    if not words:
        return 0
    for count in range(min(len(last.lines), len(cue.lines)), 0, -1):
        if last.lines[-count:] == cue.lines[:count]:
            return min(len(words), sum(len(line.split()) for line in cue.lines[:count]))
    for before in (shown, added):
        if before and words[: len(before)] == list(before):
            return len(before)
    if len(words) <= len(shown) and list(shown[-len(words) :]) == words:
        return len(words)
    return 0


def _follows(first: Cue, second: Cue) -> bool:
    if first.start_s is None or first.end_s is None or second.start_s is None:
        return False
    return first.start_s <= second.start_s <= first.end_s + CONTIGUOUS_S and first.speaker == second.speaker


def _is_flash(cue: Cue) -> bool:
    return cue.start_s is not None and cue.end_s is not None and cue.end_s - cue.start_s <= FLASH_S + 1e-6
