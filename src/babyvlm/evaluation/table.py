"""Scores and comparisons as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from babyvlm.evaluation.statistics import Comparison, Interval, Spread
from babyvlm.records import Response
from babyvlm.toolbox import Scores
from babyvlm.toolbox.contrasts import ContrastScores
from babyvlm.toolbox.graded import GradedScores
from babyvlm.toolbox.scoring import SCORING_NAMES
from babyvlm.toolbox.tasks import is_extra
from babyvlm.toolbox.winoground import WINOGROUND_CHANCE, WinogroundScores

_READINGS = {"sums": "by sum", "means": "per token", "corrected": "prompt-corrected"}


def describe_scores(scores: Scores) -> str:
    """One line for each sub-task: accuracy, 95% interval, chance, outcomes that are neither right nor wrong.

    Where there are such outcomes, the last column says how low and how high the accuracy could be with each of them
    taken as wrong, as right. Other scoring than our own is named at the end.
    """
    lines = [f"{'sub-task':32} {'%':>6}  {'95% interval':>14}  {'chance':>6}  {'items':>5}"]
    for task in scores.tasks:
        odd = [f"{count} {name}" for name, count in task.outcomes.items() if count and name not in ("right", "wrong")]
        if odd:
            odd.append(f"so {100 * task.worst:.1f} to {100 * task.best:.1f}")
        interval = "" if task.value is None else f"{100 * task.low:5.1f} to {100 * task.high:5.1f}"
        lines.append(
            f"{task.task:32} {_percent(task.value)}  {interval:>14}  {100 * task.chance:6.1f}  {task.items:5}"
            f"  {', '.join(odd)}".rstrip()
        )
    if any(not is_extra(task.task) for task in scores.tasks):
        missing = [task.task for task in scores.tasks if task.value is None and not is_extra(task.task)]
        without = f"  without {', '.join(missing)}: no item was answered" if missing else ""
        lines.append(f"{'mean of sub-tasks':32} {_percent(scores.overall)}{without}")
    if scores.winoground is not None:
        lines.append(describe_winoground(scores.winoground))
    if scores.graded is not None:
        lines.append(describe_graded(scores.graded))
    if scores.contrasts is not None:
        lines.append(describe_contrasts(scores.contrasts))
    if scores.scoring != "default":
        lines.append(f"scoring {scores.scoring}: {SCORING_NAMES[scores.scoring]}")
    return "\n".join(lines)


def describe_winoground(scores: WinogroundScores) -> str:
    """Baby Winoground in one line, with chance behind each figure."""
    figures = ", ".join(
        f"{name.removesuffix('_score').replace('_', ' ')} {100 * getattr(scores, name):.1f} ({100 * chance:.1f})"
        for name, chance in WINOGROUND_CHANCE.items()
    )
    return f"Baby Winoground, {scores.pairs} pairs by likelihood, % (chance): {figures}"


def describe_graded(graded: GradedScores) -> str:
    """What the scores of the options say, in one line."""
    figures = [f"{_READINGS[name]} {100 * value:.1f}" for name, value in graded.overall.items()]
    if graded.calibration_error is not None:
        figures.append(f"calibration error {100 * graded.calibration_error:.1f}")
    missing = f", {graded.unscored} without" if graded.unscored else ""
    return f"graded accuracy, {graded.rounds} rounds with scores{missing} ({graded.kind}), %: {', '.join(figures)}"


def describe_contrasts(contrasts: ContrastScores) -> str:
    """What contrasts come to, in one line or two."""
    shown = {name: getattr(contrasts, name) for name in ("lexical", "grammatical", "overall")}
    figures = ", ".join(f"{name} {'-' if value is None else f'{100 * value:.1f}'}" for name, value in shown.items())
    missing = f"\nno contrasts of {', '.join(contrasts.missing)}: not in these figures" if contrasts.missing else ""
    return f"contrasts, %: {figures}{missing}"


def _percent(share: float | None) -> str:
    return f"{'-':>6}" if share is None else f"{100 * share:6.1f}"


_REASONS = 3


def describe_failures(responses: Iterable[Response]) -> str:
    """How many items failed, for which reasons, and how to ask them again; empty where none did."""
    reasons: Counter[str] = Counter()
    for response in responses:
        failed = next((reply for reply in response.replies if reply.text is None and not reply.refused), None)
        if failed is not None:
            reasons[failed.problem[:200] or "nothing came back"] += 1
    if not reasons:
        return ""
    lines = [f"{reasons.total()} items failed and count in no figure; --retry-failed asks them again:"]
    lines += [f"  {count} x {reason}" for reason, count in reasons.most_common(_REASONS)]
    if len(reasons) > _REASONS:
        lines.append(f"  and {len(reasons) - _REASONS} more reasons, in responses.jsonl")
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
