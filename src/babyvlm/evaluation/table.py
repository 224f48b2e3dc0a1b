"""A run's scores as text."""

from __future__ import annotations

from babyvlm.toolbox import Scores
from babyvlm.toolbox.tasks import is_hard


def describe_scores(scores: Scores) -> str:
    """One line for each sub-task: accuracy, 95% interval, chance, outcomes that are neither right nor wrong."""
    lines = [f"{'sub-task':32} {'%':>6}  {'95% interval':>14}  {'chance':>6}  {'items':>5}"]
    for task in scores.tasks:
        odd = [f"{count} {name}" for name, count in task.outcomes.items() if count and name not in ("right", "wrong")]
        lines.append(
            f"{task.task:32} {100 * task.value:6.1f}  {100 * task.low:5.1f} to {100 * task.high:5.1f}"
            f"  {100 * task.chance:6.1f}  {task.items:5}  {', '.join(odd)}".rstrip()
        )
    if any(not is_hard(task.task) for task in scores.tasks):
        lines.append(f"{'mean of sub-tasks':32} {100 * scores.overall:6.1f}")
    return "\n".join(lines)
