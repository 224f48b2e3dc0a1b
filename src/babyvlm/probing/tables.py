"""What probes find, as rows, and how the rows are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
_RESAMPLES = 2000
COLUMNS = ("features", "pictures", "probe", "value", "low", "high", "chance")


class ProbeRow(BaseModel):
    """One figure: accuracy, or for ABX the share of triples that are right, as the mean over labels."""

    model_config = ConfigDict(extra="forbid")

    features: str
    """``tower``, ``tower as drawn``, ``pixels`` or ``colours``."""
    pictures: str
    """``whole``, or how they were changed."""
    probe: str
    """``nearest``, ``linear`` or ``abx``."""
    value: float
    low: float
    """Of the 95% bootstrap interval over labels."""
    high: float
    chance: float


class Probed(BaseModel):
    """The content of ``probe.json``."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str
    pictures: int
    objects: int
    labels: int
    left_out: tuple[str, ...]
    """Labels with a single object."""
    without_plain_ground: int
    """Pictures of which a silhouette says little."""
    rows: tuple[ProbeRow, ...]

    def csv(self) -> str:
        """The rows, with all their digits."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, name) for name in COLUMNS] for row in self.rows)
        return buffer.getvalue()

    def text(self) -> str:
        """The rows as a table to read, in percent."""
        lines = [f"{'features':16}{'pictures':12}{'probe':9}{'%':>6}{'95% interval':>16}{'chance':>8}"]
        for row in self.rows:
            interval = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
            lines.append(
                f"{row.features:16}{row.pictures:12}{row.probe:9}{100 * row.value:6.1f}{interval:>16}"
                f"{100 * row.chance:8.1f}"
            )
        return "\n".join(lines)


def row_of(
    of_label_K: Sequence[float] | Floats, *, features: str, pictures: str, probe: str, chance: float, seed: int
) -> ProbeRow:
    """A row from the figure of each label, with its interval by resampling labels."""
    each_K = np.asarray(of_label_K, dtype=np.float64)
    draws_RK = np.random.default_rng(seed).integers(len(each_K), size=(_RESAMPLES, len(each_K)))
    low, high = np.quantile(each_K[draws_RK].mean(1), (0.025, 0.975))
    return ProbeRow(
        features=features,
        pictures=pictures,
        probe=probe,
        value=float(each_K.mean()),
        low=float(low),
        high=float(high),
        chance=chance,
    )
