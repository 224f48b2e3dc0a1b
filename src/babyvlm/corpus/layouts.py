"""Facts that file names encode, in each provider's layout.

saycam      S_20140320_1703_04                   child, date, age as MMDD (months and days), part
babyview    S00220001_2024-03-19_1_rec5Xau       child, date, session, record
            00220001_GX010001_...                child, camera's own file name (older releases)
ego4d       0a1b2c3d-4e5f-... (a uid)            nothing; who filmed stands in ego4d.json
plain       anything                             a date, where there is exactly one: 2024-03-19, 20240319T102200+0200

Each file is read by itself: in one folder there may be recordings of several providers, each under its own licence.
Another package may add a layout (``docs/extending.md``); it is used where it is asked for by name.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from babyvlm.errors import ConfigError
from babyvlm.licences import UNKNOWN
from babyvlm.registry import Registry, instance_of

Layout = str
"""The name of a layout in `REGISTRY`."""

DAYS_PER_MONTH = 365.25 / 12
_FRAME = re.compile(r"(?P<recording>.+?)_\d+_\d+_frame_?\d+")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?=\D|\d{6}(?!\d)|$)")
_ZONE = re.compile(r"\d{2}[-:_.]?\d{2}(?:[-:_.]?\d{2})?(Z|[+-](?:0\d|1[0-4]):?[0-5]\d)(?!\d)")


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """Facts encoded in a name; None where it does not have them."""

    child: str | None = None
    age_months: float | None = None
    date: datetime.date | None = None
    zone: str | None = None
    """Time zone that stands after a time of day: the date is that of this zone."""


@dataclass(frozen=True, kw_only=True)
class CorpusLayout:
    """How a provider names recordings, and under which licence they are.

    Another package adds one by an entry point in ``babyvlm.layouts``.
    """

    read_name: Callable[[str], NameFacts | None]
    """What a file's stem says; None where it is not named that way."""
    licence: str
    """Licence of its recordings unless ``recordings.csv`` has another; ``restricted: ...`` keeps pictures local."""
    example: str
    """A stem that is named that way, for the contract suite."""


def _read_forms(*forms: str) -> Callable[[str], NameFacts | None]:
    """A reader of stems of several forms, whose groups are child, date, months and days."""
    compiled = [re.compile(form) for form in forms]
    return lambda stem: _read_match(next((found for form in compiled if (found := form.fullmatch(stem))), None))


def _read_match(match: re.Match[str] | None) -> NameFacts | None:
    if match is None:
        return None
    parts = match.groupdict()
    if "date" not in parts:
        child = parts.get("child")  # older releases write it without the S
        return NameFacts(child=child and f"S{child}")
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


REGISTRY: Registry[CorpusLayout] = Registry(
    "babyvlm.layouts",
    {
        "saycam": CorpusLayout(
            read_name=_read_forms(r"(?P<child>[A-Z])_(?P<date>\d{8})_(?P<months>\d{2})(?P<days>\d{2})_\d+"),
            licence="restricted: SAYCam (Databrary)",
            example="S_20140320_1703_04",
        ),
        "babyview": CorpusLayout(
            read_name=_read_forms(
                r"(?P<child>S\d+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_rec\w+", r"(?P<child>\d{8})_G[XHP]\d{6}.*"
            ),
            licence="restricted: BabyView (Databrary)",
            example="S00220001_2024-03-19_1_rec5Xau",
        ),
        "ego4d": CorpusLayout(
            read_name=_read_forms(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            licence="restricted: Ego4D",
            example="0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        ),
        "plain": CorpusLayout(read_name=_read_plain_name, licence=UNKNOWN, example="visit 2024-03-19"),
    },
    instance_of(CorpusLayout),
)
"""The layouts by name; the built-in ones in the order in which ``auto`` tries them."""
LAYOUTS: tuple[Layout, ...] = REGISTRY.builtin


def read_name(stem: str, layout: Layout) -> NameFacts | None:
    """What a file's stem says in a layout; None when it is not named that way.

    >>> read_name("S_20140320_1703_04", "saycam")
    NameFacts(child='S', age_months=17.1, date=datetime.date(2014, 3, 20), zone=None)
    """
    return REGISTRY.get(layout).read_name(stem)


def licence_of(layout: Layout) -> str:
    """Licence of a layout's recordings unless ``recordings.csv`` says otherwise."""
    return REGISTRY.get(layout).licence


def layout_of(stem: str) -> Layout:
    """The built-in layout in which one file is named.

    >>> layout_of("S_20140320_1703_04"), layout_of("visit 3")
    ('saycam', 'plain')
    """
    return next(layout for layout in LAYOUTS if read_name(stem, layout) is not None)


def commonest_layout(stems: Iterable[str]) -> Layout:
    """The layout of most of the stems, for what is shown of a corpus; nothing is decided by it."""
    return Counter(map(layout_of, sorted(stems))).most_common(1)[0][0]


def licence_of_picture(stem: str) -> str | None:
    """The licence of a picture that is named as a frame of a provider's recording; None for any other name.

    >>> licence_of_picture("A_20130531_0818_01_76680_77720_frame_1"), licence_of_picture("IMG_2041")
    ('restricted: SAYCam (Databrary)', None)
    """
    frame = _FRAME.match(stem)
    layout = layout_of(frame["recording"] if frame else stem)
    return None if layout == "plain" else licence_of(layout)


def check_layout(name: str) -> Layout | None:
    """The layout of this name, None for ``auto``.

    Raises:
        ConfigError: There is no such layout.
        ExtensionError: It is of another package, and does not load.
    """
    if name == "auto":
        return None
    if name not in REGISTRY:
        raise ConfigError(f"there is no corpus layout {name!r}; choose one of auto, {', '.join(REGISTRY.names())}")
    REGISTRY.get(name)
    return name
