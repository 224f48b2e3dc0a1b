"""Predictions on minimal pairs as BabyLM's evaluation pipeline has them.

    {task: {subtask: {"predictions": [{"id": "SUBTASK_0", "pred": "the sentence chosen"}, ...]}}}

A subtask is a paradigm (``UID``, or the name of its file); its predictions stand in the order of its file, and are
numbered from 0. The pipeline leaves such a file, without the task around it, for each set of pairs, and puts all of
them together under their tasks.

Source: the evaluation pipeline of 2025, https://github.com/babylm/evaluation-pipeline-2025 (`sentence_zero_shot`,
`collate_preds`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babyvlm.errors import DataFolderError, InputError, OutputExistsError
from babyvlm.evaluation.runs import read_run, run_toolbox
from babyvlm.folders import whole_file
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox.minimal_pairs import read_minimal_pairs
from babyvlm.toolbox.replies import read_answer
from babyvlm.toolbox.tasks import task_named

TASK = "minimal_pairs"
Predictions = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OrderedPair:
    """A minimal pair at its place."""

    paradigm: str
    good: str
    bad: str
    place: str
    """``agreement.txt, line 3``."""


def ordered_pairs(source: Path) -> Iterator[OrderedPair]:
    """The pairs of a file, or of the files of a folder, in their order.

    Raises:
        InputError: A pair does not read: predictions without it would stand at wrong places.
    """
    for record in read_minimal_pairs(source):
        if record.problem:
            raise InputError(record.problem, path=source, place=record.place, remedy="Mend the line, or take it out")
        (turn,) = record.turns
        bad = next(option for option in turn.options if option != turn.gold)
        yield OrderedPair(paradigm=record.category, good=turn.gold, bad=bad, place=record.place)


def predictions_of(source: Path, chosen: Callable[[OrderedPair], str]) -> Predictions:
    """Predictions by subtask.

    Args:
        source: The pairs.
        chosen: The sentence that was chosen of a pair.
    """
    found: Predictions = {}
    for pair in ordered_pairs(source):
        listed = found.setdefault(pair.paradigm, {"predictions": []})["predictions"]
        listed.append({"id": f"{pair.paradigm}_{len(listed)}", "pred": chosen(pair)})
    return found


def predictions_of_run(run: Path, pairs: Path) -> Predictions:
    """Predictions by subtask, from a run over the same pairs.

    Args:
        run: Folder written by ``babyvlm evaluate`` on imported minimal pairs.
        pairs: What was imported.

    Raises:
        DataFolderError: The folder is no finished run on minimal pairs, or a reply names no sentence.
        InputError: A pair was not asked, or does not read.
    """
    described = read_run(run)
    if not described.finished:
        remedy = "Run the same command of babyvlm evaluate again to resume it"
        raise DataFolderError("the run is not finished", path=run, remedy=remedy)
    items = {item.id: item for item in described.select(run_toolbox(run, described)) if item.task == TASK}
    if not items:
        raise DataFolderError(f"no item of {TASK} was asked in it", path=run)
    chosen: dict[tuple[str, frozenset[str]], str] = {}
    for response in read_jsonl(run / "responses.jsonl", Response):
        if (item := items.get(response.item)) is None:
            continue
        reply, options = response.replies[0], item.turns[0].options
        answer = read_answer(reply.text, task_named(TASK), options) if reply.text else None
        if answer is None:
            raise DataFolderError(
                f"the reply to item {item.id} names neither sentence ({reply.text or reply.problem!r})",
                path=run,
                remedy="Ask with --answer likelihood, or lm:NAME",
            )
        chosen[item.category, frozenset(options)] = answer

    def choice(pair: OrderedPair) -> str:
        answer = chosen.get((pair.paradigm, frozenset((pair.good, pair.bad))))
        if answer is None:
            remedy = "Give the pairs that the run's toolbox was imported from, and ask all of them"
            raise InputError(f"{run} has no reply to this pair", path=pairs, place=pair.place, remedy=remedy)
        return answer

    return predictions_of(pairs, choice)


def write_predictions(found: Predictions, out: Path, task: str = "") -> None:
    """Writes predictions.

    Args:
        found: By subtask.
        out: The file; absent.
        task: The task to put around them; none when empty.

    Raises:
        OutputExistsError: There is such a file.
    """
    if out.exists():
        raise OutputExistsError(out, "something")
    with whole_file(out) as file:
        file.write(json.dumps({task: found} if task else found) + "\n")
