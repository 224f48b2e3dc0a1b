"""The revision of a checkpoint: a hash that changes when its files do."""

from __future__ import annotations

import hashlib
from pathlib import Path

_DECIDING = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt"}
_LEFT_OUT = {"manifest.json"}  # says how the checkpoint came to be, not what it is


def weights_revision(folder: Path) -> str:
    """A short hash over the files of a checkpoint that decide its replies."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _DECIDING and path.name not in _LEFT_OUT:
            with path.open("rb") as file:
                whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()[:16]
