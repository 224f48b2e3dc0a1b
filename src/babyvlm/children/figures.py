"""The figures of the page, each a function of what it shows."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from babyvlm.children.ceiling import NoiseCeiling
from babyvlm.children.comparison import AbilityComparison, ChildrenComparison, SetComparison, WordComparison
from babyvlm.children.like_age import Growth, LikeAge
from babyvlm.reports.figures import Drawn
from babyvlm.reports.style import ACCENT, CHANCE, INK, MUTED, RULE, light_grid, new_figure, style_context

_MOST_PANELS = 6
_LEAST_WORDS = 10


def comparison_figures(found: ChildrenComparison) -> list[Drawn]:
    """Every figure that there is something to draw of."""
    drawn = [divergence_by_age(one) for one in found.sets if one.rows]
    if found.words is not None:
        scored = score_by_age(found.words)
        drawn += [words_by_month(found.words), *([scored] if scored else [])]
    if found.ability is not None:
        drawn.append(abilities_on_one_axis(found.ability))
        if isinstance(found.ability.growth, Growth):
            drawn.append(ability_by_age(found.ability, found.ability.growth))
    return drawn


def divergence_by_age(one: SetComparison) -> Drawn:
    """A panel for each age, a row for each model, from the nearest to the farthest; the ceiling as a dashed line."""
    models, groups = one.models, [group for group, _ in one.ceilings if any(r.group is group for r in one.rows)]
    ceilings = {group.age: ceiling for group, ceiling in one.ceilings}
    guesses = {group.age: value for group, value in one.guessing}
    with style_context():
        figure = new_figure(0.85 + 0.19 * len(models))
        panels = figure.subplots(1, len(groups), squeeze=False, sharey=True, sharex=True)[0]
        for axes, group in zip(panels, groups, strict=True):
            for row in (row for row in one.rows if row.group is group):
                own = row.model in one.runs
                axes.errorbar(
                    [row.fit.divergence], [models.index(row.model)],
                    xerr=[[max(0.0, row.fit.divergence - row.low)], [max(0.0, row.high - row.fit.divergence)]],
                    marker="o", color=ACCENT if own else MUTED, markersize=4.5 if own else 3.2,
                    elinewidth=1.2 if own else 0.7, linestyle="none",
                )  # fmt: skip
            axes.axvline(guesses[group.age], color=INK, linestyle=":", linewidth=1)
            ceiling = ceilings[group.age]
            if isinstance(ceiling, NoiseCeiling):
                axes.axvspan(ceiling.low, ceiling.high, color=CHANCE, alpha=0.12, linewidth=0)
                axes.axvline(ceiling.value, color=CHANCE, linestyle="--", linewidth=1)
            axes.set_title(group.title)
            axes.tick_params(axis="y", length=0)
            light_grid(axes, "x")
        panels[0].set_yticks(range(len(models)), list(models), fontsize=7)
        panels[0].set_ylim(len(models) - 0.4, -0.6)
        panels[0].set_xlim(left=0)
        figure.supxlabel("Kullback-Leibler divergence, nats, with 95% interval over trials", fontsize=9)
    words = []
    for group in groups:
        best = min((row for row in one.rows if row.group is group), key=lambda row: row.fit.divergence)
        words.append(
            f"{group.title}: nearest {best.model}, {best.fit.divergence:.3f}, guessing {guesses[group.age]:.3f}"
        )
    name = f"divergence_{one.trial_set.name.replace('-', '_')}"
    return Drawn(name, figure, f"{one.trial_set.title}, divergence of models from children. {'; '.join(words)}.")


def words_by_month(words: WordComparison) -> Drawn:
    """How many words half of the children say, by month."""
    months = np.array(sorted(one.months for one in words.found if one.months is not None))
    first = min(float(one.counts.ages_A[0]) for one in words.found if len(one.counts.ages_A))
    last = max(float(one.counts.ages_A[-1]) for one in words.found if len(one.counts.ages_A))
    with style_context():
        figure = new_figure(2.3)
        axes = figure.subplots()
        axes.step([first, *months, last], [*range(len(months) + 1), len(months)], where="post", color=ACCENT)
        axes.axhline(len(words.found), color=CHANCE, linestyle="--", linewidth=1)
        axes.set_xlabel("age, months")
        axes.set_ylabel("words acquired")
        axes.set_ylim(bottom=0)
        light_grid(axes)
    text = f"{len(months)} of {len(words.found)} words are acquired between {first:g} and {last:g} months."
    return Drawn("words_by_month", figure, text)


def score_by_age(words: WordComparison) -> Drawn | None:
    """Each model's score of a word against the age at which children acquire it; None where nothing is shared."""
    shared = {
        name: [(age, scores[word]) for word, one in words.plain.items() if (age := one.months) and word in scores]
        for name, scores in words.scores.items()
    }
    shared = {name: points for name, points in shared.items() if len(points) >= _LEAST_WORDS}
    if not shared:
        return None
    names = list(shared)[:_MOST_PANELS]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    with style_context():
        figure = new_figure(0.4 + 2.0 * rows)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, name in zip(panels, names, strict=False):
            ages, values = np.array(shared[name], dtype=float).T
            axes.plot(ages, 100 * values, "o", color=ACCENT, markersize=2.6, alpha=0.55, linestyle="none")
            if ages.std() > 0:
                slope, level = np.polyfit(ages, 100 * values, 1)
                ends = np.array([ages.min(), ages.max()])
                axes.plot(ends, level + slope * ends, color=INK, linewidth=1)
            axes.set_title(name)
            axes.set_ylim(-4, 104)
            light_grid(axes)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        figure.supxlabel("age of acquisition, months", fontsize=9)
        figure.supylabel("model's score for the word, %", fontsize=9)
    said = "; ".join(
        f"{name}, {len(points)} words, correlation {_correlation(points):.2f}" for name, points in shared.items()
    )
    return Drawn("score_by_age_of_acquisition", figure, f"Scores of words by age of acquisition: {said}.")


def _correlation(points: list[tuple[float, float]]) -> float:
    ages, values = np.array(points, dtype=float).T
    return float(np.corrcoef(ages, values)[0, 1]) if ages.std() > 0 and values.std() > 0 else float("nan")


def abilities_on_one_axis(found: AbilityComparison) -> Drawn:
    """People as marks, models with intervals, and difficulties of the items below, on one scale."""
    people = [one for one in found.placed if one.is_person]
    models = sorted((one for one in found.placed if not one.is_person), key=lambda one: one.ability.ability)
    hard = np.array([one.difficulty for one in found.calibration.items])
    with style_context():
        figure = new_figure(1.7 + 0.2 * len(models))
        axes, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1 + len(models) / 3, 1]})
        for at, one in enumerate(models):
            estimate = one.ability
            ends = [[estimate.ability - estimate.low], [estimate.high - estimate.ability]]
            axes.errorbar(
                [estimate.ability], [at], xerr=ends, marker="s" if one.is_baseline else "o",
                color=CHANCE if one.is_baseline else ACCENT, linestyle="none",
            )  # fmt: skip
        names = [one.name for one in models]
        if people:
            values = [one.ability.ability for one in people]
            axes.plot(values, [len(models)] * len(values), "|", color=INK, markersize=9, alpha=0.5)
            names.append(f"{len(people)} people")
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(-0.7, len(names) - 0.3)
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
        below.hist(hard, bins=min(30, max(5, len(hard) // 3)), color=RULE, edgecolor="white", linewidth=0.5)
        below.set_ylabel("items", fontsize=8)
        below.set_xlabel("ability of respondents, difficulty of items, logits")
    words = "; ".join(f"{one.name} {one.ability.ability:.2f}" for one in reversed(models))
    text = f"Abilities on one scale: {words or 'no model'}. {len(people)} people, {len(hard)} items."
    return Drawn("abilities", figure, text)


def ability_by_age(found: AbilityComparison, growth: Growth) -> Drawn:
    """Children's abilities by age with the line of growth, and the models where children of their age stand."""
    aged = [
        (one.age_months, one.ability.ability) for one in found.placed if one.is_person and one.age_months is not None
    ]
    with style_context():
        figure = new_figure(2.8)
        axes = figure.subplots()
        axes.plot(*zip(*aged, strict=True), "o", color=MUTED, markersize=2.4, alpha=0.5, linestyle="none")
        ends = np.array([growth.youngest, growth.oldest])
        axes.plot(ends, growth.at(ends), color=INK, linewidth=1.2)
        said = []
        for one in found.placed:
            if isinstance(one.like, LikeAge):
                _mark(axes, one.name, one.like, growth)
                said.append(f"{one.name} {one.like.months:.0f} months")
        axes.set_xlabel("age, months")
        axes.set_ylabel("ability, logits")
        light_grid(axes)
    text = f"Ability of {len(aged)} children by age. Models beside: {'; '.join(said) or 'none within these ages'}."
    return Drawn("ability_by_age", figure, text)


def _mark(axes: Axes, name: str, like: LikeAge, growth: Growth) -> None:
    at = float(growth.at(np.array([like.months]))[0])
    low, high = like.low or growth.youngest, like.high or growth.oldest
    ends = [[max(0.0, like.months - low)], [max(0.0, high - like.months)]]
    axes.errorbar([like.months], [at], xerr=ends, marker="o", color=ACCENT, linestyle="none", zorder=5)
    axes.annotate(name, (like.months, at), (4, 4), textcoords="offset points", fontsize=7, color=ACCENT)
