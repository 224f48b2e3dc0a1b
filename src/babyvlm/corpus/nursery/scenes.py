"""What there is to see in an episode, and the boxes that follow from it.

    Prop      a physical object with its place in every frame
    Mention   something that could be said about what is in view
    Episode   props, camera and mentions on the time line of a recording

Lengths are in frame heights; (0, 0) is the top left corner of what the resting camera shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from babyvlm.corpus.nursery.camera import Camera
from babyvlm.corpus.nursery.exemplars import Exemplar, exemplar
from babyvlm.corpus.nursery.rooms import Room

EpisodeKind = Literal["naming", "groups", "departures", "looking"]
MentionKind = Literal["name", "group", "departure", "place"]
DIRECTIONS = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
    "top left": (-1, -1),
    "top right": (1, -1),
    "bottom left": (-1, 1),
    "bottom right": (1, 1),
}
"""The eight ways out of the frame, as signs of x and y."""

SMALLEST_VISIBLE = 0.25
"""Boxes of objects of which less can be seen are left out."""


@dataclass(frozen=True, kw_only=True)
class Prop:
    """One physical object in one episode."""

    track: int
    """The same number for the same object throughout the recording."""
    category: str
    number: int
    """Which exemplar of the category."""
    flip: bool
    """Mirrored, so that it faces left."""
    depth: float
    """What has a larger depth is drawn in front."""
    x_F: np.ndarray
    """Centre."""
    y_F: np.ndarray
    size_F: np.ndarray
    """Length of the longer side; 0 where it is not there."""
    turn_F: np.ndarray
    """Degrees, clockwise."""
    shadow: bool = True
    shelf: bool = False
    """On a shelf, because it is before a wall."""
    held_F: np.ndarray | None = None
    """True where a hand holds it."""

    def matrices(self) -> np.ndarray:
        """The exemplar's coordinates to the world's, as (frames, 2, 3)."""
        turn = np.radians(self.turn_F)
        cos_F, sin_F = self.size_F * np.cos(turn), self.size_F * np.sin(turn)
        mirror = -1.0 if self.flip else 1.0
        rows = [[mirror * cos_F, -sin_F, self.x_F], [mirror * sin_F, cos_F, self.y_F]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


@dataclass(frozen=True, kw_only=True)
class Mention:
    """An occasion to speak of something that is in view."""

    start_s: float
    """From the start of the recording."""
    end_s: float
    kind: MentionKind
    category: str
    number: int = 1
    where: str = ""
    """The direction of a departure, or the part of the frame."""


@dataclass(frozen=True, kw_only=True)
class SceneDeparture:
    """An object, or a group of a kind, leaving the frame."""

    tracks: tuple[int, ...]
    direction: str
    start_s: float
    """From the start of the recording."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A stretch of a recording in one room."""

    kind: EpisodeKind
    start_frame: int
    num_frames: int
    room: Room
    camera: Camera
    props: tuple[Prop, ...]
    mentions: tuple[Mention, ...]
    departures: tuple[SceneDeparture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PropBox:
    """Where a prop is in one frame, in pixels, cut to the frame."""

    prop: Prop
    left: float
    top: float
    width: float
    height: float
    visibility: float
    """Share of the object that is in the frame and not behind another."""


def transform(matrix_23: np.ndarray, points_P2: np.ndarray) -> np.ndarray:
    return points_P2 @ matrix_23[:, :2].T + matrix_23[:, 2]


def compose(outer_F23: np.ndarray, inner_F23: np.ndarray) -> np.ndarray:
    """The transformations that apply ``inner`` first."""
    combined_F23 = outer_F23[..., :2] @ inner_F23
    combined_F23[..., 2] += outer_F23[..., 2]
    return combined_F23


def covered(front: Exemplar, matrix_23: np.ndarray, points_P2: np.ndarray) -> np.ndarray:
    """Which of the points (in pixels) lie behind an exemplar placed by ``matrix_23``."""
    local_P2 = (points_P2 - matrix_23[:, 2]) @ np.linalg.inv(matrix_23[:, :2]).T
    cells = np.floor((local_P2 / (front.width, front.height) + 0.5) * front.mask.shape[0]).astype(int)
    inside = ((cells >= 0) & (cells < front.mask.shape[0])).all(axis=1)
    hidden = np.zeros(len(points_P2), dtype=bool)
    hidden[inside] = front.mask[cells[inside, 1], cells[inside, 0]]
    return hidden


def visible_boxes(
    props: tuple[Prop, ...], matrices: list[np.ndarray], seed: int, frame: int, width: int, height: int
) -> list[PropBox]:
    """The boxes of one frame.

    Args:
        props: From back to front.
        matrices: For each prop, its coordinates to pixels, (frames, 2, 3).
        seed: The nursery's.
        frame: Frame of the episode.
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.

    Returns:
        Boxes of the props of which at least ``SMALLEST_VISIBLE`` can be seen.
    """
    there = [k for k, prop in enumerate(props) if prop.size_F[frame] > 0]
    spans = {}
    for k in there:
        edge_P2 = transform(matrices[k][frame], exemplar(seed, props[k].category, props[k].number).edge_P2)
        spans[k] = (*edge_P2.min(axis=0), *edge_P2.max(axis=0))
    boxes = []
    for position, k in enumerate(there):
        x0, y0, x1, y1 = spans[k]
        left, top, right, bottom = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
        if right - left < 1 or bottom - top < 1:
            continue
        points_P2 = transform(matrices[k][frame], exemplar(seed, props[k].category, props[k].number).inside_P2)
        seen = ((points_P2 >= 0) & (points_P2 <= (width, height))).all(axis=1)
        for other in there[position + 1 :]:
            a0, b0, a1, b1 = spans[other]
            if a0 < x1 and a1 > x0 and b0 < y1 and b1 > y0:
                front = exemplar(seed, props[other].category, props[other].number)
                seen &= ~covered(front, matrices[other][frame], points_P2)
        visibility = float(seen.mean())
        if visibility >= SMALLEST_VISIBLE:
            boxes.append(
                PropBox(
                    prop=props[k], left=left, top=top, width=right - left, height=bottom - top, visibility=visibility
                )
            )
    return boxes
