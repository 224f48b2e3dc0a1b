"""What ``bb`` means: left, top, width, height in the SAYCam and early Ego4D sets, left, top, right, bottom in BabyView.

Nothing in a record says which. A file keeps to one form, so the form is the one in which more of its boxes lie inside
their picture and, for Localization, have their centre in the quadrant that is the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from babyvlm.toolbox.published.records import BoxForm
from babyvlm.toolbox.tasks import LETTERS

_SLACK_PX = 2.0  # rounding at the border


@dataclass(frozen=True, kw_only=True)
class BoxClue:
    """One ``bb`` with what speaks for a form."""

    values: tuple[float, float, float, float]
    width: int
    """Width of its picture, pixels."""
    height: int
    answer: str
    """The quadrant's letter; anything else speaks for neither form."""

    def as_xywh(self, form: BoxForm) -> tuple[float, float, float, float]:
        """Left, top, width, height, read in a form."""
        left, top, third, fourth = self.values
        return (left, top, third, fourth) if form == "xywh" else (left, top, third - left, fourth - top)

    def fits(self, form: BoxForm) -> int:
        """How much speaks for a form: 1 for lying inside the picture, 1 more for the right quadrant."""
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


def box_values(record: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """The four numbers of a record's ``bb``; None where there are not four."""
    values = record.get("bb")
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    first, second, third, fourth = (float(value) for value in values)
    return first, second, third, fourth


def box_form(clues: Iterable[BoxClue]) -> BoxForm:
    """The form of a file's boxes; ``xywh`` where both fit as well.

    >>> box_form([BoxClue(values=(931, 858, 1078, 1026), width=1080, height=1920, answer="B")])
    'xyxy'
    """
    known = list(clues)
    return "xyxy" if sum(clue.fits("xyxy") - clue.fits("xywh") for clue in known) > 0 else "xywh"
