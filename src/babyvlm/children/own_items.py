"""Items of one's own as a set of trials: what people of a study chose, and how models scored the same options.

runs of people ──> choices by item and age ──┐
graded runs of models ──> scores by item     ┴──> a set of trials like DevBench's, the right option first

Any toolbox will do whose items have one round and a few options. People are grouped by whole years where their ages are
known; those of unknown age are a group of their own. A group of fewer than four people is left out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from babyvlm.children import runs as runs_module
from babyvlm.children.runs import AnsweredRun
from babyvlm.children.trials import ChildChoice, Floats, LeftOut, TrialSet, groups_of
from babyvlm.records import Item
from babyvlm.toolbox.devbench import Trial

NAME = "own-items"
_FEWEST = 4


def own_items(runs: Sequence[AnsweredRun], ages: Mapping[str, float]) -> TrialSet | str:
    """The set of trials that people and graded models share; or why there is none.

    Args:
        runs: Of people and of models.
        ages: People's ages, months.
    """
    chosen: dict[str, dict[str, str]] = defaultdict(dict)
    items: dict[str, Item] = {}
    for run in (run for run in runs if run.is_people):
        for item, score in run.judged:
            answer = score.turns[0].answer
            if len(item.turns) == 1 and len(item.turns[0].options) > 1 and answer in item.turns[0].options:
                items[item.id] = item
                chosen[item.id][run.person(score.participant)] = answer
    if not chosen:
        return "no people answered items of one round"
    scored = {run.name: scores for run in runs if not run.is_people and (scores := _scores(run, items))}
    if not scored:
        return "no run gives scores for the options of items that people answered; evaluate with --answer likelihood"
    names = sorted(name for name in chosen if any(name in scores for scores in scored.values()))
    width = max(len(items[name].turns[0].options) for name in names)
    order = {name: _gold_first(items[name]) for name in names}
    trials = tuple(
        Trial(number=number, text=_label(items[name]), pictures=_padded(order[name], width))
        for number, name in enumerate(names, start=1)
    )
    choices = [
        ChildChoice(
            child=who,
            age=f"{math.floor(ages[who] / 12)}" if who in ages else "",
            number=number,
            shares_P=tuple(float(option == answer) for option in _padded(order[name], width)),
        )
        for number, name in enumerate(names, start=1)
        for who, answer in sorted(chosen[name].items())
    ]
    kept, left_out = _large_groups(choices)
    if not kept:
        return f"no age has {_FEWEST} people or more"
    groups, _ = groups_of(kept, trials)
    return TrialSet(
        name=NAME,
        folder=next(run.folder for run in runs if run.is_people),
        trials=trials,
        num_pictures=width,
        looking=False,
        ages=groups,
        left_out=left_out,
        choices=tuple(kept),
        models={model: _table(scores, names, order, width) for model, scores in scored.items()},
    )


def _scores(run: AnsweredRun, items: Mapping[str, Item]) -> dict[str, dict[str, float]]:
    """A run's score of each option of each item, where its replies have them."""
    found = {}
    for response in run.responses:
        scores = runs_module.option_scores(response.replies[0]) if response.item in items else None
        if scores is not None and len(scores) == len(items[response.item].turns[0].options):
            found[response.item] = dict(zip(items[response.item].turns[0].options, scores, strict=True))
    return found


def _gold_first(item: Item) -> tuple[str, ...]:
    (turn,) = item.turns
    return (turn.gold, *(option for option in turn.options if option != turn.gold))


def _padded(options: Sequence[str], width: int) -> tuple[str, ...]:
    return (*options, *[""] * (width - len(options)))


def _label(item: Item) -> str:
    return item.category or item.turns[0].gold


def _large_groups(choices: Sequence[ChildChoice]) -> tuple[list[ChildChoice], tuple[LeftOut, ...]]:
    """The choices of ages with enough people, and what is left out."""
    people: dict[str, set[str]] = defaultdict(set)
    asked: dict[str, set[int]] = defaultdict(set)
    for one in choices:
        people[one.age].add(one.child)
        asked[one.age].add(one.number)
    few = sorted(age for age, names in people.items() if len(names) < _FEWEST)
    left_out = [
        LeftOut(age=age, reason=f"fewer than {_FEWEST} people", trials=tuple(sorted(asked[age]))) for age in few
    ]
    return [one for one in choices if one.age not in few], tuple(left_out)


def _table(
    scores: Mapping[str, Mapping[str, float]], names: Sequence[str], order: Mapping[str, Sequence[str]], width: int
) -> Floats:
    table_TP = np.full((len(names), width), np.nan)
    for row, name in enumerate(names):
        if name in scores:
            for column, option in enumerate(order[name]):
                table_TP[row, column] = scores[name][option]
    return table_TP
