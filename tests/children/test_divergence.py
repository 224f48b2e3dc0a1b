"""Divergence from children: worked by hand, found again by brute force, and equal to DevBench's own data read apart."""

import csv
import math

import numpy as np
import pytest

from babyvlm.children.ceiling import NO_COUNTS, NoiseCeiling, noise_ceiling
from babyvlm.children.divergence import (
    DivergenceConfig,
    divergence_from,
    fit_temperature,
    guessing_divergence,
    mean_slope,
    trial_divergences,
)
from babyvlm.children.trials import find_sets, read_set
from babyvlm.errors import ConfigError, InputError

FEW = DivergenceConfig(resamples=100, splits=20)


def write_set(folder, human, *, pictures=4, trials=5, scores=None, manifest=None):
    folder.mkdir(parents=True)
    head = ",".join(["text1", *(f"image{number}" for number in range(1, pictures + 1))])
    rows = manifest or [
        ",".join([f"word{n}", *(f"images/{n}-{p}.png" for p in range(pictures))]) for n in range(trials)
    ]
    (folder / "manifest.csv").write_text("\n".join([head, *rows]) + "\n")
    (folder / "human.csv").write_text(human)
    for name, array in (scores or {}).items():
        np.save(folder / f"vv_{name}.npy", array)
    return folder


def shares_csv(shares, *, age="4", extra=""):
    head = "trial,age_bin," + ",".join(f"image{p + 1}" for p in range(len(shares[0]))) + (",n" if extra else "")
    return "\n".join([head, *(f"{n},{age},{','.join(map(str, row))}{extra}" for n, row in enumerate(shares, 1))]) + "\n"


def test_a_trial_by_hand():
    shares, scores = np.array([[0.75, 0.25]]), np.array([[math.log(3), 0.0]])
    # At beta 1 the model chooses as the children do; at beta 2 it chooses the first 9 times of 10.
    at_1, at_2 = trial_divergences(shares, scores, np.array([1.0, 2.0]))[0]
    assert at_1 == pytest.approx(0, abs=1e-15)
    assert at_2 == pytest.approx(0.75 * math.log(0.75 / 0.9) + 0.25 * math.log(0.25 / 0.1))
    fit = fit_temperature(shares, scores)
    assert fit.beta == pytest.approx(1, abs=1e-12) and fit.divergence == pytest.approx(0, abs=1e-15) and not fit.at_end


def test_a_picture_that_nobody_chose_adds_nothing_and_a_picture_that_is_not_there_takes_nothing():
    scores = np.array([[1.0, 0.0, np.nan, np.nan]])
    two = trial_divergences(np.array([[0.8, 0.2]]), scores[:, :2], np.ones(1))
    assert trial_divergences(np.array([[0.8, 0.2, 0, 0]]), scores, np.ones(1)) == pytest.approx(two)
    certain = trial_divergences(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]), np.ones(1))
    assert certain[0, 0] == pytest.approx(math.log(2))


@pytest.mark.parametrize("seed", range(6))
def test_the_mean_is_convex_and_its_least_is_found(seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([3, 1, 0.3, 0.3], size=30)
    scores = rng.normal(0, [0.02, 0.3, 1, 3, 20, 200][seed], (30, 4)) + np.array([0.3, 0, 0, 0])
    betas = np.linspace(0.025, 40, 4001)
    means = trial_divergences(shares, scores, betas).mean(axis=0)
    assert (np.diff(means, 2) > -1e-10).all()
    fit = fit_temperature(shares, scores)
    assert fit.divergence <= means.min() + 1e-12
    assert abs(fit.beta - betas[means.argmin()]) <= 0.01 + 1e-9
    step = 1e-6
    up, down = (trial_divergences(shares, scores, np.array([5 + by])).mean() for by in (step, -step))
    assert mean_slope(shares, scores, 5.0) == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6)


def test_where_the_least_lies_outside_the_range_its_end_is_taken_and_said():
    shares = np.array([[0.9, 0.1]])
    against = fit_temperature(shares, np.array([[0.0, 1.0]]))
    assert (against.beta, against.at_end) == (0.025, True)
    sure = fit_temperature(np.array([[1.0, 0.0]]), np.array([[0.01, 0.0]]))
    assert (sure.beta, sure.at_end) == (40.0, True)


def test_what_cannot_be_compared_is_left_out_by_name(tmp_path):
    shares = [[0.7, 0.1, 0.1, 0.1], ["", "", "", ""], [0.5, 0.5, "NA", ""], [0, 0, 0, 0], [0.6, 0.2, 0.1, 0.1]]
    scores = np.random.default_rng(0).normal(size=(4, 4))
    scores[2, 1] = np.nan
    trial_set = read_set(write_set(tmp_path / "s", shares_csv(shares), scores={"one": scores, "two": scores}))
    (dropped,) = trial_set.left_out
    assert dropped.trials == (2,) and dropped.reason == "the children have no figure"
    assert trial_set.ages[0].numbers_T.tolist() == [1, 3, 4, 5] and list(trial_set.models) == ["one", "two"]
    assert trial_set.without_children == (2,)
    found = divergence_from(trial_set.ages[0], trial_set.models["one"], model="one", trial_set="s", config=FEW)
    assert found.numbers_T.tolist() == [1]
    assert {one.reason: one.trials for one in found.left_out} == {
        "the model has no score": (5,),
        "the model has no score for a picture that children chose": (3,),
        "no child chose any picture": (4,),
    }
    with pytest.raises(InputError, match="no trial of s in common"):
        nothing = np.full((5, 4), np.nan)
        divergence_from(trial_set.ages[0], nothing, model="one", trial_set="s", config=FEW)


def test_yes_and_no_are_a_difference_and_axes_of_one_are_dropped(tmp_path):
    rng = np.random.default_rng(1)
    plain = rng.normal(size=(5, 4))
    both = np.stack([plain + 3, np.full((5, 4), 3.0)], axis=2)
    stored = {"a": plain, "b": both, "c": both[..., None], "d": plain[..., None], "e": plain.astype(np.float32)}
    trial_set = read_set(write_set(tmp_path / "s", shares_csv([[0.4, 0.3, 0.2, 0.1]] * 5), scores=stored))
    for name in "abcd":
        assert trial_set.models[name] == pytest.approx(plain)
    assert trial_set.models["e"].dtype == np.float64


@pytest.mark.parametrize(
    ("human", "message"),
    [
        ("trial,age_bin,image1,image2\n9,4,0.5,0.5\n", "line 2: trial '9' is no row of manifest.csv, which has 5"),
        ("trial,text1,image1,image2\n2,word9,0.5,0.5\n", "trial 2 asks for 'word9' here, and for 'word1'"),
        ("trial,image1,image2\n1,0.9,0.3\n", "line 2: .* are no shares"),
        ("trial,image1,image2\n1,0.9,x\n", "line 2: 'x' is no number"),
        ("trial,image1,image2\n1,0.9,0.1\n1,0.9,0.1\n", "line 3: trial 1 stands twice"),
        ("trial,image1\n1,1\n", "It needs trial, and prop or image1 to image2"),
        ("age_bin,prop\n4,1\n", "It needs trial"),
    ],
)
def test_faults_of_the_children_are_named(human, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_set(write_set(tmp_path / "s", human, pictures=2))


def test_faults_of_stored_scores_are_named(tmp_path):
    folder = write_set(tmp_path / "s", shares_csv([[0.5, 0.5]]), pictures=2)
    np.save(folder / "m.npy", np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"m\.npy: of shape \(5, 3\), where manifest.csv has 5 trials of 2 pictures"):
        read_set(folder)
    np.save(folder / "m.npy", np.array([[np.inf, 0]]))
    with pytest.raises(InputError, match="trial 1: a score is infinite"):
        read_set(folder)
    (folder / "m.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="does not read as an array"):
        read_set(folder)


def test_looking_is_the_target_and_the_rest(tmp_path):
    human = "age_bin,prop,trial\n2,0.75,1\n2,0.6,2\n"
    scores = np.array([[math.log(3), 0], [0.0, 0.0], [0, 0], [0, 0], [0, 0]])
    trial_set = read_set(write_set(tmp_path / "s", human, pictures=2, scores={"m": scores}))
    assert trial_set.looking and trial_set.ages[0].shares_TP.tolist() == [[0.75, 0.25], [0.6, 0.4]]
    assert guessing_divergence(trial_set, trial_set.ages[0]) == pytest.approx(
        (0.75 * math.log(1.5) + 0.25 * math.log(0.5) + 0.6 * math.log(1.2) + 0.4 * math.log(0.8)) / 2
    )


def test_shares_that_do_not_add_up_are_taken_as_published_or_scaled(tmp_path):
    trial_set = read_set(
        write_set(tmp_path / "s", shares_csv([[0.5, 0.4]]), pictures=2, scores={"m": np.zeros((5, 2))})
    )
    as_they_stand, scaled = (
        divergence_from(
            trial_set.ages[0],
            trial_set.models["m"],
            model="m",
            trial_set="s",
            config=DivergenceConfig(resamples=100, normalise=normalise),
        )
        for normalise in (False, True)
    )
    assert as_they_stand.unnormalised == scaled.unnormalised == 1
    assert as_they_stand.fit.divergence == pytest.approx(0.5 * math.log(0.5) + 0.4 * math.log(0.4) + 0.9 * math.log(2))
    assert scaled.fit.divergence == pytest.approx(5 / 9 * math.log(10 / 9) + 4 / 9 * math.log(8 / 9))


def test_the_interval_holds_the_figure_and_narrows_with_more_trials(tmp_path):
    rng = np.random.default_rng(3)
    widths = []
    for trials in (20, 320):
        shares, scores = rng.dirichlet([4, 1, 1, 1], size=trials), rng.normal(size=(trials, 4)) + np.eye(4)[0]
        folder = write_set(tmp_path / str(trials), shares_csv(shares.tolist()), trials=trials, scores={"m": scores})
        trial_set = read_set(folder)
        found = divergence_from(trial_set.ages[0], trial_set.models["m"], model="m", trial_set="s")
        assert found.low < found.fit.divergence < found.high and found.beta_low < found.fit.beta < found.beta_high
        assert found.each_T.mean() == pytest.approx(found.fit.divergence)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_a_ceiling_needs_counts_and_shrinks_with_children(tmp_path):
    shares = np.random.default_rng(0).dirichlet([5, 1, 1, 1], size=40).round(4)
    shares[:, 0] += 1 - shares.sum(axis=1)
    bare = read_set(write_set(tmp_path / "bare", shares_csv(shares.tolist()), trials=40))
    assert noise_ceiling(bare, bare.ages[0], FEW) == NO_COUNTS
    found = []
    for children in (20, 200):
        folder = write_set(tmp_path / str(children), shares_csv(shares.tolist(), extra=f",{children}"), trials=40)
        trial_set = read_set(folder)
        found.append(noise_ceiling(trial_set, trial_set.ages[0], FEW))
    assert all(isinstance(one, NoiseCeiling) and one.simulated for one in found)
    assert 0 < found[1].value < found[0].value and found[1].low <= found[1].value <= found[1].high


def test_child_by_child_choices_give_shares_and_a_ceiling(tmp_path):
    rng = np.random.default_rng(5)
    lines = ["child,age_bin,trial,choice"]
    lines += [f"c{c},4,{t},{1 + rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])}" for c in range(60) for t in range(1, 31)]
    folder = write_set(tmp_path / "s", "", trials=30)
    (folder / "human.csv").unlink()
    (folder / "children.csv").write_text("\n".join(lines) + "\n")
    trial_set = read_set(folder)
    (group,) = trial_set.ages
    assert group.shares_TP.sum(axis=1) == pytest.approx(1) and 0.6 < group.shares_TP[:, 0].mean() < 0.8
    ceiling = noise_ceiling(trial_set, group, FEW)
    assert isinstance(ceiling, NoiseCeiling) and not ceiling.simulated and ceiling.children == 60
    # A half of itself is nearer than guessing.
    assert 0 < ceiling.value < guessing_divergence(trial_set, group)


def test_a_manifest_may_lie_where_devbench_itself_has_it(tmp_path):
    write_set(tmp_path / "evals" / "s", shares_csv([[0.4, 0.3, 0.2, 0.1]]))
    (tmp_path / "assets" / "s").mkdir(parents=True)
    (tmp_path / "evals" / "s" / "manifest.csv").rename(tmp_path / "assets" / "s" / "manifest.csv")
    (folder,) = find_sets(tmp_path)
    assert folder == tmp_path / "evals" / "s" and len(read_set(folder).trials) == 5
    (tmp_path / "assets" / "s" / "manifest.csv").unlink()
    assert find_sets(tmp_path) == ()


def test_settings_that_contradict_are_refused():
    for settings in ({"betas": (1.0, 0.5)}, {"betas": (0.0, 4.0)}, {"resamples": 5}, {"splits": 1}):
        with pytest.raises(ConfigError):
            DivergenceConfig(**settings)


def test_devbench_itself(shared_data):
    """All 152 combinations of stored model, set and age, read here once more and searched on a fine grid."""
    compared = 0
    for folder in find_sets(shared_data / "devbench"):
        trial_set = read_set(folder)
        with (folder / "human.csv").open(newline="") as file:
            human = list(csv.DictReader(file))
        for group in trial_set.ages:
            rows = sorted((r for r in human if r.get("age_bin", "") == group.age), key=lambda r: int(r["trial"]))
            shares = np.array(
                [
                    [float(r["prop"]), 1 - float(r["prop"])]
                    if "prop" in r
                    else [float(r[f"image{p}"]) for p in range(1, 5)]
                    for r in rows
                ]
            )
            numbers = [int(r["trial"]) for r in rows]
            assert trial_set.left_out == () and group.numbers_T.tolist() == numbers
            for name in trial_set.models:
                (path,) = (one for one in folder.glob("*.npy") if one.stem.partition("_")[2] == name)
                own = np.load(path).astype(float).reshape(len(trial_set.trials), shares.shape[1], -1)
                own = (own[..., 0] - own[..., 1] if own.shape[2] == 2 else own[..., 0])[np.array(numbers) - 1]
                fit = fit_temperature(group.shares_TP, trial_set.models[name][group.numbers_T - 1])
                near = np.clip(fit.beta * np.array([0.999, 1, 1.001]), 0.025, 40)
                logits = near[:, None, None] * own
                logs = logits - np.log(np.exp(logits - logits.max(2, keepdims=True)).sum(2, keepdims=True))
                logs -= logits.max(2, keepdims=True)
                chosen = np.where(shares > 0, shares * (np.log(np.where(shares > 0, shares, 1)) - logs), 0)
                around = chosen.sum(2).mean(1)
                assert around[1] == pytest.approx(fit.divergence, abs=1e-9)
                assert around[1] <= around.min() + 1e-12
                compared += 1
    assert compared == 152
