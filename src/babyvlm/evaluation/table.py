"""Scores and comparisons as text."""

from __future__ import annotations

from collections.abc import Sequence

from babyvlm.evaluation.statistics import Comparison, Interval, Spread
from babyvlm.toolbox import Scores
from babyvlm.toolbox.tasks import is_hard


def describe_scores(scores: Scores) -> str:
    """One line for each sub-task: accuracy, 95% interval, chance, outcomes that are neither right nor wrong.

    Where there are such outcomes, the last column says how low and how high the accuracy could be with each of them
    taken as wrong, as right.
    """
    lines = [f"{'sub-task':32} {'%':>6}  {'95% interval':>14}  {'chance':>6}  {'items':>5}"]
    for task in scores.tasks:
        odd = [f"{count} {name}" for name, count in task.outcomes.items() if count and name not in ("right", "wrong")]
        if odd:
            odd.append(f"so {100 * task.worst:.1f} to {100 * task.best:.1f}")
        lines.append(
            f"{task.task:32} {100 * task.value:6.1f}  {100 * task.low:5.1f} to {100 * task.high:5.1f}"
            f"  {100 * task.chance:6.1f}  {task.items:5}  {', '.join(odd)}".rstrip()
        )
    if any(not is_hard(task.task) for task in scores.tasks):
        lines.append(f"{'mean of sub-tasks':32} {100 * scores.overall:6.1f}")
    return "\n".join(lines)


def describe_comparison(comparison: Comparison) -> str:
    """Two runs beside each other, one line for each sub-task."""
    lines = [
        f"first:  {comparison.first}",
        f"second: {comparison.second}",
        "",
        f"{'sub-task':32} {'items':>6} {'first':>6} {'second':>6}  {'difference':>21}  {'p':>7} {'p (Holm)':>8}",
    ]
    for task in comparison.tasks:
        lines.append(
            f"{task.task:32} {task.items:6} {100 * task.first:6.1f} {100 * task.second:6.1f}  "
            f"{_difference(task.difference):>21}  {_p_value(task.p):>7} {_p_value(task.p_holm):>8}"
        )
    lines += [
        f"{'mean of sub-tasks':32} {'':6} {'':6} {'':6}  {_difference(comparison.mean_difference):>21}  (over items)",
        f"{'':32} {'':6} {'':6} {'':6}  {_difference(comparison.mean_difference_by_recordings):>21}  (over recordings)",
        "",
        "Second less first, in percentage points, with 95% bootstrap intervals; p: exact McNemar test, two-sided.",
    ]
    return "\n".join(lines)


def _p_value(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"


def _difference(interval: Interval) -> str:
    return f"{100 * interval.value:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def describe_spread(spreads: Sequence[Spread]) -> str:
    """Several runs of one model put together, one line for each sub-task."""
    lines = [f"{'sub-task':32} {'mean':>6} {'sd':>6}  {'lowest':>6} {'highest':>7}  {'runs':>4}"]
    for row in spreads:
        deviation = f"{100 * row.deviation:6.1f}" if row.deviation is not None else f"{'':6}"
        lines.append(
            f"{row.name:32} {100 * row.mean:6.1f} {deviation}  {100 * row.lowest:6.1f} {100 * row.highest:7.1f}"
            f"  {row.runs:4}"
        )
    return "\n".join(lines)
