"""What a recording's file name says of it, in each provider's layout.

saycam      S_20140320_1703_04                   child, date, age as MMDD (months and days), part
babyview    S00220001_2024-03-19_1_rec5Xau       child, date, session, record
plain       anything                             nothing
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from babyvlm.errors import ConfigError

Layout = Literal["saycam", "babyview", "plain"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

LICENCES: dict[Layout, str] = {
    "saycam": "restricted: SAYCam (Databrary)",
    "babyview": "restricted: BabyView (Databrary)",
    "plain": "unknown",
}
"""Licence of a layout's recordings unless ``recordings.csv`` says otherwise."""

_DAYS_PER_MONTH = 365.25 / 12
_NAMES: dict[Layout, re.Pattern[str]] = {
    "saycam": re.compile(r"(?P<child>[A-Z])_(?P<date>\d{8})_(?P<months>\d{2})(?P<days>\d{2})_\d+"),
    "babyview": re.compile(r"(?P<child>S\d+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_rec\w+"),
}


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a name tells; None where it does not."""

    child: str | None = None
    age_months: float | None = None
    date: datetime.date | None = None


def read_name(stem: str, layout: Layout) -> NameFacts | None:
    """What a file's stem says in a layout; None when it is not named that way.

    >>> read_name("S_20140320_1703_04", "saycam")
    NameFacts(child='S', age_months=17.1, date=datetime.date(2014, 3, 20))
    """
    if layout == "plain":
        return NameFacts()
    match = _NAMES[layout].fullmatch(stem)
    if match is None:
        return None
    parts = match.groupdict()
    try:
        date = datetime.date.fromisoformat(parts["date"])
    except ValueError:
        return None
    age_months = round(int(parts["months"]) + int(parts["days"]) / _DAYS_PER_MONTH, 2) if "months" in parts else None
    return NameFacts(child=parts["child"], age_months=age_months, date=date)


def detect_layout(stems: Iterable[str]) -> Layout:
    """The layout in which more than half of the stems are named; ``plain`` when there is none.

    >>> detect_layout(["S_20140320_1703_04", "A_20130531_0818_01", "notes"])
    'saycam'
    """
    known = list(stems)
    for layout in _NAMES:
        if sum(read_name(stem, layout) is not None for stem in known) * 2 > len(known):
            return layout
    return "plain"


def check_layout(name: str) -> Layout | None:
    """The layout of this name, None for ``auto``.

    Raises:
        ConfigError: There is no such layout.
    """
    if name == "auto":
        return None
    for layout in LAYOUTS:
        if name == layout:
            return layout
    raise ConfigError(f"there is no corpus layout {name!r}; choose one of auto, {', '.join(LAYOUTS)}")
