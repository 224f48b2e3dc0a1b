"""Saved runs in, comparable rows out: who answered what, how well, and which figures are above chance.

A sub-task is *above chance* where the lower end of the 95% interval lies above the chance level and, if a run of random
guesses is present, also above the upper end of that run's interval.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation.respondents import Family
from babyvlm.evaluation.runs import Run, read_run, select_items, toolbox_hash
from babyvlm.records import Item, Outcome, Response, read_jsonl
from babyvlm.toolbox import ItemScore, Scores, TaskScore, Toolbox, open_toolbox, score_item
from babyvlm.toolbox.tasks import is_hard

FAMILIES: tuple[Family, ...] = get_args(Family)
"""The groups of rows, in the order of the published table."""


@dataclass(frozen=True)
class RunResult:
    """One respondent's run, as it was saved."""

    name: str
    """The respondent, told apart from others of its name."""
    folder: Path
    run: Run
    scores: Scores
    items: tuple[Item, ...]
    """What was asked, hard variants aside: those are rows of ``results.csv``, and no part of the page."""
    responses: dict[str, Response]
    """By item id."""

    @cached_property
    def judged(self) -> dict[str, ItemScore]:
        """What each response was worth, by item id; scored as ``scores`` was."""
        scoring = self.scores.scoring
        return {
            item.id: score_item(item, self.responses[item.id], scoring=scoring)
            for item in self.items
            if item.id in self.responses
        }

    @property
    def family(self) -> Family:
        return self.run.family

    @property
    def is_random(self) -> bool:
        """Whether these are random guesses, the null row of every comparison."""
        return self.run.model == "baseline:random"

    @property
    def by_task(self) -> dict[str, TaskScore]:
        return {score.task: score for score in self.scores.tasks}

    @property
    def chance(self) -> float:
        """Mean chance level of the sub-tasks present, 0 to 1."""
        chances = [task.chance for task in self.scores.tasks if not is_hard(task.task)]
        return sum(chances) / max(1, len(chances))

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Rounds by outcome, over all sub-tasks, hard variants aside."""
        total: Counter[Outcome] = Counter()
        for task in self.scores.tasks:
            total.update({} if is_hard(task.task) else task.outcomes)
        return {outcome: total[outcome] for outcome in get_args(Outcome)}


@dataclass(frozen=True)
class Results:
    """Runs that may stand in one table, because they answered the same toolbox and were scored alike."""

    toolbox: Toolbox
    runs: tuple[RunResult, ...]
    """In the order given."""

    @property
    def main(self) -> RunResult:
        """The respondent the page is about: the first that is no baseline, or else the first."""
        return next((run for run in self.runs if run.family != "baseline"), self.runs[0])

    @property
    def random(self) -> RunResult | None:
        return next((run for run in self.runs if run.is_random), None)

    @property
    def blind(self) -> RunResult | None:
        """The run that matches pictures and never reads the question."""
        return next((run for run in self.runs if run.run.model == "baseline:blind-match"), None)

    @property
    def ordered(self) -> tuple[RunResult, ...]:
        """By family, as published; within a family in the order given."""
        return tuple(sorted(self.runs, key=lambda run: FAMILIES.index(run.family)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sub-tasks that somebody was asked, in the order of tables."""
        asked = {task for run in self.runs for task in run.by_task}
        return tuple(task for task in self.toolbox.tasks if task in asked and not is_hard(task))

    def chance(self, task: str) -> float:
        """The chance level of a sub-task's items."""
        return next(run.by_task[task].chance for run in (self.main, *self.runs) if task in run.by_task)

    def is_above_chance(self, run: RunResult, task: str) -> bool:
        """Whether a respondent is above chance in a sub-task, by this module's definition."""
        result = run.by_task.get(task)
        if result is None or not result.scored or result.low <= result.chance:
            return False
        guesses = self.random.by_task.get(task) if self.random else None
        return guesses is None or result.low > guesses.high

    def above_chance(self, run: RunResult) -> tuple[str, ...]:
        """The sub-tasks in which a respondent is above chance."""
        return tuple(task for task in self.tasks if self.is_above_chance(run, task))

    def matched_blindly(self, run: RunResult) -> tuple[str, ...]:
        """Of those, the ones in which blind matching does at least as well: they need no reading of the question."""
        if self.blind is None or self.blind is run:
            return ()
        blind = self.blind.by_task
        return tuple(
            task
            for task in self.above_chance(run)
            if task in blind and self.is_above_chance(self.blind, task) and blind[task].value >= run.by_task[task].value
        )


def read_results(folders: Sequence[Path]) -> Results:
    """Reads run folders and makes sure that they may be compared.

    Raises:
        ConfigError: No run is given, one is given twice, or they answered different toolboxes or were scored in
            different ways.
        DataFolderError: A folder is no run, has not been scored, or its toolbox is missing or has changed.
    """
    if not folders:
        raise ConfigError("give at least one run: a folder written by babyvlm evaluate")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ConfigError("the same run is given twice")
    metas = {folder: read_run(folder) for folder in folders}
    first = metas[folders[0]]
    for folder, run in metas.items():
        if run.toolbox_hash != first.toolbox_hash:
            raise ConfigError(
                f"{folder}: answered another toolbox ({run.toolbox}) than {folders[0]} ({first.toolbox}). "
                "Figures on different items do not belong in one table; write one report for each"
            )
    toolbox = open_toolbox(Path(os.path.normpath(folders[0].resolve() / first.toolbox)))
    if toolbox_hash(toolbox) != first.toolbox_hash:
        raise DataFolderError(
            "the toolbox is not the one these runs answered",
            path=toolbox.folder,
            remedy="Evaluate again, in new folders",
        )
    results = [_read_result(folder, run, toolbox) for folder, run in metas.items()]
    for result in results:
        if result.scores.scoring != results[0].scores.scoring:
            raise ConfigError(
                f"{result.folder}: scored as {result.scores.scoring!r}, {folders[0]} as {results[0].scores.scoring!r}. "
                "Score one of them again with babyvlm score"
            )
    names = Counter(result.name for result in results)
    distinct = (
        replace(result, name=f"{result.name} ({result.folder.resolve().name})") if names[result.name] > 1 else result
        for result in results
    )
    return Results(toolbox=toolbox, runs=tuple(distinct))


def _read_result(folder: Path, run: Run, toolbox: Toolbox) -> RunResult:
    return RunResult(
        name=run.respondent,
        folder=folder,
        run=run,
        scores=read_scores(folder),
        items=tuple(item for item in select_items(toolbox, run.tasks, run.limit) if item.variant != "hard"),
        responses={response.item: response for response in read_jsonl(folder / "responses.jsonl", Response)},
    )


def read_scores(folder: Path) -> Scores:
    """A run's ``scores.json``.

    Raises:
        DataFolderError: It is missing or does not validate.
    """
    path = folder / "scores.json"
    if not path.is_file():
        raise DataFolderError(
            "this run has not been scored", path=folder, remedy="Run babyvlm evaluate again to go on to its end"
        )
    try:
        return Scores.model_validate(json.loads(path.read_text(encoding="utf-8"))["babyvlm"])
    except (ValueError, KeyError, TypeError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise DataFolderError(
            f"not the scores of a run: {problem}", path=path, remedy="Run babyvlm score on the folder"
        ) from error
