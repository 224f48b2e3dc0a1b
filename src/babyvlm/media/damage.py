"""What of a stream does not decode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Damage:
    """Stretches of a picture or sound track that do not decode; filled while the file is read."""

    stretches: list[tuple[float, float]] = field(default_factory=list)
    """Start and end of each, in seconds from the start of the file."""
    lost_moments: int = 0
    """Moments asked for that lie in them."""
    ends_s: float | None = None
    """Where the picture ends, if a moment after it was asked for."""
    missing_end_s: float = 0.0
    """How much longer the file says that it lasts."""
    _begun_s: float | None = field(default=None, init=False)

    @property
    def lost_s(self) -> float:
        """Seconds that cannot be shown, those of a missing end included."""
        return sum(end_s - start_s for start_s, end_s in self.stretches) + self.missing_end_s

    def end_early(self, ends_s: float, duration_s: float) -> None:
        """The picture ends before the file does; what was damaged up to there counts once."""
        self.ends_s, self.missing_end_s = round(ends_s, 3), round(max(0.0, duration_s - ends_s), 3)

    def as_json(self) -> dict[str, Any]:
        """What its constructor takes."""
        return {
            "stretches": self.stretches,
            "lost_moments": self.lost_moments,
            "ends_s": self.ends_s,
            "missing_end_s": self.missing_end_s,
        }

    @property
    def open(self) -> bool:
        """Whether a stretch has begun and not ended."""
        return self._begun_s is not None

    def begin(self, at_s: float) -> None:
        """Nothing decodes from here on; without effect where that is known."""
        if self._begun_s is None:
            self._begun_s = max(0.0, at_s)

    def end(self, at_s: float) -> None:
        """From here on it decodes again; without effect where it did all along."""
        if self._begun_s is not None and at_s > self._begun_s:
            self.stretches.append((round(self._begun_s, 3), round(at_s, 3)))
        self._begun_s = None

    def __str__(self) -> str:
        """
        >>> str(Damage(stretches=[(2.8, 5.0), (9.0, 9.5)]))
        '2.7 s in 2 stretches do not decode, the first from 2.8 s to 5.0 s'
        """
        parts: list[str] = []
        if self.stretches:
            (start_s, end_s), total_s = self.stretches[0], sum(end_s - start_s for start_s, end_s in self.stretches)
            first = f"from {start_s:.1f} s to {end_s:.1f} s"
            several = f" in {len(self.stretches)} stretches do not decode, the first" if self.stretches[1:] else ""
            parts.append(f"{total_s:.1f} s{several or ' do not decode,'} {first}")
        if self.ends_s is not None and self.missing_end_s:
            says = f"the file says that it lasts {self.missing_end_s:.1f} s longer"
            parts.append(f"the picture ends at {self.ends_s:.1f} s, and {says}")
        return "; ".join(parts) or "nothing is damaged"
