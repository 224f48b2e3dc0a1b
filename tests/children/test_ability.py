"""Ability and difficulty: simulated children come back, intervals cover, and an age is given only where it can be."""

import numpy as np
import pytest

from babyvlm.children.ability import AbilityConfig, abilities, calibrate
from babyvlm.children.like_age import Growth, LikeAge, fit_growth, like_age
from babyvlm.errors import ConfigError, InputError


def simulated(seed, children, items, *, able=None, slope=1.0):
    rng = np.random.default_rng(seed)
    able = rng.normal(0, 1, children) if able is None else able
    hard = rng.normal(0, 1, items)
    chance = 1 / (1 + np.exp(-slope * (able[:, None] - hard)))
    return (rng.random((len(able), items)) < chance).astype(float), able, hard


def names(count):
    return [f"i{at:02}" for at in range(count)]


def test_two_thousand_simulated_children_come_back():
    right, able, hard = simulated(0, 2000, 60)
    fit = calibrate(right, names(60))
    back = np.array([one.difficulty for one in fit.items])
    errors = np.array([one.error for one in fit.items])
    assert fit.converged and np.corrcoef(back, hard)[0, 1] >= 0.97 and abs(fit.spread - 1) < 0.1
    assert 0.87 <= np.mean(np.abs(back - hard) <= 1.96 * errors) <= 1  # of one seed; the benchmark has twenty
    estimates = abilities(right, fit)
    assert np.corrcoef([one.ability for one in estimates], able)[0, 1] > 0.9
    inside = [one.low <= true <= one.high for one, true in zip(estimates, able, strict=True)]
    assert 0.93 <= np.mean(inside) <= 0.97


def test_standard_errors_are_the_spread_over_samples():
    found = []
    rng = np.random.default_rng(7)
    hard = rng.normal(0, 1, 15)
    for _ in range(40):
        able = rng.normal(0, 1, 400)
        right = (rng.random((400, 15)) < 1 / (1 + np.exp(-(able[:, None] - hard)))).astype(float)
        fit = calibrate(right, names(15))
        found.append([(one.difficulty, one.error) for one in fit.items])
    drawn = np.array(found)
    assert drawn[:, :, 0].std(axis=0).mean() == pytest.approx(drawn[:, :, 1].mean(), rel=0.12)


def test_the_maximum_is_one():
    """No change of a difficulty raises the marginal likelihood, integrated here by another rule."""
    right, *_ = simulated(1, 300, 8)
    fit = calibrate(right, names(8))
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)

    def marginal(hard, spread):
        chance = 1 / (1 + np.exp(-(spread * nodes[:, None] - hard)))
        log = right @ np.log(chance).T + (1 - right) @ np.log(1 - chance).T
        return np.log(np.exp(log) @ (weights / weights.sum())).sum()

    hard = np.array([one.difficulty for one in fit.items])
    best = marginal(hard, fit.spread)
    for at in range(8):
        for step in (-0.03, 0.03):
            assert marginal(hard + step * (np.arange(8) == at), fit.spread) < best
    assert marginal(hard, fit.spread + 0.03) < best and marginal(hard, fit.spread - 0.03) < best


def test_missing_answers_are_no_wrong_answers():
    right, _, hard = simulated(2, 1500, 20)
    gone = np.random.default_rng(0).random(right.shape) < 0.5
    holed = np.where(gone, np.nan, right)
    fit = calibrate(holed, names(20))
    back = np.array([one.difficulty for one in fit.items])
    assert np.corrcoef(back, hard)[0, 1] > 0.97 and abs((back - hard).mean()) < 0.1
    assert [one.answered for one in fit.items] == (~gone).sum(axis=0).tolist()


def test_two_parameters_find_slopes():
    rng = np.random.default_rng(3)
    slope = np.exp(rng.normal(0, 0.4, 30))
    right, _, hard = simulated(3, 2000, 30, slope=slope)
    fit = calibrate(right, names(30), AbilityConfig(two_parameter=True))
    back = np.array([one.difficulty for one in fit.items])
    assert np.corrcoef([np.log(one.slope) for one in fit.items], np.log(slope))[0, 1] > 0.9
    assert np.corrcoef(back, hard)[0, 1] > 0.97 and fit.spread == 1.0


def test_items_of_no_difficulty_are_left_out_by_name():
    right, *_ = simulated(4, 50, 5)
    right[:, 0], right[:, 1], right[:, 2] = 1, 0, np.nan
    fit = calibrate(right, names(5))
    assert fit.names == ("i03", "i04")
    assert fit.left_out == {"i00": "everybody is right", "i01": "everybody is wrong", "i02": "nobody answered it"}
    with pytest.raises(InputError, match="items that some get right and others wrong"):
        calibrate(np.ones((9, 3)), names(3))
    with pytest.raises(InputError, match="1 respondents"):
        calibrate(right[:1], names(5))
    with pytest.raises(ConfigError):
        AbilityConfig(tolerance=0)


@pytest.fixture(scope="module")
def growing():
    """300 children of 12 to 48 months whose ability rises by 0.06 logits a month, on 40 items."""
    rng = np.random.default_rng(11)
    ages = rng.integers(12, 49, 300).astype(float)
    able = 0.06 * (ages - 30) + rng.normal(0, 0.6, 300)
    right, _, hard = simulated(11, 300, 40, able=able)
    calibration = calibrate(right, names(40))
    return right, ages, hard, calibration


def test_the_line_of_growth_comes_back(growing):
    right, ages, _, calibration = growing
    growth = fit_growth(right, ages, calibration)
    assert isinstance(growth, Growth) and growth.growth_low < 0.06 < growth.growth_high
    assert growth.spread == pytest.approx(0.6, abs=0.15)


def test_intervals_of_the_age_cover_the_age_behind_the_answers(growing):
    right, ages, hard, calibration = growing
    growth = fit_growth(right, ages, calibration)
    rng = np.random.default_rng(5)
    inside, found = [], []
    for _ in range(200):
        # A model that is as able as children of 30 months are expected to be.
        answers = (rng.random(40) < 1 / (1 + np.exp(hard))).astype(float)
        one = like_age(answers, calibration, growth)
        if isinstance(one, LikeAge):
            found.append(one.months)
            inside.append((one.low is None or one.low <= 30) and (one.high is None or one.high >= 30))
        else:
            inside.append(False)
    assert np.mean(inside) >= 0.9 and abs(np.mean(found) - 30) < 2.5


def test_an_age_is_refused_with_its_reason(growing):
    right, ages, hard, calibration = growing
    assert fit_growth(right[:9], ages[:9], calibration) == "9 children with an age have answered; 20 are needed"
    assert "different ages" in fit_growth(right, np.full(300, 24.0), calibration)
    few = calibrate(right[:, :6], names(6))
    assert fit_growth(right[:, :6], ages, few) == "6 items have a difficulty; 10 are needed"
    shuffled = np.random.default_rng(1).permutation(ages)
    assert "may not rise with age" in fit_growth(right, shuffled, calibration)
    growth = fit_growth(right, ages, calibration)
    nothing = np.full(40, np.nan)
    assert "answered 0 of the children's items" in like_age(nothing, calibration, growth)
    assert "right in all 40 items" in like_age(np.ones(40), calibration, growth)
    guessed = np.random.default_rng(9).permutation(np.repeat([1.0, 0.0], [11, 29]))
    assert "not clearly more than guessing (25%)" in like_age(guessed, calibration, growth, chance_I=np.full(40, 0.25))
    able = (hard < np.sort(hard)[-1]).astype(float)
    assert like_age(able, calibration, growth).startswith("it is more able than children of 48 months")
    assert like_age(1 - able, calibration, growth).startswith("it is less able than children of 12 months")


def test_an_ability_that_falls_again_gives_no_age():
    rng = np.random.default_rng(8)
    ages = rng.integers(12, 49, 400).astype(float)
    able = np.where(ages < 40, 0.12 * (ages - 30), 0.0) + rng.normal(0, 0.3, 400)
    right, *_ = simulated(8, 400, 40, able=able)
    found = fit_growth(right, ages, calibrate(right, names(40)))
    assert isinstance(found, str) and "less able than those just younger" in found
