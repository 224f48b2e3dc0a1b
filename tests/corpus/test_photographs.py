from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from babyvlm.corpus import read_photo_annotations
from babyvlm.corpus.annotations import normal_label
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
    with pytest.raises(MediaError, match=r"b\.png: does not open as a picture"):
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
    path.write_text('{"images": [{"id": "x"}], "annotations": [], "categories": []}')
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


def tolerantly(annotations: Path, images: Path) -> tuple[tuple[BoxedFrame, ...], list[str]]:
    left_out: list[str] = []
    found = read_photo_annotations(annotations, images, lambda reason, error: left_out.append(f"{reason}: {error}"))
    return found, left_out


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bbox": [1, 1, 5, 0]}, "holds nothing"),
        ({"bbox": [1, 1, 0, 5]}, "holds nothing"),
        ({"bbox": [9, 9, -5, 5]}, "holds nothing"),
        ({"bbox": [float("nan"), 1, 5, 5]}, "outside its image"),
        ({"bbox": [150, 1, 100, 5]}, "outside its image"),
        ({"bbox": None}, "bbox"),
        ({"bbox": []}, "bbox"),
        ({"bbox": [1, 1, 5]}, "bbox"),
        ({"bbox": ["a", "b", "c", "d"]}, "bbox"),
        ({"image_id": 99}, "no image 99"),
        ({"image_id": None}, "image_id"),
        ({"category_id": 99}, "no category 99"),
        ({"category_id": None}, "category_id"),
    ],
)
def test_a_bad_coco_annotation_costs_itself(tmp_path: Path, images: Path, change: dict, says: str) -> None:
    path = coco(tmp_path / "coco")
    whole = json.loads(path.read_text())
    bad = {"id": 77, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5], **change}
    path.write_text(json.dumps({**whole, "annotations": [*whole["annotations"], bad]}))
    found, left_out = tolerantly(path, images)
    assert sum(len(frame.boxes) for frame in found) == 3
    assert len(left_out) == 1 and left_out[0].startswith("box: ") and says in left_out[0]
    assert "annotations[5]" in left_out[0]


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"height": 99}, "said to be 200x99"),
        ({"file_name": "kitchen/gone.jpg"}, "missing"),
        ({"id": "seven"}, "id: "),
        ({"id": 8}, "two images have the same id, 8"),
    ],
)
def test_a_bad_coco_image_costs_itself(tmp_path: Path, images: Path, change: dict, says: str) -> None:
    path = coco(tmp_path / "coco")
    whole = json.loads(path.read_text())
    first, second = whole["images"]
    path.write_text(json.dumps({**whole, "images": [second, {**first, **change}]}))
    found, left_out = tolerantly(path, images)
    assert [(frame.source, len(frame.boxes)) for frame in found] == [("kitchen/b.png", 2)]
    assert any(line.startswith("photograph: ") and says in line for line in left_out)


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<object><name>cup</name></object>", "four numbers"),
        ("<object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>", "not a name"),
        (
            "<object><name>n02084071</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
            "</object>",
            "WordNet",
        ),
        ("<object><name>cup</name><part><bndbox><xmin>1</xmin></bndbox></part></object>", "four numbers"),
        ("<size><width>50</width><height>60</height></size>", "said to be 50x60"),
        ("<object>", "not XML"),
    ],
)
def test_bad_voc_costs_itself(tmp_path: Path, images: Path, body: str, says: str) -> None:
    folder = voc(tmp_path / "voc")
    (folder / "a.xml").write_text(f"<annotation>{body}</annotation>")
    found, left_out = tolerantly(folder, images)
    assert [len(frame.boxes) for frame in found if frame.source == "kitchen/b.png"] == [2]
    assert len(left_out) == 1 and says in left_out[0]


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("write", "line", "says"),
    [
        (one_line, "cup 0.93 10 10 50 50", "another number, 0.93"),
        (one_line, "cup 3 10 10 50 50", "another number, 3"),
        (one_line, "cup 10 10 50", "expected class left top right bottom"),
        (one_line, "7 10 10 50 50", "not a name"),
        (yolo, "1 0.5 0.5 0.2 0.2 0.97", "6 columns"),
        (yolo, "1 0.1 0.1 0.2 0.2 0.3 0.1", "Polygons"),
        (yolo, "9 0.5 0.5 0.2 0.2", "class 9 has no name"),
        (yolo, "cup 0.5 0.5 0.2 0.2", "class cup has no name"),
        (yolo, "1 0.5 0.5 0 0.2", "holds nothing"),
    ],
)
def test_a_bad_line_costs_itself(tmp_path: Path, images: Path, write, line: str, says: str) -> None:
    folder = write(tmp_path / "labels")
    path = next(folder.rglob("b.txt"))
    path.write_text(path.read_text() + line + "\n")
    found, left_out = tolerantly(folder, images)
    assert sum(len(frame.boxes) for frame in found) == 3
    assert len(left_out) == 1 and says in left_out[0] and "line 3" in left_out[0]


@pytest.mark.case("formats")
@pytest.mark.parametrize(
    ("names", "content"),
    [
        ("classes.txt", "potted plant\ncup\n"),
        ("obj.names", "potted plant\ncup\n"),
        ("coco.names", "potted plant\ncup\n"),
        ("_darknet.labels", "potted plant\ncup\n"),
        ("data.yaml", "names: [potted plant, cup]\n"),
        ("dataset.yaml", "names:\n  0: potted plant\n  1: cup\n"),
        ("notes.json", '{"categories": [{"id": 0, "name": "potted plant"}, {"id": 1, "name": "cup"}]}'),
    ],
)
@pytest.mark.parametrize("above", [0, 1], ids=["beside", "above"])
def test_class_names_are_found(tmp_path: Path, images: Path, names: str, content: str, above: int) -> None:
    root = tmp_path / "set"
    folder = yolo(root / "obj_train_data")
    (folder / "data.yaml").unlink()
    (folder.parents[0] if above else folder).joinpath(names).write_text(content)
    (root / "train.txt").write_text("data/obj_train_data/a.jpg\ndata/obj_train_data/b.png\n")
    (root / "README.roboflow.txt").write_text("exported on a day\n")
    found = read_photo_annotations(root if above else folder, images)
    assert [[box.label for box in frame.boxes] for frame in found] == [["potted plant"], ["cup", "cup"]]


@pytest.mark.case("formats")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"shapes": [], "imagePath": "a.jpg"}, "LabelMe"),
        ({"_via_img_metadata": {}}, "VIA"),
        ({"a.jpg123": {"filename": "a.jpg", "regions": []}}, "VIA"),
        ([{"image": "a.jpg", "annotations": []}], "CreateML"),
        ([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}], "COCO results"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, images: Path, content: object, says: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=f"found a file of {says}.*Export as COCO"):
        read_photo_annotations(path, images)


@pytest.mark.case("formats")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pottedplant", "potted plant"),
        ("dining_table", "dining table"),
        ("tvmonitor", "tv monitor"),
        ("TrafficLight", "traffic light"),
        ("cell-phone", "cell phone"),
        ("person.n.01", "person"),
        (" Teddy Bear ", "teddy bear"),
        ("SCISSORS", "scissors"),
        ("t-shirt", "t-shirt"),
        ("TV", "tv"),
    ],
)
def test_labels_are_words(name: str, words: str) -> None:
    assert normal_label(name) == words


def turned_photograph(folder: Path, orientation: int) -> None:
    """Stored 100x60, with an object at 10..30 across and 5..25 down."""
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (100, 60)).save(folder / "p.jpg", exif=exif)


# Of EXIF's table: the stored object's left, top, right, bottom in the picture as shown.
AS_SHOWN = {5: (5, 10, 25, 30), 6: (35, 10, 55, 30), 7: (35, 70, 55, 90), 8: (5, 70, 25, 90)}


@pytest.mark.case("showing")
@pytest.mark.parametrize("orientation", AS_SHOWN)
@pytest.mark.parametrize("said", ["shown", "stored"])
@pytest.mark.parametrize("format_", ["voc", "coco"])
def test_boxes_follow_the_size_they_are_said_to_be_of(tmp_path: Path, orientation: int, said: str, format_) -> None:
    turned_photograph(tmp_path / "images", orientation)
    corners = AS_SHOWN[orientation] if said == "shown" else (10, 5, 30, 25)
    width, height = (60, 100) if said == "shown" else (100, 60)
    annotations = tmp_path / "boxes"
    annotations.mkdir()
    if format_ == "voc":
        tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        box = "".join(f"<{tag}>{edge}</{tag}>" for tag, edge in tags)
        (annotations / "p.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height></size>"
            f"<object><name>cup</name><bndbox>{box}</bndbox></object></annotation>"
        )
    else:
        left, top, right, bottom = corners
        content = {
            "images": [{"id": 1, "file_name": "p.jpg", "width": width, "height": height}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
            "categories": [{"id": 1, "name": "cup"}],
        }
        (annotations / "instances.json").write_text(json.dumps(content))
    (frame,) = read_photo_annotations(annotations, tmp_path / "images")
    assert (frame.width, frame.height) == (60, 100)
    (box,) = frame.boxes
    assert (box.x, box.y, box.x + box.width, box.y + box.height) == AS_SHOWN[orientation]


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("line", "expected"),
    [("cup 70 5 95 25", (35, 70, 55, 95)), ("cup 10 5 30 25", (10, 5, 30, 25)), ("cup 5 70 25 95", (5, 70, 25, 95))],
    ids=["fits the stored only", "fits both", "fits the shown only"],
)
def test_boxes_of_no_said_size_are_turned_where_they_fit_the_stored_only(
    tmp_path: Path, line: str, expected: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    turned_photograph(tmp_path / "images", 6)
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "p.txt").write_text(line)
    (frame,) = read_photo_annotations(tmp_path / "boxes", tmp_path / "images")
    (box,) = frame.boxes
    assert (box.x, box.y, box.x + box.width, box.y + box.height) == expected
    said = capsys.readouterr().err
    assert "1 photographs are shown upright" in said and "p.jpg" in said
    assert ("drawn before turning" in said) == (line == "cup 70 5 95 25")
