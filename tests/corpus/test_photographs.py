from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from babyvlm.corpus import read_photo_annotations
from babyvlm.errors import AnnotationError, MediaError
from babyvlm.records import Box, BoxedFrame

EXPECTED = (
    BoxedFrame(
        source="kitchen/a.jpg",
        width=200,
        height=100,
        boxes=(Box(label="potted plant", x=10, y=20, width=40, height=60),),
    ),
    BoxedFrame(
        source="kitchen/b.png",
        width=100,
        height=100,
        boxes=(Box(label="cup", x=0, y=0, width=100, height=50), Box(label="cup", x=50, y=50, width=50, height=50)),
    ),
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "kitchen").mkdir(parents=True)
    for frame in EXPECTED:
        Image.new("RGB", (frame.width, frame.height)).save(folder / frame.source)
    return folder


def one_line(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("Potted_Plant 10 20 50 80\n\n")
    (folder / "b.txt").write_text("cup -1 0 101 50 difficult\ncup 50 50 100 100\n")
    return folder


def yolo(folder: Path) -> Path:
    (folder / "kitchen").mkdir(parents=True)
    (folder / "data.yaml").write_text("nc: 2\nnames:\n  0: potted plant\n  1: cup\n")
    (folder / "kitchen" / "a.txt").write_text("0 0.15 0.5 0.2 0.6\n")
    (folder / "kitchen" / "b.txt").write_text("1 0.5 0.25 1.0 0.5\n1 0.75 0.75 0.5 0.5\n")
    return folder


def voc(folder: Path) -> Path:
    def boxed(name: str, *edges: int) -> str:
        tags = zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
        return f"<object><name>{name}</name><bndbox>{''.join(f'<{t}>{e}</{t}>' for t, e in tags)}</bndbox></object>"

    folder.mkdir()
    body = {
        "a": boxed("potted plant", 10, 20, 50, 80),
        "b": boxed("cup", 0, 0, 101, 50) + boxed("cup", 50, 50, 100, 100),
    }
    for stem, objects in body.items():
        (folder / f"{stem}.xml").write_text(f"<annotation><filename>{stem}.jpeg</filename>{objects}</annotation>")
    return folder


def coco(folder: Path) -> Path:
    folder.mkdir()
    sizes = [{"id": n, "file_name": f.source, "width": f.width, "height": f.height} for n, f in enumerate(EXPECTED, 7)]
    boxes = [(7, 3, [10, 20, 40, 60]), (8, 4, [0, 0, 100, 50]), (8, 4, [50, 50, 50, 50])]
    annotations = [{"id": n, "image_id": i, "category_id": c, "bbox": b} for n, (i, c, b) in enumerate(boxes)]
    annotations.append({"id": 9, "image_id": 7, "category_id": 4, "bbox": [0, 0, 9, 9], "iscrowd": 1})
    annotations.append({"id": 10, "image_id": 7, "category_id": 4, "bbox": [0, 0, 9, 9]})  # one of the crowd
    categories = [{"id": 3, "name": "potted plant"}, {"id": 4, "name": "Cup"}]
    path = folder / "instances.json"
    path.write_text(json.dumps({"info": {}, "images": sizes, "annotations": annotations, "categories": categories}))
    return path


@pytest.mark.parametrize("write", [one_line, yolo, voc, coco])
def test_every_format_is_told_and_read_the_same(tmp_path: Path, images: Path, write) -> None:
    found = read_photo_annotations(write(tmp_path / "annotations"), images)
    assert [frame.source for frame in found] == [frame.source for frame in EXPECTED]
    for frame, expected in zip(found, EXPECTED, strict=True):
        assert (frame.width, frame.height, frame.time_s) == (expected.width, expected.height, None)
        for box, wanted in zip(frame.boxes, expected.boxes, strict=True):
            assert box.label == wanted.label
            got = (box.x, box.y, box.width, box.height)
            assert got == pytest.approx((wanted.x, wanted.y, wanted.width, wanted.height))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cup 50 50 110 100", r"left 50 top 50 right 110 bottom 100, lies outside its image of 100x100"),
        ("cup -3 50 60 100", "outside its image"),
        ("cup 60 50 60 100", "holds nothing"),
        ("cup 50 50 60", "expected class left top right bottom"),
        ("cup 50 50 60 wide", "expected four numbers"),
        ("cup 50 50 60 nan", "outside its image"),
    ],
)
def test_faults_name_the_line(tmp_path: Path, images: Path, line: str, says: str) -> None:
    folder = one_line(tmp_path / "annotations")
    (folder / "b.txt").write_text(f"cup 0 0 10 10\n{line}\n")
    with pytest.raises(AnnotationError, match=rf"b\.txt, line 2: .*{says}"):
        read_photo_annotations(folder, images)


def test_photographs_that_are_missing_unreadable_or_ambiguous_are_named(tmp_path: Path, images: Path) -> None:
    folder = one_line(tmp_path / "annotations")
    (images / "attic").mkdir()
    (images / "attic" / "a.jpg").write_bytes((images / "kitchen" / "a.jpg").read_bytes())
    with pytest.raises(MediaError, match=r"may annotate attic/a\.jpg and kitchen/a\.jpg"):
        read_photo_annotations(folder, images)
    (images / "attic" / "a.jpg").unlink()
    (images / "kitchen" / "b.png").write_text("no picture")
    with pytest.raises(MediaError, match=r"b\.png: does not open as an image"):
        read_photo_annotations(folder, images)
    (images / "kitchen" / "b.png").unlink()
    with pytest.raises(MediaError, match=r"b: the photograph that .*b\.txt annotates is missing"):
        read_photo_annotations(folder, images)


def test_coco_and_yolo_contradictions_are_told(tmp_path: Path, images: Path) -> None:
    path = coco(tmp_path / "coco")
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "images": [{**whole["images"][0], "width": 100, "height": 200}]}))
    with pytest.raises(AnnotationError, match=r"annotations\[1\]: there is no image 8"):
        read_photo_annotations(path, images)
    path.write_text(json.dumps({**whole, "images": [{**each, "height": 99} for each in whole["images"]]}))
    with pytest.raises(AnnotationError, match=r"images\[0\]: kitchen/a.jpg is said to be 200x99"):
        read_photo_annotations(path, images)
    path.write_text('{"images": [{"id": "x"}]}')
    with pytest.raises(AnnotationError, match=r"instances\.json, images\[0\]"):
        read_photo_annotations(path, images)
    folder = yolo(tmp_path / "yolo")
    (folder / "data.yaml").write_text("names: [potted plant]\n")
    with pytest.raises(AnnotationError, match=r"b\.txt, line 1: class 1 has no name"):
        read_photo_annotations(folder, images)
    (folder / "data.yaml").unlink()
    with pytest.raises(AnnotationError, match="class names are missing"):
        read_photo_annotations(folder, images)


def test_real_rooms_are_read_whole(shared_data: Path) -> None:
    found = read_photo_annotations(shared_data / "rooms" / "ground-truth", shared_data / "rooms" / "images")
    assert len(found) == 85
    assert sum(len(frame.boxes) for frame in found) == 686
    assert len({box.label for frame in found for box in frame.boxes}) == 30
    assert {(frame.width, frame.height) for frame in found} == {(640, 480)}
    assert all(box.y + box.height <= 480 for frame in found for box in frame.boxes)  # some say 481
