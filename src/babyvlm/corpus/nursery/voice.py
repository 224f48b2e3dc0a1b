"""The sound of a recording: utterances spoken by flite or espeak-ng where installed, else digital silence."""

from __future__ import annotations

import functools
import math
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.corpus.nursery.speech import Spoken
from babyvlm.errors import BabyVLMError, ConfigError

SAMPLE_RATE = 16000
_SPEAKING_TIMEOUT_S = 20
_SILENT = 160
"""Samples below this are silence (16 bits)."""
_NORMAL_WORDS_PER_MINUTE = 175
_FLITE_VOICES = {"Mother": "slt", "Father": "rms", "Grandmother": "slt", "Grandfather": "awb", "Child": "slt"}
_ESPEAK_VOICES = {
    "Mother": ("en+f3", "55"),
    "Father": ("en+m3", "40"),
    "Grandmother": ("en+f5", "40"),
    "Grandfather": ("en+m7", "30"),
    "Child": ("en+f2", "90"),
}


def choose_engine(config: NurseryConfig) -> str:
    """Which engine speaks: ``flite``, ``espeak-ng`` or ``silence``.

    Raises:
        ConfigError: The engine asked for is not installed.
    """
    if config.speech == "auto":
        return next((engine for engine in ("flite", "espeak-ng") if shutil.which(engine)), "silence")
    if config.speech != "silence" and shutil.which(config.speech) is None:
        raise ConfigError(f"speech is {config.speech!r}, which is not installed. Install it, or choose 'silence'")
    return config.speech


def sound_track(spoken: Sequence[Spoken], length_s: float, engine: str) -> np.ndarray:
    """Mono samples, 16-bit, at ``SAMPLE_RATE``, each utterance at its start and never past its end."""
    samples = np.zeros(round(length_s * SAMPLE_RATE), dtype=np.int16)
    if engine == "silence":
        return samples
    for utterance in spoken:
        voice = _ESPEAK_VOICES[utterance.speaker] if engine == "espeak-ng" else (_FLITE_VOICES[utterance.speaker],)
        room = round((utterance.end_s - utterance.start_s) * SAMPLE_RATE)
        said = _say(engine, voice, utterance.text, 1.0)
        if len(said) > room:
            said = _say(engine, voice, utterance.text, math.ceil(10 * len(said) / room) / 10)
        at = round(utterance.start_s * SAMPLE_RATE)
        said = said[: min(room, len(samples) - at)].copy()
        fade = min(400, len(said))
        said[len(said) - fade :] = said[len(said) - fade :] * np.linspace(1, 0, fade)
        samples[at : at + len(said)] = said
    return samples


@functools.lru_cache(maxsize=1024)
def _say(engine: str, voice: tuple[str, ...], text: str, pace: float) -> np.ndarray:
    """Samples from the first sound to the last, ``pace`` times as fast as is normal for the voice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if engine == "flite":
            stretch = f"duration_stretch={1 / pace:.2f}"
            command = ["flite", "-voice", voice[0], "--setf", stretch, "-t", text, "-o", str(path)]
        else:
            speed = str(round(_NORMAL_WORDS_PER_MINUTE * pace))
            command = ["espeak-ng", "-v", voice[0], "-p", voice[1], "-s", speed, "-w", str(path), text]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SPEAKING_TIMEOUT_S)
            with wave.open(str(path)) as file:
                rate, channels = file.getframerate(), file.getnchannels()
                voice_N = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)[::channels]
        except (OSError, subprocess.SubprocessError, wave.Error) as error:
            raise BabyVLMError(
                f"{engine} could not say {text!r} ({error}). Mend its installation, or choose speech 'silence'"
            ) from error
    at_N = np.arange(round(len(voice_N) * SAMPLE_RATE / rate)) * rate / SAMPLE_RATE
    voice_N = np.interp(at_N, np.arange(len(voice_N)), voice_N).astype(np.int16)
    loud = np.flatnonzero(np.abs(voice_N.astype(int)) > _SILENT)
    return voice_N[loud[0] : loud[-1] + 1] if len(loud) else voice_N[:0]
