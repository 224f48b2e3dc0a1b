"""Annotated photographs: a folder of images and their boxes in, ``BoxedFrame`` records out.

    one-line   folder of .txt    class left top right bottom          pixels; the image has the same stem
    yolo       folder of .txt    class-number cx cy width height      shares of the image; names: classes.txt, data.yaml
    voc        folder of .xml    PASCAL VOC, also written by labelImg
    coco       one .json         COCO instances

The format is told from the files. One-based pixels, as in VOC, fall within the tolerance of ``annotations.fit_box``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import yaml
from PIL import Image

from babyvlm.corpus.annotations import coco_boxes, fit_box, read_coco
from babyvlm.errors import AnnotationError, InputError, MediaError
from babyvlm.records import Box, BoxedFrame

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_NAME_FILES = ("classes.txt", "data.yaml", "data.yml", "dataset.yaml")


Passed = Callable[[str, InputError], None]
"""Told the reason and the error of what is passed over."""


def read_photo_annotations(annotations: Path, images: Path, passed: Passed | None = None) -> tuple[BoxedFrame, ...]:
    """Reads the boxes of photographs, in whichever of the four formats they are.

    Args:
        annotations: A folder of .txt or .xml files, or a COCO .json file.
        images: The folder of the photographs.
        passed: Called for each photograph that is missing or damaged and each box that cannot be used, which are then
            passed over; when not given, the first of them is raised.

    Returns:
        One for each annotated photograph, by path relative to ``images``; with no boxes where the file lists none.

    Raises:
        AnnotationError: Naming the file and line or entry that cannot be used.
        MediaError: A photograph is missing or unreadable.
    """
    if not images.is_dir():
        raise MediaError("the folder of photographs is missing", path=images)
    if not annotations.exists():
        raise AnnotationError("the annotations are missing", path=annotations)
    photos = _Photographs(images, passed)
    if annotations.is_file():
        frames = _read_coco_photos(annotations, photos)
    elif files := _files(annotations, ".xml"):
        read = (_read_voc(path, annotations, photos) for path in files)
        frames = [frame for frame in read if frame is not None]
    elif files := [path for path in _files(annotations, ".txt") if path.name not in _NAME_FILES]:
        frames = _read_text_folder(files, annotations, photos)
    elif len(files := _files(annotations, ".json")) == 1:
        frames = _read_coco_photos(files[0], photos)
    else:
        raise AnnotationError(
            "no annotations found: expected .txt or .xml files, or one COCO .json",
            path=annotations,
            remedy="Give the folder of one-line, YOLO or VOC files, or the COCO file itself",
        )
    sources = [frame.source for frame in frames]
    if twice := next((source for source in sources if sources.count(source) > 1), None):
        raise AnnotationError(f"the photograph {twice!r} is annotated twice", path=annotations)
    return tuple(sorted(frames, key=lambda frame: frame.source))


class _Photographs:
    """The photographs of a folder, found by what annotations call them."""

    def __init__(self, folder: Path, passed: Passed | None) -> None:
        self._folder, self._passed = folder, passed
        found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        self._paths = sorted(path.relative_to(folder) for path in found)
        self._by_name: dict[str, list[Path]] = {}
        for path in self._paths:
            for name in {path.as_posix(), path.with_suffix("").as_posix(), path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def look_up(self, *names: str, annotation: Path) -> tuple[str, tuple[int, int]] | None:
        """As `find`; None for a photograph that is passed over."""
        if self._passed is None:
            return self.find(*names, annotation=annotation)
        try:
            found = self.find(*names, annotation=annotation)
            # Only decoding shows whether the file is whole.
            with Image.open(self._folder / found[0]) as image:
                image.load()
            return found
        except MediaError as error:
            self._passed("photograph: missing, damaged or ambiguous", error)
        except OSError as error:
            problem = MediaError(f"does not decode ({error})", path=self._folder / found[0])
            self._passed("photograph: missing, damaged or ambiguous", problem)
        return None

    def boxes(self, readers: Iterable[Callable[[], Box]]) -> list[Box]:
        """The boxes that the readers read, without those that are passed over."""
        boxes = []
        for read in readers:
            try:
                boxes.append(read())
            except AnnotationError as error:
                if self._passed is None:
                    raise
                self._passed("box: does not parse, is empty or leaves its photograph", error)
        return boxes

    def find(self, *names: str, annotation: Path) -> tuple[str, tuple[int, int]]:
        """Relative path and size, in pixels, of the photograph that the first fitting name means."""
        fitting = next((paths for name in names if (paths := self._by_name.get(name))), [])
        if not fitting:
            raise MediaError(f"the photograph that {annotation} annotates is missing", path=self._folder / names[0])
        if len(fitting) > 1:
            both = " and ".join(path.as_posix() for path in fitting[:2])
            raise MediaError(f"{annotation} may annotate {both}", path=self._folder, remedy="Give each its own name")
        path = self._folder / fitting[0]
        try:
            with Image.open(path) as image:
                return fitting[0].as_posix(), image.size
        except OSError as error:
            raise MediaError(f"does not open as an image ({error})", path=path) from error


def _read_coco_photos(path: Path, photos: _Photographs) -> list[BoxedFrame]:
    coco = read_coco(path)
    boxes = coco_boxes(coco, path)
    frames: list[BoxedFrame] = []
    for index, image in enumerate(coco.images):
        found = photos.look_up(image.file_name, Path(image.file_name).name, annotation=path)
        if found is None:
            continue
        source, size = found
        if size != (image.width, image.height):
            raise AnnotationError(
                f"{source} is said to be {image.width}x{image.height} pixels, and is {size[0]}x{size[1]}",
                path=path,
                place=f"images[{index}]",
                remedy="Boxes must be in the pixels of the image file as it is",
            )
        frames.append(_frame(source, size, boxes[image.id]))
    return frames


def _read_voc(path: Path, folder: Path, photos: _Photographs) -> BoxedFrame | None:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise AnnotationError(f"not XML: {error}", path=path, place=f"line {error.position[0]}") from error
    if root.tag != "annotation":
        raise AnnotationError(f"not VOC: expected <annotation>, found <{root.tag}>", path=path)
    own_name = path.relative_to(folder).with_suffix("").as_posix()
    found = photos.look_up(own_name, path.stem, root.findtext("filename", "").strip(), annotation=path)
    if found is None:
        return None
    source, size = found

    def read(number: int, element: ElementTree.Element) -> Box:
        place, edges = f"object {number}", ("xmin", "ymin", "xmax", "ymax")
        texts = [element.findtext(f"bndbox/{edge}", "") for edge in edges]
        return fit_box(element.findtext("name", ""), _numbers(texts, path, place), size, path=path, place=place)

    objects = enumerate(root.findall("object"), start=1)
    return _frame(source, size, photos.boxes(partial(read, number, element) for number, element in objects))


def _read_text_folder(files: list[Path], folder: Path, photos: _Photographs) -> list[BoxedFrame]:
    lines = {path: path.read_text(encoding="utf-8-sig").splitlines() for path in files}
    yolo = all(_looks_like_yolo(line) for found in lines.values() for line in found if line.strip())
    read: Callable[[str, tuple[int, int], Path, str], Box] = _read_one_line
    if yolo and any(line.strip() for found in lines.values() for line in found):
        names = _yolo_names(folder)

        def read(line: str, size: tuple[int, int], path: Path, place: str) -> Box:
            return _read_yolo_line(line, size, path, place, names)

    frames: list[BoxedFrame] = []
    for path, text in lines.items():
        found = photos.look_up(path.relative_to(folder).with_suffix("").as_posix(), path.stem, annotation=path)
        if found is None:
            continue
        source, size = found
        numbered = [(f"line {number}", line) for number, line in enumerate(text, start=1) if line.strip()]
        boxes = photos.boxes(partial(read, line, size, path, place) for place, line in numbered)
        frames.append(_frame(source, size, boxes))
    return frames


def _read_one_line(line: str, size: tuple[int, int], path: Path, place: str) -> Box:
    parts = line.removesuffix(" difficult").rsplit(maxsplit=4)
    if len(parts) != 5:
        raise AnnotationError(f"expected class left top right bottom, found {line[:60]!r}", path=path, place=place)
    return fit_box(parts[0], _numbers(parts[1:], path, place), size, path=path, place=place)


def _looks_like_yolo(line: str) -> bool:
    """Whether a line is a class number and shares of the image, which pixels hardly ever are."""
    kind, *numbers = line.split()
    try:
        return kind.isdecimal() and len(numbers) >= 4 and all(float(number) <= 1.5 for number in numbers)
    except ValueError:
        return False


def _read_yolo_line(line: str, size: tuple[int, int], path: Path, place: str, names: dict[int, str]) -> Box:
    kind, *texts = line.split()
    if len(texts) != 4:
        raise AnnotationError(
            f"expected class cx cy width height, found {len(texts) + 1} columns",
            path=path,
            place=place,
            remedy="Polygons and confidences are not read: export boxes alone",
        )
    if int(kind) not in names:
        raise AnnotationError(f"class {kind} has no name; {len(names)} names are known", path=path, place=place)
    cx, cy, width, height = _numbers(texts, path, place)
    left, top = (cx - width / 2) * size[0], (cy - height / 2) * size[1]
    corners = (left, top, left + width * size[0], top + height * size[1])
    return fit_box(names[int(kind)], corners, size, path=path, place=place)


def _yolo_names(folder: Path) -> dict[int, str]:
    """Class names from beside the labels, or from one of the two folders above them."""
    for place in (folder, *folder.absolute().parents[:2]):
        for path in (place / name for name in _NAME_FILES):
            if not path.is_file():
                continue
            if path.suffix == ".txt":
                return dict(enumerate(path.read_text(encoding="utf-8-sig").splitlines()))
            try:
                names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
                return dict(enumerate(names)) if isinstance(names, list) else {int(key): names[key] for key in names}
            except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
                raise AnnotationError(f"no class names can be read from it ({error})", path=path) from error
    raise AnnotationError(
        "these look like YOLO labels, and their class names are missing",
        path=folder,
        remedy="Put classes.txt beside them",
    )


def _numbers(texts: list[str], path: Path, place: str) -> tuple[float, float, float, float]:
    try:
        first, second, third, fourth = (float(text) for text in texts)
    except ValueError as error:
        raise AnnotationError(f"expected four numbers, found {' '.join(texts)!r}", path=path, place=place) from error
    return first, second, third, fourth


def _frame(source: str, size: tuple[int, int], boxes: list[Box]) -> BoxedFrame:
    return BoxedFrame(source=source, width=size[0], height=size[1], boxes=tuple(boxes))


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("."))
