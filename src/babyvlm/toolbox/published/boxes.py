"""What ``bb`` means: left, top, width, height in the SAYCam and early Ego4D sets, left, top, right, bottom in BabyView.

A Localization picture is a crop of a frame, cut so that the object's box lies in the corner that the answer names, and
SAYCam's ``bb`` is still in the frame that it was cut from. In the picture such a box begins at 0 on the side that was
cut off there, and ends at the border on the other:

    answer left     columns x to the end were kept      the box begins at 0
    answer right    columns 0 to x + width were kept    x stays, and the box ends at the border
    top, bottom     likewise

Nothing in a record says which form its box has, nor of which picture it is. A file keeps to one reading, so the reading
is the one that most speaks for: boxes inside their picture, with the centre in the quadrant that is the answer; or,
which says more, boxes that end exactly at the borders where the crop must have ended. Where as much speaks for two, it
is the earlier of `READINGS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from babyvlm.toolbox.published.records import BoxForm, BoxSpace
from babyvlm.toolbox.tasks import LETTERS

_SLACK_PX = 2.0  # rounding at the border
_END_PX = 1.0  # how near a border is where a crop must have ended: nothing but rounding lies between

Xywh = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class BoxReading:
    """How the boxes of a file are read."""

    form: BoxForm
    space: BoxSpace
    """Whether they are in the coordinates of the picture, or of the frame that it was cut from."""

    def __str__(self) -> str:
        if self.space == "picture":
            return self.form
        return f"{self.form} in the frame that the picture was cut from, and moved to the corner that the answer names"


READINGS = tuple(BoxReading(form=form, space=space) for space in ("picture", "frame") for form in ("xywh", "xyxy"))
"""Every reading, the likeliest first."""


@dataclass(frozen=True, kw_only=True)
class BoxClue:
    """One ``bb`` with what speaks for a reading."""

    values: Xywh
    width: int
    """Width of its picture, pixels."""
    height: int
    answer: str
    """The quadrant's letter; anything else speaks for no form."""

    def as_xywh(self, form: BoxForm) -> Xywh:
        """Left, top, width, height, read in a form."""
        left, top, third, fourth = self.values
        return (left, top, third, fourth) if form == "xywh" else (left, top, third - left, fourth - top)

    def fits(self, form: BoxForm) -> int:
        """How much speaks for a form in the picture: 1 for lying inside it, 1 more for the right quadrant."""
        left, top, width, height = self.as_xywh(form)
        inside = (
            width > 0
            and height > 0
            and min(left, top) >= -_SLACK_PX
            and left + width <= self.width + _SLACK_PX
            and top + height <= self.height + _SLACK_PX
        )
        return int(inside) + int(inside and self.quadrant(form) == self.answer)

    def quadrant(self, form: BoxForm) -> str:
        """Letter of the quadrant that its centre is in."""
        left, top, width, height = self.as_xywh(form)
        return LETTERS[2 * (top + height / 2 > self.height / 2) + (left + width / 2 > self.width / 2)]

    def in_corner(self, form: BoxForm) -> Xywh | None:
        """The box moved from the frame into the picture; None where the picture cannot be such a crop."""
        left, top, width, height = self.as_xywh(form)
        if self.answer not in LETTERS or min(width, height) <= 0 or min(left, top) < -_SLACK_PX:
            return None
        right, bottom = self.answer in "BD", self.answer in "CD"
        for ends, begin, size, side in ((right, left, width, self.width), (bottom, top, height, self.height)):
            if size > side + _SLACK_PX or (ends and abs(begin + size - side) > _END_PX):
                return None
        return left if right else 0.0, top if bottom else 0.0, width, height

    def box(self, reading: BoxReading) -> Xywh | None:
        """Left, top, width, height in the picture; None where the reading does not fit."""
        if reading.space == "frame" and self.answer in LETTERS:
            return self.in_corner(reading.form)
        return self.as_xywh(reading.form) if self.fits(reading.form) == (2 if self.answer else 1) else None


def box_values(record: dict[str, Any]) -> Xywh | None:
    """The four numbers of a record's ``bb``; None where there are not four."""
    values = record.get("bb")
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    first, second, third, fourth = (float(value) for value in values)
    return first, second, third, fourth


def box_reading(clues: Iterable[BoxClue]) -> BoxReading:
    """How a file's boxes are read.

    >>> str(box_reading([BoxClue(values=(931, 858, 1078, 1026), width=1080, height=1920, answer="B")]))
    'xyxy'
    """
    known = list(clues)
    return max(READINGS, key=lambda reading: _evidence(known, reading))  # the first of equals


def _evidence(clues: Sequence[BoxClue], reading: BoxReading) -> int:
    """How much speaks for a reading: up to 2 for each box, 1 more for one that ends at a border as it must."""
    if reading.space == "picture":
        return sum(clue.fits(reading.form) for clue in clues)
    # At the top left nothing but the size of a box tells.
    ending = [clue for clue in clues if clue.answer in LETTERS[1:]]
    telling = ending or [clue for clue in clues if clue.answer]
    if 2 * sum(clue.in_corner(reading.form) is not None for clue in telling) <= len(telling):
        return 0
    found = [clue for clue in clues if clue.box(reading) is not None]
    return 2 * len(found) + sum(clue.answer in LETTERS[1:] for clue in found)
