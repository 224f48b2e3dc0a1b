"""Downloads from the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from babyvlm.errors import InputError

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_name(source: str) -> bool:
    """Whether a source has the form ``owner/name``."""
    return _NAME.fullmatch(source) is not None


def download_snapshot(
    name: str,
    *,
    kind: Literal["model", "dataset"],
    error: type[InputError],
    problem: str,
    patterns: Sequence[str] | None = None,
) -> Path:
    """Downloads a repository of the hub once; later calls read the cache.

    Args:
        name: Its name, ``owner/name``.
        kind: What it holds.
        error: Class of the error to raise.
        problem: The problem to name in that error.
        patterns: The files to download; all by default.

    Raises:
        InputError: It is neither in the cache nor on the hub, or the hub is not reached; of the class ``error``.
    """
    import huggingface_hub  # slow to import, and local folders do not need it
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    allowed = None if patterns is None else list(patterns)
    try:
        return Path(huggingface_hub.snapshot_download(name, repo_type=kind, allow_patterns=allowed))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as failed:
        raise error(
            f"{problem} ({type(failed).__name__}: {failed})",
            path=name,
            remedy="Check the name and the network, log in where it is gated (hf auth login), or give a local copy",
        ) from failed
