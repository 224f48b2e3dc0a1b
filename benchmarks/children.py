"""Models beside children, checked (claims: divergence and temperature are to 1e-6 those of a script written apart; of
2,000 simulated children difficulty comes back with a correlation of .97 or more, and 95% intervals cover 95 +- 2%).

    python benchmarks/children.py divergence --data FOLDER     the folder of DevBench's sets; needs scipy
    python benchmarks/children.py ability [--seeds 10] [--children 2000] [--items 60]

The oracle of divergence shares nothing with the package: its own reading of the files, the sum of the shares' own
logarithms by scipy, a grid of 2,000 temperatures, scipy's bounded minimisation about the best of them, and the root of
a complex-step derivative for the last digits of the temperature.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from babyvlm.children.ability import AbilityConfig, abilities, calibrate
from babyvlm.children.divergence import fit_temperature
from babyvlm.children.like_age import fit_growth, like_age
from babyvlm.children.trials import find_sets, read_set

RESULTS = Path(__file__).parent / "results"
LOW, HIGH = 0.025, 40.0


def oracle_children(folder: Path) -> dict[str, dict[int, list[float]]]:
    """Shares by age and trial, straight from ``human.csv``."""
    found: dict[str, dict[int, list[float]]] = {}
    with (folder / "human.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if "prop" in row:
                shares = [float(row["prop"]), 1.0 - float(row["prop"])]
            else:
                cells = [row[name] for name in sorted(row) if name.startswith("image")]
                shares = [0.0 if cell in ("", "NA") else float(cell) for cell in cells]
            found.setdefault(row.get("age_bin", ""), {})[int(row["trial"])] = shares
    return found


def oracle_scores(path: Path) -> np.ndarray:
    stored = np.load(path).astype(float)
    if stored.ndim >= 3:
        stored = stored.reshape(stored.shape[0], stored.shape[1], -1)
        stored = stored[:, :, 0] - stored[:, :, 1] if stored.shape[2] == 2 else stored[:, :, 0]
    return stored


def oracle_fit(shares: dict[int, list[float]], scores: np.ndarray) -> tuple[float, float]:
    """The least mean divergence, and where it is."""
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import rel_entr, softmax

    trials = [trial for trial in shares if trial <= len(scores)]
    children = np.array([shares[trial] for trial in trials])
    own = np.array([scores[trial - 1] for trial in trials])

    def mean(beta: float) -> float:
        return float(np.mean(rel_entr(children, softmax(beta * own, axis=1)).sum(axis=1)))

    def slope(beta: float) -> float:
        powers = (beta + 1e-30j) * (own - own.max(axis=1, keepdims=True))
        logs = powers - np.log(np.exp(powers).sum(axis=1, keepdims=True))
        return float(np.mean(-(children * logs).sum(axis=1)).imag / 1e-30)

    grid = np.geomspace(LOW, HIGH, 2000)
    values = [mean(beta) for beta in grid]
    at = int(np.argmin(values))
    before, after = grid[max(0, at - 1)], grid[min(len(grid) - 1, at + 1)]
    best = minimize_scalar(mean, bounds=(before, after), method="bounded", options={"xatol": 1e-12})
    beta = float(best.x)
    if slope(before) < 0 < slope(after):
        beta = brentq(slope, before, after, xtol=1e-14, rtol=1e-14)
    elif slope(HIGH) <= 0:
        beta = HIGH
    elif slope(LOW) >= 0:
        beta = LOW
    return min(float(best.fun), mean(beta)), beta


def check_divergence(data: Path) -> dict[str, object]:
    """Every stored model, set and age, by the package and by the oracle."""
    compared, worst_value, worst_beta, at_end, not_convex, left_out = 0, 0.0, 0.0, 0, 0, []
    for folder in find_sets(data):
        trial_set = read_set(folder)
        apart = oracle_children(folder)
        if trial_set.without_children:
            left_out.append(f"{trial_set.name}: children have no figure: {trial_set.without_children}")
        left_out += [f"{trial_set.name}, {one.age}: {one.reason}: {one.trials}" for one in trial_set.left_out]
        for path in sorted(folder.glob("*.npy")):
            model = next(
                name for name in trial_set.models if path.stem.endswith(name) and len(path.stem) - len(name) < 6
            )
            for group in trial_set.ages:
                ours = fit_temperature(group.shares_TP, trial_set.models[model][group.numbers_T - 1], (LOW, HIGH))
                value, beta = oracle_fit(apart[group.age], oracle_scores(path))
                compared += 1
                at_end += ours.at_end
                worst_value = max(worst_value, abs(ours.divergence - value))
                worst_beta = max(worst_beta, abs(ours.beta - beta))
                not_convex += not _is_convex(apart[group.age], oracle_scores(path))
    return {
        "combinations": compared,
        "largest difference of the divergence": worst_value,
        "largest difference of the temperature": worst_beta,
        "at an end of the range": at_end,
        "not convex on the grid": not_convex,
        "left out": left_out,
        "agrees": worst_value < 1e-6 and worst_beta < 1e-6,
    }


def _is_convex(shares: dict[int, list[float]], scores: np.ndarray) -> bool:
    """Whether second differences of the mean on an even grid are nowhere below rounding."""
    trials = sorted(shares)
    children, own = np.array([shares[trial] for trial in trials]), np.array([scores[trial - 1] for trial in trials])
    below = own - own.max(axis=1, keepdims=True)
    betas = np.linspace(LOW, HIGH, 400)
    logs = np.log(np.exp(betas[:, None, None] * below).sum(axis=2))
    means = (children.sum(axis=1) * logs).mean(axis=1) - betas * (children * below).sum(axis=1).mean()
    return bool((np.diff(means, 2) > -1e-11).all())


def simulate(seed: int, children: int, items: int, *, two_parameter: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right answers, and the abilities and difficulties behind them."""
    rng = np.random.default_rng(seed)
    able, hard = rng.normal(0, 1, children), rng.normal(0, 1, items)
    slope = np.exp(rng.normal(0, 0.25, items)) if two_parameter else np.ones(items)
    chance = 1 / (1 + np.exp(-slope * (able[:, None] - hard)))
    return (rng.random((children, items)) < chance).astype(float), able, hard


def check_ability(seeds: int, children: int, items: int) -> dict[str, object]:
    """Difficulties and abilities that come back."""
    found = {}
    for two_parameter in (False, True):
        correlations, able_correlations, inside, able_inside, seconds = [], [], [], [], []
        for seed in range(seeds):
            right, able, hard = simulate(seed, children, items, two_parameter=two_parameter)
            began_s = time.perf_counter()
            fit = calibrate(right, [str(at) for at in range(items)], AbilityConfig(two_parameter=two_parameter))
            seconds.append(time.perf_counter() - began_s)
            kept = [int(one.item) for one in fit.items]
            back = np.array([one.difficulty for one in fit.items])
            errors = np.array([one.error for one in fit.items])
            correlations.append(float(np.corrcoef(back, hard[kept])[0, 1]))
            inside += (np.abs(back - hard[kept]) <= 1.959964 * errors).tolist()
            estimates = abilities(right[:, kept], fit)
            able_correlations.append(float(np.corrcoef([one.ability for one in estimates], able)[0, 1]))
            able_inside += [one.low <= true <= one.high for one, true in zip(estimates, able, strict=True)]
        found["two-parameter" if two_parameter else "Rasch"] = {
            "lowest correlation of difficulty": min(correlations),
            "difficulties within their 95% interval": float(np.mean(inside)),
            "lowest correlation of ability": min(able_correlations),
            "abilities within their 95% interval": float(np.mean(able_inside)),
            "seconds a fit": float(np.median(seconds)),
        }
    rasch = found["Rasch"]
    agrees = rasch["lowest correlation of difficulty"] >= 0.97 and (
        abs(rasch["difficulties within their 95% interval"] - 0.95) <= 0.02
    )
    found["age of the children who answer alike"] = check_age(seeds)
    return {"seeds": seeds, "children": children, "items": items, **found, "agrees": agrees}


def check_age(seeds: int) -> dict[str, object]:
    """Ages of the children who answer like a model: how far off, and how often the interval holds the age behind it.

    In each sample 300 children of 12 to 48 months, whose ability rises by 0.06 logits a month with a spread of 0.6
    about it, and 60 models that are as able as children of 18 to 42 months are expected to be, take 60 items.
    """
    off, inside, refused = [], [], 0
    for seed in range(seeds):
        rng = np.random.default_rng(1000 + seed)
        ages, behind, hard = rng.uniform(12, 48, 300), rng.uniform(18, 42, 60), rng.normal(0, 1, 60)
        able = np.concatenate([0.06 * (ages - 30) + rng.normal(0, 0.6, 300), 0.06 * (behind - 30)])
        right = (rng.random((360, 60)) < 1 / (1 + np.exp(hard - able[:, None]))).astype(float)
        fit = calibrate(right[:300], [str(at) for at in range(60)])
        right = right[:, [int(one.item) for one in fit.items]]
        growth = fit_growth(right[:300], ages, fit, seed=seed)
        if isinstance(growth, str):
            refused += 60
            continue
        for answers, true in zip(right[300:], behind, strict=True):
            found = like_age(answers, fit, growth, seed=seed)
            if isinstance(found, str):
                refused += 1
                continue
            off.append(found.months - true)
            inside.append((found.low is None or found.low <= true) and (found.high is None or true <= found.high))
    return {
        "models": 60 * seeds,
        "refused": refused,
        "mean difference, months": float(np.mean(off)),
        "standard deviation of the difference, months": float(np.std(off)),
        "ages within their 95% interval": float(np.mean(inside)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("divergence", "ability"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--children", type=int, default=2000)
    parser.add_argument("--items", type=int, default=60)
    given = parser.parse_args()
    if given.what == "divergence" and given.data is None:
        parser.error("divergence needs --data")
    found = (
        check_divergence(given.data)
        if given.what == "divergence"
        else check_ability(given.seeds, given.children, given.items)
    )
    today = datetime.date.today().isoformat()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    result = {"date": today, "machine": machine, **found}
    (RESULTS / f"children-{given.what}-{today}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    if not found["agrees"]:
        raise SystemExit("the claim does not hold")


if __name__ == "__main__":
    main()
