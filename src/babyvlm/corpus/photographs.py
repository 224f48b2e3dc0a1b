"""Annotated photographs: a folder of images and their boxes in, ``BoxedFrame`` records out.

    one-line   folder of .txt    class left top right bottom          pixels; the image has the same stem
    yolo       folder of .txt    class-number cx cy width height      shares of the image; names: classes.txt, data.yaml
    voc        folder of .xml    PASCAL VOC, also written by labelImg
    coco       one .json         COCO instances

The format is told from the files. One-based pixels, as in VOC, fall within the tolerance of ``annotations.fit_box``.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from babyvlm.corpus.annotations import OUTSIDE_TOLERANCE_PX, DrawnBox, read_coco
from babyvlm.corpus.class_names import NAME_FILES, class_names
from babyvlm.errors import AnnotationError, InputError, MediaError
from babyvlm.records import BoxedFrame
from babyvlm.regular_files import read_regular, read_text
from babyvlm.shown_pictures import IMAGE_SUFFIXES, PictureSize, picture_size, show_picture, turn_box

_PHOTOGRAPH = "photograph: missing, damaged or ambiguous"
_RECORD = "photograph: its annotation does not parse or contradicts it"
_BOX = "box: does not parse, is empty or leaves its photograph"

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
    frames = _read_any(annotations, photos)
    photos.say_what_was_turned()
    single: dict[str, BoxedFrame] = {}
    for frame in frames:
        if frame.source in single:
            problem = f"the photograph {frame.source!r} is annotated twice; the first is used"
            photos.leave_out(_RECORD, AnnotationError(problem, path=annotations))
        else:
            single[frame.source] = frame
    return tuple(sorted(single.values(), key=lambda frame: frame.source))


def _read_any(annotations: Path, photos: _Photographs) -> list[BoxedFrame]:
    if annotations.is_file():
        return _read_coco_photos(annotations, photos)
    if files := _files(annotations, ".xml"):
        read = (_read_voc(path, annotations, photos) for path in files)
        return [frame for frame in read if frame is not None]
    if files := [path for path in _files(annotations, ".txt") if not _lists_something_else(path)]:
        return _read_text_folder(files, annotations, photos)
    if files := _files(annotations, ".json"):
        instances = [path for path in files if path.name.startswith("instances")] or files
        return [frame for path in instances for frame in _read_coco_photos(path, photos)]
    raise AnnotationError(
        "no annotations found: expected .txt or .xml files, or a COCO .json",
        path=annotations,
        remedy="Give the folder of one-line, YOLO or VOC files, or the COCO file itself",
    )


@dataclass(frozen=True, kw_only=True)
class _Photograph:
    """A photograph found: its path below the folder, and its sizes."""

    source: str
    size: PictureSize


class _Photographs:
    """The photographs of a folder, found by what annotations call them."""

    def __init__(self, folder: Path, passed: Passed | None) -> None:
        self._folder, self._passed = folder, passed
        found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        self._paths = sorted(path.relative_to(folder) for path in found)
        self._by_name: dict[str, list[Path]] = {}
        self._turned: list[str] = []
        self._turned_boxes: list[str] = []
        for path in self._paths:
            for name in {path.as_posix(), path.with_suffix("").as_posix(), path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def leave_out(self, reason: str, error: InputError) -> None:
        """Counts what is left out; raises where nothing may be."""
        if self._passed is None:
            raise error
        self._passed(reason, error)

    def look_up(self, *names: str, annotation: Path) -> _Photograph | None:
        """The photograph that the first fitting name means; None for one that is left out."""
        try:
            path = self._path(*names, annotation=annotation)
            # Only decoding shows whether the file is whole.
            opened = picture_size if self._passed is None else _decoded_size
            size = opened(self._folder / path)
        except MediaError as error:
            self.leave_out(_PHOTOGRAPH, error)
            return None
        if size.orientation != 1:
            self._turned.append(path.as_posix())
        return _Photograph(source=path.as_posix(), size=size)

    def _path(self, *names: str, annotation: Path) -> Path:
        fitting = next((paths for name in names if (paths := self._by_name.get(name))), [])
        if not fitting:
            raise MediaError(f"the photograph that {annotation} annotates is missing", path=self._folder / names[0])
        if len(fitting) > 1:
            both = " and ".join(path.as_posix() for path in fitting[:2])
            raise MediaError(f"{annotation} may annotate {both}", path=self._folder, remedy="Give each its own name")
        return fitting[0]

    def frame(
        self,
        photo: _Photograph,
        readers: Iterable[Callable[[], DrawnBox]],
        path: Path,
        *,
        said_size: tuple[int, int] | None = None,
        place: str | None = None,
    ) -> BoxedFrame | None:
        """The boxes of a photograph, laid on it as it is shown.

        Args:
            photo: The photograph.
            readers: One for each box.
            path: The annotation file, for messages.
            said_size: The size of the picture the boxes were drawn on, where the file says one.
            place: The photograph's spot in the file, for messages.
        """
        size = photo.size
        if said_size is not None and said_size not in (size.shown, size.stored):
            problem = (
                f"{photo.source} is said to be {said_size[0]}x{said_size[1]} pixels, and is "
                f"{size.shown[0]}x{size.shown[1]}"
            )
            remedy = "Boxes must be in the pixels of the image file as it is"
            self.leave_out(_RECORD, AnnotationError(problem, path=path, place=place, remedy=remedy))
            return None
        drawn = []
        for read in readers:
            try:
                drawn.append(read())
            except AnnotationError as error:
                self.leave_out(_BOX, error)
        turn = size.shown != size.stored and (said_size == size.stored if said_size else _fits_stored_only(drawn, size))
        if turn:
            self._turned_boxes.append(photo.source)
        boxes = []
        for each in drawn:
            try:
                corners = turn_box(each.corners, size) if turn else each.corners
                boxes.append(each.fitted(corners, size.shown, path))
            except AnnotationError as error:
                self.leave_out(_BOX, error)
        return BoxedFrame(source=photo.source, width=size.shown[0], height=size.shown[1], boxes=tuple(boxes))

    def say_what_was_turned(self) -> None:
        """Names the first, and the number, of photographs that are not stored as they are shown."""
        if self._turned:
            note = f"{len(self._turned)} photographs are shown upright, as their files say (EXIF); the first:"
            print(note, self._turned[0], file=sys.stderr)
        if self._turned_boxes:
            note = f"the boxes of {len(self._turned_boxes)} of them were drawn before turning and turn too; the first:"
            print(note, self._turned_boxes[0], file=sys.stderr)


def _decoded_size(path: Path) -> PictureSize:
    return show_picture(path).size


def _fits_stored_only(drawn: list[DrawnBox], size: PictureSize) -> bool:
    """Whether the boxes leave the picture as shown and fit it as stored."""

    def fit(within: tuple[int, int]) -> bool:
        width, height = (side + OUTSIDE_TOLERANCE_PX for side in within)
        return all(each.corners[2] <= width and each.corners[3] <= height for each in drawn)

    return bool(drawn) and not fit(size.shown) and fit(size.stored)


def _read_coco_photos(path: Path, photos: _Photographs) -> list[BoxedFrame]:
    coco = read_coco(path)
    for problem in coco.image_problems:
        photos.leave_out(_RECORD, problem)
    for problem in coco.box_problems:
        photos.leave_out(_BOX, problem)
    frames = []
    for place, image in coco.images:
        name = image.file_name.replace("\\", "/").split("?")[0]
        if "://" in name:
            name = name.split("://", 1)[1]
        photo = photos.look_up(*_endings(name), annotation=path)
        if photo is not None:
            said = (image.width, image.height) if image.width > 0 and image.height > 0 else None
            readers = [partial(_same, box) for box in coco.boxes[image.id]]
            frames.append(photos.frame(photo, readers, path, said_size=said, place=place))
    return [frame for frame in frames if frame is not None]


def _same(box: DrawnBox) -> DrawnBox:
    return box


def _endings(name: str) -> list[str]:
    """A path, then what is left of it without its first folder, its first two, and so on.

    >>> _endings("labels/train/a")
    ['labels/train/a', 'train/a', 'a']
    """
    parts = name.strip("/").split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _read_voc(path: Path, folder: Path, photos: _Photographs) -> BoxedFrame | None:
    try:
        root = ElementTree.fromstring(read_regular(path))
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        photos.leave_out(_RECORD, AnnotationError(f"not XML: {error}", path=path))
        return None
    if root.tag != "annotation":
        cvat = " (CVAT for images)" if root.tag == "annotations" else ""
        problem = f"not VOC: expected <annotation>, found <{root.tag}>{cvat}"
        photos.leave_out(_RECORD, AnnotationError(problem, path=path, remedy="Export as Pascal VOC or COCO"))
        return None
    own_name = path.relative_to(folder).with_suffix("").as_posix()
    names = [*_endings(own_name), root.findtext("filename", "").strip()]
    photo = photos.look_up(*names, annotation=path)
    if photo is None:
        return None
    objects = enumerate(root.findall("object"), start=1)
    readers = [partial(_voc_box, path, number, element) for number, element in objects]
    return photos.frame(photo, readers, path, said_size=_voc_size(root), place="<size>")


def _voc_size(root: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(root.findtext(f"size/{side}", "0"))) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _voc_box(path: Path, number: int, element: ElementTree.Element) -> DrawnBox:
    place = f"object {number}"
    texts = [element.findtext(f"bndbox/{edge}", "") for edge in ("xmin", "ymin", "xmax", "ymax")]
    return DrawnBox(label=element.findtext("name", ""), corners=_numbers(texts, path, place), place=place)


def _read_text_folder(files: list[Path], folder: Path, photos: _Photographs) -> list[BoxedFrame]:
    lines: dict[Path, list[str]] = {}
    for path in files:
        try:
            lines[path] = read_regular(path).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            photos.leave_out(_RECORD, AnnotationError(f"does not read as UTF-8 text ({error})", path=path))
    written = [line for found in lines.values() for line in found if line.strip()]
    read: Callable[[str, tuple[int, int], Path, str], DrawnBox] = _read_one_line
    if 2 * sum(map(_looks_like_yolo, written)) > len(written):
        names = class_names(folder)

        def read(line: str, size: tuple[int, int], path: Path, place: str) -> DrawnBox:
            return _read_yolo_line(line, size, path, place, names)

    frames = []
    for path, text in lines.items():
        own_name = path.relative_to(folder).with_suffix("").as_posix()
        beside = f"/{own_name}".replace("/labels/", "/images/").strip("/")
        photo = photos.look_up(own_name, *_endings(beside), *_endings(own_name), annotation=path)
        if photo is not None:
            numbered = [(f"line {number}", line) for number, line in enumerate(text, start=1) if line.strip()]
            readers = [partial(read, line, photo.size.shown, path, place) for place, line in numbered]
            frames.append(photos.frame(photo, readers, path))
    return [frame for frame in frames if frame is not None]


def _lists_something_else(path: Path) -> bool:
    """Whether a text file beside labels holds class names or a list of pictures."""
    if path.name in NAME_FILES or path.stem.lower().startswith("readme"):
        return True
    try:
        lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return False
    return bool(lines) and all(Path(line).suffix.lower() in IMAGE_SUFFIXES for line in lines)


def _read_one_line(line: str, _: tuple[int, int], path: Path, place: str) -> DrawnBox:
    parts = line.removesuffix(" difficult").rsplit(maxsplit=4)
    if len(parts) != 5:
        raise AnnotationError(f"expected class left top right bottom, found {line[:60]!r}", path=path, place=place)
    label, last = parts[0], parts[0].split()[-1]
    if last != label and re.fullmatch(r"[-+]?[\d.]+(e-?\d+)?", last):
        raise AnnotationError(
            f"expected class left top right bottom, found another number, {last}, before them",
            path=path,
            place=place,
            remedy="A confidence is not read: remove that column",
        )
    return DrawnBox(label=label, corners=_numbers(parts[1:], path, place), place=place)


def _looks_like_yolo(line: str) -> bool:
    """Whether a line is a class number and shares of the image, which pixels hardly ever are."""
    kind, *numbers = line.split()
    try:
        return kind.isdecimal() and len(numbers) >= 4 and all(float(number) <= 1.5 for number in numbers)
    except ValueError:
        return False


def _read_yolo_line(line: str, size: tuple[int, int], path: Path, place: str, names: dict[int, str]) -> DrawnBox:
    kind, *texts = line.split()
    if len(texts) != 4:
        raise AnnotationError(
            f"expected class cx cy width height, found {len(texts) + 1} columns",
            path=path,
            place=place,
            remedy="Polygons and confidences are not read: export boxes alone",
        )
    if not kind.isdecimal() or int(kind) not in names:
        raise AnnotationError(f"class {kind} has no name; {len(names)} names are known", path=path, place=place)
    cx, cy, width, height = _numbers(texts, path, place)
    left, top = (cx - width / 2) * size[0], (cy - height / 2) * size[1]
    corners = (left, top, left + width * size[0], top + height * size[1])
    return DrawnBox(label=names[int(kind)], corners=corners, place=place)


def _numbers(texts: list[str], path: Path, place: str) -> tuple[float, float, float, float]:
    try:
        first, second, third, fourth = (float(text) for text in texts)
    except ValueError as error:
        raise AnnotationError(f"expected four numbers, found {' '.join(texts)!r}", path=path, place=place) from error
    return first, second, third, fourth


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("."))
