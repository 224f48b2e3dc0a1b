"""The head camera: where it looks in every frame of an episode.

Lengths are in frame heights, angles in degrees. At rest the camera shows the world from (0, 0) to (aspect, 1).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One value for each frame."""

    x_F: np.ndarray
    """How far right of rest it looks."""
    y_F: np.ndarray
    zoom_F: np.ndarray
    roll_F: np.ndarray

    def matrices(self, width: int, height: int) -> np.ndarray:
        """World to pixels, as (frames, 2, 3)."""
        turn = np.radians(self.roll_F)
        scale = self.zoom_F * height
        matrices_F23 = np.empty((len(self.x_F), 2, 3))
        matrices_F23[:, 0, 0], matrices_F23[:, 0, 1] = scale * np.cos(turn), -scale * np.sin(turn)
        matrices_F23[:, 1, 0], matrices_F23[:, 1, 1] = scale * np.sin(turn), scale * np.cos(turn)
        centre_F2 = np.stack([width / height / 2 + self.x_F, 0.5 + self.y_F], axis=1)
        moved_F2 = np.einsum("fij,fj->fi", matrices_F23[:, :, :2], centre_F2)
        matrices_F23[:, :, 2] = np.array([width / 2, height / 2]) - moved_F2
        return matrices_F23


def head_camera(
    draw: random.Random,
    num_frames: int,
    fps: int,
    liveliness: float,
    calm_s: Sequence[tuple[float, float]] = (),
) -> Camera:
    """A camera on a child's head.

    Args:
        draw: Source of chance.
        num_frames: Length of the episode.
        fps: Frames per second.
        liveliness: 0 for almost still, 1 for a child who looks about.
        calm_s: Stretches of the episode in which the head is held still and level.
    """
    time_F = np.arange(num_frames) / fps

    def wander(reach: float, slowest_s: float) -> np.ndarray:
        total_F = np.zeros(num_frames)
        for share in (0.65, 0.35):
            period_s = draw.uniform(0.6, 1.4) * slowest_s * share
            total_F += share * np.sin(2 * np.pi * (time_F / period_s + draw.random()))
        return reach * total_F

    lively_F = np.full(num_frames, liveliness)
    for start_s, end_s in calm_s:
        away_F = np.maximum(np.maximum(start_s - time_F, time_F - end_s), 0.0)
        share_F = np.clip(away_F / 0.7, 0, 1)
        lively_F = np.minimum(lively_F, liveliness * share_F * share_F * (3 - 2 * share_F))
    pan, tilt, zoom = draw.uniform(0.05, 0.13), draw.uniform(0.03, 0.08), draw.uniform(0.02, 0.1)
    return Camera(
        x_F=lively_F * wander(pan, 7.0) + wander(0.003, 1.5),
        y_F=lively_F * (wander(tilt, 6.0) + wander(0.008, 1.1)) + wander(0.003, 1.3),
        zoom_F=1.0 + lively_F * (zoom * 0.7 + wander(zoom, 8.0)),
        roll_F=lively_F * wander(draw.uniform(1.0, 4.0), 5.0),
    )
