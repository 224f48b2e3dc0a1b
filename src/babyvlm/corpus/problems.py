"""What is wrong with a corpus, told one by one and counted by reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a corpus that cannot be used, or that is used and should be known."""

    reason: str
    """One of a few fixed phrases, by which problems are counted."""
    error: InputError
    used: bool = False
    """Whether what it is about is used all the same: then it is a note, and never stops anything."""

    @property
    def file(self) -> Path:
        return Path(self.error.path or "")

    @property
    def message(self) -> str:
        return str(self.error)
