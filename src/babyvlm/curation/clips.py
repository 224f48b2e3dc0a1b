"""From utterances to clips: stretches of a recording, cut at utterance boundaries, and the moments to look at in each.

|-- look --|                               too short: extended about its middle to the shortest clip
|-- and now we put the red one on top --|  as it is, or cut off at the longest clip
0.5   1.5   2.5                            one frame in the middle of each second
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from babyvlm.curation.configuration import CurationConfig
from babyvlm.records import Utterance
from babyvlm.words import words_of


@dataclass(frozen=True, kw_only=True, order=True)
class Clip:
    """A stretch of one recording and its text."""

    start_ms: int
    end_ms: int
    text: str

    def stem(self, recording: str) -> str:
        """The clip's published name.

        >>> Clip(start_ms=76680, end_ms=77720, text="look").stem("A_20130531_0818_01")
        'A_20130531_0818_01_76680_77720'
        """
        return f"{recording}_{self.start_ms}_{self.end_ms}"

    def frame_times_s(self, fps: float) -> list[float]:
        """Moments of the clip's frames from the start of the recording, in seconds.

        >>> Clip(start_ms=1000, end_ms=3400, text="look").frame_times_s(fps=1)
        [1.5, 2.5]
        """
        length_s = (self.end_ms - self.start_ms) / 1000
        count = int(length_s * fps + 1e-6)
        if count == 0:
            return [(self.start_ms + self.end_ms) / 2000]
        return [self.start_ms / 1000 + (index + 0.5) / fps for index in range(count)]


def cut_clips(
    utterances: Iterable[Utterance], duration_s: float, config: CurationConfig
) -> tuple[list[Clip], Counter[str]]:
    """The clips of one recording, by start.

    Utterances whose clips come out the same (two voices at once, or two words at the very end) share one clip.

    Args:
        utterances: Utterances with clean texts, by start.
        duration_s: How long the recording is.
        config: The settings.

    Returns:
        The clips, and how many utterances have none, by reason.
    """
    texts: dict[tuple[int, int], list[str]] = {}
    skipped: Counter[str] = Counter()
    for utterance in utterances:
        words = len(words_of(utterance.text))
        if words < config.min_words:
            skipped["clip of too few words"] += 1
        elif words > config.max_words:
            skipped["clip of too many words"] += 1
        else:
            bounds = _bounds_ms(utterance, int(duration_s * 1000), config)
            texts.setdefault(bounds, []).append(utterance.text)
    clips = [Clip(start_ms=start, end_ms=end, text=" ".join(said)) for (start, end), said in texts.items()]
    return sorted(clips), skipped


def _bounds_ms(utterance: Utterance, duration_ms: int, config: CurationConfig) -> tuple[int, int]:
    start, end = round(utterance.start_s * 1000), min(round(utterance.end_s * 1000), duration_ms)
    shortest, longest = round(config.min_clip_s * 1000), round(config.max_clip_s * 1000)
    if end - start < shortest:
        start = max(0, (start + end - shortest) // 2)
        end = min(start + shortest, duration_ms)
        start = max(0, end - shortest)
    return start, min(end, start + longest)
