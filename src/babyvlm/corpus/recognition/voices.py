"""Where somebody speaks: silero's voice activity detection, by the model that faster-whisper's wheel carries.

The detector's own package needs torchaudio; this one needs onnxruntime alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.errors import MissingExtraError
from babyvlm.media import SOUND_RATE

BLOCK_S = 120.0
"""Seconds of sound in memory at a time."""
_AT_END_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of speech."""

    start_s: float
    """From the start of the recording."""
    samples: np.ndarray


def find_speech(blocks: Iterable[np.ndarray], config: RecognitionConfig) -> Iterator[Stretch]:
    """Yields the stretches in which somebody speaks, by time.

    Args:
        blocks: A recording's sound, block after block, mono at ``SOUND_RATE``.
        config: The settings.

    Raises:
        MissingExtraError: What it needs is not installed.
    """
    try:
        from faster_whisper.vad import VadOptions, get_speech_timestamps
    except ModuleNotFoundError as error:
        raise MissingExtraError("Detecting voices", "asr") from error
    options = VadOptions(
        threshold=config.voice_threshold,
        min_speech_duration_ms=round(config.min_speech_s * 1000),
        max_speech_duration_s=config.max_speech_s,
        min_silence_duration_ms=round(config.min_silence_s * 1000),
        speech_pad_ms=round(config.padding_s * 1000),
    )
    carried, begins = np.zeros(0, dtype=np.float32), 0
    for block, is_last in _with_last(blocks):
        sound = np.concatenate([carried, block])
        found = [(each["start"], each["end"]) for each in get_speech_timestamps(sound, options)]
        cut = len(sound)
        if not is_last and len(found) > 1 and found[-1][1] > len(sound) - _AT_END_S * SOUND_RATE:
            cut = found.pop()[0]  # it may go on in the next block
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
