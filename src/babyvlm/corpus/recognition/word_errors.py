"""Word error rate: how many words must be replaced, put in or taken out to make one text of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Errors of a recognised text; sums over recordings are sums of both fields."""

    errors: int
    words: int
    """Of the true text."""

    @property
    def rate(self) -> float:
        return self.errors / max(1, self.words)


def word_errors(truth: str, recognised: str) -> WordErrors:
    """Compares two texts, case and punctuation aside.

    >>> word_errors("Look, a red ball!", "look at red balls").rate
    0.5
    """
    true_words, found_words = _words(truth), _words(recognised)
    return WordErrors(errors=_distance(true_words, found_words), words=len(true_words))


def _words(text: str) -> list[str]:
    return [word.replace("’", "'").lower() for word in _WORD.findall(text)]


def _distance(first: Sequence[str], second: Sequence[str]) -> int:
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, start=1):
        above, row[0] = row[0], number
        for index, other in enumerate(second, start=1):
            above, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, above + (word != other))
    return row[-1]
