"""One respondent on one toolbox: a run folder that survives interruption and can be scored again without asking again.

RUN/
├── run.json               who answered what: respondent, toolbox, tasks, options, versions, machine, dates
├── responses.jsonl        one line for each item, durable as soon as it is written
├── phrases.jsonl          of one of our models: losses of phrases beside pictures (Baby Winoground)
├── rounds.jsonl           of an API: one line for each reply, so that no reply is paid twice
├── charges.jsonl          of an API with a price: one line before and one after each call, so that a budget holds
├── <task>_results.json    the task's figures, keyed as the public leaderboard collects them
└── scores.json            every task's figures with intervals, and the leaderboard's own summary
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, overload

from pydantic import BaseModel, ConfigDict

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation.choose import BASELINES, extensions_in
from babyvlm.evaluation.configuration import AskConfig, asked_otherwise
from babyvlm.evaluation.durable import LOCK, DurableLines, cut_torn_line, only_process
from babyvlm.evaluation.journal import RoundJournal
from babyvlm.evaluation.people import typical_scores
from babyvlm.evaluation.phrases import judge_phrases, with_phrases
from babyvlm.evaluation.respondents import Family, JudgesPhrases, KeepsRounds, KnowsRevision, Respondent, TakesSomeTasks
from babyvlm.evaluation.run_parts import RunPart
from babyvlm.folders import NamesExtensions, code_revision, package_versions, whole_file
from babyvlm.licences import refuse_restricted, summary
from babyvlm.progress import progress
from babyvlm.records import SCHEMA_VERSION, Item, Question, Response, read_jsonl, read_record
from babyvlm.toolbox import ItemScore, Scores, Scoring, Toolbox, leaderboard_results, open_toolbox, score, score_item
from babyvlm.toolbox.contrasts.figures import Judged as Judgement
from babyvlm.toolbox.contrasts.figures import contrast_scores
from babyvlm.toolbox.contrasts.trials import trial_of
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.graded import graded_scores
from babyvlm.toolbox.tasks import REGISTRY as TASK_REGISTRY
from babyvlm.toolbox.tasks import row_name
from babyvlm.toolbox.winoground import winoground_pairs

_PARTIAL_RUN = ".run.json.partial"


class Run(NamesExtensions, BaseModel):
    """The content of ``run.json``."""

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
    """Items per task, the first in the toolbox's order; None for all."""
    items: list[str] | None = None
    """Ids of the items asked, where they are not the first of each task, as in a study or a part of a toolbox; None
    where they are."""
    cannot_answer: list[str] = []
    """Sub-tasks of the toolbox that the respondent cannot answer, and was not asked."""
    revision: str = ""
    """Which version of the respondent: a hash of its weights, a commit of the hub, or what its provider reports."""
    options: dict[str, str | int | float | None] = {}
    """Settings that may change a reply."""
    seed: int = 0
    packages: dict[str, str] = {}
    code_revision: str = ""
    hardware: str = ""
    """The machine that asked."""
    started: str = ""
    """UTC."""
    finished: str = ""
    """UTC; empty while replies are missing."""

    @property
    def asked_otherwise(self) -> tuple[str, ...]:
        """How it was asked, in words, where that is not as usual; nothing of a baseline in which no model is asked."""
        kind, _, rest = self.model.partition(":")
        return () if kind == "baseline" and rest in BASELINES else asked_otherwise(self.options)

    def select(self, toolbox: Toolbox) -> list[Item]:
        """The items that this run asks."""
        return select_items(toolbox, self.tasks, self.limit, None if self.items is None else set(self.items))


def select_items(
    toolbox: Toolbox, tasks: Sequence[str] = (), limit: int | None = None, only: Collection[str] | None = None
) -> list[Item]:
    """The items of some tasks (``left_right.hard`` names a hard variant), at most ``limit`` of each.

    Args:
        toolbox: Where they are.
        tasks: Rows; all when empty.
        limit: Items per task; None for all.
        only: Ids to keep to; None for all.

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
        row = row_name(item.task, item.variant)
        if (tasks and row not in tasks) or (only is not None and item.id not in only):
            continue
        counts[row] = counts.get(row, 0) + 1
        if limit is None or counts[row] <= limit:
            chosen.append(item)
    return chosen


def answerable(respondent: Respondent, toolbox: Toolbox, tasks: Sequence[str]) -> Sequence[str]:
    """The tasks to ask a respondent; those it cannot answer are left out, and named.

    Raises:
        ConfigError: A task was asked for that it cannot answer, or it can answer none.
    """
    if not isinstance(respondent, TakesSomeTasks):
        return tasks
    left = _unanswerable(respondent, tasks or toolbox.tasks)
    taken = [row for row in tasks or toolbox.tasks if row not in left]
    if left:
        if tasks or not taken:
            raise ConfigError(f"{respondent.name} cannot answer {', '.join(left)}. Leave them out of --tasks")
        print(f"{respondent.name}: left out, for it cannot answer them: {', '.join(left)}", file=sys.stderr)
    return taken


def _unanswerable(respondent: Respondent, rows: Sequence[str]) -> list[str]:
    return [row for row in rows if isinstance(respondent, TakesSomeTasks) and not respondent.takes(row)]


def evaluate(
    respondent: Respondent,
    toolbox: Toolbox,
    out: Path,
    *,
    model: str = "",
    tasks: Sequence[str] = (),
    limit: int | None = None,
    share_restricted: bool = False,
    ask: AskConfig = AskConfig(),  # noqa: B008
    seed: int = 0,
    retry_failed: bool = False,
    part: RunPart | None = None,
) -> Scores:
    """Asks the respondent what it has not answered yet, and scores the run.

    Args:
        respondent: Who answers.
        toolbox: The items.
        out: The run folder; an unfinished run with the same settings is resumed.
        model: The respondent as named on the command line.
        tasks: Tasks to ask; all when empty.
        limit: Items per task; None for all.
        share_restricted: Whether pictures of restricted licence may leave this machine.
        ask: The settings that the respondent was opened with; only ``history`` is used here, the others are recorded.
        seed: Recorded in ``run.json``.
        retry_failed: Whether to ask again where a reply failed.
        part: The part of the items to ask; None for all.

    Returns:
        The scores, which are also in ``scores.json``.

    Raises:
        ConfigError: ``out`` holds another run, or the respondent would send restricted pictures out.
        DataFolderError: Another process is at it, or there is no room.
    """
    whole = select_items(toolbox, answerable(respondent, toolbox, tasks), limit)
    if not (items := whole if part is None else part.of(whole)):
        raise ConfigError(f"--part {part} has no item: only {len(whole)} are to be asked")
    if respondent.sends_data_out:
        _say_what_leaves(respondent, items, share_restricted=share_restricted)
    run = Run(
        respondent=respondent.name,
        family=respondent.family,
        model=model or respondent.name,
        toolbox=os.path.relpath(toolbox.folder.resolve(), out.resolve()),
        toolbox_hash=toolbox_hash(toolbox),
        tasks=sorted({row_name(item.task, item.variant) for item in whole}),
        limit=limit,
        items=None if part is None else [item.id for item in items],
        cannot_answer=_unanswerable(respondent, toolbox.tasks),
        options=ask.deciding(),
        seed=seed,
        extensions=extensions_in(model) | TASK_REGISTRY.used(item.task for item in items),
        **_circumstances(respondent),
    )
    refuse_foreign(out)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(only_process(out))
        _claim(out, run)
        if retry_failed:
            _forget_failed(out)
        answered = _recover_responses(out / "responses.jsonl")
        waiting = _Waiting([item for item in items if item.id not in answered], gold_history=ask.history == "gold")
        lines = stack.enter_context(closing(DurableLines(out / "responses.jsonl")))
        if isinstance(respondent, KeepsRounds):
            respondent.keep_rounds(stack.enter_context(closing(RoundJournal(out / "rounds.jsonl"))))
        replies = respondent.answer(waiting, toolbox.image)
        for response in progress(replies, description=f"ask {respondent.name}", total=len(waiting), unit="item"):
            lines.write(response.model_dump_json())
        lines.close()
        if isinstance(respondent, JudgesPhrases):
            pairs = winoground_pairs(whole)  # some are made of two items, which may stand in two parts
            judge_phrases(respondent, pairs if part is None else part.of(pairs), toolbox.image, out)
        begun = read_run(out)
        revision = respondent.revision if isinstance(respondent, KnowsRevision) else ""
        if waiting or not begun.finished:
            write_run(out, begun.model_copy(update={"finished": _now(), "revision": revision}))
        return score_run(out, toolbox=toolbox)


def _say_what_leaves(respondent: Respondent, items: Sequence[Item], *, share_restricted: bool) -> None:
    """Raises ConfigError where restricted pictures would leave this machine and may not."""
    if not share_restricted:
        refuse_restricted(items, f"{respondent.name} sends them out")
    licences = summary(item.licence for item in items)
    print(f"{respondent.name}: the pictures of {len(items)} items leave this machine ({licences})", file=sys.stderr)


def _circumstances(respondent: Respondent) -> dict[str, Any]:
    """The version that answers, those of the program, the machine and the time."""
    return {
        "revision": respondent.revision if isinstance(respondent, KnowsRevision) else "",
        "packages": package_versions(),
        "code_revision": code_revision(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "started": _now(),
    }


class _Waiting(Sequence[Question]):
    """Questions made when asked for, so that a hundred thousand do not lie in memory twice."""

    def __init__(self, items: Sequence[Item], *, gold_history: bool) -> None:
        self._items, self._gold_history = items, gold_history

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Question: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Question]: ...
    def __getitem__(self, index: int | slice) -> Question | Sequence[Question]:
        if isinstance(index, slice):
            return _Waiting(self._items[index], gold_history=self._gold_history)
        return self._items[index].question(gold_history=self._gold_history)

    def __iter__(self) -> Iterator[Question]:
        return (item.question(gold_history=self._gold_history) for item in self._items)


def score_run(out: Path, scoring: Scoring = "default", *, toolbox: Toolbox | None = None) -> Scores:
    """Scores a run's responses, without asking anybody, and writes its result files.

    Args:
        out: The run folder.
        scoring: How replies are read.
        toolbox: The run's toolbox where it is open already.

    Raises:
        DataFolderError: The folder is no run, its toolbox has changed, or responses are missing.
    """
    scores = run_scores(out, scoring, toolbox=toolbox)
    board = leaderboard_results(scores)
    for key, figures in board["results"].items():
        results = {"results": {key: {f"{metric},none": value for metric, value in figures.items()}}}
        _write_json(out / f"{key}_results.json", results)
    saved = {**board, "scoring": scoring, "babyvlm": scores.model_dump(mode="json")}
    _write_json(out / "scores.json", saved)
    return scores


def _write_json(path: Path, content: dict) -> None:
    with whole_file(path) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def run_scores(out: Path, scoring: Scoring = "default", *, toolbox: Toolbox | None = None) -> Scores:
    """Scores a run's responses and writes nothing.

    Args:
        out: The run folder.
        scoring: How replies are read.
        toolbox: The run's toolbox where it is open already.

    Raises:
        DataFolderError: The folder is no run, its toolbox has changed, or responses are missing.
    """
    run = read_run(out)
    items = run.select(run_toolbox(out, run, toolbox))
    path = out / "responses.jsonl"
    scores = score(items, read_jsonl(path, Response), scoring=scoring, source=path)
    if scores.not_asked:
        raise DataFolderError(
            f"{scores.not_asked} of {len(items)} items have no response yet",
            path=out,
            remedy="Run babyvlm evaluate again to resume",
        )
    graded = graded_scores(items, read_jsonl(path, Response))
    contrasts = contrast_scores(_judged_responses(items, path, scoring))
    return with_phrases(scores.model_copy(update={"graded": graded, "contrasts": contrasts}), out)


def _judged_responses(items: Sequence[Item], path: Path, scoring: Scoring) -> Iterator[Judgement]:
    """Contrasts with their responses, and what each was worth."""
    by_id = {item.id: item for item in items if trial_of(item) is not None}
    for response in read_jsonl(path, Response) if by_id else ():
        if (item := by_id.get(response.item)) is not None:
            metrics = score_item(item, response, scoring=scoring).metrics
            yield item, response, metrics["acc"] if metrics else None


def read_run(out: Path) -> Run:
    """What ``run.json`` says.

    Raises:
        DataFolderError: The folder is no run.
    """
    path = out / "run.json"
    if not path.is_file():
        raise DataFolderError("not a run: it has no run.json", path=out, remedy="Give the --out of babyvlm evaluate")
    return read_record(path, Run)


class Judged(NamedTuple):
    """A run's items with what its replies were worth."""

    run: Run
    items: list[Item]
    scores: dict[str, ItemScore]
    """By item id; items without a response are absent."""


def judge_run(out: Path, scoring: Scoring = "default") -> Judged:
    """Judges a run's replies item by item.

    Raises:
        DataFolderError: The folder is no run, or its toolbox is missing or has changed.
    """
    run = read_run(out)
    items = run.select(run_toolbox(out, run))
    judged = judge(items, read_jsonl(out / "responses.jsonl", Response), scoring)
    return Judged(run, items, typical_scores(score for _, score in judged))


def judge(
    items: Sequence[Item], responses: Iterable[Response], scoring: Scoring = "default"
) -> list[tuple[Item, ItemScore]]:
    """What every single response to these items was worth, in the order of the responses."""
    by_id = {item.id: item for item in items}
    known = ((by_id[response.item], response) for response in responses if response.item in by_id)
    return [(item, score_item(item, response, scoring=scoring)) for item, response in known]


def run_toolbox(out: Path, run: Run, toolbox: Toolbox | None = None) -> Toolbox:
    """The toolbox that a run answered.

    Args:
        out: The run folder.
        run: What ``run.json`` says.
        toolbox: The toolbox where it is open already.

    Raises:
        DataFolderError: It is missing, or has changed.
    """
    toolbox = toolbox or open_toolbox(Path(os.path.normpath(out.resolve() / run.toolbox)))
    if toolbox_hash(toolbox) != run.toolbox_hash:
        raise DataFolderError(
            "the toolbox is not the one this run answered",
            path=toolbox.folder,
            remedy="Evaluate again, in a new folder",
        )
    return toolbox


def refuse_foreign(out: Path) -> None:
    """Raises ConfigError where ``out`` holds something that is not a run."""
    if (out / "run.json").is_file():
        return
    if out.is_file() or (out.is_dir() and any(path.name not in (LOCK, _PARTIAL_RUN) for path in out.iterdir())):
        raise ConfigError(f"{out}: already holds something that is not a run. Choose another --out")


def _claim(out: Path, run: Run) -> None:
    """Makes ``out`` this run's folder, or makes sure that it is already."""
    if not (out / "run.json").is_file():
        refuse_foreign(out)
        write_run(out, run)
        return
    before = read_run(out)
    for field in ("model", "toolbox_hash", "tasks", "limit", "items", "options", "seed", "revision"):
        # A run of an earlier version does not say all of it; an API says its revision only when it replies.
        said = field in before.model_fields_set and (field != "revision" or (before.revision and run.revision))
        if said and getattr(before, field) != getattr(run, field):
            then, now = (f"{len(one.items or ())} listed" if field == "items" else repr(getattr(one, field))
                         for one in (before, run))  # fmt: skip
            raise ConfigError(f"{out}: holds another run ({field} was {then}, now {now}). Choose another --out")


def write_run(out: Path, run: Run) -> None:
    """Writes ``run.json``, whole or not at all."""
    with whole_file(out / "run.json") as file:
        file.write(run.model_dump_json(indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _recover_responses(path: Path) -> set[str]:
    """Items already answered; a last line torn by a kill is cut off."""
    cut_torn_line(path)
    return {response.item for response in read_jsonl(path, Response)} if path.is_file() else set()


def _forget_failed(out: Path) -> None:
    """Takes out responses with a failed reply, so that they are asked again; paid rounds stay in the journal."""
    path = out / "responses.jsonl"
    cut_torn_line(path)
    if not path.is_file():
        return
    with whole_file(path) as file:
        for response in read_jsonl(path, Response):
            if all(reply.text is not None or reply.refused for reply in response.replies):
                file.write(response.model_dump_json() + "\n")
