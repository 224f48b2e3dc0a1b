"""Boxes where there are none: an open-vocabulary detector over a folder of photographs, as a COCO file.

    photographs + labels -> Grounding DINO (transformers; hub name or local folder) -> boxes.json -> toolbox build

What a detector finds is a proposal: build from it, then look through the items with ``babyvlm toolbox review``. The
model knows far more words than a child, so detected boxes may serve a benchmark, and never the training of a model that
is to learn from a child's input alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from babyvlm.errors import CheckpointError, ConfigError, InputError, MediaError, OutputExistsError
from babyvlm.folders import whole_file
from babyvlm.progress import progress
from babyvlm.shown_pictures import IMAGE_SUFFIXES, open_image
from babyvlm.toolbox.detection.configuration import DetectionConfig


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One box that was found."""

    label: str
    score: float
    """Confidence, 0 to 1."""
    left: float
    top: float
    right: float
    bottom: float


class Detector:
    """Grounding DINO.

    Raises:
        CheckpointError: The checkpoint is not available, or is of another kind.
    """

    def __init__(self, config: DetectionConfig) -> None:
        from transformers import AutoConfig, AutoTokenizer, GroundingDinoForObjectDetection
        from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
            GroundingDinoImageProcessorPil,
        )

        self.config = config
        name = config.detector
        try:
            kind = AutoConfig.from_pretrained(name).model_type
            if kind != "grounding-dino":
                raise CheckpointError(f"a {kind} model, not Grounding DINO", path=Path(name))
            self.model = GroundingDinoForObjectDetection.from_pretrained(name, use_safetensors=True).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(name)
            self.pixels = GroundingDinoImageProcessorPil.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"the detector does not load ({str(error).splitlines()[0]})",
                path=Path(name),
                remedy="Give a local folder with a Grounding DINO checkpoint, or a hub name while online",
            ) from error
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self._device)
        self._labels = [label.strip().lower() for label in config.labels]
        # The phrases as the model was trained to read them: lower case, a full stop after each.
        text = " ".join(f"{label}." for label in self._labels)
        self._text: Any = self.tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = self._text.pop("offset_mapping")[0].tolist()
        limit = self.model.config.max_text_len
        if len(offsets) > limit:
            raise ConfigError(
                f"the labels make {len(offsets)} tokens, the detector reads {limit}; give fewer at a time"
            )
        self.spans, start = [], 0
        for label in self._labels:
            end = start + len(label)
            self.spans.append([i for i, (a, b) in enumerate(offsets) if start <= a < b <= end])
            start = end + 2

    @torch.inference_mode()
    def find(self, image: Image.Image) -> list[Detection]:
        """What is in a photograph, surest first."""
        seen: Any = self.pixels(images=image.convert("RGB"), return_tensors="pt")
        inputs = {name: value.to(self._device) for name, value in {**self._text, **seen}.items()}
        found = self.model(**inputs)
        confidence_QT = found.logits[0].sigmoid().float().cpu().numpy()
        by_label_QK = np.stack([confidence_QT[:, span].max(axis=1) for span in self.spans], axis=1)
        boxes_Q4 = _corners(found.pred_boxes[0].float().cpu().numpy(), image.width, image.height)
        kept: list[int] = []
        scores_Q = by_label_QK.max(axis=1)
        for query in np.argsort(-scores_Q, kind="stable"):
            if scores_Q[query] < self.config.threshold:
                break
            left, top, right, bottom = boxes_Q4[query]
            is_box = right - left >= 1 and bottom - top >= 1
            if is_box and all(_iou(boxes_Q4[query], boxes_Q4[other]) <= self.config.max_overlap for other in kept):
                kept.append(int(query))
        return [
            Detection(
                label=self._labels[int(by_label_QK[query].argmax())],
                score=round(float(scores_Q[query]), 4),
                **dict(zip(("left", "top", "right", "bottom"), map(float, boxes_Q4[query].round(1)), strict=True)),
            )
            for query in kept
        ]


def _corners(boxes_Q4: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Centre, width and height as fractions -> left, top, right, bottom in pixels, inside the picture."""
    centres, sizes = boxes_Q4[:, :2], boxes_Q4[:, 2:]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).clip(0, 1)
    return corners * np.array([width, height, width, height], np.float32)


def _iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    corner, far = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod((far - corner).clip(0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    return shared / (sum(areas) - shared) if shared else 0.0


def detect(images: Path, out: Path, config: DetectionConfig) -> dict[str, int]:
    """Looks through a folder of photographs and writes a COCO file.

    Args:
        images: Folder of photographs; sub-folders are looked through as well.
        out: The COCO file to write. Each annotation carries its ``score``.
        config: What to look for, with which detector.

    Returns:
        Boxes found, by label; 0 for those found nowhere.

    Raises:
        OutputExistsError: ``out`` exists.
        InputError: No photograph, or none that opens.
        CheckpointError: The detector does not load.
    """
    if out.exists():
        raise OutputExistsError(out, "a file")
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(
            "no photograph here", path=images, remedy=f"Files ending in {', '.join(sorted(IMAGE_SUFFIXES))} are read"
        )
    detector = Detector(config)
    labels = [label.strip().lower() for label in config.labels]
    coco: dict[str, Any] = {
        "info": {"description": f"Boxes proposed by {config.detector}, threshold {config.threshold}; not reviewed"},
        "images": [],
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels, start=1)],
        "annotations": [],
    }
    counts = dict.fromkeys(labels, 0)
    photographs = progress(_opened(paths), description="detecting", total=len(paths), unit="photo")
    for number, (path, image) in enumerate(photographs, start=1):
        name = path.relative_to(images).as_posix()
        coco["images"].append({"id": number, "file_name": name, "width": image.width, "height": image.height})
        for found in detector.find(image):
            counts[found.label] += 1
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]) + 1,
                    "image_id": number,
                    "category_id": labels.index(found.label) + 1,
                    "bbox": [
                        found.left,
                        found.top,
                        round(found.right - found.left, 1),
                        round(found.bottom - found.top, 1),
                    ],
                    "score": found.score,
                }
            )
    with whole_file(out) as file:
        file.write(json.dumps(coco, indent=1) + "\n")
    return counts


def _opened(paths: Sequence[Path]) -> Iterator[tuple[Path, Image.Image]]:
    """The photographs as shown; those that do not open are named and counted."""
    problems: list[MediaError] = []
    for path in paths:
        try:
            image = open_image(path)
        except MediaError as error:
            problems.append(error)
            continue
        yield path, image
    if len(problems) == len(paths):
        raise problems[0]
    if problems:
        print(f"{len(problems)} of {len(paths)} photographs left out; the first: {problems[0]}", file=sys.stderr)
