"""A hub data set as a folder: ``owner/name`` is downloaded once and then read from the cache."""

from __future__ import annotations

import re
from pathlib import Path

from babyvlm.errors import InputError

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def local_folder(source: str | Path) -> Path:
    """The folder or file of a source, downloaded where it is the name of a hub data set.

    Args:
        source: A path, or ``owner/name``. What exists on disk is a path.

    Raises:
        InputError: Neither on disk nor, offline, in the cache, nor on the hub.
    """
    path = Path(source)
    if path.exists() or isinstance(source, Path) or not _HUB_NAME.fullmatch(source):
        return path
    import huggingface_hub  # takes a while, and local folders need none of it
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(source, repo_type="dataset"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"there is no such folder, and the hub data set could not be had ({type(error).__name__}: {error})",
            path=str(source),
            remedy="Check the name and the network, log in where the set is gated (hf auth login), or give a copy",
        ) from error
