"""Asking, scoring, comparing.

respondent + toolbox ──> run folder ──> scores ──> comparison of two runs | spread over seeds
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place
from babyvlm.errors import DataFolderError, OutputExistsError

if TYPE_CHECKING:
    from babyvlm.evaluation import AskConfig, Respondent
    from babyvlm.evaluation.statistics import Comparison, Spread
    from babyvlm.toolbox import Scores, Scoring


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of asking one respondent."""

    folder: Path
    """The run folder."""
    respondent: str
    scores: Scores
    failures: str
    """Items of which nothing came back, and why, in a few lines; empty where there is none."""
    controls: Mapping[str, Evaluation] = field(default_factory=dict)
    """The control rows by name, where they were asked for."""


def evaluate(
    model: Place,
    toolbox: Place,
    out: Place,
    *,
    tasks: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    controls: bool = False,
    retry_failed: bool = False,
    share_restricted: bool = False,
    part: str = "",
    ask: AskConfig | None = None,
    on_run: Callable[[Evaluation], None] | None = None,
) -> Evaluation:
    """Lets a respondent answer a toolbox's items. Called again after an interruption it resumes where it stopped.

    Args:
        model: A checkpoint folder, or a name as ``babyvlm evaluate`` takes it: ``hf:NAME``, ``openai:NAME``,
            ``baseline:random`` and so on.
        toolbox: Folder written by `build_toolbox` or `import_toolbox`.
        out: The run folder; control rows go to ``nulls/NAME`` in it.
        tasks: Tasks to ask; all when empty.
        limit: Items a task; None for all.
        seed: Seed of the random baseline and of shuffled options.
        controls: Whether every control row is run too: random, majority, blind matching, and the same model with text
            only, with blank images and with shuffled options (ours).
        retry_failed: Whether to ask again the items of which nothing came back.
        share_restricted: Whether restricted pictures may go to a respondent outside this machine.
        part: ``2/4`` for the second of four parts of the items, which other processes ask at the same time; `merge`
            puts their runs together. All when empty.
        ask: How the respondent is asked.
        on_run: Called after each run, the model's and then those of the control rows.

    Returns:
        Folder, scores and failures of the run, with those of its control rows.

    Raises:
        ConfigError: An unknown respondent, ``out`` holds another run, ``part`` is none, or restricted pictures would
            leave this machine.
        DataFolderError: Not one item was answered, or another process is at the run.
    """
    from babyvlm import evaluation
    from babyvlm.evaluation.run_parts import RunPart
    from babyvlm.evaluation.table import describe_failures
    from babyvlm.records import Response, read_jsonl
    from babyvlm.toolbox import open_toolbox

    model, out, ask = str(model), Path(out), ask or evaluation.AskConfig()
    asked_part = RunPart.read(part)
    opened = open_toolbox(Path(toolbox))
    respondent = evaluation.choose_respondent(model, opened, seed=seed, ask=ask)

    def run(who: Respondent, folder: Path, named: str, rows: Sequence[str]) -> Evaluation:
        scores = evaluation.evaluate(
            who, opened, folder, model=named, tasks=rows, limit=limit, share_restricted=share_restricted, ask=ask,
            seed=seed, retry_failed=retry_failed, part=asked_part,
        )  # fmt: skip
        failures = describe_failures(read_jsonl(folder / "responses.jsonl", Response))
        made = Evaluation(folder=folder, respondent=who.name, scores=scores, failures=failures)
        if on_run is not None:
            on_run(made)
        if not any(task.scored for task in scores.tasks):
            raise DataFolderError(f"no item was answered, so there is no figure.\n{failures}", path=folder)
        return made

    main = run(respondent, out, model, tasks)
    made, asked = {}, evaluation.read_run(out).tasks
    for name, control in evaluation.choose_controls(respondent, opened, seed=seed).items() if controls else ():
        named = f"baseline:{name}" if name in evaluation.BASELINES else f"baseline:{name}:{model}"
        made[name] = run(control, out / "nulls" / name, named, asked)
    return dataclasses.replace(main, controls=made)


def score(run: Place, scoring: Scoring = "default") -> Scores:
    """Scores a run's replies again, without asking anybody, and writes the scores to its folder.

    Args:
        run: Folder written by `evaluate`.
        scoring: Our own reading of replies (``default``), or the published one with its faults (``reference``,
            ``leaderboard``).

    Returns:
        The scores.

    Raises:
        DataFolderError: The folder is no run, or its toolbox is missing or has changed.
    """
    from babyvlm.evaluation import score_run

    return score_run(Path(run), scoring)


def merge(runs: Sequence[Place], out: Place) -> Scores:
    """Makes one run of the runs over the parts of a toolbox, as several processes or GPUs asked them.

    Args:
        runs: Folders written by `evaluate`, each with another ``part``, all of them.
        out: The run folder to write; absent or empty.

    Returns:
        The scores of the whole.

    Raises:
        ConfigError: Fewer than two runs, runs that differ in more than the part, or two that hold the same item.
        DataFolderError: A folder is no run or not finished, or an item is in none of them.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.evaluation.merging import merge_runs

    return merge_runs([Path(run) for run in runs], Path(out))


def compare(runs: Sequence[Place], *, out: Place | None = None) -> Comparison:
    """Tests whether two runs differ, item by item.

    Args:
        runs: Two folders written by `evaluate` on the same toolbox.
        out: JSON file to write the figures to; absent.

    Returns:
        Differences with intervals and p-values, by task.

    Raises:
        ConfigError: Not two runs, one run twice, or runs on different toolboxes.
        DataFolderError: A folder is no run.
        OutputExistsError: ``out`` is there.
    """
    from babyvlm.evaluation.compare import compare_folders

    _refuse(out)
    comparison = compare_folders([Path(run) for run in runs])
    if out is not None:
        Path(out).write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return comparison


def compare_seeds(runs: Sequence[Place], *, out: Place | None = None) -> tuple[Spread, ...]:
    """Puts runs of one model with several seeds together: mean, standard deviation and range.

    Args:
        runs: Two or more folders written by `evaluate` on the same toolbox.
        out: JSON file to write the figures to; absent.

    Returns:
        One spread for each task and for the mean of sub-tasks.

    Raises:
        ConfigError: Fewer than two runs, one run twice, or runs that differ in more than a seed.
        DataFolderError: A folder is no run.
        OutputExistsError: ``out`` is there.
    """
    from babyvlm.evaluation.compare import spread_folders

    _refuse(out)
    spreads = spread_folders([Path(run) for run in runs])
    if out is not None:
        text = json.dumps([row.model_dump(mode="json") for row in spreads], indent=2)
        Path(out).write_text(text + "\n", encoding="utf-8")
    return spreads


def _refuse(out: Place | None) -> None:
    if out is not None and Path(out).exists():
        raise OutputExistsError(out, "something")


def power(difference: float, *, differing: float | None = None, accuracy: float = 0.5, power: float = 0.8) -> int:
    """Tells how many items a study needs to find a difference between two respondents, two-sided at 5%.

    Args:
        difference: Difference in accuracy to be found, 0 to 1.
        differing: Share of the items on which the two differ, if both answer the same items (McNemar's test).
        accuracy: The lower of the two accuracies, if they answer different items.
        power: Chance to find the difference, 0 to 1.

    Returns:
        Items; for each of the two respondents where they answer different ones.

    Raises:
        ConfigError: The figures contradict each other.
    """
    from babyvlm.evaluation.statistics import items_needed

    return items_needed(difference, differing=differing, accuracy=accuracy, power=power)
