"""How well what is seen fits what is said: the place where a similarity model goes.

DEVIATION: the paper keeps clips and frames by X-CLIP and CLIP similarity. Those models are trained on adult, web-scale
data and their weights are not shipped, so by default nothing is scored, nothing is filtered, and the best frame of a
clip is its sharpest. With an ``Aligner`` the paper's thresholds (in ``CurationConfig``) apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image


class Aligner(Protocol):
    """Scores frames and clips against texts. It is sent to worker processes, so it must pickle."""

    name: str
    """What the manifest calls it."""

    def clip_score(self, frames: Sequence[Image.Image], text: str) -> float | None:
        """Similarity of a clip, given by its frames, and a text; None keeps the clip unscored."""

    def frame_scores(self, frames: Sequence[Image.Image], text: str) -> Sequence[float] | None:
        """Similarity of each frame and a text; None keeps the frames unscored."""


class NoAligner:
    """Scores nothing, and so keeps everything."""

    name = "none"

    def clip_score(self, frames: Sequence[Image.Image], text: str) -> None:
        return None

    def frame_scores(self, frames: Sequence[Image.Image], text: str) -> None:
        return None
