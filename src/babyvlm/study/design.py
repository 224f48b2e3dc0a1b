"""Assignment of items to participants, in order: pure functions of the toolbox, the study's settings and a list number.

    items of a task -> permuted by the seed, answers taking turns -> window of the list -> shuffled for the list
    tasks           -> a row of a Williams square: each task follows each other equally often over the lists
    + practice before a task, attention checks and breaks between items

Practice items come from the head of the permutation, which no window reaches: nobody's practice is another's test.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from babyvlm.errors import ConfigError
from babyvlm.records import Item, Record, content_id
from babyvlm.study.configuration import Group, StudyConfig
from babyvlm.toolbox.tasks import in_table_order, row_name, task_named

Kind = Literal["practice", "attention", "test"]
OLDEST_MONTHS = 216
_MOST_LIKELY_YEARS = 6


class PlannedTrial(Record):
    """One thing to show and answer."""

    position: int
    """Place in the session, counted from 0."""
    kind: Kind
    task: str
    """Row of the sub-task; empty for an attention check."""
    item: str
    """Id in the toolbox; empty for an attention check."""
    turn: int
    """Round of a memory item, counted from 0; 0 elsewhere."""
    target: int = 0
    """Index of the right option of an attention check."""
    break_before: bool = False


def fits_age(item: Item, age_months: float | None) -> bool:
    """Whether a participant of this age is given the item. Adults, without an age, are given every item."""
    if age_months is None:
        return True
    spans = (task_named(item.task).age_span_months, item.age_span_months)
    return all(low <= age_months and (high is None or age_months <= high) for low, high in spans)


def ages_in_months(items: Sequence[Item], config: StudyConfig) -> tuple[float, float | None]:
    """From which age on the study has something for a child, and up to which; None where that has no end."""
    spans = [
        span
        for item in items
        if not config.tasks or row_name(item.task, item.variant) in config.tasks
        for span in (task_named(item.task).age_span_months,)
    ]
    highest = [high for _, high in spans]
    return min(low for low, _ in spans), None if None in highest else max(high for high in highest if high is not None)


def refuse_age(group: Group, age_months: float | None) -> None:
    """Raises ConfigError where an age in months cannot be one of a participant of this group."""
    if age_months is None:
        return
    if group == "adult":
        raise ConfigError("an age in months is a child's; adults are invited without one")
    if not 0 < age_months <= OLDEST_MONTHS:
        raise ConfigError(f"a child's age lies between 0 and {OLDEST_MONTHS} months, and is {age_months:g}")


def looks_like_years(age_months: float) -> bool:
    """Whether somebody may have written years where months were asked for, as 2 for a child of 24 months."""
    return age_months <= _MOST_LIKELY_YEARS and float(age_months).is_integer()


def plan_session(
    items: Sequence[Item], config: StudyConfig, *, group: Group, age_months: float | None, list_number: int
) -> tuple[PlannedTrial, ...]:
    """Everything one participant is shown, in order. The same arguments give the same plan.

    Args:
        items: The toolbox's.
        config: The study.
        group: Adults and children get different numbers of items.
        age_months: None for an adult.
        list_number: Which counterbalanced list, from 0.

    Raises:
        ConfigError: No task of the study fits the age.
    """
    by_row: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        row = row_name(item.task, item.variant)
        if (not config.tasks or row in config.tasks) and fits_age(item, age_months):
            by_row[row].append(item)
    rows = list(in_table_order(by_row))
    if not rows:
        raise ConfigError(
            "no task to give" if age_months is None else f"no task of this study is for {age_months:g} months"
        )
    plan = _Plan(config, group, random.Random(content_id(config.seed, list_number, "order")))
    for row in williams_order(rows, list_number):
        practice, tested = choose_items(by_row[row], row, config, group=group, list_number=list_number)
        for item in practice:
            plan.add_item(item, "practice")
        for item in tested:
            plan.add_item(item, "test")
    return tuple(plan.trials)


class _Plan:
    """Trials so far, with the breaks and attention checks that fall due between items."""

    def __init__(self, config: StudyConfig, group: Group, draw: random.Random) -> None:
        self.trials: list[PlannedTrial] = []
        self._config, self._draw = config, draw
        self._check_every = config.attention_checks_every(group)
        self._since_break = self._since_check = 0

    def add_item(self, item: Item, kind: Kind) -> None:
        for turn in range(len(item.turns)):
            row = row_name(item.task, item.variant)
            self._add(kind=kind, task=row, item=item.id, turn=turn, break_before=turn == 0 and self._break_is_due())
        if kind == "test":
            self._since_check += len(item.turns)
            if self._check_every and self._since_check >= self._check_every:
                self._since_check = 0
                self._add(kind="attention", task="", item="", turn=0, target=self._draw.randrange(4))

    def _break_is_due(self) -> bool:
        due = bool(self._config.break_every) and self._since_break >= self._config.break_every
        if due:
            self._since_break = 0
        return due

    def _add(self, *, kind: Kind, task: str, item: str, turn: int, target: int = 0, break_before: bool = False) -> None:
        self._since_break += 1
        self.trials.append(
            PlannedTrial(
                position=len(self.trials), kind=kind, task=task, item=item, turn=turn, target=target,
                break_before=break_before,
            )
        )  # fmt: skip


def choose_items(
    items: Sequence[Item], row: str, config: StudyConfig, *, group: Group, list_number: int
) -> tuple[list[Item], list[Item]]:
    """The practice and the test items of one sub-task in one list.

    Over all lists every item outside practice is tested equally often, give or take one.
    """
    many_rounds = len(items[0].turns) > 1
    wanted = config.items_per_task if group == "adult" else config.child_items_per_task
    if many_rounds:
        wanted = min(wanted, config.memory_items)
    permuted = answers_in_turn(items, random.Random(content_id(config.seed, row)))
    # One try: a memory item practised would be a memory item learned. Nor may practice leave nothing to test.
    spare = max(0, len(permuted) - wanted)
    practice = 0 if many_rounds else min(config.practice_per_task, spare)
    rest = permuted[practice:]
    start = list_number * wanted % len(rest)
    window = [rest[(start + place) % len(rest)] for place in range(min(wanted, len(rest)))]
    random.Random(content_id(config.seed, row, list_number)).shuffle(window)
    return permuted[:practice], window


def answers_in_turn(items: Sequence[Item], draw: random.Random) -> list[Item]:
    """A random order in which the right answers take turns, so that every stretch of it is about balanced."""
    by_gold: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.id):
        by_gold[item.turns[-1].gold].append(item)
    places = []
    for gold in sorted(by_gold):
        group = by_gold[gold]
        draw.shuffle(group)
        # Spread over the unit interval, each within its own stretch of it.
        places += [((index + draw.random()) / len(group), item.id, item) for index, item in enumerate(group)]
    return [item for _, _, item in sorted(places, key=lambda place: place[:2])]


def williams_order(rows: Sequence[str], list_number: int) -> list[str]:
    """One row of a Williams square, in which each task stands at each place, and follows each other, equally often.

    >>> [williams_order("abcd", number) for number in range(2)]
    [['a', 'b', 'd', 'c'], ['b', 'c', 'a', 'd']]
    """
    count = len(rows)
    first = [0]
    for step in range(1, count):
        first.append((step + 1) // 2 if step % 2 else count - step // 2)
    turn = list_number % (2 * count if count % 2 else count)
    # With an odd number of tasks the square needs its mirror image too.
    order = first if turn < count else first[::-1]
    return [rows[(place + turn) % count] for place in order]
