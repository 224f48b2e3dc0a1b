"""How objects move: from pose to pose, and out of the frame by one of eight ways.

A departure is timed so that one annotated frame falls on the moment at which about a third of the object is still to be
seen: its last box then touches the edge it leaves by, or both edges of a corner, however fast it goes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from babyvlm.corpus.nursery.exemplars import Exemplar
from babyvlm.corpus.nursery.scenes import DIRECTIONS

_EASE_S = 0.3
_LAST_SEEN = (0.42, 0.38, 0.34, 0.3)
_EDGE_MARGIN = 0.03


@dataclass(frozen=True, kw_only=True)
class Stay:
    """Where an object rests: its centre and the length of its longer side, in frame heights."""

    x: float
    y: float
    size: float


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where an object is at a moment: times in seconds of the episode, lengths in frame heights, degrees."""

    time_s: float
    x: float
    y: float
    size: float
    turn: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Track:
    """A pose in every frame."""

    x_F: np.ndarray
    y_F: np.ndarray
    size_F: np.ndarray
    turn_F: np.ndarray

    def only(self, there_F: np.ndarray) -> Track:
        """The same, but it is there only in some frames."""
        return Track(x_F=self.x_F, y_F=self.y_F, size_F=np.where(there_F, self.size_F, 0.0), turn_F=self.turn_F)


def tween(poses: list[Pose], num_frames: int, fps: int) -> Track:
    """Moves smoothly from each pose to the next; stays at the first before it, and at the last after it."""
    time_F = np.arange(num_frames) / fps
    times = np.array([pose.time_s for pose in poses])
    before_F = np.clip(np.searchsorted(times, time_F, side="right") - 1, 0, len(poses) - 1)
    after_F = np.minimum(before_F + 1, len(poses) - 1)
    span_F = np.maximum(times[after_F] - times[before_F], 1e-6)
    share_F = np.clip((time_F - times[before_F]) / span_F, 0, 1)
    share_F = share_F * share_F * (3 - 2 * share_F)

    def along(name: str) -> np.ndarray:
        values = np.array([getattr(pose, name) for pose in poses])
        return values[before_F] + (values[after_F] - values[before_F]) * share_F

    return Track(x_F=along("x"), y_F=along("y"), size_F=along("size"), turn_F=along("turn"))


@dataclass(frozen=True, kw_only=True)
class Exit:
    """A straight way out of the frame."""

    way: tuple[float, float]
    """Unit vector."""
    speed: float
    """Frame heights a second, once under way."""
    duration_s: float
    """Until the object is gone."""

    def travelled(self, since_s: np.ndarray) -> np.ndarray:
        """Distance gone after so many seconds: gathering speed, then steady."""
        since_s = np.maximum(since_s, 0)
        return np.where(
            since_s < _EASE_S, self.speed * since_s**2 / (2 * _EASE_S), self.speed * (since_s - _EASE_S / 2)
        )


def plan_exit(
    draw: random.Random,
    drawn: Exemplar,
    flip: bool,
    pose: Pose,
    direction: str,
    aspect: float,
    annotation_fps: int,
) -> Exit | None:
    """Finds a way out for an object, with the camera at rest.

    Args:
        draw: Source of chance.
        drawn: What leaves.
        flip: Whether it is mirrored.
        pose: Where it starts, at an annotated moment.
        direction: One of ``DIRECTIONS``.
        aspect: Frame width over height.
        annotation_fps: Annotated frames per second.

    Returns:
        The exit, or None where this object can't leave that way from there within 1.2 to 2.2 s.
    """
    sign_x, sign_y = DIRECTIONS[direction]
    turn = np.radians(pose.turn)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * pose.size
    mirror = np.array([-1.0 if flip else 1.0, 1.0])
    edge_P2, inside_P2 = (drawn.edge_P2 * mirror) @ rotation.T, (drawn.inside_P2 * mirror) @ rotation.T
    low, high = edge_P2.min(axis=0), edge_P2.max(axis=0)
    start = np.array([pose.x, pose.y])
    frame = np.array([aspect, 1.0])
    goal = np.array([aspect * (sign_x + 1) / 2, (sign_y + 1) / 2])
    # A corner is crossed by the middle of the box, so that both edges cut it alike; an edge anywhere along it.
    middle = (low + high) / 2
    for axis in (0, 1):
        if (sign_x, sign_y)[axis] == 0:
            least, most = _EDGE_MARGIN - low[axis], frame[axis] - _EDGE_MARGIN - high[axis]
            if least >= most:
                return None
            drift = draw.uniform(-0.12, 0.12)
            goal[axis] = np.clip(start[axis] + drift, least, most)
        else:
            goal[axis] -= middle[axis]
    way = goal - start
    distance = float(np.hypot(*way))
    if distance < 0.2:
        return None
    way /= distance
    steps = np.arange(0, distance + pose.size * 1.5, 0.01)
    shown = []
    for step in steps:
        points_P2 = inside_P2 + start + way * step
        shown.append(((points_P2 >= 0) & (points_P2 <= frame)).all(axis=1).mean())
    gone = next((step for step, share in zip(steps, shown, strict=True) if share == 0), float(steps[-1]))
    for last_seen in _LAST_SEEN:
        step = next((step for step, share in zip(steps, shown, strict=True) if share <= last_seen), None)
        if step is None:
            return None
        corner_low, corner_high = low + start + way * step, high + start + way * step
        touched = (corner_high >= frame).astype(int) - (corner_low <= 0).astype(int)
        crossed_both = bool(((corner_high >= frame) & (corner_low <= 0)).any())
        if tuple(touched) == (sign_x, sign_y) and not crossed_both:
            break
    else:
        return None
    exits = []
    for ticks in range(4, 14):
        speed = step / (ticks / annotation_fps - _EASE_S / 2)
        duration_s = gone / speed + _EASE_S / 2
        if speed > 0 and 1.2 <= duration_s <= 2.2:
            exits.append(Exit(way=(float(way[0]), float(way[1])), speed=speed, duration_s=duration_s))
    return draw.choice(exits) if exits else None
