"""Saved runs in, comparable rows out: who answered what, how well, and which figures are above chance.

A sub-task is *above chance* where the lower end of the 95% interval lies above the chance level and, if a run of random
guesses is present, also above the upper end of that run's interval.

That alone does not show that a task was learned: some fall to matching pictures without reading the question. A
*control* is a baseline that never reads the question, or a model that never sees the pictures. A respondent is *above
the controls* where its difference to the control that does best, item by item, has a 95% interval above zero; only a
sub-task in which it is above both is said to be learned.
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
from babyvlm.evaluation.people import typical_responses, typical_scores
from babyvlm.evaluation.respondents import Family
from babyvlm.evaluation.runs import Run, judge, read_run
from babyvlm.evaluation.statistics import (
    Comparison,
    Interval,
    Overall,
    PairedTask,
    Spread,
    compare,
    independent_difference,
    overall,
    spread,
)
from babyvlm.records import Item, Outcome, Response, read_jsonl
from babyvlm.toolbox import TASKS, ItemScore, Scores, TaskScore, Toolbox, open_toolbox
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.tasks import in_table_order, is_extra, is_hard, row_name

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
    """What was asked, hard variants and tasks of other packages aside: those have a table of their own."""
    replied: tuple[Response, ...]
    """In the order of the run; of a run of people, several to one item."""

    @cached_property
    def responses(self) -> dict[str, Response]:
        """By item id; where several people replied, what is typical of them."""
        return typical_responses(self.replied)

    @cached_property
    def judgements(self) -> tuple[tuple[Item, ItemScore], ...]:
        """What every single response was worth; scored as ``scores`` was."""
        return tuple(judge(self.items, self.replied, self.scores.scoring))

    @cached_property
    def judged(self) -> dict[str, ItemScore]:
        """What the response to each item was worth, by item id; where several people replied, on average."""
        return typical_scores(score for _, score in self.judgements)

    @cached_property
    def overall(self) -> Overall | None:
        """The mean with its intervals; None where every reply failed."""
        if not any(score.metrics for score in self.judged.values()):
            return None
        return overall(self.items, self.judged)

    @property
    def family(self) -> Family:
        return self.run.family

    @property
    def is_random(self) -> bool:
        """Whether these are random guesses, the control of every comparison."""
        return self.run.model == "baseline:random"

    @property
    def figures(self) -> dict[str, float]:
        """The primary metric of each sub-task that has one, and the mean."""
        named = {**{task.task: task.value for task in self.scores.tasks}, "mean": self.scores.overall}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def by_task(self) -> dict[str, TaskScore]:
        return {score.task: score for score in self.scores.tasks}

    @property
    def chance(self) -> float:
        """Mean chance level of the sub-tasks present, 0 to 1."""
        chances = [task.chance for task in self.scores.tasks if not is_extra(task.task)]
        return sum(chances) / max(1, len(chances))

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Rounds by outcome, over all sub-tasks that count in the mean."""
        total: Counter[Outcome] = Counter()
        for task in self.scores.tasks:
            total.update({} if is_extra(task.task) else task.outcomes)
        return {outcome: total[outcome] for outcome in get_args(Outcome)}


@dataclass(frozen=True)
class BestControl:
    """A respondent beside the control that does best in a sub-task."""

    name: str
    value: float
    """Score of the control, on the items that both answered."""
    difference: Interval
    """The respondent less the control, over items."""

    @property
    def is_beaten(self) -> bool:
        return self.difference.low > 0


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
    def controls(self) -> tuple[RunResult, ...]:
        """The runs that never read the question or never see the pictures."""
        return tuple(run for run in self.ordered if is_control(run.run))

    @property
    def rival(self) -> RunResult | None:
        """The respondent to look at disagreements with: the next that is no baseline."""
        return next((run for run in self.ordered if run.family != "baseline" and run is not self.main), None)

    @property
    def ordered(self) -> tuple[RunResult, ...]:
        """By family, as published; within a family in the order given."""
        return tuple(sorted(self.runs, key=lambda run: FAMILIES.index(run.family)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The published sub-tasks that somebody was asked, in the order of tables."""
        asked = {task for run in self.runs for task in run.by_task}
        return tuple(task for task in self.toolbox.tasks if task in asked and not is_extra(task))

    @property
    def hard_rows(self) -> tuple[str, ...]:
        """The hard variants that somebody was asked, in the order of tables."""
        return in_table_order(task for run in self.runs for task in run.by_task if is_hard(task))

    @property
    def extension_rows(self) -> tuple[str, ...]:
        """The tasks of other packages that somebody was asked, by name; like hard variants they are in no mean."""
        extra = in_table_order(task for run in self.runs for task in run.by_task if is_extra(task))
        return tuple(task for task in extra if not is_hard(task))

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

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every other run against the main one, on the items that both have a figure for."""
        found = []
        for run in self.ordered:
            shared = {
                item
                for item, score in run.judged.items()
                if score.metrics and self.main.judged.get(item, score).metrics
            } & self.main.judged.keys()
            if run is not self.main and shared:
                found.append(compare(self.main.items, run.judged, self.main.judged, names=(run.name, self.main.name)))
        return tuple(found)

    @cached_property
    def spreads(self) -> dict[str, tuple[Spread, ...]]:
        """Runs of one respondent, as with several seeds, put together; by the respondent's name."""
        groups: dict[str, list[RunResult]] = {}
        for run in self.ordered:
            groups.setdefault(run.run.respondent, []).append(run)
        return {name: spread([run.figures for run in runs]) for name, runs in groups.items() if len(runs) > 1}

    def above_chance(self, run: RunResult) -> tuple[str, ...]:
        """The sub-tasks in which a respondent is above chance."""
        return tuple(task for task in self.tasks if self.is_above_chance(run, task))

    def best_controls(self, run: RunResult) -> dict[str, BestControl]:
        """Beside a respondent, the control that does best, by sub-task; none beside a control."""
        if run.name not in self._best_controls:
            self._best_controls[run.name] = {} if is_control(run.run) else self._found_controls(run)
        return self._best_controls[run.name]

    @cached_property
    def _best_controls(self) -> dict[str, dict[str, BestControl]]:
        return {}

    def _found_controls(self, run: RunResult) -> dict[str, BestControl]:
        best: dict[str, BestControl] = {}
        for control in self.controls:
            for task in self._against(control, run):
                if task.task not in best or task.first > best[task.task].value:
                    best[task.task] = BestControl(name=control.name, value=task.first, difference=task.difference)
        return best

    def _against(self, control: RunResult, run: RunResult) -> tuple[PairedTask, ...]:
        """A respondent less a control, by sub-task, on the items that both have a figure for."""
        if run is self.main:
            return next((one.tasks for one in self.comparisons if one.first == control.name), ())
        scored = {item for item, score in control.judged.items() if score.metrics}
        if not any(score.metrics and item in scored for item, score in run.judged.items()):
            return ()
        return compare(run.items, control.judged, run.judged, names=(control.name, run.name)).tasks

    def learned(self, run: RunResult) -> tuple[str, ...]:
        """The sub-tasks in which a respondent is above chance and the controls; none where there is no control."""
        best = self.best_controls(run)
        return tuple(task for task in self.above_chance(run) if task in best and best[task].is_beaten)


def is_control(run: Run) -> bool:
    """Whether a run's figures need no reading of the question, or no sight.

    The same model with its options in another order is none: it reads and sees.
    """
    return run.family == "baseline" and not run.model.startswith("baseline:shuffled-options:")


@dataclass(frozen=True)
class Elsewhere:
    """A respondent's figures on another toolbox, beside those on this page's."""

    name: str
    toolbox: str
    """Name of the other toolbox's folder."""
    here: RunResult
    there: RunResult
    differences: dict[str, Interval]
    """There less here, by sub-task; items differ, so that they are compared as independent samples."""

    @property
    def mean_here(self) -> float:
        """Mean over the sub-tasks asked in both places."""
        return sum(self.here.figures[task] for task in self.differences) / len(self.differences)

    @property
    def mean_there(self) -> float:
        """Mean over the sub-tasks asked in both places."""
        return sum(self.there.figures[task] for task in self.differences) / len(self.differences)


def read_elsewhere(folders: Sequence[Path], results: Results) -> tuple[Elsewhere, ...]:
    """Runs of the page's respondents on other toolboxes, as out of domain.

    Raises:
        ConfigError: A run answered this page's toolbox or one of another construction, nobody on this page is its
            respondent, or the two share no sub-task.
        DataFolderError: A folder is no scored run, or its toolbox is missing or has changed.
    """
    found = []
    for folder in folders:
        other = read_results([folder])
        there = other.runs[0]
        here = next((run for run in results.ordered if run.run.respondent == there.run.respondent), None)
        if there.run.toolbox_hash == results.main.run.toolbox_hash:
            raise ConfigError(f"{folder}: answered the same toolbox as the others; give it among the runs")
        if here is None:
            raise ConfigError(
                f"{folder}: {there.run.respondent} is not among the runs of this page; give its run on this toolbox too"
            )
        if other.toolbox.construction != results.toolbox.construction:
            raise ConfigError(
                f"{folder}: its toolbox is of the {other.toolbox.construction} construction, this page's of the "
                f"{results.toolbox.construction}: their figures belong in no one mean. Build both alike"
            )
        differences = {}
        for task in TASKS:
            one, two = here.by_task.get(task), there.by_task.get(task)
            if one is not None and two is not None and one.value is not None and two.value is not None:
                differences[task] = independent_difference(one.value, one.effective_size, two.value, two.effective_size)
        if not differences:
            raise ConfigError(f"{folder}: shares no sub-task with {here.folder}")
        name = Path(there.run.toolbox).name
        found.append(Elsewhere(name=here.name, toolbox=name, here=here, there=there, differences=differences))
    return tuple(found)


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
        items=tuple(item for item in run.select(toolbox) if not is_extra(row_name(item.task, item.variant))),
        replied=tuple(read_jsonl(folder / "responses.jsonl", Response)),
    )


def read_scores(folder: Path) -> Scores:
    """A run's ``scores.json``.

    Raises:
        DataFolderError: It is missing or does not validate.
    """
    path = folder / "scores.json"
    if not path.is_file():
        raise DataFolderError(
            "this run has not been scored", path=folder, remedy="Run babyvlm evaluate again to resume it"
        )
    try:
        return Scores.model_validate(json.loads(path.read_text(encoding="utf-8"))["babyvlm"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise DataFolderError(
            f"not the scores of a run: {problem}", path=path, remedy="Run babyvlm score on the folder"
        ) from error
