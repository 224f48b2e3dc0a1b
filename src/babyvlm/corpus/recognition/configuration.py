"""Every setting of speech recognition. Settings without a source are our choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from babyvlm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RecognitionConfig:
    """How speech becomes timed utterances."""

    engine: Literal["faster-whisper", "pocketsphinx"] = "faster-whisper"
    """Recogniser: faster-whisper downloads its model from the hub; pocketsphinx includes a small English model, is much
    less accurate, and needs no network."""
    model: str = "small"
    """Model of faster-whisper: a size (tiny, base, small, medium, large-v3), a name on the hub, or a folder."""
    language: str = ""
    """Spoken language, such as en; detected for each stretch when empty."""
    track: int = 0
    """Index of the sound track, from 0."""

    def __post_init__(self) -> None:
        if self.track < 0:
            raise ConfigError(f"track is counted from 0; it is {self.track}")
        if self.engine == "pocketsphinx" and self.model != "small":
            raise ConfigError(f"pocketsphinx has its own model; for {self.model!r} choose faster-whisper")
        if self.engine == "pocketsphinx" and self.language not in ("", "en"):
            raise ConfigError(f"pocketsphinx has an English model; for {self.language!r} choose faster-whisper")
