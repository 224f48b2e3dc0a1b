"""The page on what a run's kept checkpoints know, its figures and its tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from babyvlm.evaluation.acquisition import MIN_ITEMS, AcquisitionPoint
from babyvlm.folders import whole_file
from babyvlm.reports.figures import Drawn
from babyvlm.reports.learning import KeptRun, LearnedWord, StageCourse, rank_correlation
from babyvlm.reports.style import (
    ACCENT,
    CHANCE,
    INK,
    MUTED,
    inline_svg,
    light_grid,
    new_figure,
    pdf_of,
    style_context,
    svg_of,
)
from babyvlm.spreadsheets import write_table
from babyvlm.templates import page_environment
from babyvlm.toolbox.tasks import TASKS

_COLUMNS = 3
_MOST_WORDS = 60
"""Words in the figure, those acquired first; the table has all."""


def write_learning(
    courses: Sequence[StageCourse], out: Path, files: Path, *, toolbox: str, run: str, notes: Sequence[str] = ()
) -> None:
    """Writes the page, and its tables and figures beside it.

    Args:
        courses: The stages with kept checkpoints; at least one.
        out: The page; replaced if it is there.
        files: Folder for tables and figures.
        toolbox: What the checkpoints were asked, in words.
        run: The training run, in words.
        notes: What else a reader must know.
    """
    files.mkdir(parents=True, exist_ok=True)
    sections: list[dict[str, Any]] = []
    for course in courses:
        drawn = [figure for figure in _figures(course) if figure is not None]
        inline = {}
        for figure in drawn:
            name = f"{course.stage}_{figure.name}"
            svg = svg_of(figure.figure, name)
            (files / f"{name}.svg").write_text(svg, encoding="utf-8")
            (files / f"{name}.pdf").write_bytes(pdf_of(figure.figure))
            drawing = inline_svg(svg, name, figure.description, figure.figure.get_figwidth())
            inline[figure.name] = Markup(drawing)
        sections.append({"course": course, "figures": [(each, inline[each.name]) for each in drawn]})
    write_table(files / "checkpoints.csv", _checkpoint_rows(courses))
    write_table(files / "tasks.csv", _task_rows(courses))
    write_table(files / "words.csv", _word_rows(courses))
    style = (Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    page = page_environment("babyvlm.reports").get_template("learning.html.j2").render(
        style=Markup(style), sections=sections, toolbox=toolbox, run=run, notes=notes, files=files.name,
        least=MIN_ITEMS, told=told, titles={name: spec.title for name, spec in TASKS.items()},
    )  # fmt: skip
    with whole_file(out) as file:
        file.write(page)


def told(found: AcquisitionPoint | None, unit: str) -> str:
    """An acquisition in words.

    >>> told(AcquisitionPoint(status="never", value=None, low=None, high=None, items=5), "words")
    'not by the last'
    """
    if found is None:
        return "too little to tell"
    if found.status != "within" or found.value is None:
        return "before the first" if found.status == "before" else "not by the last"
    low, high = (None if end is None else _amount(end, unit) for end in (found.low, found.high))
    interval = f"{low or 'before the first'} to {high or 'beyond the last'}"
    return f"{_amount(found.value, unit)} ({interval})"


def _amount(value: float, unit: str) -> str:
    if unit == "months":
        return f"{value:.1f}"
    digits = max(0, math.floor(math.log10(value)) - 2) if value >= 1 else 0
    return f"{round(value, -digits):,.0f}"


def _figures(course: StageCourse) -> list[Drawn | None]:
    return [
        _by_task(course, by_age=False),
        _by_task(course, by_age=True),
        _acquired(course),
        _beside_children(course),
    ]


def _by_task(course: StageCourse, *, by_age: bool) -> Drawn | None:
    """Accuracy in each sub-task after each checkpoint."""
    kept = course.aged if by_age else [(float(one.heard.words), one) for one in course.kept]
    if not kept:
        return None
    rows = math.ceil(len(course.tasks) / _COLUMNS)
    with style_context():
        figure = new_figure(0.5 + 1.55 * rows)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
        for number, axes in enumerate(grid.flat):
            if number >= len(course.tasks):
                axes.set_visible(False)
                continue
            _panel(axes, kept, course.tasks[number])
            if not by_age and kept[0][0] > 0:
                axes.set_xscale("log")
            if number + _COLUMNS >= len(course.tasks):
                axes.tick_params(labelbottom=True)
        figure.supxlabel("highest age heard, months" if by_age else "words heard, each time counted", fontsize=9)
        figure.supylabel("accuracy, with 95% interval", fontsize=9)
    last = course.kept[-1]
    ends = "; ".join(f"{_title(task)} {_percent(last.scores[task].value)}" for task in course.tasks)
    name, against = ("tasks_by_age", "age") if by_age else ("tasks_by_words", "words heard")
    return Drawn(name, figure, f"Accuracy by sub-task against {against}; dashed is chance. After the last: {ends}.")


def _panel(axes: Axes, kept: Sequence[tuple[float, KeptRun]], task: str) -> None:
    found = [(amount, one.scores[task]) for amount, one in kept]
    there = [(amount, score, score.value) for amount, score in found if score.value is not None]
    axes.axhline(found[0][1].chance, color=CHANCE, linestyle="--", linewidth=1)
    places = [amount for amount, *_ in there]
    axes.fill_between(
        places, [score.low for _, score, _ in there], [score.high for _, score, _ in there],
        color=ACCENT, alpha=0.15, linewidth=0,
    )  # fmt: skip
    axes.plot(places, [value for *_, value in there], color=ACCENT, marker="o", markersize=3)
    axes.set_title(_title(task))
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    light_grid(axes)


def _title(task: str) -> str:
    plain = task.removesuffix(".hard")
    return (TASKS[plain].title if plain in TASKS else plain) + (" (hard)" if plain != task else "")


def _percent(value: float | None) -> str:
    return "without a figure" if value is None else f"{100 * value:.0f}%"


def _acquired(course: StageCourse) -> Drawn | None:
    """Where each word is acquired, with its interval; arrows where it is censored."""
    words = [word for word in course.words if word.by_words is not None][:_MOST_WORDS]
    if not words:
        return None
    first, last = course.kept[0].heard.words, course.kept[-1].heard.words
    with style_context():
        figure = new_figure(0.8 + 0.165 * len(words))
        axes = figure.subplots()
        for row, word in enumerate(words):
            found = word.by_words
            assert found is not None
            if found.value is None:
                at, marker = (first, "<") if found.status == "before" else (last, ">")
                axes.plot([at], [row], marker=marker, color=MUTED, markersize=5, clip_on=False)
                continue
            axes.plot([found.low or first, found.high or last], [row, row], color=ACCENT, linewidth=1)
            axes.plot([found.value], [row], marker="o", color=ACCENT, markersize=4)
        axes.set_yticks(range(len(words)), [word.word for word in words], fontsize=7)
        axes.set_ylim(len(words) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(first, last)
        axes.set_xlabel("words heard at the acquisition of each word, with 95% interval")
        light_grid(axes, "x")
    counts = Counter(word.by_words.status for word in course.words if word.by_words is not None)
    text = (
        f"Words acquired between the first and the last checkpoint: {counts['within']}; "
        f"before the first (left arrows): {counts['before']}; not by the last (right arrows): {counts['never']}."
    )
    return Drawn("words_acquired", figure, text)


def _beside_children(course: StageCourse) -> Drawn | None:
    """Words that the model acquires against the age at which children say them."""
    pairs = _paired(course.words)
    if not pairs:
        return None
    with style_context():
        figure = new_figure(3.2)
        axes = figure.subplots()
        for word, months, amount in pairs:
            axes.plot([months], [amount], marker="o", color=ACCENT, markersize=3.5)
            axes.annotate(word, (months, amount), xytext=(3, 2), textcoords="offset points", fontsize=6.5, color=INK)
        axes.set_yscale("log")
        axes.set_xlabel("age at which half of the children say it, months")
        axes.set_ylabel("words heard by the model")
        light_grid(axes, "both")
    rho = rank_correlation([(months, amount) for _, months, amount in pairs])
    said = "too few for a correlation" if rho is None else f"rank correlation {rho:.2f}"
    text = (
        f"{len(pairs)} words with an age for children and a point for the model: {said}. Censored words are left out."
    )
    return Drawn("words_beside_children", figure, text)


def _paired(words: Sequence[LearnedWord]) -> list[tuple[str, float, float]]:
    return [
        (word.word, word.child_months, word.by_words.value)
        for word in words
        if word.child_months is not None and word.by_words is not None and word.by_words.value is not None
    ]


def _checkpoint_rows(courses: Sequence[StageCourse]) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = []
    for course in courses:
        for one in course.kept:
            heard, ages = one.heard, one.heard.ages_months
            rows.append(
                {
                    "stage": course.stage, "mark": heard.mark, "step": heard.step, "words": heard.words,
                    "different_words": heard.different_words, "samples": heard.samples,
                    "different_samples": heard.different_samples, "recordings": len(heard.recordings),
                    "youngest_months": ages[0] if ages else None, "oldest_months": ages[1] if ages else None,
                    "oldest_of_set_months": heard.oldest_of_set_months, "order": heard.order,
                }
            )  # fmt: skip
    return rows


def _task_rows(courses: Sequence[StageCourse]) -> list[Mapping[str, object]]:
    return [
        {
            "stage": course.stage, "mark": one.heard.mark, "words": one.heard.words, "task": task,
            "accuracy": score.value, "low": score.low, "high": score.high, "chance": score.chance,
            "items": score.items, "scored": score.scored,
        }
        for course in courses
        for one in course.kept
        for task, score in one.scores.items()
    ]  # fmt: skip


def _word_rows(courses: Sequence[StageCourse]) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = []
    for course in courses:
        for word in course.words:
            row: dict[str, object] = {
                "stage": course.stage, "word": word.word, "items": word.items, "chance": round(word.chance, 4)
            }  # fmt: skip
            for unit, found in (("words", word.by_words), ("months", word.by_age)):
                row |= {
                    f"{unit}_status": found.status if found else "",
                    f"{unit}_value": found.value if found else None,
                    f"{unit}_low": found.low if found else None,
                    f"{unit}_high": found.high if found else None,
                }
            row["children_months"] = word.child_months
            marks = zip(course.kept, word.accuracy, strict=True)
            row["accuracy_by_mark"] = "; ".join(
                f"{one.heard.mark} {'' if value is None else f'{value:.3f}'}".strip() for one, value in marks
            )
            rows.append(row)
    return rows
