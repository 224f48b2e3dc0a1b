"""The detector's boxes are the checkpoint's, told apart by label, and land in a COCO file that builds.

No weights of a real detector are at hand: a tiny Grounding DINO with random weights goes through the real loading code.
"""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.errors import CheckpointError, ConfigError, InputError, OutputExistsError
from babyvlm.toolbox.detection import DetectionConfig
from babyvlm.toolbox.detection.detector import Detector, detect
from tests.toolbox.detection import tiny_detector


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    tiny_detector.save(folder)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for name, size in (("a.jpg", (64, 80, 3)), ("more/b.png", (70, 64, 3))):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(folder / name)
    return folder


def test_boxes_are_those_of_the_model_itself(checkpoint, photographs):
    config = DetectionConfig(labels=("Cup", "teddy bear"), detector=str(checkpoint), threshold=1e-6, max_overlap=1.0)
    detector = Detector(config)
    image = Image.open(photographs / "a.jpg")
    found = detector.find(image)
    # The same forward pass, read by the library's own post-processing.
    inputs = detector.tokenizer("cup. teddy bear.", return_tensors="pt")
    pixels = detector.pixels(images=image, return_tensors="pt")
    with torch.inference_mode():
        outputs = detector.model(**inputs, **pixels)
    reference = detector.pixels.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(64, 80)])[0]
    theirs = {tuple(box) for box in reference["boxes"].clamp(min=0).numpy().round(1).tolist()}
    ours = {(box.left, box.top, box.right, box.bottom) for box in found}
    inside = {(min(a, 80.0), min(b, 64.0), min(c, 80.0), min(d, 64.0)) for a, b, c, d in theirs}
    assert ours and all(any(np.allclose(box, other, atol=0.11) for other in inside) for box in ours)
    assert {box.label for box in found} <= {"cup", "teddy bear"}
    assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)


def test_phrases_are_told_apart_by_their_own_tokens(checkpoint):
    detector = Detector(DetectionConfig(labels=("cup", "teddy bear"), detector=str(checkpoint)))
    assert detector.spans == [[1], [3, 4]]


def test_a_coco_file_comes_out_that_the_builder_reads(checkpoint, photographs, tmp_path):
    from babyvlm.corpus import read_photo_annotations

    out = tmp_path / "boxes.json"
    config = DetectionConfig(labels=("cup", "teddy bear"), detector=str(checkpoint), threshold=1e-6)
    counts = detect(photographs, out, config)
    coco = json.loads(out.read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.jpg", "more/b.png"]
    assert sum(counts.values()) == len(coco["annotations"]) > 0
    frames = read_photo_annotations(out, photographs)
    assert sum(len(frame.boxes) for frame in frames) == len(coco["annotations"])
    with pytest.raises(OutputExistsError):
        detect(photographs, out, config)


def test_what_cannot_be_used_is_named(checkpoint, photographs, tmp_path):
    with pytest.raises(ConfigError, match="labels repeat: cup"):
        DetectionConfig(labels=("cup", "Cup"))
    with pytest.raises(ConfigError, match="tokens"):
        Detector(DetectionConfig(labels=tuple(f"cup {'bear ' * n}" for n in range(1, 9)), detector=str(checkpoint)))
    with pytest.raises(CheckpointError, match="does not load"):
        Detector(DetectionConfig(labels=("cup",), detector=str(tmp_path / "absent")))
    with pytest.raises(InputError, match="no photograph"):
        detect(tmp_path, tmp_path / "out.json", DetectionConfig(labels=("cup",)))
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"torn\.jpg"):
        detect(tmp_path, tmp_path / "out.json", DetectionConfig(labels=("cup",), detector=str(checkpoint)))
    assert not (tmp_path / "out.json").exists()
