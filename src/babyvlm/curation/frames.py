"""From clips to frames: one decoding pass over a recording in, small upright frames out, clip by clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from babyvlm.curation.clips import Clip
from babyvlm.errors import MediaError
from babyvlm.media import Damage, frames_at

_PICTURE_END_TOLERANCE_S = 1.0
"""Sound may outlast the picture by so much; where more is missing, the video is cut short."""


def sample_frames(
    path: Path, clips: Sequence[Clip], *, duration_s: float, fps: float, frame_size: int, damage: Damage | None = None
) -> Iterator[tuple[Clip, list[Image.Image]]]:
    """Yields each clip with its frames, as soon as the last of them is decoded.

    Args:
        path: The video; it is decoded once, whatever the number of clips.
        clips: The clips, by start.
        duration_s: How long the video says it is.
        fps: Frames per second of a clip.
        frame_size: Pixels of the shorter side of a frame.
        damage: Where it is noted what of the picture does not decode, or is missing at its end; None refuses both.

    Yields:
        Clips in the order in which they end, with their frames in the order of time; fewer than asked for, or none,
        before the picture begins, in the last second of the video, and where it is damaged.

    Raises:
        MediaError: The video is missing, nothing of it decodes, or ``damage`` was not given and there is some.
    """
    wanted = sorted((time_s, number) for number, clip in enumerate(clips) for time_s in clip.frame_times_s(fps))
    missing = [len(clip.frame_times_s(fps)) for clip in clips]
    frames: dict[int, list[Image.Image]] = {number: [] for number in range(len(clips))}
    moments = [time_s for time_s, _ in wanted]
    strict, damage = damage is None, damage or Damage()
    taken = 0
    for time_s, image in frames_at(path, moments, shorter_side=frame_size, threads=1, damage=damage):
        while wanted[taken][0] != time_s:  # a moment without a picture
            missing[wanted[taken][1]] -= 1
            taken += 1
        number = wanted[taken][1]
        frames[number].append(image)
        missing[number] -= 1
        taken += 1
        if not missing[number]:
            yield clips[number], frames.pop(number)
    if damage.ends_s is not None:
        if damage.ends_s >= duration_s - _PICTURE_END_TOLERANCE_S:
            damage.ends_s, damage.missing_end_s = None, 0.0
        else:
            damage.end_early(damage.ends_s, duration_s)
            damage.lost_moments += sum(time_s > damage.ends_s for time_s in moments[taken:])
    if strict and damage.lost_s:
        raise MediaError(str(damage), path=path, remedy="The file is cut short or damaged: fetch it again")
    yield from ((clips[number], found) for number, found in frames.items())


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of an image's grey levels: 0 for an even surface, small for a blurred picture."""
    grey_HW = np.asarray(image.convert("L"), dtype=np.float32)
    if min(grey_HW.shape) < 3:
        return 0.0
    centre_HW = grey_HW[1:-1, 1:-1]
    neighbours_HW = grey_HW[:-2, 1:-1] + grey_HW[2:, 1:-1] + grey_HW[1:-1, :-2] + grey_HW[1:-1, 2:]
    return float(np.var(neighbours_HW - 4 * centre_HW, dtype=np.float64))


def difference_hash(image: Image.Image) -> str:
    """A perceptual hash: whether each of 8 x 8 patches is darker than its right neighbour, as 16 hexadecimal digits."""
    grey_HW = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(grey_HW[:, :-1] < grey_HW[:, 1:]).tobytes().hex()


def differing_bits(first: str, second: str) -> int:
    """How many bits two perceptual hashes differ by.

    >>> differing_bits("00000000000000ff", "000000000000000f")
    4
    """
    return (int(first, 16) ^ int(second, 16)).bit_count()
