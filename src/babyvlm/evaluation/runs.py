"""One respondent on one toolbox: a run folder that survives interruption and can be scored again without asking again.

RUN/
├── run.json               who answered what: respondent, toolbox, tasks, versions
├── responses.jsonl        one line for each item, durable as soon as it is written
├── <task>_results.json    the task's figures, keyed as the public leaderboard collects them
└── scores.json            every task's figures with intervals, and the leaderboard's own summary
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation.respondents import Family, Respondent
from babyvlm.folders import code_revision, package_versions
from babyvlm.progress import progress
from babyvlm.records import SCHEMA_VERSION, Item, Response, read_jsonl
from babyvlm.toolbox import Scores, Scoring, Toolbox, leaderboard_results, open_toolbox, score


class Run(BaseModel):
    """What ``run.json`` says."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    respondent: str
    family: Family
    model: str
    """As given on the command line."""
    toolbox: str
    """Path of the toolbox, to find its pictures and answers again."""
    toolbox_hash: str
    tasks: list[str]
    limit: int | None = None
    """Items a task, the first in the toolbox's order; None for all."""
    packages: dict[str, str] = {}
    code_revision: str = ""


def select_items(toolbox: Toolbox, tasks: Sequence[str] = (), limit: int | None = None) -> list[Item]:
    """The items of some tasks, at most ``limit`` of each.

    Raises:
        ConfigError: A task of which the toolbox has no item.
    """
    if missing := sorted(set(tasks) - set(toolbox.tasks)):
        raise ConfigError(
            f"{toolbox.folder}: no items of {', '.join(missing)}. This toolbox has: {', '.join(toolbox.tasks)}"
        )
    counts: dict[str, int] = {}
    chosen = []
    for item in toolbox.items:
        if tasks and item.task not in tasks:
            continue
        counts[item.task] = counts.get(item.task, 0) + 1
        if limit is None or counts[item.task] <= limit:
            chosen.append(item)
    return chosen


def evaluate(
    respondent: Respondent,
    toolbox: Toolbox,
    out: Path,
    *,
    model: str = "",
    tasks: Sequence[str] = (),
    limit: int | None = None,
    share_restricted: bool = False,
) -> Scores:
    """Asks the respondent what it has not answered yet, and scores the run.

    Args:
        respondent: Who answers.
        toolbox: The items.
        out: The run folder; one begun with the same respondent, toolbox and tasks is gone on with.
        model: The respondent as named on the command line.
        tasks: Tasks to ask; all when empty.
        limit: Items a task; None for all.
        share_restricted: Whether pictures of restricted licence may leave this machine.

    Returns:
        The scores, which are also in ``scores.json``.

    Raises:
        ConfigError: ``out`` holds another run, or the respondent would send restricted pictures out.
    """
    items = select_items(toolbox, tasks, limit)
    restricted = [item for item in items if item.licence.startswith("restricted")]
    if restricted and respondent.sends_data_out and not share_restricted:
        owners = sorted({item.licence for item in restricted})
        raise ConfigError(
            f"{len(restricted)} of {len(items)} items hold pictures that may not leave this machine "
            f"({'; '.join(owners)}), and {respondent.name} sends them out. Nothing was sent"
        )
    run = Run(
        respondent=respondent.name,
        family=respondent.family,
        model=model or respondent.name,
        toolbox=os.path.relpath(toolbox.folder.resolve(), out.resolve()),
        toolbox_hash=toolbox_hash(toolbox),
        tasks=sorted({item.task for item in items}),
        limit=limit,
        packages=package_versions(),
        code_revision=code_revision(),
    )
    _claim(out, run)
    answered = _recover_responses(out / "responses.jsonl")
    questions = [item.question() for item in items if item.id not in answered]
    with (out / "responses.jsonl").open("a", encoding="utf-8") as file:
        replies = respondent.answer(questions, toolbox.image)
        for response in progress(replies, description=f"ask {respondent.name}", total=len(questions), unit="item"):
            file.write(response.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
    return score_run(out)


def score_run(out: Path, scoring: Scoring = "default") -> Scores:
    """Scores a run's responses, without asking anybody, and writes its result files.

    Raises:
        DataFolderError: The folder is no run, its toolbox has changed, or responses are missing.
    """
    scores = run_scores(out, scoring)
    board = leaderboard_results(scores)
    for key, figures in board["results"].items():
        results = {"results": {key: {f"{metric},none": value for metric, value in figures.items()}}}
        (out / f"{key}_results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    saved = {**board, "scoring": scoring, "babyvlm": scores.model_dump(mode="json")}
    (out / "scores.json").write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
    return scores


def run_scores(out: Path, scoring: Scoring = "default") -> Scores:
    """Scores a run's responses and writes nothing.

    Raises:
        DataFolderError: The folder is no run, its toolbox has changed, or responses are missing.
    """
    run = read_run(out)
    toolbox = open_toolbox(Path(os.path.normpath(out.resolve() / run.toolbox)))
    if toolbox_hash(toolbox) != run.toolbox_hash:
        raise DataFolderError(
            "the toolbox is not the one this run answered",
            path=toolbox.folder,
            remedy="Evaluate again, in a new folder",
        )
    items = select_items(toolbox, run.tasks, run.limit)
    responses = list(read_jsonl(out / "responses.jsonl", Response))
    if missing := len({item.id for item in items} - {response.item for response in responses}):
        raise DataFolderError(
            f"{missing} of {len(items)} items have no response yet",
            path=out,
            remedy="Run babyvlm evaluate again to go on",
        )
    return score(items, responses, scoring=scoring)


def read_run(out: Path) -> Run:
    """What ``run.json`` says.

    Raises:
        DataFolderError: The folder is no run.
    """
    path = out / "run.json"
    if not path.is_file():
        raise DataFolderError("not a run: it has no run.json", path=out, remedy="Give the --out of babyvlm evaluate")
    try:
        return Run.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataFolderError(f"does not parse: {error.errors()[0]['msg']}", path=path) from error


def toolbox_hash(toolbox: Toolbox) -> str:
    """The same for toolboxes with the same items."""
    return hashlib.sha256("\n".join(item.id for item in toolbox.items).encode()).hexdigest()[:16]


def _claim(out: Path, run: Run) -> None:
    """Makes ``out`` this run's folder, or makes sure that it is already."""
    path = out / "run.json"
    if path.is_file():
        before = read_run(out)
        for field in ("model", "toolbox_hash", "tasks", "limit"):
            if getattr(before, field) != getattr(run, field):
                raise ConfigError(
                    f"{out}: holds another run ({field} was {getattr(before, field)!r}, now {getattr(run, field)!r}). "
                    "Choose another --out"
                )
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"{out}: already holds something that is no run. Choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.rename(path)


def _recover_responses(path: Path) -> set[str]:
    """Items already answered; a last line torn by a kill is cut off."""
    if not path.is_file():
        return set()
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return {response.item for response in read_jsonl(path, Response)}
