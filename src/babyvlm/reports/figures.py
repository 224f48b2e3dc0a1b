"""The figures of the report, each a function of what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from babyvlm.reports.breakdowns import (
    Confusion,
    MemoryCourse,
    Share,
    by_number,
    confusion,
    memory_by_lag,
    memory_course,
)
from babyvlm.reports.curves import StageLog
from babyvlm.reports.results import Results, RunResult
from babyvlm.reports.style import (
    ACCENT,
    CHANCE,
    INK,
    MUTED,
    RULE,
    RespondentStyle,
    light_grid,
    new_figure,
    respondent_styles,
    style_context,
)
from babyvlm.toolbox import TASKS

_LEGEND_CHARACTERS = 125


@dataclass(frozen=True)
class Drawn:
    """A figure with its words."""

    name: str
    """File name without suffix."""
    figure: Figure
    description: str
    """What it shows, for those who cannot see it."""


def accuracy_by_task(results: Results) -> Drawn | None:
    """Every respondent's accuracy in every sub-task of the mean, with intervals and chance; None without any."""
    if not results.tasks:
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    tasks = results.tasks
    runs = sorted(results.ordered, key=lambda run: run is results.main)
    with style_context():
        figure = new_figure(0.9 + 0.34 * len(tasks))
        axes = figure.subplots()
        spread = np.linspace(-0.26, 0.26, len(runs)) if len(runs) > 1 else np.zeros(1)
        for row, task in enumerate(tasks):
            chance = 100 * results.chance(task)
            axes.plot([chance, chance], [row - 0.4, row + 0.4], color=CHANCE, linestyle="--", linewidth=1, zorder=2)
            for run, offset in zip(reversed(runs), spread, strict=True):
                score = run.by_task.get(task)
                if score is not None and score.value is not None:
                    _point(axes, score.value, score.low, score.high, row + offset, look[run.name], across=True)
        axes.set_yticks(range(len(tasks)), [TASKS[task].title for task in tasks])
        axes.set_ylim(len(tasks) - 0.4, -0.6)
        axes.set_xlim(-1, 101)
        axes.set_xlabel("accuracy, %, with 95% interval")
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
        _legend(figure, axes, results, look)
    main = results.main
    words = "; ".join(
        f"{TASKS[task].title} {100 * main.figures[task]:.1f}%, chance {100 * results.chance(task):.1f}%"
        for task in tasks
        if task in main.figures
    )
    return Drawn("accuracy_by_task", figure, f"Accuracy of {main.name} by sub-task: {words}.")


def accuracy_by_number(results: Results) -> Drawn | None:
    """Accuracy by number of objects, for Object Counting and Subitizing; None where neither was asked."""
    tasks = [task for task in ("object_counting", "subitizing") if task in results.tasks]
    if not tasks:
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    with style_context():
        figure = new_figure(3.0)
        panels = figure.subplots(
            1,
            len(tasks),
            squeeze=False,
            sharey=True,
            gridspec_kw={"width_ratios": [len(TASKS[t].options) for t in tasks]},
        )[0]
        for axes, task in zip(panels, tasks, strict=True):
            spread = _dodge(len(results.runs))
            for run, offset in zip(results.ordered, spread, strict=True):
                _shares(axes, by_number(run, task), look[run.name], offset)
            axes.axhline(100 * results.chance(task), color=CHANCE, linestyle="--", linewidth=1, zorder=2)
            numbers = [int(option) for option in TASKS[task].options]
            axes.set_xticks(numbers)
            axes.set_xlim(numbers[0] - 0.6, numbers[-1] + 0.6)
            axes.set_title(TASKS[task].title)
            axes.set_xlabel("objects in the picture")
            light_grid(axes)
        panels[0].set_ylim(-2, 102)
        panels[0].set_ylabel("accuracy, %")
        _legend(figure, panels[0], results, look)
    words = []
    for task in tasks:
        shares = by_number(results.main, task)
        words.append(f"{TASKS[task].title}: " + ", ".join(f"{s.x}: {100 * s.value:.0f}%" for s in shares))
    return Drawn("accuracy_by_number", figure, f"Accuracy of {results.main.name} by number. {'; '.join(words)}.")


def memory_by_round(results: Results) -> Drawn | None:
    """Accuracy by round of the memory items; None where nobody was asked one."""
    courses = {run.name: course for run in results.ordered if (course := memory_course(run)) is not None}
    if not courses:
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    first = courses.get(results.main.name, next(iter(courses.values())))
    with style_context():
        figure = new_figure(2.7)
        axes = figure.subplots()
        axes.axvspan(0.5, first.learning_rounds + 0.5, color=RULE, alpha=0.45, linewidth=0, zorder=0)
        last = first.rounds[-1].x
        for start, end, word in (
            (0.5, first.learning_rounds + 0.5, "learning"),
            (first.learning_rounds + 0.5, last + 0.5, "testing"),
        ):
            axes.text((start + end) / 2, 107, word, ha="center", va="center", color=MUTED, fontsize=8)
        # Round 1 offers one picture, every later round two.
        axes.plot([0.5, 1.5], [100, 100], color=CHANCE, linestyle="--", linewidth=1, zorder=2)
        axes.plot([1.5, last + 0.5], [50, 50], color=CHANCE, linestyle="--", linewidth=1, zorder=2)
        for (name, course), offset in zip(courses.items(), _dodge(len(courses)), strict=True):
            _shares(axes, course.rounds, look[name], offset)
        axes.set_xlim(0.5, last + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(15, integer=True))
        if last <= 16:
            axes.set_xticks(range(1, last + 1))
        axes.set_ylim(-2, 112)
        axes.set_yticks(range(0, 101, 25))
        axes.set_xlabel("round")
        axes.set_ylabel("accuracy, %")
        light_grid(axes)
        _legend(figure, axes, results, look)
    words = ", ".join(f"round {share.x}: {100 * share.value:.0f}%" for share in first.rounds)
    return Drawn("memory_by_round", figure, f"Accuracy in memory items by round. {words}.")


def memory_by_lag_figure(results: Results) -> Drawn | None:
    """Accuracy in test rounds by lag; None where nobody's memory items tell it."""
    courses = {run.name: shares for run in results.ordered if (shares := memory_by_lag(run))}
    if not courses:
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    first = courses.get(results.main.name, next(iter(courses.values())))
    with style_context():
        figure = new_figure(2.4)
        axes = figure.subplots()
        axes.axhline(50, color=CHANCE, linestyle="--", linewidth=1, zorder=2)
        for (name, shares), offset in zip(courses.items(), _dodge(len(courses)), strict=True):
            _shares(axes, shares, look[name], offset)
        axes.xaxis.set_major_locator(MaxNLocator(15, integer=True))
        axes.set_ylim(-2, 102)
        axes.set_yticks(range(0, 101, 25))
        axes.set_xlabel("rounds since the old picture was last shown")
        axes.set_ylabel("accuracy, %")
        light_grid(axes)
        _legend(figure, axes, results, look)
    words = ", ".join(f"lag {share.x}: {100 * share.value:.0f}%" for share in first)
    return Drawn("memory_by_lag", figure, f"Accuracy in the test rounds of Memory by lag. {words}.")


def confusions(run: RunResult) -> list[Drawn]:
    """Right answers against replies: directions, and quadrants."""
    drawn = []
    for task, name in (
        ("visual_delayed_response_open", "confusion_directions"),
        ("localization", "confusion_quadrants"),
    ):
        table = confusion(run, task)
        if table is not None:
            drawn.append(_confusion(table, name, run.name))
    return drawn


def _confusion(table: Confusion, name: str, respondent: str) -> Drawn:
    counts = np.array(table.counts)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    map_ = LinearSegmentedColormap.from_list("accent", ["#ffffff", ACCENT])
    with style_context():
        rows, columns = counts.shape
        figure = new_figure(1.35 + 0.3 * rows, 1.75 + 0.4 * columns)
        axes = figure.subplots()
        axes.pcolormesh(shares, cmap=map_, vmin=0, vmax=1, edgecolors="white", linewidth=1.2)
        for row in range(rows):
            for column in range(columns):
                if counts[row, column]:
                    colour = "white" if shares[row, column] > 0.5 else INK
                    axes.text(
                        column + 0.5,
                        row + 0.5,
                        str(counts[row, column]),
                        ha="center",
                        va="center",
                        color=colour,
                        fontsize=8,
                    )
        for place in range(rows):
            axes.add_patch(_outline(place))
        axes.set_xticks(np.arange(columns) + 0.5, table.replied, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(np.arange(rows) + 0.5, table.gold)
        axes.set_ylim(rows, 0)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel("reply")
        axes.set_ylabel("right answer")
    words = "; ".join(
        f"{gold}: {row[place]} of {sum(row)} right"
        for place, (gold, row) in enumerate(zip(table.gold, table.counts, strict=True))
    )
    return Drawn(name, figure, f"Replies of {respondent} to {TASKS[table.task].title}. {words}.")


def _outline(place: int) -> Rectangle:
    return Rectangle((place + 0.04, place + 0.04), 0.92, 0.92, fill=False, edgecolor=INK, linewidth=0.8)


def training_curves(stages: Sequence[StageLog]) -> Drawn | None:
    """The loss of every stage; None where no stage has left a log."""
    logged = [stage for stage in stages if stage.lines]
    if not logged:
        return None
    with style_context():
        columns = min(3, len(logged))
        rows = -(-len(logged) // columns)
        figure = new_figure(0.3 + 1.75 * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, stage in zip(panels, logged, strict=False):
            steps = [line.step for line in stage.lines]
            losses = [line.loss for line in stage.lines]
            alone = len(steps) < 3
            axes.plot(steps, losses, color=ACCENT, marker="o" if alone else "", linewidth=1.1)
            if stage.validated:
                axes.plot(*zip(*stage.validated, strict=True), color=INK, marker="o", markersize=3, linestyle="--")
            axes.set_title(stage.name)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_xlim(left=0)
            light_grid(axes)
        for axes in panels[len(logged) :]:
            axes.set_visible(False)
        figure.supxlabel("optimizer step", fontsize=9)
        figure.supylabel("loss", fontsize=9)
    words = "; ".join(f"{stage.name} from {stage.lines[0].loss:.2f} to {stage.lines[-1].loss:.2f}" for stage in logged)
    caption = f"Training loss by step: {words}."
    if held_out := [(stage.name, stage.validated[-1][1]) for stage in logged if stage.validated]:
        last = "; ".join(f"{name} {loss:.2f}" for name, loss in held_out)
        caption += f" Dashed, with dots: loss on held-out samples, at the end {last}."
    return Drawn("training_curves", figure, caption)


def time_spent(seconds: Mapping[str, float]) -> Drawn | None:
    """Seconds by step, as bars; None where there are none."""
    if not seconds:
        return None
    with style_context():
        figure = new_figure(0.55 + 0.26 * len(seconds))
        axes = figure.subplots()
        minutes = [value / 60 for value in seconds.values()]
        axes.barh(range(len(seconds)), minutes, color=ACCENT, height=0.62)
        for place, (value, length) in enumerate(zip(seconds.values(), minutes, strict=True)):
            axes.annotate(duration(value), (length, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(seconds)), list(seconds))
        axes.set_ylim(len(seconds) - 0.4, -0.6)
        axes.set_xlim(0, 1.18 * max(minutes) or 1)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("minutes")
        light_grid(axes, "x")
    words = "; ".join(f"{name} {duration(value)}" for name, value in seconds.items())
    return Drawn("time_spent", figure, f"Time by step: {words}.")


def duration(seconds: float) -> str:
    """A duration to read.

    >>> duration(8.2), duration(125), duration(7260)
    ('8.2 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _dodge(count: int) -> Sequence[float]:
    """Offsets that keep points with intervals apart."""
    return [0.0] if count == 1 else list(np.linspace(-0.24, 0.24, count))


def _point(
    axes: Axes, value: float, low: float, high: float, at: float, look: RespondentStyle, *, across: bool
) -> None:
    """A share with its interval, in percent, along x where ``across``."""
    ends = [[100 * max(0.0, value - low)], [100 * max(0.0, high - value)]]
    keywords = look.keywords | {"linestyle": "none", "capsize": 0}
    # The intervals of the others stand back, or twelve numbers of several respondents become a thicket.
    keywords["elinewidth"] = 1.1 if look.filled else 0.6
    if across:
        axes.errorbar([100 * value], [at], xerr=ends, **keywords)
    else:
        axes.errorbar([at], [100 * value], yerr=ends, **keywords)


def _shares(axes: Axes, shares: Sequence[Share], look: RespondentStyle, offset: float) -> None:
    if not shares:
        return
    places = [share.x + offset for share in shares]
    axes.plot(places, [100 * share.value for share in shares], **look.keywords | {"marker": "", "linewidth": 1.0})
    for place, share in zip(places, shares, strict=True):
        _point(axes, share.value, *share.interval, place, look, across=False)


def _legend(figure: Figure, axes: Axes, results: Results, look: Mapping[str, RespondentStyle]) -> None:
    handles = [
        axes.plot([], [], label=run.name, **look[run.name].keywords)[0]
        for run in sorted(results.ordered, key=lambda run: run is not results.main)
    ]
    handles.append(axes.plot([], [], color=CHANCE, linestyle="--", linewidth=1, label="chance")[0])
    # As many columns as the longest name leaves room for.
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(5, len(handles), _LEGEND_CHARACTERS // (longest + 9)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=2.2, columnspacing=1.4)


__all__ = [
    "Drawn",
    "MemoryCourse",
    "accuracy_by_number",
    "accuracy_by_task",
    "confusions",
    "duration",
    "memory_by_lag_figure",
    "memory_by_round",
    "time_spent",
    "training_curves",
]
