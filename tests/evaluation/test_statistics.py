"""Intervals cover what they should, and tests agree with figures worked by hand."""

import math

import numpy as np
import pytest

from babyvlm.errors import ConfigError
from babyvlm.evaluation.statistics import (
    compare,
    holm,
    items_needed,
    mcnemar_p,
    overall,
    recording_of,
    sign_flip_p,
    spread,
)
from babyvlm.records import Item, ItemTurn, Origin
from babyvlm.toolbox import ItemScore, TurnScore


def item(number, task="left_right", recording="R0"):
    turn = ItemTurn(
        prompt="?", images=("a.jpg",), options=("A", "B"), gold="A", origins=(Origin(source=recording, time_s=1.0),)
    )
    return Item(id=f"{task} {number}", task=task, split="test", turns=(turn,), chance=0.5)


def judged(items, right):
    return {
        one.id: ItemScore(
            item=one.id,
            task=one.task,
            category="",
            turns=(TurnScore(outcome="right" if value else "wrong", answer=None),),
            metrics={"acc_exact" if one.task.startswith("visual") else "acc": float(value)},
        )
        for one, value in zip(items, right, strict=True)
    }


def test_mcnemar_by_hand():
    assert mcnemar_p(0, 0) == 1.0 and mcnemar_p(1, 0) == 1.0
    assert mcnemar_p(2, 10) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar_p(4000, 4000) == 1.0 and 0 < mcnemar_p(3800, 4200) < 1e-4


def test_sign_flips_are_mcnemar_for_right_and_wrong_and_exact_for_fractions():
    changes = np.array([1.0] * 10 + [-1.0] * 2 + [0.0] * 50)
    assert sign_flip_p(changes) == mcnemar_p(2, 10)
    fractions = np.array([0.2, 0.4, 0.6])  # of eight sign patterns two are as extreme
    assert sign_flip_p(fractions) == pytest.approx(2 / 8)
    many = np.random.default_rng(0).normal(0.0, 1.0, 200)
    assert 0.02 < sign_flip_p(many - many.mean() + 0.08) < 0.9 and sign_flip_p(many + 2) == pytest.approx(1 / 2001)


def test_holm_by_hand_and_never_above_one():
    assert holm([0.01, 0.02, 0.9]) == pytest.approx([0.03, 0.04, 0.9])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == []


def test_the_item_bootstrap_agrees_with_the_normal_interval():
    items = [item(number, recording=f"R{number}") for number in range(400)]
    found = overall(items, judged(items, [number % 4 != 0 for number in range(400)]))
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.by_items.low == pytest.approx(0.75 - half, abs=0.01)
    assert found.by_items.high == pytest.approx(0.75 + half, abs=0.01)
    # Every item from a recording of its own: both bootstraps are the same up to chance.
    assert found.by_recordings.low == pytest.approx(found.by_items.low, abs=0.015)


def test_items_that_move_together_widen_the_interval():
    items = [item(number, recording=f"R{number // 40}") for number in range(400)]
    right = [number // 40 % 2 == 0 for number in range(400)]
    found = overall(items, judged(items, right))
    assert found.recordings == 10
    # Ten recordings, each all right or all wrong: as wide as ten coin flips.
    assert found.by_recordings.high - found.by_recordings.low > 4 * (found.by_items.high - found.by_items.low)


def test_sub_tasks_weigh_alike_whatever_their_size():
    many, few = [item(n) for n in range(90)], [item(n, "spatial_details") for n in range(10)]
    found = overall(many + few, judged(many + few, [True] * 90 + [False] * 10))
    assert found.value == 0.5


def test_composed_items_move_alone():
    assert recording_of(item(3, recording="synthetic")) == "item left_right 3"


def test_a_comparison_counts_pairs_and_corrects():
    items = [item(n, recording=f"R{n}") for n in range(60)] + [item(n, "spatial_details") for n in range(40)]
    first = judged(items, [n < 20 for n in range(60)] + [True] * 40)
    second = judged(items, [n < 40 for n in range(60)] + [True] * 40)
    found = compare(items, first, second, names=("a", "b"))
    left_right, details = found.tasks
    assert (left_right.only_first, left_right.only_second) == (0, 20)
    assert left_right.p == mcnemar_p(0, 20) and left_right.p_holm == 2 * left_right.p
    assert details.p == 1.0 and details.difference.low == details.difference.high == 0
    assert found.mean_difference.value == pytest.approx(1 / 6)
    assert found.mean_difference.low > 0
    assert compare(items, first, second, names=("a", "b")) == found


def test_failed_items_are_left_out_of_both():
    items = [item(n) for n in range(10)]
    first, second = judged(items, [True] * 10), judged(items, [True] * 10)
    second[items[0].id] = second[items[0].id].model_copy(update={"metrics": {}})
    assert compare(items, first, second).tasks[0].items == 9
    with pytest.raises(ConfigError, match="share no item"):
        compare(items[:1], first, second)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    items = [item(n, recording=f"R{n}") for n in range(120)]
    hits = 0
    for seed in range(200):
        found = overall(items, judged(items, rng.random(120) < 0.6), seed=seed, replicates=400)
        hits += found.by_items.low <= 0.6 <= found.by_items.high
    assert 0.90 <= hits / 200 <= 0.985


def test_seeds_are_put_together():
    mean, task = spread([{"mean": 0.5, "memory": 0.2, "odd": 1.0}, {"mean": 0.7, "memory": 0.2}])
    assert (mean.mean, mean.lowest, mean.highest, mean.runs) == (pytest.approx(0.6), 0.5, 0.7, 2)
    assert task.deviation == 0.0
    assert spread([{"mean": 0.5}])[0].deviation is None


def test_power_by_the_textbook():
    # Two proportions of 0.5 and 0.6 at 80%: 388 each (the usual table value, without continuity correction).
    assert items_needed(0.1, accuracy=0.5) == 388
    assert items_needed(0.02, differing=0.2) > items_needed(0.05, differing=0.2)
    for wrong in ({"difference": 0.3, "differing": 0.2}, {"difference": 0.6, "accuracy": 0.5}, {"difference": 0.0}):
        with pytest.raises(ConfigError):
            items_needed(**wrong)
