"""The sound of a recording: utterances spoken by flite or espeak-ng where installed, else digital silence."""

from __future__ import annotations

import functools
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
        room = round((utterance.end_s - utterance.start_s) * SAMPLE_RATE)
        words_per_minute = 60 * len(utterance.text.split()) / (utterance.end_s - utterance.start_s)
        voice = _say(engine, utterance.speaker, utterance.text, max(120, round(words_per_minute / 10) * 10))[
            :room
        ].copy()
        fade = min(400, len(voice))
        voice[len(voice) - fade :] = voice[len(voice) - fade :] * np.linspace(1, 0, fade)
        at = round(utterance.start_s * SAMPLE_RATE)
        voice = voice[: len(samples) - at]
        samples[at : at + len(voice)] = voice
    return samples


@functools.lru_cache(maxsize=2048)
def _say(engine: str, speaker: str, text: str, words_per_minute: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if engine == "flite":
            stretch = f"duration_stretch={max(0.5, min(1.3, 170 / words_per_minute)):.2f}"
            command = ["flite", "-voice", _FLITE_VOICES[speaker], "--setf", stretch, "-t", text, "-o", str(path)]
        else:
            voice, pitch = _ESPEAK_VOICES[speaker]
            speed = str(min(300, words_per_minute + 20))
            command = ["espeak-ng", "-v", voice, "-p", pitch, "-s", speed, "-w", str(path), text]
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
    return np.interp(at_N, np.arange(len(voice_N)), voice_N).astype(np.int16)
