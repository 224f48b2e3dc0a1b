"""How much of a stage has been heard when a checkpoint is kept, in words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from babyvlm.errors import ConfigError

KeepAt = Literal["percent", "words"] | tuple[str, ...]
"""``percent``: 1, 2, ... 10, 20, ... 100% of the stage's words. ``words``: 1M, 2M, ... 10M, 20M, ... 100M, 200M, ...
1000M words (BabyLM) and the end of the stage."""
_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)(%|k|M|B)?")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An amount of words after which a checkpoint is kept."""

    name: str
    """The checkpoint's folder."""
    words: int


def require_marks(keep_at: KeepAt, stage: str) -> None:
    """Raises ConfigError where a mark cannot be read."""
    marks_of(keep_at, 1, stage)


def marks_of(keep_at: KeepAt, total: int, stage: str = "a stage") -> list[Mark]:
    """The marks that a stage of so many words passes, ascending.

    Args:
        keep_at: As it is set.
        total: Words of the whole stage.
        stage: For the error.

    Raises:
        ConfigError: A mark cannot be read.

    >>> [(mark.name, mark.words) for mark in marks_of(("5%", "1k", "100%"), 2000)]
    [('005%', 100), ('1k', 1000), ('100%', 2000)]
    """
    tens = [*range(1, 10), *range(10, 101, 10)]
    if keep_at == "percent":
        written = [f"{percent}%" for percent in tens]
    elif keep_at == "words":
        written = [
            *(f"{millions}M" for millions in tens),
            *(f"{millions}M" for millions in range(200, 1001, 100)),
            "100%",
        ]
    else:
        written = list(keep_at)
    marks = {mark.name: mark for mark in (_read(each, total, stage) for each in written)}
    return sorted((mark for mark in marks.values() if mark.words <= total), key=lambda mark: (mark.words, mark.name))


def _read(written: str, total: int, stage: str) -> Mark:
    found = _WRITTEN.fullmatch(written)
    if not found or not float(found[1]) or (found[2] == "%" and float(found[1]) > 100):
        raise ConfigError(
            f"keep_at of {stage}: {written!r} is no mark; write percent, words, or marks such as ('5%', '250k', '1M')"
        )
    if found[2] == "%":
        percent = float(found[1])
        return Mark(
            name=f"{percent:03.0f}%" if percent.is_integer() else f"{percent:g}%".zfill(5),
            words=math.ceil(total * percent / 100),
        )
    return Mark(name=written, words=math.ceil(float(found[1]) * _SUFFIXES[found[2] or ""]))
