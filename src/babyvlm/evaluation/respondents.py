"""What every respondent is: a name, a family, and replies to questions.

Models, baselines and people are all respondents. A respondent sees a :class:`~babyvlm.records.Question`, which holds no
answer, and replies to each of its turns; whether the replies are right is for scoring to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from PIL import Image

from babyvlm.records import Question, Response

Family = Literal["human", "proprietary", "open-source", "baby model", "baseline"]
ImageReader = Callable[[str], Image.Image]
"""Gives the picture of that file name, RGB."""


class Respondent(Protocol):
    """Anything that answers items."""

    name: str
    """As the report shows it."""
    family: Family
    """The group of rows it belongs to in the paper's table."""
    sends_data_out: bool
    """Whether pictures leave this machine; then restricted items are refused."""

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        """Replies to every question, in any order, each as soon as it is known."""
        ...
