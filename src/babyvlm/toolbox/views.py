"""From views, which say what part of which frame is to be seen, to pictures, which are its encoded bytes.

    views of all items -> by recording -> decoded once, cut, encoded once (in parallel) -> {view: picture}

Planning is done on views, from boxes alone; only what some item may show is ever decoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from babyvlm.executors import parallel_map
from babyvlm.progress import progress
from babyvlm.records import Origin
from babyvlm.toolbox.pictures import Encoding, Picture
from babyvlm.toolbox.sources import FrameSource, PixelReader

CropVariant = Literal["plain", "mirror", "hue", "stretch", "cover"]
"""``plain`` as it is; ``mirror`` left for right; the others are near misses for Spatial Details."""

_HUE_SHIFT = 90  # of 256: far enough that the colour has another name


@dataclass(frozen=True, kw_only=True)
class View:
    """A window of one frame, at one size."""

    source: str
    time_s: float = 0.0
    """Moment in the recording; 0 for a photograph."""
    window: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels of the frame."""
    size: tuple[int, int]
    """Width and height of the picture."""
    variant: CropVariant = "plain"
    is_photo: bool = False
    track: int | None = None
    """The object shown, where the source tracks objects."""
    encoding: Encoding = "jpeg-90"
    canvas: tuple[int, int] | None = None
    """Width and height of a black canvas that the window, at `size`, stands in the middle of; None for no canvas."""
    frame: tuple[int, int] | None = None
    """Width and height of the frame, where items are to say which part of it they show."""
    box: tuple[float, float, float, float] | None = None
    """The object asked about: left, top, width, height in pixels of the frame."""

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the picture, canvas included."""
        return self.canvas or self.size

    @property
    def origin(self) -> Origin:
        return Origin(
            source=self.source,
            time_s=None if self.is_photo else self.time_s,
            track=self.track,
            window=self.window if self.frame else None,
            frame=self.frame,
            box=self.box,
        )


def load_pictures(source: FrameSource, views: Iterable[View], *, workers: int = 0) -> dict[View, Picture]:
    """Decodes every recording once and makes all the pictures wanted of it.

    Args:
        source: Where the pixels are.
        views: What is wanted; repeats cost nothing.
        workers: Processes besides this one; 0 does the work here. The result is the same.

    Returns:
        A picture for each view; views past a recording's last decodable frame are absent.

    Raises:
        MediaError: A file is missing or does not decode.
    """
    wanted: dict[str, list[View]] = defaultdict(list)
    for view in sorted(set(views), key=_view_order):
        wanted[view.source].append(view)
    jobs = [(source.reader(name), tuple(of_source)) for name, of_source in sorted(wanted.items())]
    pictures: dict[View, Picture] = {}
    done = parallel_map(_cut, jobs, workers=workers)
    for found in progress(done, description="cutting pictures", total=len(jobs), unit="source"):
        pictures.update(found)
    return pictures


def _view_order(view: View) -> tuple[object, ...]:
    # `or` makes what may be None comparable.
    shown = view.canvas or (0, 0), view.frame or (0, 0), view.box or (0.0,) * 4
    return (
        *(view.source, view.time_s, view.window, view.size, view.variant, view.encoding),
        *(view.track is None, view.track, *shown),
    )


def _cut(job: tuple[PixelReader, tuple[View, ...]]) -> dict[View, Picture]:
    reader, views = job
    at: dict[float, list[View]] = defaultdict(list)
    for view in views:
        at[view.time_s].append(view)
    pictures: dict[View, Picture] = {}
    for time_s, frame in reader.load(sorted(at)):
        for view in at[time_s]:
            pictures[view] = Picture.of(_render(frame, view), view.encoding)
    return pictures


def _render(frame: Image.Image, view: View) -> Image.Image:
    shown = _in_variant(_cut_out(frame, view), view)
    return shown if view.canvas is None else letterboxed(shown, view.canvas)


def letterboxed(image: Image.Image, canvas: tuple[int, int]) -> Image.Image:
    """An image in the middle of a black canvas."""
    black = Image.new("RGB", canvas)
    black.paste(image, ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2))
    return black


def _cut_out(frame: Image.Image, view: View) -> Image.Image:
    """The window at its size; at the size of the frame's pixels, these as they are."""
    left, top, right, bottom = view.window
    if (right - left, bottom - top) == view.size:
        return frame.crop(view.window)
    method = Image.Resampling.BOX if _shrinks(view) else Image.Resampling.BICUBIC
    return frame.resize(view.size, method, box=view.window)


def _in_variant(seen: Image.Image, view: View) -> Image.Image:
    if view.variant == "mirror":
        return seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.variant == "hue":
        hue, saturation, value = seen.convert("HSV").split()
        return Image.merge("HSV", (hue.point(lambda h: (h + _HUE_SHIFT) % 256), saturation, value)).convert("RGB")
    width, height = view.size
    if view.variant == "stretch":
        return seen.resize(view.size, Image.Resampling.BICUBIC, box=(width * 0.22, 0, width * 0.78, height))
    if view.variant == "cover":
        covered = seen.copy()
        patch = (width // 2, height // 2, int(width * 0.86), int(height * 0.86))
        covered.paste(
            seen.resize((1, 1), Image.Resampling.BOX).resize((patch[2] - patch[0], patch[3] - patch[1])), patch
        )
        return covered
    return seen


def _shrinks(view: View) -> bool:
    return view.window[2] - view.window[0] >= 2 * view.size[0]
