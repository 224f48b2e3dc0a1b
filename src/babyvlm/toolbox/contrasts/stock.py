"""What contrasts are made of: nouns that were said and can be shown, colours and sizes, individuals to draw.

A noun counts as said by its singular and its plural together. Every word of a caption has to have been said, the small
ones too: of several wordings, the first that this holds for in both captions is taken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.nursery.lexicon import CATEGORIES
from babyvlm.plurals import plural
from babyvlm.toolbox.contrasts.vocabulary import SaidWords

DRAWN_NUMBERS = range(66, 80)
"""Individuals of the nursery's test split."""
WITHOUT_SINGULAR = ("pants", "scissors", "bread", "cheese", "fish")
"""Nouns that take no ``a``, or whose plural is the same."""
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black", "gray", "grey")
SIZES = (("big", "little"), ("big", "small"), ("large", "small"), ("large", "little"))
NUMBERS = ("one", "two", "three", "four", "five", "six")

ShowsColour = Callable[[str, int, str], bool]
"""Whether an individual of a noun, painted in a colour, is mostly of it."""
Forms = Sequence[tuple[str, str]]
"""Wordings of a pair of captions, the best first."""


def with_article(noun: str) -> str:
    """A noun behind ``a`` or ``an``.

    >>> with_article("apple"), with_article("red apple")
    ('an apple', 'a red apple')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


@dataclass(frozen=True, kw_only=True)
class LabelledNouns:
    """Pictures in files, by noun, of one hand; and the drawing of each noun, which two may share."""

    files: Mapping[str, Sequence[Path]]
    icons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What contrasts are made of."""

    vocabulary: SaidWords
    nouns: tuple[str, ...]
    """Drawn nouns that were said; none where nothing is drawn."""
    shows_colour: ShowsColour
    labelled: tuple[LabelledNouns, ...] = ()
    """Labelled pictures of nouns that were said."""

    @property
    def single(self) -> tuple[str, ...]:
        """Drawn nouns that take an article and have a plural of their own."""
        return tuple(noun for noun in self.nouns if noun not in WITHOUT_SINGULAR)

    @property
    def animals(self) -> tuple[str, ...]:
        """Drawn animals among them."""
        return tuple(noun for noun in self.single if CATEGORIES[noun].field == "animals")

    @property
    def colours(self) -> tuple[str, ...]:
        """Colours that were said; of ``gray`` and ``grey``, which look the same, the one said more."""
        said = [colour for colour in COLOURS if self.vocabulary.count(colour)]
        if "gray" in said and "grey" in said:
            said.remove("grey" if self.vocabulary.count("gray") >= self.vocabulary.count("grey") else "gray")
        return tuple(said)

    @property
    def sizes(self) -> tuple[tuple[str, str], ...]:
        """Pairs of opposite sizes both of which were said."""
        return tuple(pair for pair in SIZES if all(self.vocabulary.count(word) for word in pair))

    def noun_count(self, noun: str) -> int:
        """How often a noun was said, as one or as several."""
        return self.vocabulary.count(noun, plural(noun))

    def worded(self, forms: Forms, **words: str) -> tuple[str, str] | None:
        """The first wording whose every word was said; None where there is none."""
        for pair in forms:
            first, second = (form.format(**words) for form in pair)
            if self.vocabulary.knows(first) and self.vocabulary.knows(second):
                return first, second
        return None

    def painted(self, draw: random.Random, colours: Sequence[str], nouns: Sequence[str]) -> tuple[str, int] | None:
        """A noun and an individual that each of some colours shows on; None where none does."""
        for noun in draw.sample(list(nouns), len(nouns)):
            number = draw.choice(DRAWN_NUMBERS)
            if all(self.shows_colour(noun, number, colour) for colour in colours):
                return noun, number
        return None
