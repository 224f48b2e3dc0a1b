"""Models beside children in three ways, each where the inputs allow it.

data (sets of trials) + stored scores, graded runs ──> divergence by set and age, with the noise ceiling
runs of people + graded runs on the same items ──────> the same, on items of one's own
data (words by month) + runs, training set, ratings ──> age of acquisition by word, and what predicts it
runs of people and models on the same items         ──> abilities, difficulties, ages of children who answer alike

Whatever cannot be had is kept with its reason, and the page says so.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from babyvlm.children.ability import AbilityEstimate, Calibration, abilities, calibrate
from babyvlm.children.acquisition import COLUMNS, Acquisition, acquisitions, by_plain_word, read_word_counts
from babyvlm.children.ceiling import NoiseCeiling, noise_ceiling
from babyvlm.children.configuration import ChildrenConfig
from babyvlm.children.divergence import Divergence, divergence_from, guessing_divergence
from babyvlm.children.like_age import FEWEST_CHILDREN, Growth, LikeAge, fit_growth, like_age
from babyvlm.children.own_items import own_items
from babyvlm.children.prediction import Prediction, predict, read_ratings, word_counts_of
from babyvlm.children.runs import (
    AnsweredRun,
    AnswerTable,
    ages_beside,
    answer_table,
    known_words,
    read_people,
    read_runs,
    scores_on,
)
from babyvlm.children.trials import AgeGroup, TrialSet, find_sets, read_set
from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """All models beside the children of one set."""

    trial_set: TrialSet
    rows: tuple[Divergence, ...]
    """By age, then by model."""
    ceilings: tuple[tuple[AgeGroup, NoiseCeiling | str], ...]
    guessing: tuple[tuple[AgeGroup, float], ...]
    """Divergence of choosing every picture alike, by age."""
    absent: tuple[tuple[str, str], ...]
    """Runs that are not in it, with the reason."""
    runs: frozenset[str]
    """Names of the rows that come from runs, not from stored scores."""

    @property
    def models(self) -> tuple[str, ...]:
        """From the nearest to the farthest on average over ages."""
        by_model: dict[str, list[float]] = {}
        for row in self.rows:
            by_model.setdefault(row.model, []).append(row.fit.divergence)
        return tuple(sorted(by_model, key=lambda name: sum(by_model[name]) / len(by_model[name])))


@dataclass(frozen=True, kw_only=True)
class WordComparison:
    """Words by age of acquisition, and what each model knows of them."""

    source: Path
    found: tuple[Acquisition, ...]
    plain: Mapping[str, Acquisition]
    scores: Mapping[str, Mapping[str, float]]
    """By model, share right by word."""
    frequency: Mapping[str, int] | None
    """How often each word is said in the training set; None where none was given."""
    rating: tuple[str, Mapping[str, float]] | None
    predictions: tuple[tuple[str, Prediction | str], ...]
    """By what is regressed on: a model's name, or empty for no model."""


@dataclass(frozen=True, kw_only=True)
class PlacedRespondent:
    """One respondent on the scale."""

    name: str
    is_person: bool
    is_baseline: bool
    age_months: float | None
    ability: AbilityEstimate
    like: LikeAge | str | None
    """None for people."""


@dataclass(frozen=True, kw_only=True)
class AbilityComparison:
    """Everybody who answered the same items, on one scale."""

    table: AnswerTable
    calibration: Calibration
    calibrated_on: str
    """Whose answers the difficulties come from, in words."""
    placed: tuple[PlacedRespondent, ...]
    growth: Growth | str


@dataclass(frozen=True, kw_only=True)
class ChildrenComparison:
    """Everything that the page shows."""

    runs: tuple[AnsweredRun, ...]
    sets: tuple[SetComparison, ...]
    words: WordComparison | None
    ability: AbilityComparison | None
    not_shown: tuple[str, ...]
    """What is missing, and why."""
    config: ChildrenConfig


def beside_children(
    runs: Sequence[Path],
    data: Path | None,
    config: ChildrenConfig | None = None,
    *,
    people: Path | None = None,
    training: Path | None = None,
    ratings: Path | None = None,
) -> ChildrenComparison:
    """Compares.

    Args:
        runs: Run folders of models and of people.
        data: Folder of sets of trials, of a table of words by month, or of both, at most two levels down; or that
            table.
        config: How.
        people: Ages of people, where they do not lie beside their runs.
        training: Curated set whose utterances tell how often a word is said.
        ratings: Table of words with a rating, such as concreteness.

    Raises:
        InputError: ``data`` has neither, or nothing at all can be compared.
        ConfigError: A run is given twice.
    """
    config = config or ChildrenConfig()
    if data is not None and not data.exists():
        raise InputError("there is no such folder", path=data, remedy="Give the folder of children's data")
    opened = read_runs(runs)
    folders = find_sets(data) if data is not None else ()
    table = find_words(data) if data is not None else None
    if data is not None and not folders and table is None:
        raise InputError(
            "no set of trials in it, and no table of words by month",
            path=data,
            remedy=f"A set has manifest.csv and human.csv; a table of words has the columns {','.join(COLUMNS)}",
        )
    missing = []
    sets = [_compare_set(read_set(folder), opened, config) for folder in folders]
    ages = ages_beside(opened) | (read_people(people) if people is not None else {})
    if any(run.is_people for run in opened):
        own = own_items(opened, ages)
        if isinstance(own, str):
            missing.append(f"Choices on your own items: {own}.")
        else:
            sets.append(_compared(own, frozenset(own.models), (), config))
    if not folders:
        missing.append("Choices of others' children: the data have no set of trials (manifest.csv and human.csv).")
    words = None
    if table is None:
        missing.append("Words: the data have no table of words by month.")
    else:
        words = _compare_words(table, opened, config, training, ratings)
    ability = _compare_abilities(opened, config, ages)
    if isinstance(ability, str):
        missing.append(f"Abilities: {ability}.")
    if not sets and words is None and isinstance(ability, str):
        raise InputError(f"nothing can be compared. {' '.join(missing)}", path=data)
    return ChildrenComparison(
        runs=opened,
        sets=tuple(sets),
        words=words,
        ability=None if isinstance(ability, str) else ability,
        not_shown=tuple(missing),
        config=config,
    )


def find_words(folder: Path) -> Path | None:
    """The first table of words by month in a folder, at most two levels down, or the table itself."""
    if folder.is_file():
        return folder if _has_columns(folder) else None
    for place, below, files in os.walk(folder):
        below.sort()
        if len(Path(place).relative_to(folder).parts) >= 2:
            below.clear()
        for name in sorted(files):
            path = Path(place) / name
            if path.suffix == ".csv" and _has_columns(path):
                return path
    return None


def _has_columns(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(COLUMNS) <= set(next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def _compare_set(trial_set: TrialSet, runs: Sequence[AnsweredRun], config: ChildrenConfig) -> SetComparison:
    """The models whose scores are stored, and those of the runs, beside the children of a set."""
    models, absent, own = dict(trial_set.models), [], set()
    for run in runs:
        if run.is_people:
            continue
        scores = scores_on(run, trial_set)
        if isinstance(scores, str):
            absent.append((run.name, scores))
            continue
        name = run.name if run.name not in models else f"{run.name} (run)"
        models[name] = scores
        own.add(name)
    return _compared(replace(trial_set, models=models), frozenset(own), absent, config)


def _compared(
    trial_set: TrialSet, own: frozenset[str], absent: Sequence[tuple[str, str]], config: ChildrenConfig
) -> SetComparison:
    rows, without = [], list(absent)
    for group in trial_set.ages:
        for model, scores_TP in trial_set.models.items():
            try:
                rows.append(
                    divergence_from(group, scores_TP, model=model, trial_set=trial_set.name, config=config.divergence)
                )
            except InputError as error:
                without.append((model, str(error)))
    return SetComparison(
        trial_set=trial_set,
        rows=tuple(rows),
        ceilings=tuple((group, noise_ceiling(trial_set, group, config.divergence)) for group in trial_set.ages),
        guessing=tuple((group, guessing_divergence(trial_set, group)) for group in trial_set.ages),
        absent=tuple(without),
        runs=own,
    )


def _compare_words(
    table: Path, runs: Sequence[AnsweredRun], config: ChildrenConfig, training: Path | None, ratings: Path | None
) -> WordComparison:
    found = acquisitions(read_word_counts(table, config.acquisition))
    plain = by_plain_word(found)
    scores = {run.name: words for run in runs if not run.is_people and (words := known_words(run))}
    frequency = None
    if training is not None:
        said = (utterance.text for utterance in PretrainingSet(training).utterances("train"))
        frequency = word_counts_of(said, plain)
    rating = None if ratings is None else read_ratings(ratings)
    common: dict[str, Mapping[str, float]] = {}
    if frequency is not None:
        common["frequency"] = {word: float(np.log1p(count)) for word, count in frequency.items()}
    if rating is not None:
        common[rating[0]] = rating[1]
    predictions: list[tuple[str, Prediction | str]] = [("", predict(plain, common))] if common else []
    for name, known in scores.items():
        predictions.append((name, predict(plain, {**common, "model": known}, model=name)))
    return WordComparison(
        source=table,
        found=found,
        plain=plain,
        scores=scores,
        frequency=frequency,
        rating=rating,
        predictions=tuple(predictions),
    )


def _compare_abilities(
    runs: Sequence[AnsweredRun], config: ChildrenConfig, ages: Mapping[str, float]
) -> AbilityComparison | str:
    """Everybody on one scale; or why there is none."""
    table = answer_table(runs)
    respondents = [who for who in table.respondents if who not in table.baselines]
    if len(respondents) < 2:
        return "fewer than two respondents, baselines aside, answered items of one round"
    row = {who: at for at, who in enumerate(table.respondents)}
    persons = [who for who in respondents if who in table.people]
    on, basis = respondents, f"all {len(respondents)} respondents, baselines aside"
    if len(persons) >= FEWEST_CHILDREN:
        on, basis = persons, f"{len(persons)} people"
    try:
        calibration = calibrate(table.right_RI[[row[who] for who in on]], table.items, config.ability)
    except InputError as error:
        return str(error).rstrip(".")
    column = {item: at for at, item in enumerate(table.items)}
    right_RI = table.right_RI[:, [column[item] for item in calibration.names]]
    answered_R = np.isfinite(right_RI).sum(axis=1) > 0
    chance_I = np.array([table.chances[item] for item in calibration.names])
    estimates = abilities(right_RI, calibration)
    aged = [who for who in persons if who in ages and answered_R[row[who]]]
    growth = fit_growth(right_RI[[row[who] for who in aged]], np.array([ages[who] for who in aged]), calibration)
    placed = []
    for who in table.respondents:
        if not answered_R[row[who]]:
            continue
        is_person = who in table.people
        like = None
        if not is_person:
            like = (
                growth
                if isinstance(growth, str)
                else like_age(right_RI[row[who]], calibration, growth, chance_I=chance_I)
            )
        placed.append(
            PlacedRespondent(
                name=who,
                is_person=is_person,
                is_baseline=who in table.baselines,
                age_months=ages.get(who),
                ability=estimates[row[who]],
                like=like,
            )
        )
    return AbilityComparison(
        table=table, calibration=calibration, calibrated_on=basis, placed=tuple(placed), growth=growth
    )
