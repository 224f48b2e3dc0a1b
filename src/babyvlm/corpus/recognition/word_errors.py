"""Word error rate: the fewest substitutions, insertions and deletions that turn one text into the other."""

from __future__ import annotations

from dataclasses import dataclass

from babyvlm.words import edit_distance, words_of


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Errors of a recognised text; sums over recordings are sums of both fields."""

    errors: int
    words: int
    """Words in the true text."""

    @property
    def rate(self) -> float:
        return self.errors / max(1, self.words)


def word_errors(truth: str, recognised: str) -> WordErrors:
    """Compares two texts, case, punctuation and hyphens aside.

    >>> word_errors("Look, a red ball!", "look at red balls").rate
    0.5
    """
    true_words, found_words = _words(truth), _words(recognised)
    return WordErrors(errors=edit_distance(true_words, found_words), words=len(true_words))


def _words(text: str) -> list[str]:
    """The words of a text; recognisers differ in where they put hyphens, so that these separate words here."""
    return words_of(text.replace("’", "'").replace("-", " "))
