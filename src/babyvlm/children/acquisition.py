"""When children acquire a word: a logistic curve of "says it" over months, and where it passes one half.

counts by month ──> logistic curve, by maximum likelihood ──> age of acquisition, its interval by profile likelihood

    acquired   the curve rises and passes one half within the months that were measured
    unknown    it passes one half before the first month, or after the last; it does not rise; nobody, or everybody,
               says it. An age outside the months measured is never given, least of all the edge

*Says it* and *understands it* are two measures and are never mixed. The inventory has two forms: words and gestures
(WG) for 8 to 18 months, words and sentences (WS) for 16 to 30. Pooled, a word that both forms ask is fitted on the
children of both, and a word that one form asks on the children of that one alone.

Source: Wordbank (Frank and others, 2017), https://wordbank.stanford.edu. A table has one line for each form, measure,
word and month: ``form,measure,word,age_months,children,say_so``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from babyvlm.children.trials import Floats
from babyvlm.errors import ConfigError, InputError
from babyvlm.spreadsheets import open_table

Measure = Literal["produces", "understands"]
Form = Literal["pooled", "WG", "WS"]

COLUMNS = ("form", "measure", "word", "age_months", "children", "say_so")
_HALF_CHI2 = 1.920729
"""Half the 95% quantile of chi-squared with one degree of freedom."""
_REACH_MONTHS = 60.0
"""How far outside the months measured an interval is followed before it counts as open."""
_STEEPEST = 20.0
_NEWTON, _BISECTIONS = 60, 45


@dataclass(frozen=True, kw_only=True)
class AcquisitionConfig:
    """Which children a word's age comes from."""

    measure: Measure = "produces"
    """``produces``: says it; ``understands``: understands it, asked in the form WG alone."""
    form: Form = "pooled"
    """``WG``, ``WS``, or both ``pooled``."""

    def __post_init__(self) -> None:
        if self.measure == "understands" and self.form == "WS":
            raise ConfigError("the form WS does not ask what a child understands; take WG, or pooled")


@dataclass(frozen=True, kw_only=True)
class WordCounts:
    """The children asked about one word."""

    word: str
    """As the table spells it: ``chicken.animal``."""
    ages_A: Floats
    """Months."""
    children_A: Floats
    say_so_A: Floats
    forms: tuple[str, ...]

    @property
    def plain(self) -> str:
        """The word as it is written: no sense, no underscores."""
        return self.word.partition(".")[0].replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """The age at which half of the children say (or understand) a word."""

    counts: WordCounts
    months: float | None
    """None where it is unknown."""
    low: float | None
    """Lower end of the 95% interval; None where that lies outside the months measured."""
    high: float | None
    slope: float
    """Rise of the log-odds by month; NaN where there is no curve."""
    unknown: str = ""
    """Why the age is unknown; empty where it is known."""


def read_word_counts(path: Path, config: AcquisitionConfig | None = None) -> tuple[WordCounts, ...]:
    """The counts of a table, by word in alphabetical order.

    Raises:
        InputError: The file lacks a column, a value does not parse, or it has no line of this measure and form.
    """
    config = config or AcquisitionConfig()
    totals: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    forms: dict[str, set[str]] = defaultdict(set)
    measures = set()
    for line, row in _lines(path):
        measures.add((row["measure"], row["form"]))
        if row["measure"] != config.measure or config.form not in ("pooled", row["form"]):
            continue
        try:
            age, children, say_so = (float(row[name]) for name in COLUMNS[3:])
        except ValueError as error:
            raise InputError(f"does not parse ({error})", path=path, place=f"line {line}") from error
        if not 0 <= say_so <= children or age < 0:
            raise InputError(f"{say_so:g} of {children:g} children", path=path, place=f"line {line}")
        cell = totals[row["word"]][age]
        cell[0] += children
        cell[1] += say_so
        forms[row["word"]].add(row["form"])
    if not totals:
        has = ", ".join(f"{measure} in {form}" for measure, form in sorted(measures)) or "nothing"
        raise InputError(f"it has {has}, and no {config.measure} of the form {config.form}", path=path)
    return tuple(_counts(word, totals[word], forms[word]) for word in sorted(totals))


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    table = open_table(path)
    if lacking := [name for name in COLUMNS if name not in table.columns]:
        raise InputError(
            f"lacks the columns {', '.join(lacking)}",
            path=path,
            place="line 1",
            remedy=f"Add up Wordbank's data by form, measure, word and month: {','.join(COLUMNS)}",
        )
    yield from table


def _counts(word: str, by_age: Mapping[float, Sequence[float]], forms: set[str]) -> WordCounts:
    ages = sorted(age for age, (children, _) in by_age.items() if children > 0)
    return WordCounts(
        word=word,
        ages_A=np.array(ages, dtype=float),
        children_A=np.array([by_age[age][0] for age in ages]),
        say_so_A=np.array([by_age[age][1] for age in ages]),
        forms=tuple(sorted(forms)),
    )


def acquisitions(words: Sequence[WordCounts]) -> tuple[Acquisition, ...]:
    """The age of acquisition of each word."""
    usable = [word for word in words if not _no_curve(word)]
    fitted = dict(zip((word.word for word in usable), _fit(usable), strict=True)) if usable else {}
    return tuple(
        fitted.get(word.word)
        or Acquisition(counts=word, months=None, low=None, high=None, slope=float("nan"), unknown=_no_curve(word))
        for word in words
    )


def _no_curve(word: WordCounts) -> str:
    """Why no curve can be fitted; empty where one can."""
    if len(word.ages_A) < 3:
        return "fewer than three months were measured"
    if not word.say_so_A.any():
        return "nobody says it"
    if (word.say_so_A == word.children_A).all():
        return "everybody says it"
    return ""


def _fit(words: Sequence[WordCounts]) -> list[Acquisition]:
    """Curves of many words at once, W x A, months that a word lacks with no children."""
    ages_A = np.unique(np.concatenate([word.ages_A for word in words]))
    children_WA, say_so_WA = np.zeros((2, len(words), len(ages_A)))
    for at, word in enumerate(words):
        places = np.searchsorted(ages_A, word.ages_A)
        children_WA[at, places], say_so_WA[at, places] = word.children_A, word.say_so_A
    first_W = np.array([word.ages_A[0] for word in words])
    last_W = np.array([word.ages_A[-1] for word in words])
    slopes_W, middles_W, best_W = _maximum(ages_A, children_WA, say_so_WA)

    def profile(middles_W: Floats) -> Floats:
        return _profile(ages_A, children_WA, say_so_WA, middles_W)

    ends = []
    inside_W = np.clip(middles_W, first_W, last_W)
    for far_W in (first_W - _REACH_MONTHS, last_W + _REACH_MONTHS):
        near_W, out_W = inside_W.copy(), far_W.copy()
        open_W = best_W - profile(far_W) < _HALF_CHI2
        for _ in range(_BISECTIONS):
            middle_W = 0.5 * (near_W + out_W)
            within_W = best_W - profile(middle_W) < _HALF_CHI2
            near_W, out_W = np.where(within_W, middle_W, near_W), np.where(within_W, out_W, middle_W)
        ends.append(np.where(open_W, np.nan, near_W))
    found = []
    for at, word in enumerate(words):
        found.append(_judged(word, slopes_W[at], middles_W[at], ends[0][at], ends[1][at]))
    return found


def _judged(word: WordCounts, slope: float, middle: float, low: float, high: float) -> Acquisition:
    first, last = float(word.ages_A[0]), float(word.ages_A[-1])
    unknown = ""
    if slope <= 0:
        unknown = "the share does not rise with age"
    elif middle < first:
        unknown = f"more than half already at {first:g} months, the first measured"
    elif middle > last:
        unknown = f"fewer than half still at {last:g} months, the last measured"

    def end(value: float) -> float | None:
        return float(value) if not unknown and first <= value <= last else None

    months = None if unknown else float(middle)
    return Acquisition(counts=word, months=months, low=end(low), high=end(high), slope=float(slope), unknown=unknown)


def _log_likelihood(logits_WA: Floats, children_WA: Floats, say_so_WA: Floats) -> Floats:
    softplus_WA = np.logaddexp(0.0, logits_WA)
    return np.sum(say_so_WA * logits_WA - children_WA * softplus_WA, axis=1)


def _maximum(ages_A: Floats, children_WA: Floats, say_so_WA: Floats) -> tuple[Floats, Floats, Floats]:
    """Slope by month, month of one half and log-likelihood of the best curve, by Newton's method with halved steps."""
    centre = float(ages_A.mean())
    months_A = ages_A - centre
    share_W = np.clip((say_so_WA.sum(axis=1) + 0.5) / (children_WA.sum(axis=1) + 1), 1e-6, 1 - 1e-6)
    level_W, slope_W = np.log(share_W / (1 - share_W)), np.full(len(share_W), 0.05)
    reached_W = _log_likelihood(level_W[:, None] + np.outer(slope_W, months_A), children_WA, say_so_WA)
    for _ in range(_NEWTON):
        logits_WA = level_W[:, None] + np.outer(slope_W, months_A)
        chance_WA = 1 / (1 + np.exp(-np.clip(logits_WA, -500, 500)))
        residual_WA, weight_WA = say_so_WA - children_WA * chance_WA, children_WA * chance_WA * (1 - chance_WA)
        gradient = residual_WA.sum(axis=1), residual_WA @ months_A
        h_aa, h_ab, h_bb = weight_WA.sum(axis=1), weight_WA @ months_A, weight_WA @ months_A**2
        determinant_W = np.maximum(h_aa * h_bb - h_ab**2, 1e-12)
        step_level_W = (h_bb * gradient[0] - h_ab * gradient[1]) / determinant_W
        step_slope_W = (h_aa * gradient[1] - h_ab * gradient[0]) / determinant_W
        scale_W = np.ones_like(level_W)
        for _ in range(20):
            tried_W = _log_likelihood(
                (level_W + scale_W * step_level_W)[:, None] + np.outer(slope_W + scale_W * step_slope_W, months_A),
                children_WA,
                say_so_WA,
            )
            worse_W = tried_W < reached_W - 1e-12
            if not worse_W.any():
                break
            scale_W = np.where(worse_W, scale_W / 2, scale_W)
        level_W, slope_W, reached_W = level_W + scale_W * step_level_W, slope_W + scale_W * step_slope_W, tried_W
        if max(np.abs(step_level_W).max(), np.abs(step_slope_W).max()) < 1e-10:
            break
    flat_W = np.abs(slope_W) < 1e-9
    middle_W = np.where(flat_W, np.inf, centre - level_W / np.where(flat_W, 1.0, slope_W))
    return slope_W, middle_W, reached_W


def _profile(ages_A: Floats, children_WA: Floats, say_so_WA: Floats, middles_W: Floats) -> Floats:
    """The highest log-likelihood of a rising curve that passes one half at given months, by bisection of the slope."""
    months_WA = ages_A[None, :] - middles_W[:, None]
    low_W, high_W = np.zeros(len(middles_W)), np.full(len(middles_W), _STEEPEST)
    for _ in range(_BISECTIONS):
        middle_W = 0.5 * (low_W + high_W)
        chance_WA = 1 / (1 + np.exp(-np.clip(middle_W[:, None] * months_WA, -500, 500)))
        rises_W = np.sum((say_so_WA - children_WA * chance_WA) * months_WA, axis=1) > 0
        low_W, high_W = np.where(rises_W, middle_W, low_W), np.where(rises_W, high_W, middle_W)
    return _log_likelihood(0.5 * (low_W + high_W)[:, None] * months_WA, children_WA, say_so_WA)


def by_plain_word(found: Sequence[Acquisition]) -> dict[str, Acquisition]:
    """Acquisitions by the word as it is written; of several senses of one word, the one acquired first.

    A word that no sense of is acquired within the months measured keeps a sense that says why.
    """
    chosen: dict[str, Acquisition] = {}
    for one in found:
        before = chosen.get(one.counts.plain)
        if before is None or (one.months is not None and (before.months is None or one.months < before.months)):
            chosen[one.counts.plain] = one
    return chosen
