"""Inputs that other people's programs wrote, tried one by one.

Each module maps the name of a case's folder to a function. It takes that folder and an empty one to work in, and
returns what was seen, in a few words; an AssertionError says what is wrong. The inputs lie outside the repository.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

PublicCase = Callable[[Path, Path], str]


def public_cases() -> dict[str, PublicCase]:
    """Every case that some module here knows, by the name of its folder."""
    known: dict[str, PublicCase] = {}
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__)):
        known |= importlib.import_module(f"{__name__}.{module}").CASES
    return known
