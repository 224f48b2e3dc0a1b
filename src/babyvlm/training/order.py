"""What can be set about the order in which a stage meets its samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from babyvlm.training.optimisation import refuse_if


@dataclass(frozen=True, kw_only=True)
class DataOrder:
    """The order of a stage's samples in time (ours; the published scripts shuffle)."""

    kind: Literal["shuffled", "chronological", "reversed", "cumulative"] = "shuffled"
    """``shuffled``: each epoch in a new random order (published). ``chronological``: one pass by the age of the child,
    then by time within the recording; by date where the set has no ages. ``reversed``: the same from the end.
    ``cumulative``: each month of age in turn, drawing from all samples up to its end."""
    replay: float = 0.0
    """Least share of the draws that repeat, at random, what earlier steps have met; ``chronological`` and ``reversed``
    alone. A stage longer than one pass repeats more, for no sample is new twice; in a shorter one the pass leaves
    samples out, evenly."""

    def __post_init__(self) -> None:
        refuse_if(not 0 <= self.replay < 1, f"order.replay={self.replay} must be in [0, 1)")
        refuse_if(
            self.replay > 0 and self.kind in ("shuffled", "cumulative"),
            f"order.replay={self.replay}: only order.kind=chronological or reversed replays, not {self.kind}",
        )

    @property
    def is_timed(self) -> bool:
        """Whether the time of the recordings decides."""
        return self.kind != "shuffled"
