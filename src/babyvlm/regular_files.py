"""Reading files that may be something else under a file's name.

A named pipe or a device keeps whoever opens it waiting, for ever where nobody writes. Whoever reads what others laid
out asks here first.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def require_regular(path: Path) -> None:
    """Makes sure that a path leads to a file.

    Raises:
        OSError: It leads nowhere, to itself, or to a folder, a pipe or a device.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, not a file", str(path))


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a socket or a device."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def read_regular(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: It does not read, or is no file.
    """
    require_regular(path)
    return path.read_bytes()
