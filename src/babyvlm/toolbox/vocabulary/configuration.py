"""Which words are known about, and which foils the word tasks get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babyvlm.toolbox.vocabulary.words import Vocabulary, early_vocabulary, read_wordbank

Foils = Literal["mixed", "far", "meaning", "sound"]


@dataclass(frozen=True, kw_only=True)
class WordConfig:
    """What Picture Vocabulary and Looking While Listening know of words."""

    foils: Foils = "mixed"
    """Which other categories stand beside the one asked for, as far as the source shows them: ``mixed`` any, in the
    published construction mostly one of its semantic field and at times one that begins like it; ``far`` neither of its
    semantic field nor like it in sound; ``meaning`` of its semantic field; ``sound`` like it in sound (at most half of
    the phonemes differ)."""
    wordbank: Path | None = None
    """Wordbank CSV with the words to know instead of the packaged early vocabulary."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words.

        Raises:
            AnnotationError: The Wordbank file does not parse.
        """
        return early_vocabulary() if self.wordbank is None else read_wordbank(self.wordbank)

    def distance(self, target: str, foil: str) -> int:
        """0 for a foil as wished for, 1 for any other."""
        if self.foils == "mixed":
            return 0
        meaning = self.vocabulary.same_field(target, foil)
        sound = self.vocabulary.sound_alike(target, foil)
        return int({"far": meaning or sound, "meaning": not meaning, "sound": not sound}[self.foils])

    def is_near(self, target: str, foil: str) -> bool:
        """Whether a foil is near in meaning or in sound."""
        return self.vocabulary.same_field(target, foil) or self.vocabulary.sound_alike(target, foil)
