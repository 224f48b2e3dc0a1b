"""Output folders and files that are either whole or absent, and the manifest each folder carries.

with fresh_folder(out) as partial:      .out.partial/ is filled ...
    ...                                 ... and renamed to out/ once the block ends; an error leaves no out/
    Manifest(kind=..., ...).write(partial)
with whole_file(path) as file: ...      the same for one file, which may be there already and is replaced
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from babyvlm.errors import DataFolderError, OutputExistsError
from babyvlm.records import SCHEMA_VERSION, read_record

MANIFEST = "manifest.json"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk, quota or file is told by."""
_filling: set[Path] = set()
"""Folders that this process makes into outputs at the moment."""
_RECORDED_PACKAGES = ("babyvlm", "torch", "transformers", "numpy", "av", "pillow", "pyarrow", "skia-python")


class NamesExtensions(BaseModel):
    """A record that names the extensions of other packages it was made with, and has no such key where none was."""

    extensions: dict[str, str] = {}
    """Kind and name of an extension (``task odd_one_out``) and the package and version it is of."""

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves the key out where it is empty; it is the last otherwise."""
        content: dict[str, Any] = handler(self)
        named = content.pop("extensions", None)
        return content | ({"extensions": named} if named else {})


class Manifest(NamesExtensions):
    """What a folder holds and how it came to be. It holds no time of day: same seed, same bytes."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    """``corpus``, ``pretraining-set``, ``instruction-set``, ``toolbox``, ``checkpoint`` or ``report``."""
    schema_version: int = SCHEMA_VERSION
    configuration: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    """Name of an input and the hash or revision it had."""
    counts: dict[str, int] = {}
    skipped: dict[str, int] = {}
    """How many things were left out, by reason."""
    notes: list[str] = []
    packages: dict[str, str] = {}
    code_revision: str = ""

    def write(self, folder: Path) -> None:
        """Writes ``manifest.json``, filling in package versions and code revision."""
        filled = self.model_copy(update={"packages": package_versions(), "code_revision": code_revision()})
        (folder / MANIFEST).write_text(filled.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, kind: str) -> Manifest:
    """Reads a folder's manifest and insists on its kind and schema.

    Raises:
        DataFolderError: No manifest, another kind of folder, or another schema version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataFolderError(
            f"not a whole babyvlm {kind}: it has no {MANIFEST}",
            path=folder,
            remedy="Give the folder that the command wrote, or run that command again",
        )
    manifest = read_record(path, Manifest)
    if manifest.kind != kind:
        raise DataFolderError(f"this is a babyvlm {manifest.kind}, where a {kind} is needed", path=folder)
    if manifest.schema_version != SCHEMA_VERSION:
        raise DataFolderError(
            f"written with schema {manifest.schema_version}, this version reads schema {SCHEMA_VERSION}",
            path=folder,
            remedy="Write it again with this version",
        )
    return manifest


@contextlib.contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """Yields a folder to fill, which becomes ``out`` only when the block ends without an error.

    Raises:
        OutputExistsError: ``out`` already holds something; nothing is touched then.
        DataFolderError: Another process is writing the same, or there is no room.
    """
    refuse_existing(out)
    if out in _filling:  # whole or absent together with what it will be
        yield out
        return
    partial = out.parent / f".{out.name}.partial"
    with _held(partial):
        try:
            refuse_existing(out)  # another process may have finished it in the meantime
            yield partial
            if out.exists():
                out.rmdir()
            partial.rename(out)
            _sync_names(out.parent)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError) and is_no_room(error):
                raise no_room(out, error) from error
            raise


@contextlib.contextmanager
def _held(partial: Path) -> Iterator[None]:
    """Makes an empty folder that no other process takes while the block runs; a killed process keeps nobody out.

    Raises:
        DataFolderError: Another process is filling it.
    """
    partial.mkdir(parents=True, exist_ok=True)
    folder = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _written_by_another(partial) from None
        except OSError:  # a file system without locks
            pass
        if not partial.is_dir() or not os.path.samestat(os.fstat(folder), partial.stat()):
            raise _written_by_another(partial)  # it became the other process's output just now
        for left in partial.iterdir():  # what a killed process left
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        _filling.add(partial)
        yield
    finally:
        _filling.discard(partial)
        os.close(folder)


def _written_by_another(partial: Path) -> DataFolderError:
    return DataFolderError(
        "another process is writing this output",
        path=partial.parent / partial.name.removeprefix(".").removesuffix(".partial"),
        remedy="Wait for it to end, or choose another --out",
    )


def _sync_names(folder: Path) -> None:
    """Has the disk itself hold the names in a folder, so that a power cut takes no rename back."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # file systems that sync no folders
            raise
    finally:
        os.close(opened)


def remove_folder(folder: Path) -> None:
    """Removes a folder as a whole: a kill leaves all of it under its name, or nothing, and never a part."""
    gone = folder.parent / f".{folder.name}.gone"
    shutil.rmtree(gone, ignore_errors=True)  # of a removal that was killed
    if folder.exists():
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Yields a text file to write, which becomes ``path`` only when the block ends without an error.

    It is on the disk itself by then: neither a kill nor a power cut leaves half of it.

    Raises:
        DataFolderError: There is no room; what was at ``path`` before is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_names(path.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and is_no_room(error):
            raise no_room(path, error) from error
        raise


def is_no_room(error: OSError) -> bool:
    """Whether something could not be written because a disk, a quota or a file is full."""
    if isinstance(error, shutil.Error):  # a list of what could not be copied, and why, in words
        return any(f"[Errno {code}]" in str(error) for code in NO_ROOM)
    return error.errno in NO_ROOM


def no_room(path: Path, error: OSError) -> DataFolderError:
    """The error to raise when the disk is full."""
    return DataFolderError(
        f"no room left to write ({os.strerror(error.errno or errno.ENOSPC)})",
        path=path,
        remedy="Make room and run the same command again",
    )


def cache_folder(name: str) -> Path:
    """Where what can be made again is kept: below ``XDG_CACHE_HOME``, or ``.cache`` in the home folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "babyvlm" / name


def refuse_existing(out: Path) -> None:
    """Raises OutputExistsError when ``out`` is a file or a folder that is not empty."""
    if out.is_file():
        raise OutputExistsError(out, "a file")
    if out.is_dir() and (found := sorted(path.name for path in out.iterdir())):
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise OutputExistsError(out, ", ".join(found[:3]) + more)


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide what comes out."""
    versions = {"python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


@functools.cache
def code_revision() -> str:
    """The commit of the source checkout babyvlm runs from, with ``+`` when it was changed; empty when installed."""
    here = Path(__file__).resolve().parent
    try:
        describe = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
