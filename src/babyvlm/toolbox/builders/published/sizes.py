"""Draws crops whose sizes follow the published distribution, as far as the source has them.

least, median and most of the published crops' parts of the frame ──> a size for each draw
crops of a category, by size ──> some of those nearest to it ──> the one drawn least often so far
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

from babyvlm.toolbox.builders.published.material import area_share, by_label, frame_size_of
from babyvlm.toolbox.sightings import Sighting

_NEAREST = 5
_NEAREST_PART = 0.2  # of a category's crops


class PublishedRange(NamedTuple):
    """Least, median and most of what is published."""

    least: float
    median: float
    most: float

    def at(self, quantile: float) -> float:
        """The value at a quantile from 0 to 1, straight lines between the three.

        >>> PublishedRange(0.1, 0.3, 1.0).at(0.25)
        0.2
        """
        below = quantile < 0.5
        start, end = (self.least, self.median) if below else (self.median, self.most)
        return start + (end - start) * (2 * quantile - (0 if below else 1))


def frame_share(sighting: Sighting) -> float:
    """The part of its frame that a crop takes up."""
    return area_share(sighting.view.window, frame_size_of(sighting.view))


class SizedCrops:
    """Crops by category, to draw from.

    Args:
        sightings: All that may be drawn.
        spread: Parts of the frame that they are to take up.
        rng: Source of chance.
        most: How often one crop may be drawn; None for any number of times.
    """

    def __init__(
        self, sightings: Iterable[Sighting], spread: PublishedRange, rng: Random, *, most: int | None = None
    ) -> None:
        self._groups = {label: sorted(of, key=frame_share) for label, of in by_label(sightings).items()}
        self._shares = {label: [frame_share(one) for one in of] for label, of in self._groups.items()}
        self._spread, self._rng, self._most = spread, rng, most
        self._drawn: Counter[tuple[str, int]] = Counter()

    @property
    def labels(self) -> list[str]:
        """The categories, in alphabetical order."""
        return list(self._groups)

    def draw(self, label: str, is_allowed: Callable[[Sighting], bool] | None = None) -> Sighting | None:
        """A crop of a category; None where all that are allowed were drawn as often as they may be."""
        group, shares = self._groups[label], self._shares[label]
        wanted = max(_NEAREST, round(_NEAREST_PART * len(group)))
        found: list[int] = []
        size = self._spread.at(self._rng.random())
        right = bisect.bisect_left(shares, size)
        left = right - 1
        while len(found) < wanted and (left >= 0 or right < len(group)):
            if right >= len(group) or (left >= 0 and size - shares[left] <= shares[right] - size):
                place, left = left, left - 1
            else:
                place, right = right, right + 1
            free = self._most is None or self._drawn[label, place] < self._most
            if free and (is_allowed is None or is_allowed(group[place])):
                found.append(place)
        if not found:
            return None
        least = min(self._drawn[label, place] for place in found)
        chosen = self._rng.choice([place for place in found if self._drawn[label, place] == least])
        self._drawn[label, chosen] += 1
        return group[chosen]

    def draw_many(self, count: int) -> list[Sighting]:
        """So many crops, or as many as there may be; categories take turns."""
        chosen: list[Sighting] = []
        open_labels = self.labels
        while len(chosen) < count and open_labels:
            still_open = []
            for label in self._rng.sample(open_labels, len(open_labels)):
                one = self.draw(label) if len(chosen) < count else None
                if one is not None:
                    chosen.append(one)
                    still_open.append(label)
            open_labels = sorted(still_open)
        return chosen
