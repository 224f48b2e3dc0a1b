"""What a pretraining set holds, as one digest: the same content has the same digest wherever and whenever it was made.

It covers all that training reads: recordings with their licences, utterances, conversations and every picture. The
manifest is left out, for it names versions and settings, and candidates, which no stage reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from babyvlm.errors import DataFolderError
from babyvlm.records import Record
from babyvlm.regular_files import require_regular

_TRAINED_ON = (
    "recordings.jsonl",
    "utterances.parquet",
    "image.parquet",
    "video.parquet",
    "interleaved.parquet",
    "images/*.arrow",
    "instruction/instruction.parquet",
    "instruction/images/*.arrow",
)
_DIGITS = 16


class HashedFile(Record):
    """One file of a set, as it was when it was read."""

    size: int
    """Bytes."""
    modified_ns: int
    sha256: str


class Content(Record):
    """The digest of a set, and of each of its files by name."""

    digest: str
    files: dict[str, HashedFile]


def content_of(folder: Path, known: Mapping[str, HashedFile] | None = None) -> Content:
    """Reads every file of a set once.

    Args:
        folder: The pretraining set.
        known: Files hashed earlier; those of the same size and time of change are not read again.

    Raises:
        DataFolderError: A file does not read.
    """
    known = known or {}

    def hashed(path: Path) -> HashedFile:
        require_regular(path)
        status = path.stat()
        before = known.get(path.relative_to(folder).as_posix())
        if before is not None and (before.size, before.modified_ns) == (status.st_size, status.st_mtime_ns):
            return before
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return HashedFile(size=status.st_size, modified_ns=status.st_mtime_ns, sha256=sha256)

    paths = [path for pattern in _TRAINED_ON for path in sorted(folder.glob(pattern))]
    try:
        with ThreadPoolExecutor() as pool:  # hashing leaves the interpreter to others
            files = {path.relative_to(folder).as_posix(): one for path, one in zip(paths, pool.map(hashed, paths))}  # noqa: B905
    except OSError as error:
        place = Path(error.filename) if error.filename else folder
        raise DataFolderError(f"does not read ({error.strerror})", path=place) from error
    lines = "".join(f"{one.sha256}  {name}\n" for name, one in files.items())
    return Content(digest=hashlib.sha256(lines.encode()).hexdigest()[:_DIGITS], files=files)
