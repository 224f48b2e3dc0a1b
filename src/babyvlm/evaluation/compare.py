"""Runs compared: run folders in, tests and spreads out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.evaluation.apis import APIS
from babyvlm.evaluation.runs import Judged, Run, judge_run
from babyvlm.evaluation.statistics import Comparison, Spread, compare, spread
from babyvlm.toolbox import summarise


def compare_folders(folders: Sequence[Path]) -> Comparison:
    """Compares two runs on the items that both answered.

    Raises:
        ConfigError: Not two runs, one run twice, or runs on different toolboxes.
        DataFolderError: A folder is no run, or its toolbox is missing or has changed.
    """
    if len(folders) != 2:
        raise ConfigError(f"give two runs to compare, not {len(folders)}; with --seeds, two or more are put together")
    first, second = _on_one_toolbox(folders)
    names = _told_apart(folders, (first, second))
    return compare(first.items, first.scores, second.scores, names=(names[0], names[1]))


def spread_folders(folders: Sequence[Path]) -> tuple[Spread, ...]:
    """Puts runs together that differ in nothing but a seed.

    Raises:
        ConfigError: Fewer than two runs, or one run twice.
        DataFolderError: A folder is no run, or its toolbox is missing or has changed.
    """
    if len(folders) < 2:
        raise ConfigError(f"give at least two runs to put together, not {len(folders)}")
    _refuse_repeats(folders)
    judged = [judge_run(folder) for folder in folders]
    _refuse_strangers(folders, judged)
    figures = []
    for one in judged:
        scores = summarise(one.scores.values(), one.items)
        named = {**{task.task: task.value for task in scores.tasks}, "mean of sub-tasks": scores.overall}
        figures.append({name: value for name, value in named.items() if value is not None})
    return spread(figures)


def _refuse_strangers(folders: Sequence[Path], judged: Sequence[Judged]) -> None:
    """Raises ConfigError where two runs differ in more than a seed."""
    first = judged[0].run
    for folder, one in zip(folders, judged, strict=True):
        run = one.run
        for what, then, now in (
            ("respondent", _kind(first), _kind(run)),
            ("toolbox", first.toolbox_hash, run.toolbox_hash),
            ("tasks", first.tasks, run.tasks),
            ("limit", first.limit, run.limit),
            ("items", first.items, run.items),
            ("options", first.options, run.options),
        ):
            if then != now:
                raise ConfigError(
                    f"{folder}: differs from {folders[0]} in more than a seed ({what}: {then!r} and {now!r}); a spread "
                    "over seeds needs runs of one model on the same items"
                )


def _kind(run: Run) -> str:
    """What runs of one model with several seeds have in common: the kind of respondent, and its name where that does
    not differ between seeds, as the folders of checkpoints do."""
    parts = run.model.split(":")
    if parts[0] == "baseline":
        return ":".join(parts[:2])
    return run.model if len(parts) > 1 and parts[0] in (*APIS, "hf") else run.family


def _on_one_toolbox(folders: Sequence[Path]) -> list[Judged]:
    _refuse_repeats(folders)
    judged = [judge_run(folder) for folder in folders]
    for folder, one in zip(folders, judged, strict=True):
        if one.run.toolbox_hash != judged[0].run.toolbox_hash:
            raise ConfigError(f"{folder}: answered another toolbox than {folders[0]}; pairs need the same items")
    return judged


def _refuse_repeats(folders: Sequence[Path]) -> None:
    repeated = [folder for folder, times in Counter(folder.resolve() for folder in folders).items() if times > 1]
    if repeated:
        raise ConfigError(f"{repeated[0]}: the same run is given twice")


def _told_apart(folders: Sequence[Path], judged: Sequence[Judged]) -> list[str]:
    names = [one.run.respondent for one in judged]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({folder.resolve().name})" for name, folder in zip(names, folders, strict=True)]
