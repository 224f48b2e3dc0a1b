"""Contrasts of pictures and captions, as tables and a figure: words by how often they were said, and kinds of grammar.

Intervals are over words, since questions about one word depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from babyvlm.evaluation.runs import judge
from babyvlm.evaluation.statistics import Interval, over_clusters
from babyvlm.reports.figures import Drawn
from babyvlm.reports.results import Results, RunResult
from babyvlm.reports.style import CHANCE, light_grid, new_figure, respondent_styles, style_context
from babyvlm.reports.tables import Cell, Table
from babyvlm.toolbox.contrasts import ContrastScores
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL, KINDS, LEXICAL
from babyvlm.toolbox.contrasts.figures import earned, lowest
from babyvlm.toolbox.contrasts.trials import trial_of

HALF = 0.5
"""Chance level of every contrast."""


@dataclass(frozen=True, kw_only=True)
class ContrastRow:
    """A kind of grammar, or the words of one bin."""

    kind: str
    bin: str
    """Of nouns and adjectives; empty for grammar."""
    value: float
    interval: Interval | None
    """Over words; None where there is one word alone."""
    questions: int
    """Questions about words, trials of grammar."""
    words: int


@dataclass(frozen=True, kw_only=True)
class ContrastRun:
    """A respondent's figures on contrasts."""

    run: RunResult
    scores: ContrastScores
    asked: int
    unread: int
    """Replies in which no option was found: unparsed ones and refusals."""
    rows: tuple[ContrastRow, ...]

    def of(self, kind: str) -> tuple[ContrastRow, ...]:
        """The rows of a kind."""
        return tuple(row for row in self.rows if row.kind == kind)


def contrast_runs(results: Results) -> list[ContrastRun]:
    """The runs that were asked contrasts, in the order of tables."""
    found = []
    for run in results.ordered:
        if run.scores.contrasts is None:
            continue
        items = [item for item in run.run.select(results.toolbox) if trial_of(item) is not None]
        judged = [
            (item, run.responses[item.id], score.metrics["acc"] if score.metrics else None)
            for item, score in judge(items, run.responses.values(), run.scores.scoring)
        ]
        groups: dict[tuple[str, str], list[tuple[float, str]]] = {}
        for one in earned(judged):
            place = one.bin if one.kind in LEXICAL else ""
            groups.setdefault((one.kind, place), []).append((one.value, one.word))
        rows = []
        for kind, place in sorted(groups, key=lambda key: (KINDS.index(key[0]), lowest(key[1]))):
            values, words = zip(*groups[kind, place], strict=True)
            mean, interval = sum(values) / len(values), over_clusters(values, words)
            rows.append(
                ContrastRow(
                    kind=kind, bin=place, value=mean, interval=interval, questions=len(values), words=len(set(words))
                )
            )
        tasks = {item.task for item in items}
        unread = sum(
            score.outcomes.get(outcome, 0)
            for score in run.scores.tasks
            if score.task in tasks
            for outcome in ("unparsed", "refused")
        )
        found.append(
            ContrastRun(run=run, scores=run.scores.contrasts, asked=len(items), unread=unread, rows=tuple(rows))
        )
    return found


def contrast_tables(found: Sequence[ContrastRun]) -> list[Table]:
    """Figures by kind and bin, and means with what was not answered; none where nobody was asked contrasts."""
    if not found:
        return []
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        for row in one.rows:
            ends = (row.interval.low, row.interval.high) if row.interval else (None, None)
            rows.append((one.run.name, row.kind, row.bin or None, row.questions, row.words, row.value, *ends, HALF))
    columns = ("respondent", "kind", "bin", "questions", "words", "value", "low", "high", "chance")
    means: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *(one.run.name, one.scores.lexical, one.scores.grammatical, one.scores.overall),
            *(one.asked, one.unread, one.scores.failed),
        )
        for one in found
    )
    named = ("respondent", "lexical", "grammatical", "overall", "questions", "unread", "failed")
    return [Table("contrasts", columns, tuple(rows)), Table("contrasts_means", named, means)]


def contrast_figure(results: Results, found: Sequence[ContrastRun]) -> Drawn | None:
    """Words by how often they were said, and kinds of grammar; None where nobody was asked contrasts."""
    if not any(one.rows for one in found):
        return None
    look = respondent_styles([run.name for run in results.ordered], results.main.name)
    panels = [kind for kind in LEXICAL if any(one.of(kind) for one in found)]
    grammar = [kind for kind in GRAMMATICAL if any(one.of(kind) for one in found)]
    layout: Any = [panels or ["grammar"]] + ([["grammar"] * max(1, len(panels))] if panels and grammar else [])
    with style_context():
        figure = new_figure(2.9 * len(layout))
        axes = figure.subplot_mosaic(layout)
        handles = []
        for place, one in enumerate(found):
            keywords = look[one.run.name].keywords
            shift = min(0.14, 0.8 / len(found)) * (place - (len(found) - 1) / 2)
            for name, ax in axes.items():
                names = grammar if name == "grammar" else sorted({r.bin for o in found for r in o.of(name)}, key=lowest)
                rows = [row for kind in (grammar if name == "grammar" else [name]) for row in one.of(kind)]
                x = [names.index(row.kind if name == "grammar" else row.bin) + shift for row in rows]
                y = [100 * row.value for row in rows]
                drawn = keywords | ({"linestyle": "none"} if name == "grammar" else {})
                ax.plot(x, y, **drawn)
                for at, row in zip(x, rows, strict=True):
                    if row.interval:
                        ends = [100 * row.interval.low, 100 * row.interval.high]
                        ax.plot([at, at], ends, color=keywords["color"], linewidth=0.9, zorder=2)
                ax.set_xticks(range(len(names)), [each.replace("_", "\n") for each in names])
                ax.set_title(name.replace("_", " "), loc="left")
            handles.append(figure.axes[0].plot([], [], label=one.run.name, **keywords)[0])
        for ax in axes.values():
            handle = ax.axhline(100 * HALF, color=CHANCE, linestyle="--", linewidth=1, label="chance", zorder=1)
            ax.set_ylim(-2, 102)
            ax.set_ylabel("accuracy, %")
            light_grid(ax)
        for name in panels:
            axes[name].set_xlabel("times the word was said in training")
        figure.legend(handles=[*handles, handle], loc="outside upper left", ncols=3, handlelength=2.2)
    words = "; ".join(f"{one.run.name}: {_said(one.scores)}" for one in found)
    return Drawn("contrasts", figure, f"Accuracy on contrasts by word frequency and kind of grammar. {words}.")


def _said(scores: ContrastScores) -> str:
    values = {name: getattr(scores, name) for name in ("lexical", "grammatical")}
    return ", ".join(
        f"{name} {'without a figure' if value is None else f'{100 * value:.0f}%'}" for name, value in values.items()
    )
