"""What the scores for every option say, as tables and a figure: readings, calibration, accuracy against coverage."""

from __future__ import annotations

from babyvlm.reports.figures import Drawn
from babyvlm.reports.results import Results, RunResult
from babyvlm.reports.style import CHANCE, light_grid, new_figure, respondent_styles, style_context
from babyvlm.reports.tables import Cell, Table
from babyvlm.toolbox import wilson_interval
from babyvlm.toolbox.graded import GradedScores

READING_NAMES = {"sums": "sum", "means": "per token", "corrected": "prompt-corrected"}
"""What a reading of scores is called in tables; similarities and other figures have the first alone."""


def graded_runs(results: Results) -> list[tuple[RunResult, GradedScores]]:
    """The runs whose replies have scores, in the order of tables."""
    return [(run, run.scores.graded) for run in results.ordered if run.scores.graded is not None]


def graded_tables(results: Results) -> list[Table]:
    """Graded accuracy by sub-task, reliability, accuracy against coverage; none where no reply has scores.

    An accuracy has its 95% Wilson interval where each item has one round; rounds of one item depend on each other.
    """
    accuracy: list[tuple[Cell, ...]] = []
    bins: list[tuple[Cell, ...]] = []
    points: list[tuple[Cell, ...]] = []
    for run, graded in graded_runs(results):
        for task in graded.tasks:
            single = task.task in run.by_task and task.rounds <= run.by_task[task.task].items
            for name, value in task.accuracy.items():
                ends = wilson_interval(value, task.rounds) if single else (None, None)
                accuracy.append((run.name, graded.kind, task.task, name, task.rounds, value, *ends, task.chance))
        for name, value in graded.overall.items():
            accuracy.append((run.name, graded.kind, "mean", name, graded.rounds, value, None, None, None))
        bins += [(run.name, b.low, b.high, b.rounds, b.confidence, b.accuracy) for b in graded.reliability]
        points += [(run.name, point.coverage, point.accuracy) for point in graded.selective]
    columns = ("respondent", "kind", "task", "reading", "rounds", "value", "low", "high", "chance")
    tables = [
        Table("graded_accuracy", columns, tuple(accuracy)),
        Table("reliability", ("respondent", "low", "high", "rounds", "confidence", "accuracy"), tuple(bins)),
        Table("selective_accuracy", ("respondent", "coverage", "accuracy"), tuple(points)),
    ]
    return [table for table in tables if table.rows]


def graded_figure(results: Results) -> Drawn | None:
    """Accuracy against confidence, and against the share of rounds kept; None where no reply has scores."""
    found = graded_runs(results)
    if not found:
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    with style_context():
        figure = new_figure(3.1)
        sure, kept = figure.subplots(1, 2, sharey=True)
        sure.plot([0, 100], [0, 100], color=CHANCE, linestyle="--", linewidth=1, zorder=2)
        handles = []
        for run, graded in found:
            keywords = look[run.name].keywords
            bins, points = graded.reliability, graded.selective
            sure.plot([100 * b.confidence for b in bins], [100 * b.accuracy for b in bins], **keywords)
            kept.plot([100 * p.coverage for p in points], [100 * p.accuracy for p in points], **keywords)
            handles.append(kept.plot([], [], label=run.name, **keywords)[0])
        sure.set_xlabel("confidence, %")
        sure.set_ylabel("accuracy, %")
        kept.set_xlabel("most confident rounds kept, %")
        for axes in (sure, kept):
            axes.set_xlim(-2, 102)
            axes.set_ylim(-2, 102)
            light_grid(axes)
        handles.append(sure.plot([], [], color=CHANCE, linestyle="--", linewidth=1, label="as sure as right")[0])
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=2.2, columnspacing=1.4)
    words = "; ".join(
        f"{run.name}: {100 * graded.selective[0].accuracy:.0f}% on the most confident tenth of rounds, "
        f"{100 * graded.selective[-1].accuracy:.0f}% on all"
        + ("" if graded.calibration_error is None else f", calibration error {100 * graded.calibration_error:.1f}%")
        for run, graded in found
    )
    return Drawn("graded", figure, f"Accuracy by confidence, and on the most confident rounds alone. {words}.")
