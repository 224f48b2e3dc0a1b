"""Progress bars with time left, on standard error."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from babyvlm.names import QUIET

ElementT = TypeVar("ElementT")


def progress(
    elements: Iterable[ElementT] | None = None,
    *,
    description: str,
    total: int | None = None,
    unit: str = "it",
    silent: bool = False,
) -> tqdm[ElementT]:
    """A bar over ``elements``, or, with ``total`` alone, one to ``update`` by hand; ``silent`` draws none, nor does
    a process under ``--quiet``."""
    return tqdm(
        elements, desc=description, total=total, unit=unit, dynamic_ncols=True, mininterval=0.5, smoothing=0.1,
        disable=silent or QUIET in os.environ,
    )  # fmt: skip
