"""Contrasts of grammar: eight kinds, each with several wordings, of which the first in words that were said is taken.

subject_verb         the dog is jumping                      the cat is jumping
subject_adjective    a red ball and a blue cup               a blue ball and a red cup
negation             this is a dog                           this is not a dog
word_order           the dog is chasing the cat              the cat is chasing the dog
prepositions         the dog is on the table                 the dog is under the table
comparatives         the dog is bigger than the cat          the dog is smaller than the cat
counting             three dogs                              four dogs
embedded_relative    the dog that is near the cat is red     the cat that is near the dog is red

A still picture shows a jump or a flight as a figure above its shadow, and a chase as one animal behind another: the
nursery's animals all face right.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from babyvlm.corpus.nursery.placed import PlacedThing
from babyvlm.plurals import plural
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL
from babyvlm.toolbox.contrasts.scenes import Contrast, UnmadeContrast, pair_of_scenes
from babyvlm.toolbox.contrasts.stock import DRAWN_NUMBERS, NUMBERS, Forms, Stock, with_article

Maker = Callable[[Stock, random.Random], Contrast | None]
"""One contrast of a kind; None where the draw gave none."""
Things = tuple[PlacedThing, ...]
_LEFT, _RIGHT, _MIDDLE = 0.28, 0.72, 0.5
_USUAL, _BIG, _LITTLE = 0.4, 0.46, 0.2
_FLOOR = 0.85
_TRIES = 30


def grammar(stock: Stock, kind: str, draw: random.Random, count: int) -> Iterator[Contrast | UnmadeContrast]:
    """The contrasts of one kind: as many as asked for, all different, where words and pictures allow it."""
    if not stock.nouns:
        yield UnmadeContrast(kind=kind, what=kind, reason="no noun that was said is drawn")
        return
    made: set[tuple[str, str]] = set()
    repeated: list[Contrast] = []
    for _ in range(_TRIES * count):
        if (found := _MAKERS[kind](stock, draw)) is None:
            continue
        repeated.append(found) if found.captions in made else made.add(found.captions)
        if not repeated or repeated[-1] is not found:
            yield found
        if len(made) == count:
            return
    yield from repeated[: count - len(made)]  # the same captions, other pictures
    if not made:
        yield UnmadeContrast(kind=kind, what=kind, reason=_WHY[kind])


def _two(draw: random.Random, nouns: tuple[str, ...]) -> tuple[str, str] | None:
    return tuple(draw.sample(nouns, 2)) if len(nouns) > 1 else None  # type: ignore[return-value]


def _thing(draw: random.Random, noun: str, x: float = _MIDDLE, size: float = _USUAL, y: float = 0.5) -> PlacedThing:
    return PlacedThing(category=noun, number=draw.choice(DRAWN_NUMBERS), x=x, y=y, size=size)


def _contrast(
    draw: random.Random, kind: str, words: tuple[str, str], captions: tuple[str, str], first: Things, second: Things
) -> Contrast:
    return Contrast(kind=kind, words=words, captions=captions, pictures=pair_of_scenes(draw, first, second))


_VERBS = ("jumping", "flying", "hopping", "jumps", "flies", "hops")


def _subject_verb(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two animals, one of them in the air."""
    said = [verb for verb in _VERBS if stock.vocabulary.count(verb)]
    pair = _two(draw, stock.animals)
    if not said or pair is None:
        return None
    verb = draw.choice(said)
    be = "is " if verb.endswith("ing") else ""
    forms: Forms = ((f"the {{n}} {be}{verb}", f"the {{m}} {be}{verb}"), (f"{{n}} {verb}", f"{{m}} {verb}"))
    if (captions := stock.worded(forms, n=pair[0], m=pair[1])) is None:
        return None
    places = [_thing(draw, noun, x) for noun, x in zip(pair, draw.sample((_LEFT, _RIGHT), 2), strict=True)]
    first, second = (
        tuple(_in_the_air(thing) if at == above else _standing(thing) for at, thing in enumerate(places))
        for above in (0, 1)
    )
    return _contrast(draw, "subject_verb", pair, captions, first, second)


def _in_the_air(thing: PlacedThing) -> PlacedThing:
    return PlacedThing(**{**vars(thing), "y": 0.28, "floor_y": _FLOOR})


def _standing(thing: PlacedThing) -> PlacedThing:
    return PlacedThing(**{**vars(thing), "y": _FLOOR - thing.size / 2, "floor_y": _FLOOR})


_TWO_COLOURS: Forms = (
    ("{cn} and {dm}", "{dn} and {cm}"),
    ("the {c} {n} and the {d} {m}", "the {d} {n} and the {c} {m}"),
)
_ONE_SIZE: Forms = (
    ("the {c} {n} and the {m}", "the {n} and the {c} {m}"),
    ("{cn} and {am}", "{an} and {cm}"),
)


def _subject_adjective(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two things and which of them has which colour, or which of them is the big one."""
    if len(stock.colours) > 1:
        c, d = draw.sample(stock.colours, 2)
        one = stock.painted(draw, (c, d), stock.single)
        other = one and stock.painted(draw, (c, d), [noun for noun in stock.single if noun != one[0]])
        if one is not None and other:
            words = _adjective_words(one[0], other[0], c, d)
            if captions := stock.worded(_TWO_COLOURS, **words):
                first, second = (
                    tuple(
                        PlacedThing(category=noun, number=number, x=x, size=_USUAL, colour=colour)
                        for (noun, number), x, colour in zip((one, other), (_LEFT, _RIGHT), colours, strict=True)
                    )
                    for colours in ((c, d), (d, c))
                )
                return _contrast(draw, "subject_adjective", (c, d), captions, first, second)
    pair = _two(draw, stock.single)
    size = _said_size(stock)
    if pair is None or not size:
        return None
    captions = stock.worded(_ONE_SIZE, **_adjective_words(pair[0], pair[1], size, size))
    if captions is None:
        return None
    return _contrast(draw, "subject_adjective", (size, size), captions, *_sized(draw, pair, size))


def _adjective_words(noun: str, other: str, colour: str, second: str) -> dict[str, str]:
    return {
        "n": noun, "m": other, "c": colour, "d": second, "an": with_article(noun), "am": with_article(other),
        "cn": with_article(f"{colour} {noun}"), "dm": with_article(f"{second} {other}"),
        "dn": with_article(f"{second} {noun}"), "cm": with_article(f"{colour} {other}"),
    }  # fmt: skip


def _said_size(stock: Stock) -> str:
    """A word of size that was said; its opposite need not have been, for both captions have it."""
    return next((word for word in ("big", "little", "small", "large") if stock.vocabulary.count(word)), "")


def _sized(draw: random.Random, pair: tuple[str, str], size: str) -> tuple[Things, Things]:
    """Two things, the first of which a word of size is true of, and the same, the second of which it is."""
    numbers = [draw.choice(DRAWN_NUMBERS) for _ in pair]
    true, false = (_LITTLE, _BIG) if size in ("little", "small") else (_BIG, _LITTLE)
    first, second = (
        tuple(
            PlacedThing(category=noun, number=number, x=x, size=each)
            for noun, number, x, each in zip(pair, numbers, (_LEFT, _RIGHT), sizes, strict=True)
        )
        for sizes in ((true, false), (false, true))
    )
    return first, second


_NEGATED: Forms = (
    *((f"{opening} {{an}}", f"{opening} not {{an}}") for opening in ("this is", "that is", "it is", "that's", "it's")),
    ("{an}", "not {an}"),
    ("the {n}", "not the {n}"),
    ("{n}", "not {n}"),
    ("yes {n}", "no {n}"),
)


def _negation(stock: Stock, draw: random.Random) -> Contrast | None:
    """A thing, and something else."""
    pair = _two(draw, stock.single)
    if pair is None or (captions := stock.worded(_NEGATED, n=pair[0], an=with_article(pair[0]))) is None:
        return None
    first, second = ((_thing(draw, noun, size=0.6),) for noun in pair)
    return _contrast(draw, "negation", (pair[0], pair[0]), captions, first, second)


_CHASES = ("is chasing", "is following", "chases", "follows")
_BESIDE = ("to the left of", "to the right of")
_ABOVE, _BELOW = ("on top of", "on", "above", "over"), ("under", "below", "beneath", "underneath")


def _word_order(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two things that exchange their parts."""
    chases = [(f"the {{n}} {verb} the {{m}}", f"the {{m}} {verb} the {{n}}") for verb in _CHASES]
    pair = _two(draw, stock.animals)
    if pair and (captions := stock.worded(chases, n=pair[0], m=pair[1])):
        one, other = (_thing(draw, noun) for noun in pair)
        return _contrast(draw, "word_order", pair, captions, *_both_ways(one, other))
    pair = _two(draw, stock.single)
    if pair is None:
        return None
    stacked = [(f"the {{n}} is {word} the {{m}}", f"the {{m}} is {word} the {{n}}") for word in (*_ABOVE, *_BELOW)]
    beside = [(f"the {{n}} is {word} the {{m}}", f"the {{m}} is {word} the {{n}}") for word in _BESIDE]
    one, other = (_thing(draw, noun) for noun in pair)
    if captions := stock.worded(stacked, n=pair[0], m=pair[1]):
        on_top = _stacked(one, other), _stacked(other, one)
        below = captions[0].removeprefix(f"the {pair[0]} is ").startswith(_BELOW)
        return _contrast(draw, "word_order", pair, captions, *(on_top[::-1] if below else on_top))
    if captions := stock.worded(beside, n=pair[0], m=pair[1]):
        ways = _both_ways(one, other)
        return _contrast(draw, "word_order", pair, captions, *(ways if "left" in captions[0] else ways[::-1]))
    return None


def _at(thing: PlacedThing, x: float, y: float) -> PlacedThing:
    return PlacedThing(**{**vars(thing), "x": x, "y": y})


def _both_ways(one: PlacedThing, other: PlacedThing) -> tuple[Things, Things]:
    """One left of the other, and right of it."""
    return (_at(one, _LEFT, 0.5), _at(other, _RIGHT, 0.5)), (_at(other, _LEFT, 0.5), _at(one, _RIGHT, 0.5))


def _stacked(upper: PlacedThing, lower: PlacedThing) -> Things:
    """One over the other."""
    return _at(lower, _MIDDLE, 0.74), PlacedThing(**{**vars(upper), "x": _MIDDLE, "y": 0.27, "floor_y": 0.52})


_OPPOSITES = (
    *((above, below) for above in _ABOVE for below in _BELOW),
    _BESIDE,
    ("on the left of", "on the right of"),
)


def _prepositions(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two things and how they lie to each other."""
    said = [pair for pair in _OPPOSITES if all(map(stock.vocabulary.knows, pair))]
    things = _two(draw, stock.single)
    if not said or things is None:
        return None
    relation, opposite = draw.choice(said)
    forms: Forms = (
        (f"the {{n}} is {relation} the {{m}}", f"the {{n}} is {opposite} the {{m}}"),
        (f"the {{n}} {relation} the {{m}}", f"the {{n}} {opposite} the {{m}}"),
        (f"{{n}} {relation} {{m}}", f"{{n}} {opposite} {{m}}"),
    )
    if (captions := stock.worded(forms, n=things[0], m=things[1])) is None:
        return None
    one, other = (_thing(draw, noun) for noun in things)
    scenes = _both_ways(one, other) if "left" in relation else (_stacked(one, other), _stacked(other, one))
    return _contrast(draw, "prepositions", (relation, opposite), captions, *scenes)


_COMPARED = (("bigger", "smaller"), ("bigger", "littler"), ("larger", "smaller"))


def _comparatives(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two things, one bigger than the other; without an opposite, the things exchange their places in the sentence."""
    pair = _two(draw, stock.single)
    if pair is None:
        return None
    forms = [(f"the {{n}} is {big} than the {{m}}", f"the {{n}} is {small} than the {{m}}") for big, small in _COMPARED]
    forms += [
        (f"the {{n}} is {word} than the {{m}}", f"the {{m}} is {word} than the {{n}}")
        for word in ("bigger", "larger", "smaller", "littler")
    ]
    if (captions := stock.worded(forms, n=pair[0], m=pair[1])) is None:
        return None
    words = tuple(caption.split()[caption.split().index("than") - 1] for caption in captions)
    size = "big" if words[0] in ("bigger", "larger") else "little"
    return _contrast(draw, "comparatives", (words[0], words[1]), captions, *_sized(draw, pair, size))


def _counting(stock: Stock, draw: random.Random) -> Contrast | None:
    """Things of a kind, in two numbers."""
    said = [number for number, word in enumerate(NUMBERS, start=1) if stock.vocabulary.count(word)]
    if len(said) < 2 or not stock.single:
        return None
    few, many = sorted(draw.sample(said, 2))
    noun = draw.choice(stock.single)
    numbers = [(few, NUMBERS[few - 1]), (many, NUMBERS[many - 1])]
    captions = tuple(f"{word} {noun if number == 1 else plural(noun)}" for number, word in numbers)
    if not all(map(stock.vocabulary.knows, captions)):
        return None
    exemplar = draw.choice(DRAWN_NUMBERS)
    first, second = (_group(draw, noun, exemplar, number) for number, _ in numbers)
    words = numbers[0][1], numbers[1][1]
    return _contrast(draw, "counting", words, (captions[0], captions[1]), first, second)


def _group(draw: random.Random, noun: str, exemplar: int, number: int) -> Things:
    """Things in cells of a grid, as many as asked for; how large they are says nothing about how many there are."""
    side = max(2, math.ceil(math.sqrt(number)))
    cells = draw.sample([(row, column) for row in range(side) for column in range(side)], number)
    size = draw.uniform(0.7, 0.9) / 3
    return tuple(
        PlacedThing(
            category=noun, number=exemplar, x=(column + 0.5) / side, y=(row + 0.5) / side, size=size,
        )
        for row, column in sorted(cells)
    )  # fmt: skip


_NEAR = ("next to", "near", "beside", "by", "with")


def _embedded_relative(stock: Stock, draw: random.Random) -> Contrast | None:
    """Two things side by side; which of them the sentence's adjective belongs to."""
    adjectives = [*stock.colours, *([size] if (size := _said_size(stock)) else [])]
    pair = _two(draw, stock.single)
    if not adjectives or pair is None:
        return None
    adjective = draw.choice(adjectives)
    forms = [
        (f"the {{n}} {who} is {near} the {{m}} is {adjective}", f"the {{m}} {who} is {near} the {{n}} is {adjective}")
        for near in _NEAR
        for who in ("that", "which")
    ]
    if (captions := stock.worded(forms, n=pair[0], m=pair[1])) is None:
        return None
    words = adjective, adjective
    if adjective not in stock.colours:
        return _contrast(draw, "embedded_relative", words, captions, *_sized(draw, pair, adjective))
    others = [colour for colour in ("red", "green", "blue", "yellow", "purple", "brown") if colour != adjective]
    other = draw.choice(others)
    numbers = [stock.painted(draw, (adjective, other), (noun,)) for noun in pair]
    if None in numbers:
        return None
    first, second = (
        tuple(
            PlacedThing(category=found[0], number=found[1], x=x, size=_USUAL, colour=colour)
            for found, x, colour in zip(numbers, (_LEFT, _RIGHT), colours, strict=True)
            if found is not None
        )
        for colours in ((adjective, other), (other, adjective))
    )
    return _contrast(draw, "embedded_relative", words, captions, first, second)


_MAKERS: dict[str, Maker] = dict(
    zip(
        GRAMMATICAL,
        (
            _subject_verb,
            _subject_adjective,
            _negation,
            _word_order,
            _prepositions,
            _comparatives,
            _counting,
            _embedded_relative,
        ),
        strict=True,
    )
)
_WHY = {
    "subject_verb": f"of the verbs that can be drawn, none was said ({', '.join(_VERBS)}), or of no two animals",
    "subject_adjective": "neither two colours that show on drawings nor a word of size was said, with two nouns",
    "negation": "the words of no negated sentence were said",
    "word_order": "no relation that can be drawn was said of two nouns",
    "prepositions": "no two opposite relations that can be drawn were said",
    "comparatives": "no comparative of size was said",
    "counting": "fewer than two numbers up to six were said with a plural",
    "embedded_relative": "the words of no sentence with a relative clause about drawn things were said",
}
