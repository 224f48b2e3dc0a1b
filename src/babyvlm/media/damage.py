"""What of a stream does not decode."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Damage:
    """Stretches of a picture or sound track that do not decode; filled while the file is read."""

    stretches: list[tuple[float, float]] = field(default_factory=list)
    """Start and end of each, in seconds from the start of the file."""
    lost_moments: int = 0
    """Moments asked for that lie in them."""
    _begun_s: float | None = None

    @property
    def lost_s(self) -> float:
        return sum(end_s - start_s for start_s, end_s in self.stretches)

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
        first = f"from {self.stretches[0][0]:.1f} s to {self.stretches[0][1]:.1f} s" if self.stretches else "nowhere"
        if len(self.stretches) < 2:
            return f"{self.lost_s:.1f} s do not decode, {first}"
        return f"{self.lost_s:.1f} s in {len(self.stretches)} stretches do not decode, the first {first}"
