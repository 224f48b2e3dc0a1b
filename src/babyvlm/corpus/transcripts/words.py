"""From timed words to utterances, for recognisers that give words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babyvlm.corpus.transcripts.cues import Cue

PAUSE_S = 0.6
"""Seconds without a word that end an utterance (ours)."""
LONGEST_S = 15.0
"""Seconds after which an utterance ends at the next word: the longest clip (ours)."""
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


@dataclass(frozen=True, kw_only=True)
class TimedWord:
    """A word, with its punctuation, as a recogniser gives it."""

    text: str
    start_s: float | None
    end_s: float | None
    speaker: str = ""


def utterances_of_words(words: Sequence[TimedWord], places: Sequence[str], language: str) -> list[Cue]:
    """Joins words up to a pause, another speaker, the end of a sentence, or the longest utterance.

    Args:
        words: The words, by time; one without times belongs to the word before.
        places: Where each stands in its file.
        language: What they are in.
    """
    cues: list[Cue] = []
    held: list[int] = []
    for number, word in enumerate(words):
        if held and _ends_before(words, held, word):
            cues.append(_cue(words, held, places, language))
            held = []
        held.append(number)
    if held:
        cues.append(_cue(words, held, places, language))
    return cues


def _ends_before(words: Sequence[TimedWord], held: Sequence[int], word: TimedWord) -> bool:
    first, last = words[held[0]], words[held[-1]]
    if word.start_s is None:
        return False
    paused = last.end_s is not None and word.start_s - last.end_s > PAUSE_S
    is_long = first.start_s is not None and word.start_s - first.start_s > LONGEST_S
    return paused or is_long or word.speaker != last.speaker or last.text.strip().endswith(_SENTENCE_ENDS)


def _cue(words: Sequence[TimedWord], held: Sequence[int], places: Sequence[str], language: str) -> Cue:
    said = [words[number] for number in held]
    text = ""
    for word in said:
        joined = word.text.strip()
        text += joined if not text or joined in (".", ",", "?", "!", ";", ":") else f" {joined}"
    return Cue(
        place=places[held[0]],
        start_s=min((word.start_s for word in said if word.start_s is not None), default=None),
        end_s=max((word.end_s for word in said if word.end_s is not None), default=None),
        speaker=said[0].speaker,
        text=" ".join(text.split()),
        language=language,
    )
