"""Compares folders byte by byte."""

from __future__ import annotations

import filecmp
from pathlib import Path


def same_bytes(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    if names != sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file()):
        return False
    return filecmp.cmpfiles(first, second, [str(name) for name in names], shallow=False)[1:] == ([], [])
