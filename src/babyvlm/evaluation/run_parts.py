"""A part of what is to be asked, so that several processes can share it: ``--part 2/4``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from babyvlm.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class RunPart:
    """Every n-th thing of a list, in its order, so that each part has some of every task."""

    number: int
    """Which part, from 1."""
    parts: int
    """How many there are."""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """A part as it is typed; None where nothing is.

        Raises:
            ConfigError: It is no part.

        >>> RunPart.read("2/4").of(range(10))
        [1, 5, 9]
        """
        if not text:
            return None
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        number, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= parts:
            raise ConfigError(f"--part {text} is no part: write 1/4, 2/4, 3/4 or 4/4 for the parts of four")
        return cls(number, parts)

    def of(self, things: Sequence[T]) -> list[T]:
        """The things of this part."""
        return list(things[self.number - 1 :: self.parts])

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"
