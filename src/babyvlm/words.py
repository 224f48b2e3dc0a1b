"""What counts as a word wherever words are counted, and how far two texts, or two words, are apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; a compound with hyphens is one word, and so is a number.

    >>> words_of("Uh-oh, that's 2 dogs!")
    ['uh-oh', "that's", '2', 'dogs']
    """
    return [word.lower() for word in _WORD.findall(text)]


def count_words(text: str) -> int:
    """How many words a text has.

    >>> count_words("Uh-oh, that's 2 dogs!")
    4
    """
    return len(_WORD.findall(text))


def edit_distance(first: Iterable[str], second: Iterable[str]) -> int:
    """Fewest insertions, deletions and replacements that turn one sequence into the other.

    >>> edit_distance("cat", "hats")
    2
    """
    other = list(second)
    row = list(range(len(other) + 1))
    for index, symbol in enumerate(first, start=1):
        above, row[0] = row[0], index
        for place, candidate in enumerate(other, start=1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (symbol != candidate))
    return row[-1]
