"""Runs over parts of a toolbox put together: the run that a single process would have made.

run.json        of the first part, with all items; begun with the first, finished with the last
responses.jsonl, phrases.jsonl    of all parts, in the toolbox's order
nulls/NAME      the control rows, where every part has them
scores.json     of the whole

An API's ``rounds.jsonl`` and ``charges.jsonl`` stay with the parts: what a reply did cost stands in the reply.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation.phrases import PHRASES
from babyvlm.evaluation.runs import Run, read_run, run_toolbox, score_run, select_items, write_run
from babyvlm.folders import fresh_folder
from babyvlm.records import Item, Response, read_jsonl, write_jsonl
from babyvlm.toolbox import Scores
from babyvlm.toolbox.winoground import JudgedPair, winoground_pairs

NULLS = "nulls"
"""The folder of a run that holds its control rows."""
_ALIKE = (
    "respondent", "family", "model", "toolbox_hash", "tasks", "limit", "options", "seed", "revision", "cannot_answer",
    "extensions",
)  # fmt: skip
_QUOTED = 3


def merge_runs(folders: Sequence[Path], out: Path) -> Scores:
    """Makes one run of the runs over the parts of a toolbox, and of their control rows where they have any.

    Args:
        folders: Folders written by ``babyvlm evaluate --part``, each of another part, all of them.
        out: The run folder to write; absent or empty.

    Returns:
        The scores of the whole.

    Raises:
        ConfigError: Fewer than two runs, runs that differ in more than the part, or two that hold the same item.
        DataFolderError: A folder is no run or not finished, an item is in none of them, or the toolbox has changed.
        OutputExistsError: ``out`` holds something.
    """
    if len(folders) < 2:
        raise ConfigError(f"give at least two runs to merge, not {len(folders)}")
    names = [sorted(path.name for path in (folder / NULLS).glob("*") if path.is_dir()) for folder in folders]
    for folder, have in zip(folders, names, strict=True):
        if have != names[0]:
            raise ConfigError(
                f"{folder}: has the control rows {', '.join(have) or 'none'}, {folders[0]} has "
                f"{', '.join(names[0]) or 'none'}; ask every part with --nulls, or none"
            )
    with fresh_folder(out) as partial:
        for name in names[0]:
            (partial / NULLS / name).mkdir(parents=True)
            _merge([folder / NULLS / name for folder in folders], out / NULLS / name, partial / NULLS / name)
        return _merge(folders, out, partial)


def _merge(folders: Sequence[Path], out: Path, partial: Path) -> Scores:
    """Fills one run's folder, which is yet to be moved to ``out``."""
    runs = [read_run(folder) for folder in folders]
    _refuse_strangers(folders, runs)
    first = runs[0]
    toolbox = run_toolbox(folders[0], first)
    items = select_items(toolbox, first.tasks, first.limit)
    responses = _responses(folders, {item.id: item for item in items})
    if missing := [item.id for item in items if item.id not in responses]:
        named = ", ".join(missing[:_QUOTED]) + (" and others" if len(missing) > _QUOTED else "")
        raise DataFolderError(
            f"{len(missing)} of {len(items)} items are in none of the {len(folders)} runs ({named})",
            path=folders[-1],
            remedy="Give the run of every part",
        )
    write_jsonl(partial / "responses.jsonl", (responses[item.id] for item in items))
    _merge_phrases(folders, partial, items)
    whole = first.model_copy(
        update={
            "items": None,
            "toolbox": os.path.relpath(toolbox.folder.resolve(), out.resolve()),
            "started": min(run.started for run in runs),
            "finished": max(run.finished for run in runs),
        }
    )
    write_run(partial, whole)
    return score_run(partial, toolbox=toolbox)


def _refuse_strangers(folders: Sequence[Path], runs: Sequence[Run]) -> None:
    """Raises where a run is not finished, or differs in more than its part."""
    for folder, run in zip(folders, runs, strict=True):
        if not run.finished:
            remedy = "Run the same command of babyvlm evaluate again to resume it"
            raise DataFolderError("the run is not finished", path=folder, remedy=remedy)
        for field in _ALIKE:
            if getattr(run, field) != getattr(runs[0], field):
                raise ConfigError(
                    f"{folder}: differs from {folders[0]} in more than its part ({field}: {getattr(runs[0], field)!r} "
                    f"and {getattr(run, field)!r}); parts of one run have one respondent, one toolbox and one setting"
                )


def _responses(folders: Sequence[Path], known: dict[str, Item]) -> dict[str, Response]:
    """All responses by item id."""
    found: dict[str, Response] = {}
    places: dict[str, Path] = {}
    for folder in folders:
        for response in read_jsonl(folder / "responses.jsonl", Response):
            if response.item not in known:
                raise DataFolderError(f"a response to an unknown item {response.item!r}", path=folder)
            if response.item in found:
                other = places[response.item]
                raise ConfigError(f"{folder}: item {response.item} is in {other} too; give each part once")
            found[response.item], places[response.item] = response, folder
    return found


def _merge_phrases(folders: Sequence[Path], partial: Path, items: Sequence[Item]) -> None:
    judged = [
        one for folder in folders if (folder / PHRASES).is_file() for one in read_jsonl(folder / PHRASES, JudgedPair)
    ]
    if not judged:
        return
    by_pair = {one.pair: one for one in judged}
    pairs = winoground_pairs(items)
    if missing := sum(pair not in by_pair for pair in pairs):
        raise DataFolderError(
            f"{missing} of {len(pairs)} pairs of Baby Winoground are judged in none of the runs",
            path=folders[-1],
            remedy="Run the same command of babyvlm evaluate again for every part",
        )
    write_jsonl(partial / PHRASES, (by_pair[pair] for pair in pairs))
