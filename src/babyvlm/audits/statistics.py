"""The tests of an audit: balance of answers, and better than guessing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from babyvlm.audits.records import AnswerBalance
from babyvlm.records import Item
from babyvlm.toolbox.tasks import counted_as

_DRAWS = 9999


def answer_balance(items: Sequence[Item], *, seed: int = 0) -> AnswerBalance:
    """Compares right answers with an even spread over each round's options; rounds with one option are left out.

    The p of the chi-square is simulated, as rounds may differ in their options and counts may be small.
    """
    choices = [
        tuple(counted_as(item.task, turn.options, each) for each in (*turn.options, turn.gold))
        for item in items
        for turn in item.turns
        if len(turn.options) > 1
    ]
    kinds = Counter(tuple(sorted(options)) for *options, _ in choices)
    names = sorted({option for kind in kinds for option in kind}, key=_numbers_by_size)
    place = {name: index for index, name in enumerate(names)}
    expected = np.zeros(len(names))
    rng = np.random.default_rng(seed)
    drawn = np.zeros((_DRAWS, len(names)))
    for kind, number in sorted(kinds.items()):
        columns = [place[option] for option in kind]
        expected[columns] += number / len(kind)
        drawn[:, columns] += rng.multinomial(number, [1 / len(kind)] * len(kind), size=_DRAWS)
    counts = Counter(gold for *_, gold in choices)
    found = np.array([counts[name] for name in names], float)
    chi_square = float(((found - expected) ** 2 / expected).sum()) if names else 0.0
    as_uneven = int((((drawn - expected) ** 2 / expected).sum(axis=1) >= chi_square - 1e-9).sum()) if names else _DRAWS
    return AnswerBalance(
        counts={name: counts[name] for name in names},
        expected={name: round(float(expected[place[name]]), 3) for name in names},
        chi_square=chi_square,
        p=(1 + as_uneven) / (1 + _DRAWS),
    )


def _numbers_by_size(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (0, name)


def chance_of_as_much(share: float, size: float, chance: float) -> float:
    """How likely ``size`` guesses, right with probability ``chance``, are to earn ``share`` or more.

    Exact for a whole ``size``; by the normal distribution for an effective one.

    >>> round(chance_of_as_much(0.75, 4, 0.5), 4)
    0.3125
    """
    if size <= 0 or not 0 < chance < 1:
        return 1.0
    if size != round(size):
        z = (share - chance) / math.sqrt(chance * (1 - chance) / size)
        return 0.5 * math.erfc(z / math.sqrt(2))
    trials, least = round(size), round(share * size)
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + k * math.log(chance) + (trials - k) * math.log1p(-chance)
        for k in range(least, trials + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))
