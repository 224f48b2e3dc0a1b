"""Strategies that never look at what is asked, and what each would answer.

always the first, or the commonest answer      words of the prompt, order in the file, attributes of files
brightest, busiest, fullest, largest option    the option most like the target, or like the other options
fullest quadrant                               number by area, contour or bytes

Those that learn are cross-fitted: items are dealt into folds by their pictures, and the answers of an item's own fold
are never used for it. Where a strategy has nothing to go by it does not apply, and is left out.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from babyvlm.audits.pictures import PictureFacts
from babyvlm.records import IMAGE_TOKEN, Item, ItemTurn
from babyvlm.toolbox.image_features import MATCHERS
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, task_named

FOLDS = 5
_NEIGHBOURS = 11
_DECILES = [place / 10 for place in range(1, 10)]

Facts = Mapping[str, PictureFacts]
KeyT = TypeVar("KeyT")
Clue = tuple[str, str]
"""Kind and value of an attribute."""
Answers = list[tuple[str, ...]]
"""One answer for each turn of each item."""


@dataclass(frozen=True)
class Strategy:
    """One way to answer without looking at what is asked."""

    name: str
    answers: Callable[[Sequence[Item], Facts], Answers | None]
    """Answers to the items of one row; None where it does not apply to them."""


def option_pictures(turn: ItemTurn) -> tuple[str, ...]:
    """The pictures that are the options, in their order; none where options are no pictures."""
    if len(turn.options) > 1 and len(turn.images) in (len(turn.options), len(turn.options) + 1):
        letters = turn.options == LETTERS[: len(turn.options)]
        return turn.images[-len(turn.options) :] if letters else ()
    return ()


def _fold(item: Item) -> int:
    """By the first picture of the last round, so that items about the same picture stay together."""
    shown = item.turns[-1].images
    key = shown[0] if len(shown) == 1 else item.id
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % FOLDS


def _first(items: Sequence[Item], facts: Facts) -> Answers:
    return [tuple(turn.options[0] for turn in item.turns) for item in items]


def _commonest(items: Sequence[Item], facts: Facts) -> Answers:
    return _cross_fitted(items, [[() for _ in item.turns] for item in items])


def _prompt_words(items: Sequence[Item], facts: Facts) -> Answers | None:
    features = [[tuple(_words(turn.prompt)) for turn in item.turns] for item in items]
    return _cross_fitted(items, features) if len({words for item in features for words in item}) > 1 else None


def _words(prompt: str) -> list[str]:
    return sorted(set(re.findall(r"[a-z0-9']+", prompt.replace(IMAGE_TOKEN, " ").lower())))


def _order_in_file(items: Sequence[Item], facts: Facts) -> Answers:
    features = []
    for place, item in enumerate(items):
        clues = (f"part {place * 20 // len(items)}", *(f"{place % every} of {every}" for every in (2, 3, 4, 5, 12)))
        features.append([clues for _ in item.turns])
    return _cross_fitted(items, features)


def _file_attributes(items: Sequence[Item], facts: Facts) -> Answers | None:
    """Attributes of each option's file, where options are pictures; else those of the pictures shown."""
    if any(not turn.images for item in items for turn in item.turns):
        return None
    if not all(option_pictures(turn) for item in items for turn in item.turns if len(turn.options) > 1):
        edges = np.quantile([facts[turn.images[0]].num_bytes for item in items for turn in item.turns], _DECILES)
        return _cross_fitted(items, [[_turn_clues(turn, facts, edges) for turn in item.turns] for item in items])
    clues = [[_option_clues(turn, facts) for turn in item.turns] for item in items]
    right: list[Counter[Clue]] = [Counter() for _ in range(FOLDS)]
    wrong: list[Counter[Clue]] = [Counter() for _ in range(FOLDS)]
    for item, of_item in zip(items, clues, strict=True):
        for turn, of_turn in zip(item.turns, of_item, strict=True):
            for option, of_option in zip(turn.options, of_turn, strict=False):
                (right if option == turn.gold else wrong)[_fold(item)].update(of_option)
    weights = []
    for fold in range(FOLDS):
        yes, no = _without(right, fold), _without(wrong, fold)
        values = Counter(kind for kind, _ in {*yes, *no})
        all_yes, all_no = Counter[str](), Counter[str]()
        for (kind, _), count in yes.items():
            all_yes[kind] += count
        for (kind, _), count in no.items():
            all_no[kind] += count
        weights.append(
            {
                (kind, value): math.log((yes[kind, value] + 1) / (all_yes[kind] + values[kind]))
                - math.log((no[kind, value] + 1) / (all_no[kind] + values[kind]))
                for kind, value in {*yes, *no}
            }
        )
    answers = []
    for item, of_item in zip(items, clues, strict=True):
        known = weights[_fold(item)]
        replies = []
        for turn, of_turn in zip(item.turns, of_item, strict=True):
            scores = [sum(known.get(clue, 0.0) for clue in of_option) for of_option in of_turn]
            replies.append(turn.options[_best(scores)] if scores else turn.options[0])
        answers.append(tuple(replies))
    return answers


def _without(counts: Sequence[Counter[KeyT]], fold: int) -> Counter[KeyT]:
    """All counts but those of one fold."""
    rest: Counter[KeyT] = Counter()
    for other, count in enumerate(counts):
        if other != fold:
            rest.update(count)
    return rest


def _turn_clues(turn: ItemTurn, facts: Facts, edges: np.ndarray) -> tuple[str, ...]:
    first = facts[turn.images[0]]
    size = f"bytes {int(np.searchsorted(edges, first.num_bytes))}"
    return (size, f"pictures {len(turn.images)}", *(f"{kind} {value}" for kind, value in first.attributes.items()))


def _option_clues(turn: ItemTurn, facts: Facts) -> list[tuple[Clue, ...]]:
    names = option_pictures(turn)
    by_name, by_bytes = sorted(names), sorted(names, key=lambda name: facts[name].num_bytes)
    found = []
    for name in names:
        others = [facts[other] for other in names if other != name]
        clues = [("rank of name", str(by_name.index(name))), ("rank of bytes", str(by_bytes.index(name)))]
        for kind, value in facts[name].attributes.items():
            clues.append((kind, value))
            clues.append((f"{kind}, unlike the others", str(all(other.attributes[kind] != value for other in others))))
            if len(turn.images) > len(names):
                clues.append((f"{kind}, as the target", str(facts[turn.images[0]].attributes[kind] == value)))
        if len(turn.images) > len(names):
            same = facts[turn.images[0]].num_bytes == facts[name].num_bytes
            clues.append(("bytes, as the target", str(same)))
        found.append(tuple(clues))
    return found


def _extreme(measure: Callable[[PictureFacts], float], sign: int) -> Callable[[Sequence[Item], Facts], Answers | None]:
    def answers(items: Sequence[Item], facts: Facts) -> Answers | None:
        def choose(turn: ItemTurn) -> str:
            return turn.options[_best([sign * measure(facts[name]) for name in option_pictures(turn)])]

        return _by_option(items, choose)

    return answers


def _by_option(items: Sequence[Item], choose: Callable[[ItemTurn], str]) -> Answers | None:
    """Answers where every choice is one of pictures."""
    if not all(option_pictures(turn) for item in items for turn in item.turns if len(turn.options) > 1):
        return None
    return [tuple(choose(turn) if len(turn.options) > 1 else turn.options[0] for turn in item.turns) for item in items]


def _matching(place: int) -> Callable[[Sequence[Item], Facts], Answers | None]:
    """The option most like the target; in Memory, the one least like all that was shown before."""
    matcher = MATCHERS[place]

    def answers(items: Sequence[Item], facts: Facts) -> Answers | None:
        found = []
        for item in items:
            seen: list[str] = []
            replies = []
            for turn in item.turns:
                options = option_pictures(turn)
                looks = [facts[name].looks[place] for name in options]
                if len(turn.options) == 1:
                    replies.append(turn.options[0])
                elif options and len(turn.images) > len(options):
                    replies.append(turn.options[matcher.order(facts[turn.images[0]].looks[place], looks)[0]])
                elif options and seen:
                    newness = [min(matcher.difference(look, facts[old].looks[place]) for old in seen) for look in looks]
                    replies.append(turn.options[_best(newness)])
                else:
                    return None
                seen += turn.images
            found.append(tuple(replies))
        return found

    return answers


def _like_the_others(sign: int) -> Callable[[Sequence[Item], Facts], Answers | None]:
    """The option most, or least, like the other options, the target aside."""
    matcher = MATCHERS[0]

    def answers(items: Sequence[Item], facts: Facts) -> Answers | None:
        def choose(turn: ItemTurn) -> str:
            looks = [facts[name].looks[0] for name in option_pictures(turn)]
            apart = [sum(matcher.difference(look, other) for other in looks) for look in looks]
            return turn.options[_best([-sign * away for away in apart])]

        if any(len(turn.options) == 2 for item in items for turn in item.turns):
            return None
        return _by_option(items, choose)

    return answers


def _fullest_quadrant(items: Sequence[Item], facts: Facts) -> Answers | None:
    if any(item.task != "localization" for item in items):
        return None
    return [
        tuple(LETTERS[: len(QUADRANTS)][facts[turn.images[0]].salient_quadrant] for turn in item.turns)
        for item in items
    ]


def _number_by(measure: Callable[[PictureFacts], float]) -> Callable[[Sequence[Item], Facts], Answers | None]:
    """The commonest number among pictures of other folds that measure most alike."""

    def answers(items: Sequence[Item], facts: Facts) -> Answers | None:
        if any(task_named(item.task).answers != "number" for item in items):
            return None
        values = np.array([measure(facts[item.turns[0].images[0]]) for item in items])
        folds = np.array([_fold(item) for item in items])
        golds = [item.turns[0].gold for item in items]
        found: Answers = []
        for value, fold, item in zip(values, folds, items, strict=True):
            others = np.flatnonzero(folds != fold)
            nearest = others[np.argsort(np.abs(values[others] - value), kind="stable")[:_NEIGHBOURS]]
            votes = Counter(golds[place] for place in nearest)
            found.append((max(item.turns[0].options, key=lambda option: votes[option]),))
        return found

    return answers


def _cross_fitted(items: Sequence[Item], features: Sequence[Sequence[Sequence[str]]]) -> Answers:
    """Naive Bayes over clues, from the answers of other folds."""
    prior: list[Counter[str]] = [Counter() for _ in range(FOLDS)]
    joint: list[Counter[tuple[str, str]]] = [Counter() for _ in range(FOLDS)]
    common: list[Counter[str]] = [Counter() for _ in range(FOLDS)]
    for item, of_item in zip(items, features, strict=True):
        for turn, clues in zip(item.turns, of_item, strict=True):
            if len(turn.options) > 1:
                fold = _fold(item)
                prior[fold][turn.gold] += 1
                joint[fold].update((turn.gold, clue) for clue in clues)
                common[fold].update(clues)
    answers = []
    fitted = []
    for fold in range(FOLDS):
        fitted.append((_without(prior, fold), _without(joint, fold), _without(common, fold)))
    for item, of_item in zip(items, features, strict=True):
        counts, pairs, known = fitted[_fold(item)]
        total = counts.total()
        replies = []
        for turn, clues in zip(item.turns, of_item, strict=True):
            scores = []
            for option in turn.options:
                score = math.log((counts[option] + 1) / (total + len(counts) + 1))
                for clue in clues:
                    share = (known[clue] + 1) / (total + 2)
                    # Drawn towards the clue's overall share, so that rare clues say little.
                    score += math.log((pairs[option, clue] + 4 * share) / (counts[option] + 4))
                scores.append(score)
            replies.append(turn.options[_best(scores)])
        answers.append(tuple(replies))
    return answers


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda place: scores[place])


_MEASURES: dict[str, Callable[[PictureFacts], float]] = {
    "brightness": lambda facts: facts.brightness,
    "contour": lambda facts: facts.contour,
    "foreground": lambda facts: facts.foreground,
    "bytes": lambda facts: float(facts.num_bytes),
}

STRATEGIES: tuple[Strategy, ...] = (
    Strategy("first option", _first),
    Strategy("commonest answer", _commonest),
    Strategy("words of the prompt", _prompt_words),
    Strategy("order in the file", _order_in_file),
    Strategy("attributes of files", _file_attributes),
    *(Strategy(matcher.name, _matching(place)) for place, matcher in enumerate(MATCHERS)),
    Strategy("most like the other options", _like_the_others(1)),
    Strategy("least like the other options", _like_the_others(-1)),
    *(
        Strategy(f"{way} {name}", _extreme(measure, sign))
        for name, measure in _MEASURES.items()
        for way, sign in (("most", 1), ("least", -1))
    ),
    Strategy("fullest quadrant", _fullest_quadrant),
    *(Strategy(f"number by {name}", _number_by(_MEASURES[name])) for name in ("foreground", "contour", "bytes")),
)
"""Every strategy, in the order in which they are tried."""
