"""Baby Winoground worked by hand, and which items make a pair."""

import itertools

import pytest

from babyvlm.errors import InputError
from babyvlm.records import Item, ItemTurn
from babyvlm.toolbox.winoground import (
    WINOGROUND_CHANCE,
    PairLosses,
    pair_scores,
    winoground_pairs,
    winoground_scores,
)


def losses(a, b, c, d):
    return PairLosses(image0_phrase0=a, image0_phrase1=b, image1_phrase0=c, image1_phrase1=d)


@pytest.mark.parametrize(
    ("four", "text", "image", "positive", "negative"),
    [
        ((1, 2, 2, 1), 1, 1, 1, 1),
        ((1, 2, 3, 2.5), 1, 0, 1, 0),  # picture 1 likes its phrase, but phrase 1 likes picture 0
        ((1, 0.5, 2, 0.4), 0, 1, 0, 1),
        ((2, 1, 1, 2), 0, 0, 0, 0),
        ((1, 1, 1, 1), 0, 0, 0, 0),  # no preference earns nothing
        ((1, 2, 1, 0), 1, 0, 0, 1),
        ((1, 2, 2, 3), 0, 0, 1, 0),
    ],
)
def test_scores_by_hand(four, text, image, positive, negative):
    scores = pair_scores(losses(*four))
    assert (scores.text_score, scores.image_score, scores.group_score) == (text, image, text * image)
    assert scores.positive_context_group_score == positive
    assert scores.negative_context_group_score == negative


def test_chance_is_what_losses_in_any_order_earn():
    orders = list(itertools.permutations(range(4)))
    found = winoground_scores([losses(*order) for order in orders])
    assert found.pairs == 24
    for name, chance in WINOGROUND_CHANCE.items():
        assert getattr(found, name) == pytest.approx(chance)


def test_means_over_pairs():
    scores = winoground_scores([losses(1, 2, 2, 1), losses(1, 2, 3, 2.5)])
    assert (scores.text_score, scores.image_score, scores.group_score) == (1, 0.5, 0.5)
    with pytest.raises(InputError, match="no pair"):
        winoground_scores([])


def item(name, images, gold, labels=(), category="", task="looking_while_listening"):
    turn = ItemTurn(prompt="?", images=images, options=("A", "B"), gold=gold, labels=labels)
    return Item(id=name, task=task, split="test", turns=(turn,), chance=0.5, category=category)


def test_labels_make_a_pair_of_one_item():
    first = item("a", ("x.jpg", "y.jpg"), "A", ("cup", "hen"), "cup")
    mirrored = item("b", ("y.jpg", "x.jpg"), "A", ("hen", "cup"), "hen")
    (pair,) = winoground_pairs([first, mirrored, item("c", ("x.jpg", "y.jpg"), "A", ("cup", "hen"), task="memory")])
    assert (pair.item, pair.images, pair.phrases) == ("a", ("x.jpg", "y.jpg"), ("cup", "hen"))


def test_without_labels_two_items_about_the_same_pictures_do():
    cup = item("a", ("x.jpg", "y.jpg"), "B", category="cup")
    hen = item("b", ("x.jpg", "y.jpg"), "A", category="hen")
    lone = item("c", ("x.jpg", "z.jpg"), "A", category="hen")
    (pair,) = winoground_pairs([cup, hen, lone])
    assert (pair.images, pair.phrases) == (("y.jpg", "x.jpg"), ("cup", "hen"))
