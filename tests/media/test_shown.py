"""How a picture is shown: pixel aspect, rotation, mirroring; and boxes drawn on it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babyvlm.corpus import open_corpus
from babyvlm.media import Orientation, frames_at, probe
from tests.media.films import SIGNS, corner_picture, film

TURNED = {
    "as it is": lambda image: image,
    "turned left": lambda image: image.rotate(90, expand=True),
    "upside down": lambda image: image.rotate(180),
    "turned right": lambda image: image.rotate(-90, expand=True),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "mirrored upside down": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "transposed": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "transversed": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
}


@pytest.mark.case("showing")
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("how", SIGNS)
def test_display_matrices(tmp_path: Path, how: str, suffix: str) -> None:
    if suffix == ".mkv" and how not in ("as it is", "turned left", "upside down", "turned right"):
        pytest.skip("Matroska stores a rotation, and no mirroring")
    path = film(tmp_path / f"v{suffix}", pictures=[corner_picture()] * 4, signs=SIGNS[how])
    (_, image) = next(frames_at(path, [0.2]))
    expected = TURNED[how](Image.fromarray(corner_picture()))
    assert image.size == expected.size == (probe(path).width, probe(path).height)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(expected, dtype=int)).mean() < 6
    assert probe(path).orientation.mirrored == (
        how in ("mirrored", "mirrored upside down", "transposed", "transversed")
    )


@pytest.mark.case("showing")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((48, 48), Fraction(4, 3), (64, 48)),
        ((144, 108), Fraction(4, 3), (192, 108)),  # HDV, AVCHD
        ((72, 48), Fraction(8, 9), (64, 48)),  # DV, NTSC
        ((64, 48), Fraction(1), (64, 48)),
    ],
)
def test_pixel_aspects(
    tmp_path: Path, suffix: str, stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    path = film(tmp_path / f"v{suffix}", pictures=[corner_picture(*stored)] * 4, aspect=aspect)
    info = probe(path)
    assert (info.width, info.height) == shown and (info.stored_width, info.stored_height) == stored
    assert [image.size for _, image in frames_at(path, [0.0, 0.2])] == [shown] * 2
    assert next(frames_at(path, [0.2], shorter_side=24))[1].size == (round(24 * shown[0] / shown[1]), 24)


@pytest.mark.case("showing")
def test_a_pixel_aspect_is_applied_before_a_rotation(tmp_path: Path) -> None:
    path = film(
        tmp_path / "v.mp4", pictures=[corner_picture(48, 48)] * 4, aspect=Fraction(4, 3), signs=SIGNS["turned left"]
    )
    assert (probe(path).width, probe(path).height) == next(frames_at(path, [0.2]))[1].size == (48, 64)


@pytest.mark.case("showing")
def test_a_pixel_aspect_that_changes_within_the_stream(tmp_path: Path) -> None:
    film(tmp_path / "wide.ts", pictures=[corner_picture(48, 48)] * 10, aspect=Fraction(4, 3))
    film(tmp_path / "square.ts", pictures=[corner_picture(48, 48)] * 10, starts_s=1.0)
    path = tmp_path / "both.ts"
    path.write_bytes((tmp_path / "wide.ts").read_bytes() + (tmp_path / "square.ts").read_bytes())
    assert [image.size for _, image in frames_at(path, [0.3, 0.8, 1.3, 1.8])] == [(64, 48)] * 2 + [(48, 48)] * 2


def annotated(size: tuple[int, int], bbox: list[float]) -> str:
    image = {"id": 1, "width": size[0], "height": size[1], "time_s": 0.2}
    annotation = {"image_id": 1, "category_id": 1, "bbox": bbox}
    return json.dumps({"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "cup"}]})


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("stored", "aspect", "how", "drawn_on", "bbox", "expected"),
    [
        ((64, 48), None, "as it is", (64, 48), [8, 4, 16, 8], (8, 4, 16, 8)),
        ((64, 48), None, "as it is", (32, 24), [4, 2, 8, 4], (8, 4, 16, 8)),  # on a smaller copy
        ((48, 48), Fraction(4, 3), "as it is", (64, 48), [8, 4, 16, 8], (8, 4, 16, 8)),
        ((48, 48), Fraction(4, 3), "as it is", (48, 48), [6, 4, 12, 8], (8, 4, 16, 8)),  # on stored pixels
        ((64, 48), None, "turned left", (48, 64), [4, 8, 8, 16], (4, 8, 8, 16)),
        ((64, 48), None, "turned left", (64, 48), [8, 4, 16, 8], (4, 40, 8, 16)),  # on the picture as stored
        ((64, 48), None, "turned right", (64, 48), [8, 4, 16, 8], (36, 8, 8, 16)),
    ],
)
def test_boxes_follow_the_picture_as_shown(
    tmp_path: Path,
    stored: tuple[int, int],
    aspect: Fraction | None,
    how: str,
    drawn_on: tuple[int, int],
    bbox: list[float],
    expected: tuple[float, ...],
) -> None:
    film(tmp_path / "v.mp4", pictures=[corner_picture(*stored)] * 4, aspect=aspect, signs=SIGNS[how])
    (tmp_path / "v.boxes.json").write_text(annotated(drawn_on, bbox))
    corpus = open_corpus(tmp_path)
    (frame,) = corpus.boxed_frames(corpus.recordings[0])
    (box,) = frame.boxes
    assert (frame.width, frame.height) == next(frames_at(tmp_path / "v.mp4", [0.2]))[1].size
    assert (box.x, box.y, box.width, box.height) == pytest.approx(expected)


@pytest.mark.case("showing")
def test_boxes_of_another_picture_are_refused(tmp_path: Path) -> None:
    film(tmp_path / "v.mp4", pictures=[corner_picture()] * 4)
    (tmp_path / "v.boxes.json").write_text(annotated((64, 20), [8, 4, 16, 8]))
    corpus = open_corpus(tmp_path)
    found = corpus.boxes(corpus.recordings[0])
    assert found.frames == () and "proportions" in str(found.problems[0]) and "images[0]" in str(found.problems[0])


@pytest.mark.parametrize("signs", SIGNS.values())
def test_a_box_turns_with_its_picture(signs: tuple[int, int, int, int]) -> None:
    picture_HW = np.zeros((48, 64), np.uint8)
    picture_HW[4:12, 8:24] = 255
    orientation = Orientation(signs)
    turned_HW = np.asarray(orientation.turn(Image.fromarray(picture_HW)))
    rows, columns = np.nonzero(turned_HW)
    left, top, right, bottom = orientation.turn_box((8, 4, 24, 12), (64, 48))
    assert (left, top, right, bottom) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
