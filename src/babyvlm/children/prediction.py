"""What predicts the age at which a word is acquired: ordinary least squares on standardised predictors.

    frequency      log of one more than how often the word is said in a training set
    model          the model's score for the word
    concreteness   a rating, where a table gives one

Every variable has mean 0 and standard deviation 1 over the words that all of them are known for, so that a coefficient
says by how many standard deviations the age rises with one of the predictor, the others held equal. Intervals are from
resampling words, which assumes nothing of the residuals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babyvlm.children.acquisition import Acquisition
from babyvlm.children.trials import Floats
from babyvlm.errors import InputError
from babyvlm.spreadsheets import open_table
from babyvlm.words import words_of

_RESAMPLES = 2000
_WORD_COLUMNS = ("word", "item_definition", "uni_lemma")
_WORDS_A_PREDICTOR = 10
"""Words needed for each predictor."""


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """What one standard deviation of a predictor does, in standard deviations of the age."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A regression of the age of acquisition."""

    model: str
    """The model whose scores are among the predictors; empty where none is."""
    coefficients: tuple[Coefficient, ...]
    r_squared: float
    r_squared_low: float
    r_squared_high: float
    words: int
    constant: tuple[str, ...] = ()
    """Predictors left out because they are equal for all words, or say the same as others."""


def word_counts_of(texts: Iterable[str], words: Iterable[str]) -> dict[str, int]:
    """How often each word is said, a word of several as a phrase; regular plurals count too.

    >>> word_counts_of(["the dogs and the dog", "ice cream!"], ["dog", "ice cream", "cup"])
    {'dog': 2, 'ice cream': 1, 'cup': 0}
    """
    wanted = {word: tuple(words_of(word)) for word in words}
    lengths = {len(parts) for parts in wanted.values()} - {0}
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        said = words_of(text)
        for length in lengths:
            counts.update(tuple(said[at : at + length]) for at in range(len(said) - length + 1))
    found = {}
    for word, parts in wanted.items():
        plurals = [(*parts[:-1], parts[-1] + ending) for ending in ("s", "es")] if parts else []
        found[word] = counts[parts] + sum(counts[plural] for plural in plurals) if parts else 0
    return found


def read_ratings(path: Path) -> tuple[str, dict[str, float]]:
    """A table of words with one rating each: the rating's name, and the ratings by word.

    The rating is in the column ``concreteness`` or ``Conc.M``, or in the only other column.

    Raises:
        InputError: There is no column of words or of ratings, or a rating does not parse.
    """
    table = open_table(path)
    word_column = next((name for name in table.columns if name.lower() in _WORD_COLUMNS), None)
    others = [name for name in table.columns if name != word_column]
    named = [name for name in others if name.lower() in ("concreteness", "conc.m")]
    column = named[0] if named else others[0] if len(others) == 1 else None
    if word_column is None or column is None:
        raise InputError(
            f"the columns are {', '.join(table.columns)}", path=path, remedy="It needs word, and concreteness"
        )
    ratings = {}
    for line, row in table:
        try:
            if row[column].strip() not in ("", "NA"):
                ratings[row[word_column].strip().lower()] = float(row[column])
        except ValueError as error:
            raise InputError(f"{row[column]!r} is no rating", path=path, place=f"line {line}") from error
    return "concreteness" if named else column, ratings


def predict(
    ages: Mapping[str, Acquisition], predictors: Mapping[str, Mapping[str, float]], *, model: str = "", seed: int = 0
) -> Prediction | str:
    """The regression over the words whose age and predictors are all known; or why there is none.

    Args:
        ages: By plain word; words of unknown age do not enter.
        predictors: Values by word, by the predictor's name.
        model: The model whose scores are among them.
        seed: Of the resampling.
    """
    words = [
        word
        for word, age in ages.items()
        if age.months is not None and all(word in values for values in predictors.values())
    ]
    needed = _WORDS_A_PREDICTOR * max(1, len(predictors))
    if not predictors or len(words) < needed:
        return (
            f"{len(words)} words have an age and all of {', '.join(predictors) or 'no predictor'}; {needed} are needed"
        )
    age_W = np.array([ages[word].months for word in words], dtype=float)
    columns_WC = np.array([[values[word] for values in predictors.values()] for word in words], dtype=float)
    kept = _independent(columns_WC)
    names = list(predictors)
    constant = tuple(name for at, name in enumerate(names) if at not in kept)
    if not kept or age_W.std() == 0:
        return "the predictors, or the ages, are equal for all words"
    columns_WC = columns_WC[:, kept]
    value_C, r_squared = _least_squares(columns_WC, age_W)
    rng = np.random.default_rng(seed)
    draws, fits = [], []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(len(words), size=len(words))
        if len(_independent(columns_WC[drawn])) < len(kept) or age_W[drawn].std() == 0:
            continue
        one, fit = _least_squares(columns_WC[drawn], age_W[drawn])
        draws.append(one)
        fits.append(fit)
    if len(draws) < _RESAMPLES // 2:
        return "the predictors hardly differ between words"
    low_C, high_C = np.quantile(draws, (0.025, 0.975), axis=0)
    low, high = np.quantile(fits, (0.025, 0.975))
    return Prediction(
        model=model,
        coefficients=tuple(
            Coefficient(name=names[at], value=float(value), low=float(lower), high=float(upper))
            for at, value, lower, upper in zip(kept, value_C, low_C, high_C, strict=True)
        ),
        r_squared=r_squared,
        r_squared_low=float(low),
        r_squared_high=float(high),
        words=len(words),
        constant=constant,
    )


def _independent(columns_WC: Floats) -> Sequence[int]:
    """Columns that vary, and that are no sum of those before them."""
    kept: list[int] = []
    for at in range(columns_WC.shape[1]):
        tried = columns_WC[:, [*kept, at]]
        spread = tried.std(axis=0)
        if spread[-1] > 1e-12 and np.linalg.matrix_rank((tried - tried.mean(axis=0)) / spread) == len(kept) + 1:
            kept.append(at)
    return kept


def _least_squares(columns_WC: Floats, age_W: Floats) -> tuple[Floats, float]:
    """Standardised coefficients, and the share of variance explained."""
    standard_WC = (columns_WC - columns_WC.mean(axis=0)) / columns_WC.std(axis=0)
    standard_W = (age_W - age_W.mean()) / age_W.std()
    value_C, *_ = np.linalg.lstsq(standard_WC, standard_W, rcond=None)
    residual_W = standard_W - standard_WC @ value_C
    return value_C, float(1 - np.mean(residual_W**2))
