"""Run folders as this room needs them: scores by trial and picture, answers by item, words known, and ages of people.

RUN ──> graded replies to items of the battery ``devbench`` ──> scores, trials x pictures
    ──> right and wrong by respondent and item              ──> abilities
    ──> right and wrong by word                             ──> words
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np

from babyvlm.children.trials import Floats, TrialSet
from babyvlm.errors import ConfigError, DataFolderError, InputError
from babyvlm.evaluation.runs import Run, judge, read_run
from babyvlm.records import Item, Reply, Response, read_jsonl
from babyvlm.spreadsheets import open_table
from babyvlm.toolbox import ItemScore, open_toolbox
from babyvlm.toolbox.devbench import read_place
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.tasks import WORD_TASKS, task_named

PEOPLE = "participants.csv"
"""The table of people in a study's export, beside its runs."""


def option_scores(reply: Reply) -> tuple[float, ...] | None:
    """The score of each option, in the order of the round's options; None where the respondent gave none."""
    return None if reply.scores is None else reply.scores.sums


@dataclass(frozen=True, kw_only=True)
class AnsweredRun:
    """One run, opened."""

    name: str
    """The respondent, told apart from others of its name."""
    folder: Path
    run: Run
    items: tuple[Item, ...]
    responses: tuple[Response, ...]

    @property
    def is_people(self) -> bool:
        return self.run.family == "human"

    @property
    def is_baseline(self) -> bool:
        return self.run.family == "baseline"

    @cached_property
    def judged(self) -> tuple[tuple[Item, ItemScore], ...]:
        """What every response was worth."""
        return tuple(judge(self.items, self.responses))

    def person(self, participant: str) -> str:
        """Who replied: a participant of a pooled run, or the one person or model of this run."""
        return participant or (self.folder.resolve().name if self.is_people else self.name)


def read_runs(folders: Sequence[Path]) -> tuple[AnsweredRun, ...]:
    """Opens run folders, which may have answered different toolboxes.

    Raises:
        ConfigError: One is given twice.
        DataFolderError: A folder is no run, or its toolbox is missing or has changed.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ConfigError("the same run is given twice")
    opened = [_open(folder) for folder in folders]
    names = Counter(one.name for one in opened)
    return tuple(
        replace(one, name=f"{one.name} ({one.folder.resolve().name})") if names[one.name] > 1 else one for one in opened
    )


def _open(folder: Path) -> AnsweredRun:
    run = read_run(folder)
    toolbox = open_toolbox(Path(os.path.normpath(folder.resolve() / run.toolbox)))
    if toolbox_hash(toolbox) != run.toolbox_hash:
        raise DataFolderError(
            "the toolbox is not the one this run answered",
            path=toolbox.folder,
            remedy="Evaluate again, in a new folder",
        )
    return AnsweredRun(
        name=run.respondent,
        folder=folder,
        run=run,
        items=tuple(run.select(toolbox)),
        responses=tuple(read_jsonl(folder / "responses.jsonl", Response)),
    )


def scores_on(run: AnsweredRun, trial_set: TrialSet) -> Floats | str:
    """A run's scores on a set, trials x pictures, NaN where it has none; or why it has none at all."""
    places = {item.id: [read_place(origin.source) for origin in item.turns[0].origins] for item in run.items}
    scores_TP = np.full((len(trial_set.trials), trial_set.num_pictures), np.nan)
    asked = graded = 0
    for response in run.responses:
        found = places.get(response.item) or [None]
        if any(place is None or place.trial_set != trial_set.name for place in found):
            continue
        asked += 1
        scores = option_scores(response.replies[0])
        if scores is None or len(scores) != len(found):
            continue
        graded += 1
        for place, score in zip(found, scores, strict=True):
            assert place is not None
            if place.number > len(trial_set.trials) or place.picture > trial_set.num_pictures:
                raise InputError(
                    f"{run.name} was asked trial {place.number}, picture {place.picture} of {trial_set.name}",
                    path=trial_set.folder,
                    remedy="Was its toolbox imported from these data?",
                )
            scores_TP[place.number - 1, place.picture - 1] = score
    if not asked:
        return f"it was not asked items of {trial_set.name}"
    if not graded:
        return "its replies have no scores; evaluate it with --answer likelihood"
    return scores_TP


def read_people(path: Path) -> dict[str, float]:
    """Ages in months by participant; people without an age are absent.

    Raises:
        InputError: The file lacks ``participant`` or ``age_months``, or an age is none.
    """
    table = open_table(path)
    if not {"participant", "age_months"} <= set(table.columns):
        raise InputError(
            f"the columns are {', '.join(table.columns)}", path=path, remedy="It needs participant and age_months"
        )
    ages = {}
    for line, row in table:
        if not row["age_months"].strip():
            continue
        try:
            age = float(row["age_months"])
        except ValueError as error:
            raise InputError(f"{row['age_months']!r} is no age", path=path, place=f"line {line}") from error
        if not math.isfinite(age) or age < 0:
            raise InputError(f"{row['age_months']!r} is no age in months", path=path, place=f"line {line}")
        ages[row["participant"].strip()] = age
    return ages


def ages_beside(runs: Sequence[AnsweredRun]) -> dict[str, float]:
    """Ages from the tables of people that lie beside runs of a study's export."""
    found: dict[str, float] = {}
    for run in runs:
        if run.is_people:
            for folder in run.folder.resolve().parents[:2]:
                if (folder / PEOPLE).is_file():
                    found.update(read_people(folder / PEOPLE))
                    break
    return found


@dataclass(frozen=True, kw_only=True)
class AnswerTable:
    """Right and wrong, respondents x items."""

    respondents: tuple[str, ...]
    people: frozenset[str]
    """Those of them who are people."""
    baselines: frozenset[str]
    items: tuple[str, ...]
    labels: dict[str, str]
    """What each item is, to read: its task and what it turns on."""
    chances: dict[str, float]
    """Chance of guessing each item right."""
    right_RI: Floats
    """1 right, 0 wrong, NaN where there is no answer."""
    several_rounds: int
    """Items left out because they have several rounds, which depend on each other."""


def answer_table(runs: Iterable[AnsweredRun]) -> AnswerTable:
    """Answers of every run. A person who stands in two runs, pooled and alone, counts once.

    A reply that nothing can be read from is wrong, and one that never came is no answer, as in scores.
    """
    answers: dict[str, dict[str, float]] = defaultdict(dict)
    people: set[str] = set()
    baselines: set[str] = set()
    several: set[str] = set()
    labels: dict[str, str] = {}
    chances: dict[str, float] = {}
    for run in runs:
        for item, score in run.judged:
            if len(item.turns) > 1:
                several.add(item.id)
                continue
            who = run.person(score.participant)
            (people if run.is_people else baselines if run.is_baseline else set()).add(who)
            labels[item.id] = f"{task_named(item.task).title}: {item.category or item.turns[0].gold}"
            chances[item.id] = item.chance
            right = score.metrics.get(task_named(item.task).primary_metric)
            if right is not None:
                answers[who][item.id] = float(right)
    items, respondents = tuple(sorted(labels)), tuple(sorted(answers))
    place = {item: at for at, item in enumerate(items)}
    right_RI = np.full((len(respondents), len(items)), np.nan)
    for row, who in enumerate(respondents):
        for name, value in answers[who].items():
            right_RI[row, place[name]] = value
    return AnswerTable(
        respondents=respondents,
        people=frozenset(people),
        baselines=frozenset(baselines),
        items=items,
        labels=labels,
        chances=chances,
        right_RI=right_RI,
        several_rounds=len(several),
    )


def known_words(run: AnsweredRun) -> Mapping[str, float]:
    """Share of a word's items that a run gets right, by word, over tasks that ask for a word among pictures."""
    by_word: dict[str, list[float]] = defaultdict(list)
    for item, score in run.judged:
        if item.task in WORD_TASKS and item.category and score.metrics:
            by_word[item.category.lower()].append(score.metrics[task_named(item.task).primary_metric])
    return {word: fmean(values) for word, values in by_word.items()}
