"""The tables of the page, as files: CSV with every digit, LaTeX to paste into a paper."""

from __future__ import annotations

from babyvlm.children.ceiling import NoiseCeiling
from babyvlm.children.comparison import AbilityComparison, ChildrenComparison, SetComparison, WordComparison
from babyvlm.children.like_age import LikeAge
from babyvlm.children.prediction import Prediction
from babyvlm.reports.tables import Cell, Table


def comparison_tables(found: ChildrenComparison) -> list[Table]:
    """Every table that there is something for."""
    tables = []
    if found.sets:
        tables += [divergence_table(found.sets), trial_table(found.sets), ceiling_table(found.sets)]
    if found.words is not None:
        tables += [word_table(found.words), prediction_table(found.words)]
    if found.ability is not None:
        tables += [ability_table(found.ability), difficulty_table(found.ability)]
    return [table for table in tables if table.rows]


def divergence_table(sets: tuple[SetComparison, ...]) -> Table:
    """One row for each set, age and model."""
    columns: tuple[str, ...] = (
        "set",
        "age_years",
        "model",
        "divergence",
        "low",
        "high",
        "beta",
        "beta_low",
        "beta_high",
    )
    columns += ("beta_at_end", "accuracy", "trials", "trials_left_out")
    rows: list[tuple[Cell, ...]] = [
        (
            row.trial_set, row.group.years, row.model, row.fit.divergence, row.low, row.high, row.fit.beta,
            row.beta_low, row.beta_high, int(row.fit.at_end), row.accuracy, len(row.numbers_T),
            sum(len(one.trials) for one in row.left_out),
        )
        for one_set in sets
        for row in one_set.rows
    ]  # fmt: skip
    rows += [
        (one_set.trial_set.name, group.years, "every picture alike", value, *[None] * 6, None, len(group.numbers_T), 0)
        for one_set in sets
        for group, value in one_set.guessing
    ]
    return Table("divergence", columns, tuple(rows))


def trial_table(sets: tuple[SetComparison, ...]) -> Table:
    """The divergence of each trial."""
    rows: list[tuple[Cell, ...]] = [
        (row.trial_set, row.group.years, row.model, int(number), one_set.trial_set.trials[number - 1].text, float(each))
        for one_set in sets
        for row in one_set.rows
        for number, each in zip(row.numbers_T, row.each_T, strict=True)
    ]
    return Table("divergence_by_trial", ("set", "age_years", "model", "trial", "text", "divergence"), tuple(rows))


def ceiling_table(sets: tuple[SetComparison, ...]) -> Table:
    """Divergence between halves of the children, where it is known."""
    rows: list[tuple[Cell, ...]] = [
        (one.trial_set, group.years, one.value, one.low, one.high, one.children, int(one.simulated))
        for one_set in sets
        for group, one in one_set.ceilings
        if isinstance(one, NoiseCeiling)
    ]
    return Table("ceiling", ("set", "age_years", "divergence", "low", "high", "children", "simulated"), tuple(rows))


def word_table(words: WordComparison) -> Table:
    """One row for each entry of the inventory; scores and predictors stand with the plain word."""
    columns: list[str] = ["entry", "word", "acquired_months", "low", "high", "unknown", "forms", "children"]
    columns += ["frequency"] if words.frequency is not None else []
    columns += [words.rating[0]] if words.rating is not None else []
    columns += [f"score of {name}" for name in words.scores]
    rows = []
    for one in words.found:
        plain = one.counts.plain
        row: list[Cell] = [
            one.counts.word, plain, one.months, one.low, one.high, one.unknown, "+".join(one.counts.forms),
            int(one.counts.children_A.sum()),
        ]  # fmt: skip
        row += [words.frequency.get(plain)] if words.frequency is not None else []
        row += [words.rating[1].get(plain)] if words.rating is not None else []
        rows.append((*row, *(scores.get(plain) for scores in words.scores.values())))
    return Table("words", tuple(columns), tuple(rows))


def prediction_table(words: WordComparison) -> Table:
    """One row for each coefficient of each regression."""
    rows: list[tuple[Cell, ...]] = [
        (name or "no model", one.name, one.value, one.low, one.high, found.r_squared, found.words)
        for name, found in words.predictions
        if isinstance(found, Prediction)
        for one in found.coefficients
    ]
    columns = ("regression", "predictor", "standardised", "low", "high", "r_squared", "words")
    return Table("what_predicts_age", columns, tuple(rows))


def ability_table(found: AbilityComparison) -> Table:
    """One row for each respondent."""
    columns: tuple[str, ...] = (
        "respondent",
        "kind",
        "age_months",
        "ability",
        "low",
        "high",
        "items",
        "like_months",
        "like_low",
    )
    columns += ("like_high", "no_age_because")
    rows: list[tuple[Cell, ...]] = []
    for one in found.placed:
        like = one.like if isinstance(one.like, LikeAge) else None
        kind = "person" if one.is_person else "baseline" if one.is_baseline else "model"
        rows.append(
            (
                one.name, kind, one.age_months, one.ability.ability, one.ability.low, one.ability.high,
                one.ability.answered, like.months if like else None, like.low if like else None,
                like.high if like else None, one.like if isinstance(one.like, str) else "",
            )
        )  # fmt: skip
    return Table("abilities", columns, tuple(rows))


def difficulty_table(found: AbilityComparison) -> Table:
    """One row for each item."""
    labels = found.table.labels
    rows: list[tuple[Cell, ...]] = [
        (one.item, labels[one.item], one.difficulty, one.error, one.slope, one.answered, "")
        for one in found.calibration.items
    ]
    rows += [(item, labels[item], None, None, None, None, why) for item, why in found.calibration.left_out.items()]
    columns = ("item", "what", "difficulty", "error", "slope", "respondents", "left_out_because")
    return Table("difficulties", columns, tuple(rows))
