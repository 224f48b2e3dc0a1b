"""A hub data set as a folder: ``owner/name`` is downloaded once and then read from the cache."""

from __future__ import annotations

from pathlib import Path

from babyvlm.errors import InputError
from babyvlm.hub import download_snapshot, is_hub_name


def local_folder(source: str | Path) -> Path:
    """The folder or file of a source, downloaded where it is the name of a hub data set.

    Args:
        source: A path, or ``owner/name``. What exists on disk is a path.

    Raises:
        InputError: Neither on disk nor, offline, in the cache, nor on the hub.
    """
    path = Path(source)
    if path.exists() or isinstance(source, Path) or not is_hub_name(source):
        return path
    problem = "there is no such folder, and the hub data set could not be downloaded"
    return download_snapshot(source, kind="dataset", error=InputError, problem=problem)
