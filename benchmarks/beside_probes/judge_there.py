"""Judges features with scikit-learn and, where it is installed, fastabx; needs nothing of babyvlm.

    python judge_there.py FEATURES.npz OUT.npz NEIGHBOURS PENALTY

FEATURES holds ``known`` and ``labels`` (what is learned from) and ``asked`` (features to be told). OUT gets ``nearest``
and ``linear`` (probabilities, by label), ``abx`` (error rates by pair of labels, where fastabx is there), and the
seconds of processor time of each.
"""

import sys
import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def abx_there(features, labels):
    """fastabx: cells of one label of A and X and another of B, angular distance."""
    from fastabx import Dataset, Score, Task

    dataset = Dataset.from_numpy(features, {"label": labels.tolist()})
    cells = Score(Task(dataset, on="label"), "angular", progress=False).cells
    errors = np.full((labels.max() + 1, labels.max() + 1), np.nan)
    for own, other, score in cells.select("label", "label_b", "score").iter_rows():
        errors[own, other] = score
    return errors


def main():
    source, out, neighbours, penalty = sys.argv[1:]
    read = np.load(source)
    known, labels, asked = read["known"], read["labels"], read["asked"]
    found = {}
    began_s = time.process_time()
    nearest = KNeighborsClassifier(n_neighbors=int(neighbours), metric="cosine", algorithm="brute").fit(known, labels)
    found["nearest"] = nearest.predict_proba(asked)
    found["nearest_s"] = time.process_time() - began_s
    mean, deviation = known.mean(0), known.std(0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    began_s = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one that does not converge is no reference
        regression = LogisticRegression(C=1 / float(penalty), solver="newton-cg", tol=1e-10, max_iter=1000)
        regression.fit((known - mean) / deviation, labels)
    found["linear"] = regression.predict_proba((asked - mean) / deviation)
    found["linear_s"] = time.process_time() - began_s
    try:
        began_s = time.process_time()
        found["abx"] = abx_there(known, labels)
        found["abx_s"] = time.process_time() - began_s
    except ModuleNotFoundError as error:
        print(f"without fastabx: {error}", file=sys.stderr)
    np.savez(out, **found)


if __name__ == "__main__":
    main()
