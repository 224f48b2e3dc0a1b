"""Every setting of speech recognition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from babyvlm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RecognitionConfig:
    """How speech becomes timed utterances."""

    engine: Literal["faster-whisper", "pocketsphinx"] = "faster-whisper"
    """What recognises: faster-whisper fetches its model from the hub; pocketsphinx brings a small English one, makes
    many more mistakes, and needs no network (ours)."""
    model: str = "small"
    """Of faster-whisper: a size (tiny, base, small, medium, large-v3), a name on the hub, or a folder (ours)."""
    language: str = ""
    """Spoken language, such as en; empty lets the model tell for each stretch (ours)."""
    track: int = 0
    """Which sound track, counted from 0 (ours)."""

    def __post_init__(self) -> None:
        if self.track < 0:
            raise ConfigError(f"track is counted from 0; it is {self.track}")
        if self.engine == "pocketsphinx" and self.model != "small":
            raise ConfigError(f"pocketsphinx brings its own model; for {self.model!r} choose faster-whisper")
        if self.engine == "pocketsphinx" and self.language not in ("", "en"):
            raise ConfigError(f"pocketsphinx brings an English model; for {self.language!r} choose faster-whisper")
