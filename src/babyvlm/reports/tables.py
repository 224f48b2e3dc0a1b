"""The report's tables as files: CSV with every digit, LaTeX to paste into a paper.

results.csv is long, one line for each respondent and sub-task; results.tex is the wide table of the paper.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from babyvlm.records import Outcome
from babyvlm.reports.breakdowns import by_number, confusion, memory_by_lag, memory_course
from babyvlm.reports.corpus import SPLITS, CorpusStatistics
from babyvlm.reports.curves import TrainingRun
from babyvlm.reports.exposure import WordsMet, by_exposure
from babyvlm.reports.published import PUBLISHED, PUBLISHED_SIZES, SOURCES
from babyvlm.reports.results import Results, RunResult
from babyvlm.spreadsheets import cell
from babyvlm.toolbox.tasks import is_extra, task_of_row

Cell = str | int | float | None

_SHORT = {
    "looking_while_listening": "LWL",
    "picture_vocabulary": "PV",
    "localization": "Loc.",
    "left_right": "L/R",
    "spatial_details": "SD",
    "visual_delayed_response_binary": "VDR-b",
    "visual_delayed_response_open": "VDR-o",
    "memory": "Mem.",
    "who_has_more_synthetic": "WHM-s",
    "who_has_more_naturalistic": "WHM-n",
    "subitizing": "Sub.",
    "object_counting": "Count",
}


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    name: str
    """File name without suffix."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> str:
        """Comma-separated, numbers with all their digits, absent cells empty."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([cell(value) for value in row] for row in self.rows)
        return buffer.getvalue()

    def latex(self) -> str:
        """A booktabs tabular, fractions with three decimals."""
        numeric = [all(not isinstance(row[place], str) for row in self.rows) for place in range(len(self.columns))]
        lines = [" & ".join(escape(column.replace("_", " ")) for column in self.columns)]
        lines += [" & ".join(_latex_cell(cell) for cell in row) for row in self.rows]
        return _tabular("".join("r" if right else "l" for right in numeric), lines)


def _latex_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else escape(str(cell))


def escape(text: str) -> str:
    """Text as LaTeX source."""
    for character, source in (
        ("\\", r"\textbackslash "),
        *((special, f"\\{special}") for special in "&%$#_{}"),
        ("~", r"\textasciitilde "),
        ("^", r"\textasciicircum "),
    ):
        text = text.replace(character, source)
    return text


def _tabular(columns: str, lines: Sequence[str], head: int = 1) -> str:
    rows = [f"{line} \\\\" for line in lines]
    body = ["\\toprule", *rows[:head], "\\midrule", *rows[head:], "\\bottomrule"]
    return "\n".join([f"\\begin{{tabular}}{{{columns}}}", *body, "\\end{tabular}", ""])


def results_table(results: Results) -> Table:
    """Every figure of ``scores.json``: one row for each respondent and sub-task, and one for its mean.

    A sub-task that a respondent cannot answer has a row without a value.
    """
    outcomes = get_args(Outcome)
    columns: tuple[str, ...] = ("respondent", "family", "task", "metric", "value", "low", "high", "chance")
    columns += ("above_chance", "best_control", "best_control_value", "less_control", "less_control_low")
    columns += ("less_control_high", "above_controls")
    rows: list[tuple[Cell, ...]] = []
    for run in results.ordered:
        for task in run.scores.tasks:
            asked = (task.items, task.scored, *(task.outcomes[outcome] for outcome in outcomes))
            above = int(results.is_above_chance(run, task.task))
            figures = (task.task, task.primary_metric, task.value, task.low, task.high, task.chance, above)
            rows.append((run.name, run.family, *figures, *_beside_control(results, run, task.task), *asked))
        for row in run.run.cannot_answer:
            spec, nobody = task_of_row(row), (0,) * (2 + len(outcomes))
            named = (run.name, run.family, row, spec.primary_metric)
            rows.append((*named, None, None, None, spec.chance, *(None,) * 7, *nobody))
        sure = run.overall.by_recordings if run.overall else None
        ends = (sure.low, sure.high) if sure else (None, None)
        mean = ("mean", "", run.scores.overall, *ends, run.chance, *(None,) * 7)
        counted = [task for task in run.scores.tasks if not is_extra(task.task)]
        items = sum(task.items for task in counted), sum(task.scored for task in counted)
        rows.append((run.name, run.family, *mean, *items, *run.outcomes.values()))
    return Table("results", (*columns, "items", "scored", *(f"rounds_{outcome}" for outcome in outcomes)), tuple(rows))


def _beside_control(results: Results, run: RunResult, task: str) -> tuple[Cell, ...]:
    """The control that does best, its figure, the difference to it, and whether that is above zero."""
    best = results.best_controls(run).get(task)
    if best is None:
        return (None,) * 6
    change = best.difference
    return best.name, best.value, change.value, change.low, change.high, int(best.is_beaten)


def results_latex(results: Results) -> str:
    """The wide table: respondents by family, sub-tasks, mean; intervals as limits; bold where it was learned."""
    tasks = results.tasks
    titles = ["", *(_SHORT[task] for task in tasks), "Mean"]
    chance = [f"{100 * results.chance(task):.1f}" for task in tasks]
    mean_chance = sum(results.chance(task) for task in tasks) / max(1, len(tasks))
    lines = [" & ".join(titles), " & ".join([r"\textit{chance}", *chance, f"{100 * mean_chance:.1f}"])]
    for run in results.ordered:
        cells, learned = [escape(run.name)], results.learned(run)
        for task in tasks:
            score = run.by_task.get(task)
            if score is None or score.value is None:
                cells.append("--")
                continue
            value = f"{100 * score.value:.1f}"
            value = rf"\mathbf{{{value}}}" if task in learned else value
            cells.append(f"${value}_{{{100 * score.low:.1f}}}^{{{100 * score.high:.1f}}}$")
        mean = run.scores.overall
        lines.append(" & ".join([*cells, "--" if mean is None else f"{100 * mean:.1f}"]))
    head = "% Accuracy in percent with its 95% Wilson interval; bold: above chance and above the best control."
    return f"{head} Needs booktabs.\n" + _tabular("l" + "r" * (len(tasks) + 1), lines)


def published_table() -> Table:
    """The published reference rows, with the source of each figure."""
    rows: list[tuple[Cell, ...]] = []
    for row in PUBLISHED:
        for task, figure in (*row.tasks.items(), ("mean", row.overall)):
            source = SOURCES[figure.source]
            rows.append((row.name, row.family, row.items, task, figure.percent, int(figure.is_reported), source))
    return Table("published", ("respondent", "family", "items", "task", "percent", "reported", "source"), tuple(rows))


def published_sizes_table() -> Table:
    """How many items the published sets have."""
    rows = [(name, task, size) for name, sizes in PUBLISHED_SIZES.items() for task, size in sizes.items()]
    return Table("published_sizes", ("set", "task", "items"), tuple(rows))


def breakdown_tables(results: Results) -> list[Table]:
    """By number of objects, by round, and confusions; those that no run has anything for are left out."""
    columns = ("value", "low", "high", "right", "trials")
    numbers, rounds, lags, pairs = [], [], [], []
    for run in results.ordered:
        for task in ("object_counting", "subitizing"):
            for share in by_number(run, task):
                numbers.append((run.name, task, share.x, share.value, *share.interval, share.right, share.trials))
        course = memory_course(run)
        for share in course.rounds if course else ():
            phase = "learning" if course and share.x <= course.learning_rounds else "testing"
            rounds.append((run.name, phase, share.x, share.value, *share.interval, share.right, share.trials))
        lags += [
            (run.name, share.x, share.value, *share.interval, share.right, share.trials) for share in memory_by_lag(run)
        ]
        for task in ("visual_delayed_response_open", "localization"):
            found = confusion(run, task)
            if found is not None:
                for gold, counts in zip(found.gold, found.counts, strict=True):
                    pairs += [(run.name, task, gold, to, n) for to, n in zip(found.replied, counts, strict=True)]
    tables = [
        Table("accuracy_by_number", ("respondent", "task", "number", *columns), tuple(numbers)),
        Table("memory_by_round", ("respondent", "phase", "round", *columns), tuple(rounds)),
        Table("memory_by_lag", ("respondent", "rounds_since_shown", *columns), tuple(lags)),
        Table("confusions", ("respondent", "task", "right_answer", "reply", "items"), tuple(pairs)),
    ]
    return [table for table in tables if table.rows]


def exposure_table(results: Results, met: WordsMet) -> Table:
    """The word tasks by how a model met their words."""
    rows = [
        (run.name, row.task, row.exposure, row.value, *row.interval, row.right, row.items, row.words)
        for run in results.ordered
        for row in by_exposure(run, met)
    ]
    columns = ("respondent", "task", "word", "value", "low", "high", "right", "items", "words")
    return Table("words_met", columns, tuple(rows))


def comparison_tables(results: Results) -> list[Table]:
    """The main respondent against every other, and runs of one respondent put together."""
    columns = ("first", "second", "task", "items", "first_value", "second_value", "difference", "low", "high")
    pairs: list[tuple[Cell, ...]] = []
    for row in results.comparisons:
        for task in row.tasks:
            change = task.difference
            figures = (task.items, task.first, task.second, change.value, change.low, change.high)
            pairs.append((row.first, row.second, task.task, *figures, task.p, task.p_holm))
        for name, mean in (
            ("mean, over items", row.mean_difference),
            ("mean, over recordings", row.mean_difference_by_recordings),
        ):
            pairs.append((row.first, row.second, name, None, None, None, mean.value, mean.low, mean.high, None, None))
    seeds = tuple(
        (name, row.name, row.runs, row.mean, row.deviation, row.lowest, row.highest)
        for name, rows in results.spreads.items()
        for row in rows
    )
    tables = [
        Table("comparisons", (*columns, "p", "p_holm"), tuple(pairs)),
        Table("seeds", ("respondent", "task", "runs", "mean", "standard_deviation", "lowest", "highest"), seeds),
    ]
    return [table for table in tables if table.rows]


def training_tables(training: TrainingRun) -> list[Table]:
    """The stages, and every line of their logs."""
    stages: list[tuple[Cell, ...]] = []
    for stage in training.stages:
        if stage.lines:
            settings = (" + ".join(stage.trains), stage.data, stage.steps, stage.batch_size, stage.learning_rate)
            stages.append((stage.name, *settings, stage.final_loss, stage.tokens_per_s, stage.seconds))
    columns = (
        "stage",
        "trains",
        "data",
        "steps",
        "batch_size",
        "learning_rate",
        "final_loss",
        "tokens_per_s",
        "seconds",
    )
    lines = tuple(
        (
            stage.name,
            line.step,
            line.loss,
            line.validation_loss,
            line.learning_rate,
            line.seconds,
            line.samples_per_s,
            line.tokens_per_s,
        )
        for stage in training.stages
        for line in stage.lines
    )
    log = ("stage", "step", "loss", "validation_loss", "learning_rate", "seconds", "samples_per_s", "tokens_per_s")
    return [Table("training_stages", columns, tuple(stages)), Table("training_log", log, lines)]


def corpus_table(corpus: CorpusStatistics) -> Table:
    """Every count of the curated set."""
    rows: list[tuple[Cell, ...]] = []
    for (child, split), recorded in sorted(corpus.recorded.items()):
        rows += [("recordings", child, split, recorded.recordings), ("hours", child, split, recorded.hours)]
    for kind, by_split in (*corpus.counts.items(), *((f"instruction, {t}", c) for t, c in corpus.instruction.items())):
        rows += [(kind, "", split, by_split[split]) for split in SPLITS]
    rows += [("spoken words", "", "", corpus.words), ("vocabulary", "", "", corpus.vocabulary)]
    rows += [(f"skipped, {reason}", "", "", number) for reason, number in corpus.skipped.items()]
    return Table("corpus", ("what", "child", "split", "number"), tuple(rows))
