"""What a recording's file name says of it, in each provider's layout.

saycam      S_20140320_1703_04                   child, date, age as MMDD (months and days), part
babyview    S00220001_2024-03-19_1_rec5Xau       child, date, session, record
ego4d       0a1b2c3d-4e5f-... (a uid)            nothing; who filmed stands in ego4d.json
plain       anything                             a date, where there is exactly one: 2024-03-19, 20240319T102200+0200
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from babyvlm.errors import ConfigError

Layout = Literal["saycam", "babyview", "ego4d", "plain"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

LICENCES: dict[Layout, str] = {
    "saycam": "restricted: SAYCam (Databrary)",
    "babyview": "restricted: BabyView (Databrary)",
    "ego4d": "restricted: Ego4D",
    "plain": "unknown",
}
"""Licence of a layout's recordings unless ``recordings.csv`` says otherwise."""

DAYS_PER_MONTH = 365.25 / 12
_NAMES: dict[Layout, re.Pattern[str]] = {
    "saycam": re.compile(r"(?P<child>[A-Z])_(?P<date>\d{8})_(?P<months>\d{2})(?P<days>\d{2})_\d+"),
    "babyview": re.compile(r"(?P<child>S\d+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_rec\w+"),
    "ego4d": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
}
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?=\D|\d{6}(?!\d)|$)")
_ZONE = re.compile(r"\d{2}[-:_.]?\d{2}(?:[-:_.]?\d{2})?(Z|[+-](?:0\d|1[0-4]):?[0-5]\d)(?!\d)")


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a name tells; None where it does not."""

    child: str | None = None
    age_months: float | None = None
    date: datetime.date | None = None
    zone: str | None = None
    """Time zone that stands after a time of day: the date is that of this zone."""


def read_name(stem: str, layout: Layout) -> NameFacts | None:
    """What a file's stem says in a layout; None when it is not named that way.

    >>> read_name("S_20140320_1703_04", "saycam")
    NameFacts(child='S', age_months=17.1, date=datetime.date(2014, 3, 20), zone=None)
    """
    if layout == "plain":
        return _read_plain_name(stem)
    match = _NAMES[layout].fullmatch(stem)
    if match is None:
        return None
    parts = match.groupdict()
    if "date" not in parts:
        return NameFacts()
    try:
        date = datetime.date.fromisoformat(parts["date"])
    except ValueError:
        return None
    age_months = round(int(parts["months"]) + int(parts["days"]) / DAYS_PER_MONTH, 2) if "months" in parts else None
    return NameFacts(child=parts["child"], age_months=age_months, date=date)


def _read_plain_name(stem: str) -> NameFacts:
    dates = {match.group(1, 3, 4) for match in _DATE.finditer(stem)}
    if len(dates) != 1:
        return NameFacts()
    try:
        date = datetime.date(*map(int, dates.pop()))
    except ValueError:  # the 31st of a shorter month
        return NameFacts()
    zone = _ZONE.search(stem)
    return NameFacts(date=date, zone=zone[1] if zone else None)


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
