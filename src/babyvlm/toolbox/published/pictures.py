"""Pictures of published records, each kept once under the hash of its content."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from babyvlm.errors import MediaError
from babyvlm.regular_files import read_regular
from babyvlm.shown_pictures import picture_format, show_picture
from babyvlm.toolbox.published.items import UnusableError

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "BMP": ".bmp"}


@dataclass(kw_only=True)
class PictureStore:
    """Pictures by content."""

    folder: Path
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    by_path: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path) -> str:
        """Keeps a file's bytes; returns the name they are kept under.

        Raises:
            UnusableError: It is no image.
        """
        if path not in self.by_path:
            try:
                content = read_regular(path)
                shown = show_picture(content)
                size, kind = shown.size.shown, picture_format(content)
            except (MediaError, OSError) as error:
                raise UnusableError("image: does not open") from error
            # DEVIATION: not the published name, whose suffix may tell the answer.
            name = hashlib.sha256(content).hexdigest()[:20] + _SUFFIXES.get(kind, ".img")
            self.by_path[path], self.sizes[name], self.formats[name] = name, size, kind
            (self.folder / name).write_bytes(content)
        return self.by_path[path]

    def add_unread(self, path: Path) -> str:
        """Keeps the bytes of a file that is no image, so that the export has them again."""
        name = hashlib.sha256(path.read_bytes()).hexdigest()[:20] + ".img"
        shutil.copyfile(path, self.folder / name)
        return name
