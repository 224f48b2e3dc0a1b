"""Where samples come from: their recordings, when in them, and how many words they say.

    conversation, utterances ── SampleOrigin ── beside the sample on disk ── Origins, flat arrays

Ordered training and the ladder of kept checkpoints work on these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from babyvlm.curation.sets import PretrainingSet
from babyvlm.records import IMAGE_TOKEN, Conversation
from babyvlm.words import count_words


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleOrigin:
    """Where one sample comes from."""

    recordings: Sequence[int] = ()
    """Places of its recordings among those of the set; none where they are not known."""
    start_s: float = 0.0
    """Where it begins in its recording; 0 where it shows several."""
    words: int = 0
    """Words of its text: prompts and answers."""


NO_ORIGIN = SampleOrigin()
OriginOf = Callable[[Conversation], SampleOrigin]
FindRecordings = Callable[[str, str, str], Sequence[int]]
"""From a record's id, format and recording to places of recordings in the set."""


def no_origin(conversation: Conversation) -> SampleOrigin:
    """For samples of which nothing is asked: held-out ones."""
    return NO_ORIGIN


def words_in(prompt: str, answer: str) -> int:
    """Words of a turn."""
    return _words_asked(prompt) + count_words(answer.replace(IMAGE_TOKEN, " "))


@lru_cache(maxsize=4096)  # most prompts are alike
def _words_asked(prompt: str) -> int:
    return count_words(prompt.replace(IMAGE_TOKEN, " "))


def recording_finder(data: PretrainingSet) -> FindRecordings:
    """What tells the recordings of a set's records as their places in the set; none where one is not known."""
    numbers = {recording.id: number for number, recording in enumerate(data.recordings)}

    def find(id: str, format: str, recording: str) -> Sequence[int]:
        shown = data.recordings_shown(id, format, recording)
        return [numbers[each] for each in shown] if all(each in numbers for each in shown) else ()

    return find


def origin_reader(data: PretrainingSet) -> OriginOf:
    """What tells the origins of a set's records."""
    find = recording_finder(data)

    def origin(conversation: Conversation) -> SampleOrigin:
        words = sum(words_in(turn.prompt, turn.answer) for turn in conversation.turns)
        shown = find(conversation.id, conversation.format, conversation.recording)
        return SampleOrigin(recordings=shown, start_s=conversation.start_s or 0.0, words=words)

    return origin


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Where N samples come from."""

    recordings_R: np.ndarray
    """Places of recordings among those of the set, those of one sample behind those of another; int32."""
    first_N: np.ndarray
    """Where those of a sample begin, int64, (N + 1,)."""
    start_s_N: np.ndarray
    """float64."""
    words_N: np.ndarray
    """int32."""

    @classmethod
    def of(cls, origins: Iterable[SampleOrigin]) -> Origins:
        """Of single ones."""
        every = list(origins)
        return cls(
            recordings_R=np.array([number for one in every for number in one.recordings], np.int32),
            first_N=np.fromiter(accumulate((len(one.recordings) for one in every), initial=0), np.int64),
            start_s_N=np.array([one.start_s for one in every], np.float64),
            words_N=np.array([one.words for one in every], np.int32),
        )

    def __len__(self) -> int:
        return len(self.words_N)

    def extreme_rank(self, rank_of: np.ndarray, *, latest: bool) -> np.ndarray:
        """The rank of each sample's latest or earliest recording.

        Args:
            rank_of: Rank of each recording of the set; -1 where its time is not known.
            latest: Which of a sample's recordings counts.

        Returns:
            Ranks, (N,); -1 where a recording of the sample, or its time, is not known.
        """
        counts_N = np.diff(self.first_N)
        found_N = np.full(len(self), -1, np.int64)
        if not len(self.recordings_R):
            return found_N
        ranks_R = rank_of[self.recordings_R]
        there_N = counts_N > 0
        begins = self.first_N[:-1][there_N]
        lowest = np.minimum.reduceat(ranks_R, begins)
        highest = np.maximum.reduceat(ranks_R, begins)
        found_N[there_N] = np.where(lowest < 0, -1, highest if latest else lowest)
        return found_N

    def recordings_met(self, met_N: np.ndarray) -> np.ndarray:
        """Places of the recordings of some samples, each once, ascending.

        Args:
            met_N: Which samples, booleans.
        """
        return np.unique(self.recordings_R[np.repeat(met_N, np.diff(self.first_N))])
