"""Contrasts of words: nouns, and adjectives.

nouns        the word alone, and a picture of another noun
adjectives   one individual in two colours that were both said, or in two sizes

Both words of a contrast are asked for and are of one bin of frequency, so that in each bin neither picture is right
more often than the other; a word that is alone in its bin is left out. Nouns of the same semantic field come first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from babyvlm.corpus.nursery.lexicon import CATEGORIES
from babyvlm.corpus.nursery.placed import PlacedThing
from babyvlm.toolbox.contrasts.scenes import Contrast, Shown, UnmadeContrast, pair_of_scenes
from babyvlm.toolbox.contrasts.stock import COLOURS, DRAWN_NUMBERS, SIZES, Forms, LabelledNouns, Stock, with_article
from babyvlm.toolbox.contrasts.vocabulary import bin_of

_ADJECTIVE: Forms = (("{first_n}", "{second_n}"), ("the {first} {n}", "the {second} {n}"), ("{first}", "{second}"))
BIG, LITTLE = 0.8, 0.3
"""Sizes of things, in heights of the picture."""


def nouns(stock: Stock, draw: random.Random, per_word: int) -> Iterator[Contrast | UnmadeContrast]:
    """Nouns by drawings, and by labelled pictures."""

    def drawn(noun: str, other: str, _: int) -> tuple[Shown, Shown]:
        first, second = (PlacedThing(category=name, number=draw.choice(DRAWN_NUMBERS)) for name in (noun, other))
        return pair_of_scenes(draw, (first,), (second,))

    for noun in stock.nouns:
        yield from _of_noun(noun, _others(stock, noun, stock.nouns, {}), draw, per_word, drawn)
    for hand in stock.labelled:

        def photographed(noun: str, other: str, turn: int, hand: LabelledNouns = hand) -> tuple[Shown, Shown]:
            return hand.files[noun][turn], draw.choice(list(hand.files[other]))

        for noun in hand.files:
            others = _others(stock, noun, tuple(hand.files), hand.icons)
            yield from _of_noun(noun, others, draw, min(per_word, len(hand.files[noun])), photographed)


def _others(stock: Stock, noun: str, known: Sequence[str], icons: Mapping[str, str]) -> list[str]:
    """Nouns that another picture may be of: of another drawing and the same bin, of the same field where there are."""
    others = [other for other in known if other != noun and icons.get(other, other) != icons.get(noun, noun)]
    others = _of_one_bin({other: stock.noun_count(other) for other in others}, stock.noun_count(noun))
    field = CATEGORIES[noun].field if noun in CATEGORIES else None
    alike = [other for other in others if other in CATEGORIES and CATEGORIES[other].field == field]
    return alike or others


def _of_one_bin(counts: Mapping[str, int], count: int) -> list[str]:
    """Words of the same bin of frequency."""
    return [word for word, other in counts.items() if bin_of(other) == bin_of(count)]


def _of_noun(
    noun: str,
    others: list[str],
    draw: random.Random,
    turns: int,
    pictures: Callable[[str, str, int], tuple[Shown, Shown]],
) -> Iterator[Contrast | UnmadeContrast]:
    if not others:
        yield UnmadeContrast(kind="nouns", what=noun, reason="no other noun of its bin of frequency has a picture")
        return
    for turn in range(turns):
        other = draw.choice(others)
        yield Contrast(kind="nouns", words=(noun, other), captions=(noun, other), pictures=pictures(noun, other, turn))


def adjectives(stock: Stock, draw: random.Random, per_word: int) -> Iterator[Contrast | UnmadeContrast]:
    """Colours and sizes."""
    if not stock.single:
        yield UnmadeContrast(kind="adjectives", what="adjectives", reason="no noun that was said is drawn")
        return
    for word in [colour for colour in COLOURS if colour in stock.colours]:
        counts = {other: stock.vocabulary.count(other) for other in stock.colours if other != word}
        others = _of_one_bin(counts, stock.vocabulary.count(word))
        if not others:
            yield UnmadeContrast(kind="adjectives", what=word, reason="no other colour of its bin was said")
        for _ in range(per_word if others else 0):
            yield _colour_contrast(stock, draw, word, draw.choice(others))
    for first, second in stock.sizes:
        for _ in range(per_word):
            noun, number = draw.choice(stock.single), draw.choice(DRAWN_NUMBERS)
            captions = stock.worded(_ADJECTIVE, **_words(noun, first, second))
            assert captions is not None  # each word by itself was said
            things = [(PlacedThing(category=noun, number=number, size=size),) for size in (BIG, LITTLE)]
            yield Contrast(
                kind="adjectives", words=(first, second), captions=captions, pictures=pair_of_scenes(draw, *things)
            )
    for word in dict.fromkeys(word for pair in SIZES for word in pair):
        if stock.vocabulary.count(word) and not any(word in pair for pair in stock.sizes):
            yield UnmadeContrast(kind="adjectives", what=word, reason="its opposite was not said")


def _colour_contrast(stock: Stock, draw: random.Random, word: str, other: str) -> Contrast | UnmadeContrast:
    found = stock.painted(draw, (word, other), stock.single)
    if found is None:
        return UnmadeContrast(
            kind="adjectives", what=word, reason=f"no drawing that was named shows {word} and {other}"
        )
    noun, number = found
    captions = stock.worded(_ADJECTIVE, **_words(noun, word, other))
    assert captions is not None  # each word by itself was said
    things = [(PlacedThing(category=noun, number=number, colour=colour),) for colour in (word, other)]
    return Contrast(kind="adjectives", words=(word, other), captions=captions, pictures=pair_of_scenes(draw, *things))


def _words(noun: str, first: str, second: str) -> dict[str, str]:
    return {
        "n": noun,
        "first": first,
        "second": second,
        "first_n": with_article(f"{first} {noun}"),
        "second_n": with_article(f"{second} {noun}"),
    }
