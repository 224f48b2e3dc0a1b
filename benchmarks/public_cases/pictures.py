"""Photographs and their boxes as cameras and annotation tools write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from babyvlm.shown_pictures import open_image
from babyvlm.toolbox.sources import PhotoSource


def coco_zero_area(case: Path, _work: Path) -> str:
    """One box without area costs itself, in COCO as in VOC."""
    boxes = {}
    for name in ("good.json", "one_zero_height.json", "one_outside.json", "voc_one_zero_height"):
        source = PhotoSource(case / "images", case / name)
        boxes[name] = sum(len(frame.boxes) for frame in source.frames)
        assert sum(source.skipped.values()) == (name != "good.json"), (name, source.skipped)
    assert boxes["one_zero_height.json"] == boxes["voc_one_zero_height"], boxes
    return f"{boxes['one_zero_height.json']} boxes read, one counted"


def exif_orientation(case: Path, _work: Path) -> str:
    """Boxes of upright pictures lie on upright pictures."""
    source = PhotoSource(case / "images", case / "voc")
    assert not source.skipped, source.skipped
    for frame in source.frames:
        (_, image), *_ = source.reader(frame.source).load([0.0])
        assert image.size == (frame.width, frame.height), frame.source
    return f"{len(source.frames)} photographs upright"


def cvat_yolo(case: Path, _work: Path) -> str:
    """The folder as CVAT exports it: obj.names read, train.txt left alone."""
    source = PhotoSource(case / "images", case / "export")
    boxes = sum(len(frame.boxes) for frame in source.frames)
    assert boxes == 36 and not source.skipped, (boxes, source.skipped)
    return f"{boxes} boxes"


def png_16_bit(case: Path, _work: Path) -> str:
    """A grey ramp keeps its greys; what is transparent is white."""
    ramp = np.asarray(open_image(case / "ramp16.png"), int)
    assert (ramp == 255).mean() < 0.05 and len(np.unique(ramp)) > 100
    clear = np.asarray(open_image(case / "transparent.png"), int)
    assert (clear == 255).all(axis=2).any()
    return "scaled; laid on white"


CASES = {
    "20-coco-zero-area": coco_zero_area,
    "21-exif-orientation": exif_orientation,
    "23-cvat-yolo": cvat_yolo,
    "24-png-16-bit": png_16_bit,
}
