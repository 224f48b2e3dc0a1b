"""The words of a training set, how often each was said, and the bin that falls in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import InputError
from babyvlm.spreadsheets import open_table
from babyvlm.words import words_of

_MERGED_BELOW = 4
"""The bins [1,2) and [2,4) are one (EgoBabyVLM)."""


@dataclass(frozen=True, kw_only=True)
class SaidWords:
    """Words with their counts."""

    counts: Mapping[str, int]
    """By word; those asked about that are several words, ``teddy bear``, are counted as such too."""

    def count(self, *forms: str) -> int:
        """How often any of some words was said."""
        return sum(self.counts.get(form, 0) for form in dict.fromkeys(forms))

    def knows(self, text: str) -> bool:
        """Whether every word of a text was said."""
        return all(self.counts.get(word, 0) for word in words_of(text))

    def familiarity(self, text: str) -> float:
        """How frequent the words of a text are: the mean of log(1 + count)."""
        words = words_of(text)
        return sum(math.log1p(self.counts.get(word, 0)) for word in words) / max(1, len(words))


def count_words(texts: Iterable[str], phrases: Iterable[str] = ()) -> SaidWords:
    """Counts the words of texts.

    Args:
        texts: What was said.
        phrases: Words of several words, which are counted too.

    >>> said = count_words(["the teddy bear", "a bear"], ["teddy bear"])
    >>> said.count("bear"), said.count("teddy bear"), said.knows("a teddy"), said.knows("a cat")
    (2, 1, True, False)
    """
    counts: Counter[str] = Counter()
    several = [tuple(phrase.split()) for phrase in phrases if " " in phrase]
    for text in texts:
        words = words_of(text)
        counts.update(words)
        for phrase in several:
            places = range(len(words) - len(phrase) + 1)
            if found := sum(tuple(words[at : at + len(phrase)]) == phrase for at in places):
                counts[" ".join(phrase)] += found
    return SaidWords(counts=counts)


def read_vocabulary(place: Path, phrases: Iterable[str] = ()) -> SaidWords:
    """The vocabulary of a curated set's training utterances, or of a table.

    Args:
        place: Folder written by ``babyvlm curate``, or a TSV file with the columns ``word`` and ``count``.
        phrases: Words of several words, which are counted too.

    Raises:
        DataFolderError: The folder is no curated set.
        InputError: The table does not read, or nothing was said.
    """
    if place.is_file():
        table = open_table(place, delimiter="\t")
        if not {"word", "count"} <= set(table.columns):
            raise InputError(
                f"the columns are {', '.join(table.columns)}", path=place, remedy="It needs word and count"
            )
        counts: dict[str, int] = {}
        for line, row in table:
            if not row["count"].strip().isdigit():
                raise InputError(f"the count {row['count']!r} is no whole number", path=place, place=f"line {line}")
            counts[row["word"].strip().lower()] = int(row["count"])
        vocabulary = SaidWords(counts=counts)
    else:
        said = PretrainingSet(place).utterances("train")
        vocabulary = count_words((one.text for one in said), phrases)
    if not any(vocabulary.counts.values()):
        raise InputError("nothing was said in it", path=place, remedy="Give a set with training utterances")
    return vocabulary


def bin_of(count: int) -> str:
    """The log2 bin that a count falls in; the lowest two are one.

    >>> [bin_of(count) for count in (1, 3, 4, 7, 8, 1000)]
    ['[1,4)', '[1,4)', '[4,8)', '[4,8)', '[8,16)', '[512,1024)']
    """
    if count < _MERGED_BELOW:
        return f"[1,{_MERGED_BELOW})"
    low = 1 << (count.bit_length() - 1)
    return f"[{low},{2 * low})"


def merged_bin(label: str) -> str:
    """A published bin, the lowest two merged.

    >>> merged_bin("[2,4)"), merged_bin("[512,inf)")
    ('[1,4)', '[512,inf)')
    """
    plain = label.replace(" ", "")
    return f"[1,{_MERGED_BELOW})" if plain in ("[1,2)", "[2,4)") else plain
