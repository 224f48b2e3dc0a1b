"""Voice activity detection with silero's model, as shipped with faster-whisper.

The detector's own package needs torchaudio; this one needs onnxruntime alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from babyvlm.errors import MissingExtraError
from babyvlm.media import SOUND_RATE

BLOCK_S = 120.0
"""Seconds of sound in memory at a time."""
_AT_END_S = 1.0
_THRESHOLD = 0.5  # probability of speech above which silero detects a voice (its default)
# Ours:
_MIN_SILENCE_MS = 400  # silence that ends an utterance
_MIN_SPEECH_MS = 200  # shortest utterance
_MAX_SPEECH_S = 15.0  # an utterance is cut at its last pause after so long: the longest clip
_PADDING_MS = 150  # kept around each detected utterance


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of speech."""

    start_s: float
    """From the start of the recording."""
    samples: np.ndarray


def find_speech(blocks: Iterable[np.ndarray]) -> Iterator[Stretch]:
    """Yields the stretches of speech, by time.

    Args:
        blocks: A recording's sound, block after block, mono at ``SOUND_RATE``.

    Raises:
        MissingExtraError: What it needs is not installed.
    """
    try:
        from faster_whisper.vad import VadOptions, get_speech_timestamps
    except ModuleNotFoundError as error:
        raise MissingExtraError("Detecting voices", "asr") from error
    options = VadOptions(
        threshold=_THRESHOLD,
        min_speech_duration_ms=_MIN_SPEECH_MS,
        max_speech_duration_s=_MAX_SPEECH_S,
        min_silence_duration_ms=_MIN_SILENCE_MS,
        speech_pad_ms=_PADDING_MS,
    )
    carried, begins = np.zeros(0, dtype=np.float32), 0
    for block, is_last in _with_last(blocks):
        sound = np.concatenate([carried, block])
        found = [(each["start"], each["end"]) for each in get_speech_timestamps(sound, options)]
        cut = len(sound)
        if not is_last and len(found) > 1 and found[-1][1] > len(sound) - _AT_END_S * SOUND_RATE:
            cut = found.pop()[0]  # it may continue in the next block
        for start, end in found:
            yield Stretch(start_s=(begins + start) / SOUND_RATE, samples=sound[start:end])
        carried, begins = sound[cut:], begins + cut


def _with_last(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    held: np.ndarray | None = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True
