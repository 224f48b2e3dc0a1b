"""A statistic of a toolbox beside the published one, and whether both can be of one kind.

    rule      holds in every item
    share     so many of so many; Fisher's exact test, two-sided
    spread    least, median and most; our values must lie on either side of the published median as evenly as samples of
              these sizes would, and within the published ends as often

A statistic is outside where chance alone would give so much at most once in a thousand times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

ALPHA = 0.001
_Z = 3.29  # of the normal distribution, two-sided

Verdict = Literal["within", "outside", "of the source", "not measured"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    task: str
    statistic: str
    published: str
    margin: str
    here: str
    number: int
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rule(task: str, statistic: str, published: str, holds: Sequence[bool]) -> Line:
    """Something that holds in every published item and must in every one of ours."""
    good = sum(holds)
    return Line(
        task=task, statistic=statistic, published=published, margin="all", here=f"{good} of {len(holds)}",
        number=len(holds), verdict=_unless_empty(len(holds), good == len(holds)),
    )  # fmt: skip


def share(task: str, statistic: str, good: int, of: int, here: Sequence[bool], *, of_source: bool = False) -> Line:
    """How many published items have a property, and how many of ours."""
    ours = sum(here)
    p = fisher(good, of, ours, len(here)) if here else 1.0
    low, high = wilson(good, of)
    verdict = _unless_empty(len(here), p > ALPHA)
    return Line(
        task=task, statistic=statistic, published=f"{good} of {of}", margin=f"{low:.2f} to {high:.2f}",
        here=f"{ours} of {len(here)} ({ours / max(1, len(here)):.2f})", number=len(here),
        verdict="of the source" if of_source and verdict == "outside" else verdict,
    )  # fmt: skip


def spread(
    task: str,
    statistic: str,
    published: tuple[float, float, float],
    of: int,
    here: Sequence[float],
    *,
    of_source: bool = False,
) -> Line:
    """Least, median and most of so many published values, and ours."""
    low, median, high = published
    if not here:
        return missing(task, statistic, f"{low:g}/{median:g}/{high:g}", "no such items here")
    margin = _Z * math.sqrt(0.25 * (1 / of + 1 / len(here)))
    below = (sum(x < median for x in here) + 0.5 * sum(x == median for x in here)) / len(here)
    expected = (of - 1) / (of + 1)  # of further values lie between the ends of so many
    beyond = sum(low <= x <= high for x in here) / len(here)
    slack = _Z * math.sqrt(expected * (1 - expected) * (1 / of + 1 / len(here)))
    good = abs(below - 0.5) <= margin and beyond >= expected - slack
    ordered = sorted(here)
    return Line(
        task=task, statistic=statistic, published=f"{low:g}/{median:g}/{high:g} (n={of})",
        margin=f"below the median {0.5 - margin:.2f} to {0.5 + margin:.2f}",
        here=f"{ordered[0]:.3g}/{ordered[len(ordered) // 2]:.3g}/{ordered[-1]:.3g}; {below:.2f} below, "
        f"{beyond:.2f} within the ends",
        number=len(here),
        verdict="within" if good else "of the source" if of_source else "outside",
    )  # fmt: skip


def frequencies(task: str, statistic: str, published: dict[str, int], here: Sequence[str]) -> Line:
    """How often each of some values occurs: a chi-squared test of both samples against their sum."""
    values = sorted({*published, *here})
    ours = {value: sum(one == value for one in here) for value in values}
    if not here:
        return missing(task, statistic, str(published), "no such items here")
    total, of = len(here), sum(published.values())
    squared, cells = 0.0, 0
    for value in values:
        both = published.get(value, 0) + ours[value]
        for seen, size in ((published.get(value, 0), of), (ours[value], total)):
            expected = both * size / (of + total)
            squared += (seen - expected) ** 2 / expected
        cells += 1
    p = chi_squared_tail(squared, max(1, cells - 1))
    return Line(
        task=task, statistic=statistic, published=" ".join(f"{v}:{published.get(v, 0)}" for v in values),
        margin=f"p > {ALPHA}", here=" ".join(f"{v}:{ours[v]}" for v in values) + f"; p {p:.3f}", number=total,
        verdict="within" if p > ALPHA else "outside",
    )  # fmt: skip


def missing(task: str, statistic: str, published: str, why: str) -> Line:
    """What cannot be measured on this source."""
    return Line(
        task=task, statistic=statistic, published=published, margin="", here=why, number=0, verdict="not measured"
    )


def _unless_empty(number: int, good: bool) -> Verdict:
    return "not measured" if number == 0 else "within" if good else "outside"


def wilson(good: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share."""
    centre, half = good / of + z * z / (2 * of), z * math.sqrt(good / of * (1 - good / of) / of + z * z / (4 * of * of))
    return (centre - half) / (1 + z * z / of), (centre + half) / (1 + z * z / of)


def fisher(good: int, of: int, ours: int, number: int) -> float:
    """Two-sided p of two shares under one probability.

    >>> round(fisher(3, 4, 1, 4), 4)
    0.4857
    """
    right, total = good + ours, of + number

    def chance(k: int) -> float:
        return math.comb(of, k) * math.comb(number, right - k) / math.comb(total, right)

    seen = chance(good)
    possible = range(max(0, right - number), min(of, right) + 1)
    return min(1.0, sum(p for p in map(chance, possible) if p <= seen * (1 + 1e-9)))


def chi_squared_tail(value: float, freedom: int) -> float:
    """The probability of a chi-squared value at least so large.

    >>> round(chi_squared_tail(3.841, 1), 3), round(chi_squared_tail(18.307, 10), 3)
    (0.05, 0.05)
    """
    half, x = freedom / 2, value / 2
    if x == 0:
        return 1.0
    term = math.exp(half * math.log(x) - x - math.lgamma(half + 1))
    total, k = term, 1
    while term > 1e-15 * total:
        term *= x / (half + k)
        total, k = total + term, k + 1
    return max(0.0, 1.0 - total)
