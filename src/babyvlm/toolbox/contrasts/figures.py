"""Figures of contrasts, put together as EgoBabyVLM does. Pure functions.

    questions of a trial ── right or wrong ── kinds ──┬── nouns, adjectives: mean over bins ── lexical ─────┐
                                                      └── eight kinds of grammar: mean ─────── grammatical ─┴── overall

A grammatical trial has two pictures and two captions. Where a respondent gives a score for every caption, the trial is
decided as published: both captions with their own pictures have to score more together than with each other's, so that
a caption's own likelihood counts for nothing. Otherwise the trial earns the share of its two pictures that were right.
Equal scores earn one half; as equal count scores that differ by less than a millionth, by which single precision tells
the same caption apart from itself where it is read beside others.

DEVIATION: the published figure has no such half; a tie is wrong there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import ClassVar, NamedTuple

from pydantic import Field

from babyvlm.records import Item, Record, Response, SparseRecord
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL, KINDS, LEXICAL
from babyvlm.toolbox.contrasts.trials import TrialKey, trial_of

_EQUAL = 1e-6


class KindFigure(SparseRecord):
    """One kind of contrast."""

    sparse: ClassVar[tuple[str, ...]] = ("bins",)

    kind: str
    value: float
    """0 to 1: of nouns and adjectives the mean over bins, of grammar that over trials."""
    trials: int
    """Trials with a figure; of words, questions."""
    by_pairs: bool = False
    """Whether all trials were decided by the scores of both captions beside both pictures."""
    bins: dict[str, float] = Field(default_factory=dict)
    """Of nouns and adjectives, by the frequency of the word."""


class ContrastScores(Record):
    """A respondent's figures on contrasts, 0 to 1."""

    kinds: tuple[KindFigure, ...]
    """In the order of tables; kinds without a figure are absent."""
    missing: tuple[str, ...]
    """Kinds without a figure."""
    lexical: float | None
    """Mean of nouns and adjectives, of those that there are."""
    grammatical: float | None
    """Mean over the kinds of grammar that there are."""
    overall: float | None
    """Mean of both; None where one is missing."""
    failed: int = 0
    """Questions to which nothing came back: they count in nothing."""


Judged = tuple[Item, Response, float | None]
"""A question, its response, and whether it was right; None where nothing came back."""


def contrast_scores(judged: Iterable[Judged]) -> ContrastScores | None:
    """Puts the figures of a run together.

    Args:
        judged: Items of any tasks, with their responses; others than contrasts are passed over.

    Returns:
        None where there is no contrast.
    """
    contrasts = [one for one in judged if trial_of(one[0]) is not None]
    if not contrasts:
        return None
    found, failed = earned(contrasts), sum(right is None for _, _, right in contrasts)
    kinds = [figure for kind in KINDS if (figure := _figure(kind, found)) is not None]
    values = {one.kind: one.value for one in kinds}
    lexical, grammatical = _mean(values, LEXICAL), _mean(values, GRAMMATICAL)
    return ContrastScores(
        kinds=tuple(kinds),
        missing=tuple(kind for kind in KINDS if kind not in values),
        lexical=lexical,
        grammatical=grammatical,
        overall=None if lexical is None or grammatical is None else (lexical + grammatical) / 2,
        failed=failed,
    )


def _mean(values: dict[str, float], kinds: Sequence[str]) -> float | None:
    there = [values[kind] for kind in kinds if kind in values]
    return fmean(there) if there else None


class Earned(NamedTuple):
    """What one question of a word, or one trial of grammar, earned."""

    kind: str
    bin: str
    word: str
    """What it turns on."""
    value: float
    by_pairs: bool
    """Whether the scores of both captions beside both pictures decided it."""


def earned(judged: Iterable[Judged]) -> list[Earned]:
    """What contrasts earned, one by one: questions of words, and trials of grammar.

    Args:
        judged: Items of any tasks, with their responses. Others than contrasts, and questions to which nothing came
            back, are passed over.
    """
    trials: dict[TrialKey, list[Judged]] = defaultdict(list)
    for one in judged:
        if (key := trial_of(one[0])) is not None and one[2] is not None:
            trials[key].append(one)
    found = []
    for key, asked in trials.items():
        if key.kind in LEXICAL:
            found += [Earned(key.kind, key.bin, item.category, right or 0.0, False) for item, _, right in asked]
            continue
        pair = _by_pairs(asked)
        value = fmean(right or 0.0 for _, _, right in asked) if pair is None else pair
        found.append(Earned(key.kind, key.bin, asked[0][0].category, value, pair is not None))
    return found


def _figure(kind: str, found: Sequence[Earned]) -> KindFigure | None:
    own = [one for one in found if one.kind == kind]
    if not own:
        return None
    if kind in GRAMMATICAL:
        value, by_pairs = fmean(one.value for one in own), all(one.by_pairs for one in own)
        return KindFigure(kind=kind, value=value, trials=len(own), by_pairs=by_pairs)
    bins: dict[str, list[float]] = defaultdict(list)
    for one in own:
        bins[one.bin].append(one.value)
    means = {name: fmean(bins[name]) for name in sorted(bins, key=lowest)}
    return KindFigure(kind=kind, value=fmean(means.values()), trials=len(own), bins=means)


def _by_pairs(found: Sequence[Judged]) -> float | None:
    """What a trial earns by the scores of both captions beside both pictures; None where they are not all there."""
    matched = mismatched = 0.0
    if len(found) != 2:
        return None
    for item, response, _ in found:
        turn, scores = item.turns[0], response.replies[0].scores
        if scores is None or len(scores.sums) != 2:
            return None
        own = turn.options.index(turn.gold)
        matched, mismatched = matched + scores.sums[own], mismatched + scores.sums[1 - own]
    if math.isclose(matched, mismatched, rel_tol=_EQUAL, abs_tol=_EQUAL):
        return 0.5
    return float(matched > mismatched)


def lowest(label: str) -> tuple[int, str]:
    """Bins are sorted by it."""
    digits = label.lstrip("[(").partition(",")[0]
    return (int(digits) if digits.isdigit() else 1 << 62), label
