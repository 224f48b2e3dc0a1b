"""The probes against their definitions, written as plain loops, and against scikit-learn where it is installed."""

import math

import numpy as np
import pytest

from babyvlm.probing.judges import abx_errors, fit_linear, linear_labels, nearest_labels


@pytest.fixture
def drawn():
    """Three labels in five dimensions, not quite apart, some features equal."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 6 + [1] * 5 + [2] * 4)
    features = rng.normal(size=(15, 5)) + 0.8 * np.eye(5)[labels]
    features[7] = features[6]
    return features, labels


def cosine(first, second):
    product = sum(a * b for a, b in zip(first, second, strict=True))
    return product / math.dist(first, [0] * 5) / math.dist(second, [0] * 5)


def test_the_nearest_vote(drawn):
    features, labels = drawn
    asked = np.random.default_rng(1).normal(size=(9, 5))
    for neighbours in (1, 4, 50):
        told = []
        for one in asked:
            nearest = sorted(range(15), key=lambda place: -cosine(one, features[place]))[:neighbours]
            votes = [sum(labels[place] == label for place in nearest) for label in range(3)]
            told.append(votes.index(max(votes)))
        assert nearest_labels(features, labels, asked, neighbours).tolist() == told


@pytest.mark.parametrize("width", [5, 40])
def test_the_linear_probe_is_where_its_cost_is_least(width, drawn):
    features, labels = drawn
    if width > 5:  # more features than pictures
        features = np.concatenate([features, np.random.default_rng(5).normal(size=(15, width - 5))], axis=1)
    weights, intercepts = fit_linear(features, labels, 0.7)

    def cost(weights, intercepts):
        total = 0.7 * sum(value**2 for row in weights for value in row) / 2
        for one, label in zip(features, labels, strict=True):
            sums = [
                sum(a * b for a, b in zip(row, one, strict=True)) + c
                for row, c in zip(weights, intercepts, strict=True)
            ]
            total += math.log(sum(map(math.exp, sums))) - sums[label]
        return total

    least = cost(weights, intercepts)
    rng = np.random.default_rng(2)
    for _ in range(200):  # convex: no step away from it costs less
        step, other = rng.normal(size=weights.shape), rng.normal(size=3)
        for size in (1e-4, 1e-2, 1.0):
            assert cost(weights + size * step, intercepts + size * other) >= least - 1e-10


@pytest.mark.parametrize(
    ("labels", "each", "width", "penalty"), [(20, 8, 300, 1.0), (30, 4, 20, 0.01), (2, 50, 3, 10.0)]
)
def test_no_slope_is_left_where_the_linear_probe_stops(labels, each, width, penalty):
    rng = np.random.default_rng(labels)
    of = np.repeat(np.arange(labels), each)
    features = rng.normal(size=(labels * each, width)) / np.arange(1, width + 1) + rng.normal(size=(labels, width))[of]
    weights, intercepts = fit_linear(features, of, penalty)
    sums = features @ weights.T + intercepts
    shares = np.exp(sums - sums.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    over = shares - np.eye(labels)[of]
    assert np.abs(over.T @ features + penalty * weights).max() < 1e-7  # of a sum over all pictures
    assert np.abs(over.sum(0)).max() < 1e-7


def test_features_that_never_change_do_no_harm(drawn):
    features, labels = drawn
    constant = np.concatenate([features, np.ones((15, 1))], axis=1)
    asked = np.random.default_rng(3).normal(size=(20, 5))
    with_one = np.concatenate([asked, np.full((20, 1), 5.0)], axis=1)
    told = linear_labels(constant, labels, with_one, 1.0)
    assert told.tolist() == linear_labels(features, labels, asked, 1.0).tolist()


def test_abx_is_its_definition(drawn):
    features, labels = drawn
    angles = [[math.acos(max(-1.0, min(1.0, cosine(a, b)))) for b in features] for a in features]
    errors = abx_errors(features, labels)
    for own in range(3):
        for other in range(3):
            wrong = count = 0.0
            for x in range(15):
                for a in range(15):
                    for b in range(15):
                        if labels[x] == own and labels[a] == own and a != x and labels[b] == other and own != other:
                            to_a, to_b = cosine(features[x], features[a]), cosine(features[x], features[b])
                            wrong += 0.5 if abs(to_a - to_b) < 1e-12 else float(angles[b][x] < angles[a][x])
                            count += 1
            assert (count == 0 and math.isnan(errors[own, other])) or errors[own, other] == pytest.approx(wrong / count)


@pytest.mark.parametrize("width", [5, 40])
def test_scikit_learn_tells_the_same(width, drawn):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed; the definitions are held above")
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    features, labels = drawn
    asked = np.random.default_rng(4).normal(size=(50, width))
    if width > 5:  # more features than pictures
        features = np.concatenate([features, np.random.default_rng(5).normal(size=(15, width - 5))], axis=1)
    neighbours = KNeighborsClassifier(n_neighbors=4, metric="cosine", algorithm="brute").fit(features, labels)
    assert nearest_labels(features, labels, asked, 4).tolist() == neighbours.predict(asked).tolist()
    mean, deviation = features.mean(0), features.std(0)
    known, asked_there = (features - mean) / deviation, (asked - mean) / deviation
    regression = LogisticRegression(C=1 / 0.7, solver="newton-cg", tol=1e-12, max_iter=10000).fit(known, labels)
    assert linear_labels(features, labels, asked, 0.7).tolist() == regression.predict(asked_there).tolist()
    weights, intercepts = fit_linear(known, labels, 0.7)
    shares = np.exp(asked_there @ weights.T + intercepts)
    shares /= shares.sum(1, keepdims=True)
    assert np.abs(shares - regression.predict_proba(asked_there)).max() <= 1e-6
