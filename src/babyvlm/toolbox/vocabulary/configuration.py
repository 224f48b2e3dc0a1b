"""The vocabulary, and the choice of foils in the word tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babyvlm.toolbox.vocabulary.words import Vocabulary, early_vocabulary, read_wordbank

Foils = Literal["mixed", "far", "meaning", "sound"]


@dataclass(frozen=True, kw_only=True)
class WordConfig:
    """Words and foils of Picture Vocabulary and Looking While Listening."""

    foils: Foils = "mixed"
    """Foil categories, as far as the source has them: ``mixed`` any (in the published construction mostly of the
    same semantic field, at times with the same onset); ``far`` of another semantic field and unlike in sound;
    ``meaning`` of the same semantic field; ``sound`` alike in sound (at most half of the phonemes differ)."""
    wordbank: Path | None = None
    """Wordbank CSV to use instead of the packaged early vocabulary."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words.

        Raises:
            AnnotationError: The Wordbank file does not parse.
        """
        return early_vocabulary() if self.wordbank is None else read_wordbank(self.wordbank)

    def distance(self, target: str, foil: str) -> int:
        """0 for a foil of the kind asked for, 1 for any other."""
        if self.foils == "mixed":
            return 0
        meaning = self.vocabulary.same_field(target, foil)
        sound = self.vocabulary.sound_alike(target, foil)
        return int({"far": meaning or sound, "meaning": not meaning, "sound": not sound}[self.foils])

    def is_near(self, target: str, foil: str) -> bool:
        """Whether a foil is near in meaning or in sound."""
        return self.vocabulary.same_field(target, foil) or self.vocabulary.sound_alike(target, foil)
