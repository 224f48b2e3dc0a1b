"""Recognisers behind one interface: samples of one stretch of speech in, what is said in it out.

faster-whisper    Whisper on CTranslate2; weights from the hub or a folder
pocketsphinx      hidden Markov models of 2012, for English, inside its wheel
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.errors import CheckpointError, MissingExtraError
from babyvlm.media import SOUND_RATE

_NO_WORD = re.compile(r"<[^>]*>|\[[^\]]*\]")
_VARIANT = re.compile(r"\(\d+\)$")


@dataclass(frozen=True, kw_only=True)
class RecognisedUtterance:
    """One utterance within a stretch."""

    start_s: float
    """From the start of the stretch."""
    end_s: float
    text: str


class Engine(Protocol):
    """Recognises one stretch of speech at a time."""

    def recognise(self, samples: np.ndarray) -> Iterator[RecognisedUtterance]:
        """What is said in mono samples at ``SOUND_RATE``, by time; nothing where no word is understood."""


@functools.lru_cache(maxsize=1)
def load_engine(config: RecognitionConfig) -> Engine:
    """The engine that a configuration names, loaded once a process.

    Raises:
        MissingExtraError: It is not installed.
        CheckpointError: Its model does not load.
    """
    try:
        return _Pocketsphinx() if config.engine == "pocketsphinx" else _FasterWhisper(config)
    except ModuleNotFoundError as error:
        raise MissingExtraError("Recognising speech", "asr") from error


class _FasterWhisper:
    """Whisper by way of faster-whisper."""

    def __init__(self, config: RecognitionConfig) -> None:
        from faster_whisper import WhisperModel

        self._language = config.language or None
        try:
            self._model: Any = WhisperModel(config.model, device="auto", compute_type="default")
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"faster-whisper does not load it ({error})",
                path=config.model,
                remedy="Give --model a folder with a CTranslate2 model, or a size such as small with the network on; "
                "--engine pocketsphinx needs neither",
            ) from error

    def recognise(self, samples: np.ndarray) -> Iterator[RecognisedUtterance]:
        # Stretches are told apart already, and each by itself: what was said before must not lead on.
        segments, _ = self._model.transcribe(samples, language=self._language, condition_on_previous_text=False)
        length_s = len(samples) / SOUND_RATE
        for segment in segments:
            text, end_s = segment.text.strip(), min(segment.end, length_s)
            if text and end_s > segment.start:
                yield RecognisedUtterance(start_s=segment.start, end_s=end_s, text=text)


class _Pocketsphinx:
    """Pocketsphinx with the model in its wheel."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(samprate=SOUND_RATE, loglevel="FATAL")

    def recognise(self, samples: np.ndarray) -> Iterator[RecognisedUtterance]:
        sound = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(sound.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return
        words = [_VARIANT.sub("", part.word) for part in self._decoder.seg() if not _NO_WORD.fullmatch(part.word)]
        if words:
            yield RecognisedUtterance(start_s=0.0, end_s=len(samples) / SOUND_RATE, text=" ".join(words))
