"""Where something is acquired: points worked by hand, censoring, chance, and intervals over items."""

import math

import numpy as np
import pytest

from babyvlm.errors import ConfigError
from babyvlm.evaluation.acquisition import acquisition, crossing

DECADES = [1, 10, 100, 1000, 10_000]


def items(*rows):
    return np.array(rows, float)


def test_a_step_is_acquired_half_way_between_the_last_wrong_and_the_first_right():
    found = acquisition(DECADES, items(*[[0, 0, 0, 1, 1]] * 5), 0.0, logarithmic=True)
    assert found.status == "within" and found.value == pytest.approx(math.sqrt(100 * 1000), rel=0.05)
    assert found.low == found.high == found.value  # all items alike
    months = acquisition([6, 9, 12, 15], items(*[[0, 1, 1, 1]] * 4), 0.0)
    assert months.value == pytest.approx(7.5, abs=0.05)


def test_a_logistic_course_is_found_where_it_was_drawn():
    draw, amounts, chance = np.random.default_rng(0), np.geomspace(10, 1e5, 15), 0.25
    share_R = chance + (1 - chance) / (1 + np.exp(-4 * np.log(10) * 0.5 * np.log10(amounts / 3000)))
    right = draw.random((400, 15)) < share_R
    found = acquisition(amounts.tolist(), right.astype(float), chance, logarithmic=True, replicates=200)
    assert found.value == pytest.approx(3000, rel=0.25) and found.low < 3000 < found.high
    # Without chance half way lies at 1/2, earlier than half way between a quarter and 1.
    assert acquisition(amounts.tolist(), right.astype(float), 0.0, logarithmic=True, replicates=0).value < found.value


def test_what_is_always_or_never_right_is_no_figure():
    always, never = (acquisition(DECADES, items(*[[value] * 5] * 6), 0.0, logarithmic=True) for value in (1, 0))
    assert (always.status, always.value, always.low, always.high) == ("before", None, None, None)
    assert (never.status, never.value, never.low, never.high) == ("never", None, None, None)
    guessing = acquisition(DECADES, items(*[[1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]]), 0.25,
                           logarithmic=True)  # fmt: skip
    assert guessing.status == "never"


def test_a_share_that_does_not_change_is_before_or_never_by_the_side_on_which_it_lies():
    """Half way from 3 in 8 is 11 in 16: three items of four are above it, two below."""
    above, below = ([[1] * 5] * right + [[0] * 5] * (4 - right) for right in (3, 2))
    assert acquisition(DECADES, items(*above), 3 / 8, logarithmic=True).status == "before"
    assert acquisition(DECADES, items(*below), 3 / 8, logarithmic=True).status == "never"
    falling = items(*[[1, 1, 1, 0, 0]] * 2, *[[0] * 5] * 4)
    assert acquisition(DECADES, falling, 0.0, logarithmic=True).status == "never"


def test_an_interval_is_open_where_drawing_again_leaves_the_amounts():
    half = items(*[[0, 0, 0, 1, 1]] * 3, *[[0, 0, 0, 0, 0]] * 3)
    found = acquisition(DECADES, half, 0.0, logarithmic=True)
    assert found.low is not None and found.high is None
    assert found == acquisition(DECADES, half, 0.0, logarithmic=True)
    assert found.low <= (found.value or math.inf)


def test_items_without_a_figure_and_few_items():
    holes = items([0, math.nan, 0, 1, 1], [0, 0, math.nan, 1, 1], [0, 0, 0, 1, math.nan])
    assert acquisition(DECADES, holes, 0.0, logarithmic=True).value == pytest.approx(math.sqrt(1e5), rel=0.05)
    two = acquisition(DECADES, items([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]), 0.0, logarithmic=True)
    assert two.status == "within" and two.low is two.high is None and two.items == 2


def test_amounts_must_rise():
    for amounts in ([1], [1, 1], [2, 1]):
        with pytest.raises(ConfigError, match="two amounts or more"):
            acquisition(amounts, items([0] * len(amounts)), 0.0)
    with pytest.raises(ConfigError, match="amounts above 0"):
        acquisition([0, 1], items([0, 1]), 0.0, logarithmic=True)


def test_half_of_the_children_say_a_word_at_its_age():
    months = np.arange(16, 31)
    share = 1 / (1 + np.exp(-0.6 * (months - 21.4)))
    assert crossing(months.tolist(), np.round(1000 * share), np.full(15, 1000)) == pytest.approx(21.4, abs=0.1)
    assert crossing(months.tolist(), np.full(15, 100), np.full(15, 1000)) is None  # never within the ages
    assert crossing(months.tolist(), np.full(15, 990), np.full(15, 1000)) is None  # before the first
