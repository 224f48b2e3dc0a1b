"""The names behind YOLO's class numbers, wherever an annotation tool puts them.

classes.txt, obj.names, *.names, _darknet.labels    a name per line        labelImg, CVAT, darknet, Roboflow
data.yaml, data.yml, dataset.yaml                   names: list or mapping  Ultralytics
notes.json                                          categories: id, name    Label Studio
"""

from __future__ import annotations

from pathlib import Path

import yaml

from babyvlm.errors import AnnotationError
from babyvlm.regular_files import parse_json, read_text

NAME_FILES = (
    "classes.txt",
    "predefined_classes.txt",
    "obj.names",
    "_darknet.labels",
    "data.yaml",
    "data.yml",
    "dataset.yaml",
    "notes.json",
)


def class_names(folder: Path) -> dict[int, str]:
    """Names by number, from beside the labels, or from one of the two folders above them.

    Raises:
        AnnotationError: There are none, or they do not read.
    """
    for place in (folder, *folder.absolute().parents[:2]):
        for path in (*(place / name for name in NAME_FILES), *sorted(place.glob("*.names"))):
            if not path.is_file():
                continue
            try:
                return _read(path)
            except (yaml.YAMLError, KeyError, TypeError, ValueError, OSError) as error:
                raise AnnotationError(f"no class names can be read from it ({error})", path=path) from error
    raise AnnotationError(
        "these look like YOLO labels, and their class names are missing",
        path=folder,
        remedy="Put classes.txt beside them",
    )


def _read(path: Path) -> dict[int, str]:
    text = read_text(path)
    if path.suffix == ".json":
        return {int(each["id"]): str(each["name"]) for each in parse_json(text)["categories"]}
    if path.suffix in (".yaml", ".yml"):
        names = yaml.safe_load(text)["names"]
        pairs = enumerate(names) if isinstance(names, list) else ((int(key), names[key]) for key in names)
        return {number: str(name) for number, name in pairs}
    return dict(enumerate(text.splitlines()))
