"""A drawn corpus: real video files of coloured flags, each category of its own colour, with boxes and tracks."""

import colorsys
from dataclasses import dataclass, field
from pathlib import Path

import av
from PIL import Image, ImageDraw

from babyvlm.corpus.recording_boxes import RecordingBoxes
from babyvlm.errors import AnnotationError
from babyvlm.records import Box, BoxedFrame, Recording
from babyvlm.toolbox.directions import DIRECTIONS

WIDTH, HEIGHT, FPS = 320, 240, 10
LABELS = tuple(f"flag{index:02d}" for index in range(18))
STEP = {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}


def colour(label: str) -> tuple[int, int, int]:
    hue = LABELS.index(label) / len(LABELS)
    red, green, blue = colorsys.hsv_to_rgb(hue, 1.0, 0.9 if LABELS.index(label) % 2 else 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def scene(recording: int, index: int) -> list[tuple[str, int, float, float, float]]:
    """What is in view at a frame: (label, track, left, top, side). 4 s of displays, 4 s of groups, 4 s of exits."""
    second, part = divmod(index, FPS)
    drift = 0.8 * part  # no two frames are the same
    if second < 4:
        first = recording * 7 + second * 5
        return [
            (
                LABELS[(first + cell) % 18],
                100 * second + cell,
                106 * (cell % 3) + 20 + drift,
                120 * (cell // 3) + 25,
                56 + 2 * cell,
            )
            for cell in range(6)
        ]
    if second < 8:
        label = LABELS[(recording + second) % 18]
        number = (recording * 4 + second - 4) % 12 + 1
        cells = [(cell + second) % 12 for cell in range(number)]
        return [
            (label, 500 + 20 * second + cell, 80 * (cell % 4) + 18 + drift, 80 * (cell // 4) + 18, 38) for cell in cells
        ]
    direction = exit_of(recording, second)
    moves = [STEP[word] for word in direction.split()]
    right, down = (sum(move[axis] for move in moves) for axis in (0, 1))
    # From the middle towards the border, gone after three quarters of the two seconds.
    age = (index - 8 * FPS) % (2 * FPS)
    left, top = 130 + right * 14 * age, 90 + down * 12 * age
    visible = -48 < left < WIDTH - 4 and -48 < top < HEIGHT - 4
    return [(LABELS[(recording * 2 + second // 2 + 5) % 18], 900 + second // 2, left, top, 52)] if visible else []


def exit_of(recording: int, second: int) -> str:
    return DIRECTIONS[(recording * 2 + (second - 8) // 2) % 8]


def draw_scene(objects: list[tuple[str, int, float, float, float]]) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), (235, 235, 235))
    drawing = ImageDraw.Draw(image)
    for label, track, left, top, side in objects:
        notch = 0.3 + 0.05 * (track % 7)  # exemplars differ in shape
        flag = [(0, 0), (1, 0), (1, notch), (notch, notch), (notch, 1), (0, 1)]
        drawing.polygon([(left + x * side, top + y * side) for x, y in flag], fill=colour(label))
    return image


def boxes_of(objects: list[tuple[str, int, float, float, float]]) -> tuple[Box, ...]:
    found = []
    for label, track, left, top, side in objects:
        x, y = max(0.0, left), max(0.0, top)
        width, height = min(WIDTH, left + side) - x, min(HEIGHT, top + side) - y
        if width > 0 and height > 0:
            found.append(Box(label=label, x=x, y=y, width=width, height=height, track=track))
    return tuple(found)


@dataclass
class DrawnCorpus:
    """As much of a corpus as the toolbox uses."""

    folder: Path
    recordings: tuple[Recording, ...]
    frames_of: dict[str, tuple[BoxedFrame, ...]] = field(default_factory=dict)
    problems: tuple[AnnotationError, ...] = ()

    def media_path(self, recording: Recording) -> Path:
        return self.folder / recording.media

    def boxes(self, recording: Recording) -> RecordingBoxes:
        return RecordingBoxes(frames=self.frames_of[recording.id], problems=self.problems)

    def has_boxes(self, recording: Recording) -> bool:
        return recording.id in self.frames_of

    def boxed_frames(self, recording: Recording) -> tuple[BoxedFrame, ...]:
        return self.frames_of[recording.id]


def film(path: Path, frames: list[Image.Image]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "10", "preset": "ultrafast"}
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
